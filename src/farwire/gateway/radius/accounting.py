"""What an Accounting-Request says, and how far its session has been charged. Pure.

A NAS reports sums since the start of a session, and charging wants what is new. A ``Meter`` stands between them: what
was reported last, and the last request that was made of it. A report that says nothing new is a repeat, whatever its
Identifier. Source: RFC 2866 §4.1, §5; RFC 2869 §5.1, §5.3.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final, TypeAlias

import msgspec

from farwire.charging.model import DEFAULT, NOTHING, Ask, FinalAction, Phase, SessionRequest
from farwire.charging.service import request_key
from farwire.gateway.radius.access import (
    GROUP,
    GROUP_BESIDE,
    SERVICES,
    Ticket,
    Verdict,
    beside,
    is_told,
    ticket_of,
)
from farwire.gateway.radius.codec import Packet
from farwire.gateway.radius.dictionary import Code, Status, key_of
from farwire.gateway.radius.profiles import Client, Measure
from farwire.kernel.errors import Invalid

_STATUS: Final = key_of("Acct-Status-Type")
_SESSION: Final = key_of("Acct-Session-Id")
_TIME: Final = key_of("Acct-Session-Time")
_DELAY: Final = key_of("Acct-Delay-Time")
_STAMP: Final = key_of("Event-Timestamp")
_OCTETS: Final = ((key_of("Acct-Input-Octets"), key_of("Acct-Input-Gigawords")),
                  (key_of("Acct-Output-Octets"), key_of("Acct-Output-Gigawords")))  # fmt: skip
_NAS: Final = (key_of("NAS-Identifier"), key_of("NAS-IP-Address"), key_of("NAS-IPv6-Address"))
_GIGAWORD: Final = 1 << 32
_MOST: Final = 1 << 61
"""Octets in one direction: no session has so many, and both directions fit in what charging counts."""
_STEP: Final = 2
"""Request numbers are even; the odd one before is that of the beginning, where charging does not know the session."""
ANEW: Final = timedelta(seconds=60)
"""A Start that is so much later than the end of its session is the start of another one with the same name."""
_FUTURE: Final = timedelta(minutes=5)


class Report(msgspec.Struct, frozen=True):
    """An Accounting-Request, read."""

    status: Status
    nas: str
    session: str
    at: datetime
    """When it happened."""
    input: int
    output: int
    wraps: bool
    """Whether its octets begin anew at 2^32: the NAS has no Gigawords."""
    seconds: int
    ticket: Ticket | None


def read_report(packet: Packet, address: str, now: datetime) -> Report:
    """Return what an Accounting-Request from ``address`` says. Raises ``Invalid`` (``radius.accounting``)."""
    status, session = packet.number(_STATUS), packet.text(_SESSION)
    if packet.code != Code.ACCOUNTING_REQUEST or status not in set(Status):
        raise _unclear("no Acct-Status-Type that is known")
    if status not in (Status.ON, Status.OFF) and not session:
        raise _unclear("no Acct-Session-Id")
    nas = next((value.hex() for key in _NAS if (value := packet.first(key))), address)
    (low_in, high_in), (low_out, high_out) = (
        (packet.number(low) or 0, packet.number(high)) for low, high in _OCTETS
    )
    return Report(
        Status(status), nas, session, _at(packet, now),
        min((high_in or 0) * _GIGAWORD + low_in, _MOST), min((high_out or 0) * _GIGAWORD + low_out, _MOST),
        high_in is None and high_out is None, packet.number(_TIME) or 0, ticket_of(packet),
    )  # fmt: skip


def _unclear(why: str) -> Invalid:
    return Invalid(f"an Accounting-Request has {why}", code="radius.accounting")


def _at(packet: Packet, now: datetime) -> datetime:
    """Return when it happened: as the NAS says, else before now by the delay; never later than now."""
    stamp = packet.number(_STAMP)
    if stamp is not None:
        said = datetime.fromtimestamp(stamp, UTC)
        if now - timedelta(days=400) < said < now + _FUTURE:
            return min(said, now)
    return now - timedelta(seconds=min(packet.number(_DELAY) or 0, 86_400 * 30))


def key_of_session(client: Client, report: Report, account: int) -> tuple[int, int]:
    """Return the key of a session, which is that of its first meter."""
    return request_key(f"radius\0{client.name}\0{report.nas}\0{report.session}\0{account}")


# ---- the meter


class Meter(msgspec.Struct, frozen=True):
    """How far a session has been charged. The request that was made last is ``number``, which reports ``used``."""

    key_hi: int
    key_lo: int
    client: str
    nas: str
    account: int
    charge_hi: int
    charge_lo: int
    generation: int
    number: int
    ending: bool
    used: int
    settled: bool
    input: int
    output: int
    seconds: int
    most: int
    restricted: bool
    opened_at: datetime
    seen_at: datetime
    ended_at: datetime | None
    beside: bool
    """Whether it is the second one of its session."""

    @property
    def key(self) -> tuple[int, int]:
        """Return what it is found by."""
        return self.key_hi, self.key_lo

    def measure(self, client: Client) -> Measure:
        """Return what it counts."""
        return client.measures[-1] if self.beside else client.measures[0]

    def units(self, client: Client) -> int:
        """Return all that was reported, in what it counts."""
        return self.seconds if self.measure(client) == "time" else self.input + self.output

    def left(self, client: Client) -> int:
        """Return what is left of the limit that the NAS was told."""
        return self.most - self.units(client)


def keys_of(client: Client, key: tuple[int, int]) -> list[tuple[int, int]]:
    """Return the keys of the meters of a session."""
    return [key, beside(key)][: len(client.measures)]


def first_meter(
    client: Client, report: Report, account: int, now: datetime, *, generation: int = 0, own: bool = False,
    second: bool = False,
) -> Meter:  # fmt: skip
    """Return the meter of a session that is heard of for the first time; ``second``: the one beside it.

    It goes on with what its ticket holds; ``own``: another session of the same ticket does already.
    """
    key, ticket = key_of_session(client, report, account), report.ticket
    key = beside(key) if second else key
    charge, most = _charge_key(key, generation), 0
    if ticket is not None:
        most = ticket.beside if second else ticket.most
        charge = charge if own else charge_of(ticket, second=second)
    return Meter(
        *(*key, client.name, report.nas, account, *charge, generation, 0, False, 0, True, 0, 0, 0, most),
        *(ticket is not None and ticket.restricted, min(report.at, now), now, None, second),
    )


def charge_of(ticket: Ticket, *, second: bool) -> tuple[int, int]:
    """Return charging's session that holds the quota of a ticket."""
    charge = ticket.charge_hi, ticket.charge_lo
    return beside(charge) if second else charge


def is_another(meter: Meter, report: Report) -> bool:
    """Tell whether a Start is that of a new session, whose name an ended one had before."""
    return report.status == Status.START and meter.ended_at is not None and report.at > meter.ended_at + ANEW


def _charge_key(key: tuple[int, int], generation: int) -> tuple[int, int]:
    return request_key(f"radius\0{key}\0{generation}")


def next_session(meter: Meter, client: Client, report: Report, now: datetime) -> Meter:
    """Return the meter of a new session that has the name of an ended one: it begins at nothing."""
    return first_meter(
        client, report, meter.account, now, generation=meter.generation + 1, own=True, second=meter.beside
    )


def advance(meter: Meter, report: Report, client: Client, now: datetime) -> Meter:
    """Return the meter after a report; the same one where it says nothing new. The last request must be settled.

    A session that has ended, here or at its NAS, and has used more all the same, is charged that in another one.
    """
    if meter.ended_at is not None:
        more = msgspec.structs.replace(meter, **_sums(meter, report))
        if more.units(client) <= meter.units(client):
            return meter
        meter = _reopened(meter)
    ending = report.status in (Status.STOP, Status.ON, Status.OFF)
    read = _sums(meter, report)
    later = msgspec.structs.replace(meter, **read)
    if later == meter and not ending and meter.number:
        return meter
    used = later.units(client) - meter.units(client)
    return msgspec.structs.replace(
        later, number=meter.number + _STEP, ending=ending, used=0 if meter.restricted else used, settled=False,
        seen_at=now, ended_at=max(report.at, meter.opened_at) if ending else None,
    )  # fmt: skip


def _reopened(meter: Meter) -> Meter:
    generation = meter.generation + 1
    high, low = _charge_key((meter.key_hi, meter.key_lo), generation)
    return msgspec.structs.replace(
        meter, generation=generation, charge_hi=high, charge_lo=low, number=0, ended_at=None
    )


def asked_again(meter: Meter, now: datetime, *, ending: bool = False) -> Meter:
    """Return the meter with a request that reports nothing: is there something to use now? Or: it has ended."""
    return msgspec.structs.replace(
        meter, number=meter.number + _STEP, ending=ending, used=0, settled=False, seen_at=now,
        ended_at=now if ending else None,
    )  # fmt: skip


def _sums(meter: Meter, report: Report) -> dict[str, int]:
    """Return the counters after a report: they never fall, and one that began anew at 2^32 goes on."""
    if report.status in (Status.ON, Status.OFF):
        return {}
    found = {"seconds": max(meter.seconds, report.seconds)}
    for name, value in (("input", report.input), ("output", report.output)):
        before: int = getattr(meter, name)
        sum_ = value
        if report.wraps and report.seconds > meter.seconds:
            sum_ += before // _GIGAWORD * _GIGAWORD
            sum_ += _GIGAWORD if sum_ < before else 0
        found[name] = max(before, sum_)
    return found


# ---- what charging is asked


def requests_of(meter: Meter, client: Client) -> tuple[SessionRequest, SessionRequest]:
    """Return the last request of a meter, and the beginning that goes before it where charging has no such session."""
    service, group = SERVICES[meter.measure(client)], GROUP_BESIDE if meter.beside else GROUP
    phase = Phase.TERMINATION if meter.ending else Phase.UPDATE
    head = (meter.account, meter.charge_hi, meter.charge_lo)
    wanted = NOTHING if meter.ending else _wanted(meter, client)
    return (
        SessionRequest(*head, meter.number, phase, service, (Ask(group, meter.used, wanted),)),
        SessionRequest(*head, meter.number - 1, Phase.INITIAL, service, (Ask(group, 0, NOTHING),)),
    )


def _wanted(meter: Meter, client: Client) -> int:
    """Return what is to be held: as much as the plan gives, or what is left of the limit that the NAS was told."""
    if client.renewal != "login" or not meter.most or meter.restricted:
        return DEFAULT
    left = meter.left(client)
    return left if left > 0 else NOTHING


# ---- what its NAS is told


Reading: TypeAlias = "tuple[Meter, Verdict]"
"""A meter, and what charging says of it."""


def limits_of(client: Client, readings: Sequence[Reading]) -> list[int]:
    """Return what each meter of a session may come to, where its NAS is told or has been told a limit; else 0."""
    return [
        meter.units(client) + verdict.granted if meter.most or is_told(client, verdict) else 0
        for meter, verdict in readings
    ]


def is_worth_telling(client: Client, meter: Meter, verdict: Verdict) -> bool:
    """Tell whether a limit is moved: it is half used, or the quota is the last one, which has to be right."""
    left, granted = meter.left(client), verdict.granted
    last = verdict.final != FinalAction.NONE
    return bool(meter.most) and granted != left and (last or granted >= 2 * left)


# ---- a session whose time is over, and which asks for more


def gone_on(meter: Meter, client: Client, now: datetime) -> Meter:
    """Return the meter of a session that asks for more before it reports: it has used the time that it was told.

    No more than has passed since it began, should its NAS ask early. That limit is over.
    """
    again = asked_again(meter, now)
    if meter.measure(client) != "time":
        return again
    passed = int((now - meter.opened_at).total_seconds())
    seconds = max(meter.seconds, min(meter.most, passed))
    used = 0 if meter.restricted else seconds - meter.seconds
    return msgspec.structs.replace(again, seconds=seconds, used=used, most=0)
