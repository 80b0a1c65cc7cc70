"""``python -m benchmarks.bench_diameter``: a CCR read and its CCA written, by Farwire's codec and by python-diameter.

Both read every AVP into its type, and write the answer from typed values. CPU of one core, the best of some rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from diameter.message import Message as Theirs

from farwire.gateway.diameter.codec import Avps, Header, Message, decode, encode
from farwire.gateway.diameter.dictionary import key_of

ROUNDS = 15
GOAL_PER_S = 20_000
_SESSION = "pgw.load.example;123456789012345;12345"


def _named(**values: object) -> Avps:
    """Return AVPs by their names with underscores."""
    return {key_of(name.replace("_", "-")): [value] for name, value in values.items()}  # type: ignore[dict-item,misc]


def ccr() -> bytes:
    """Return an update of a packet gateway as octets."""
    units = _named(CC_Total_Octets=1_000_000)
    packets = {
        key_of("3GPP-Charging-Id"): [b"\0\0\0\7"], key_of("3GPP-SGSN-Address"): [bytes(4)],
        key_of("3GPP-GGSN-Address"): [bytes(4)], key_of("Called-Station-Id"): ["internet"],
        key_of("3GPP-SGSN-MCC-MNC"): ["26201"], key_of("3GPP-RAT-Type"): [b"\6"],
        key_of("3GPP-User-Location-Info"): [bytes(8)],
    }  # fmt: skip
    avps = _named(
        Session_Id=_SESSION, Origin_Host="pgw.load.example", Origin_Realm="load.example",
        Destination_Realm="load.example", Auth_Application_Id=4, Service_Context_Id="8.32251@3gpp.org",
        CC_Request_Type=2, CC_Request_Number=3,
        Subscription_Id=_named(Subscription_Id_Type=0, Subscription_Id_Data="4915000000123"),
        Multiple_Services_Indicator=1,
        Multiple_Services_Credit_Control=_named(
            Requested_Service_Unit=units, Used_Service_Unit=units, Rating_Group=1
        ),
        Service_Information=_named(PS_Information=packets),
    )  # fmt: skip
    return encode(Message(Header(0xC0, 272, 4, 1, 1), avps))


def cca() -> Message:
    """Return the answer."""
    service = _named(
        Rating_Group=1, Granted_Service_Unit=_named(CC_Total_Octets=1_000_000), Validity_Time=3_599,
        Volume_Quota_Threshold=200_000, Result_Code=2001,
    )  # fmt: skip
    avps = _named(
        Session_Id=_SESSION, Result_Code=2001, Origin_Host="ocs.load.example", Origin_Realm="load.example",
        Auth_Application_Id=4, CC_Request_Type=2, CC_Request_Number=3, Multiple_Services_Credit_Control=service,
    )  # fmt: skip
    return Message(Header(0x40, 272, 4, 1, 1), avps)


def cost_us(work: Callable[[], object], times: int) -> float:
    """Return the µs of CPU that ``work`` takes at best."""
    found = []
    for _ in range(ROUNDS):
        before = time.process_time()
        for _ in range(times):
            work()
        found.append((time.process_time() - before) / times)
    return 1e6 * min(found)


def main() -> None:
    """Print the figures."""
    request, answer = ccr(), cca()
    theirs = Theirs.from_bytes(encode(answer))
    rows = (
        ("farwire", cost_us(lambda: decode(request), 1_000), cost_us(lambda: encode(answer), 1_000)),
        ("python-diameter", cost_us(lambda: Theirs.from_bytes(request), 50), cost_us(theirs.as_bytes, 50)),
    )
    print(f"a CCR of {len(request)} octets, and its CCA of {len(encode(answer))}")
    for name, read, written in rows:
        both = read + written
        print(
            f"{name:<18} read {read:>8.1f} µs  written {written:>7.1f} µs  both {1e6 / both:>8,.0f}/s on one core"
        )
    _, read, written = rows[0]
    met = "met   " if 1e6 / (read + written) >= GOAL_PER_S else "MISSED"
    print(f"{met} goal of {GOAL_PER_S:,} requests/s read and answered")


if __name__ == "__main__":
    main()
