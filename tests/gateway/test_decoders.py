"""Every decoder of the gateways, fuzzed by atheris for a bounded time, from messages that are well formed."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
from h2.connection import H2Connection

from farwire.gateway.diameter.codec import Avps, Header, Message, encode
from farwire.gateway.radius.access import Ticket
from farwire.gateway.radius.dictionary import Code, Status
from farwire.gateway.radius.proofs import access_octets, hidden, request_octets
from tests.gateway import captures
from tests.gateway.nchf.test_fuzz import FULL
from tests.gateway.nchf.test_http2 import HEADERS
from tests.gateway.radius import captures as datagrams
from tests.gateway.radius.world import SECRET, pair
from tests.gateway.test_accounting import acr, container
from tests.gateway.test_manners import framed, of_open5gs
from tests.gateway.test_spending import slr
from tests.gateway.world import CER, RESULT, ccr, group

PROGRAM = Path(__file__).with_name("decoders.py")
FUZZED_S = 20
MOST_OCTETS = 4_096


def diameter() -> list[bytes]:
    def written(command: int, application: int, avps: Avps) -> bytes:
        return encode(Message(Header(0xC0, command, application, 1, 1), avps))

    return [
        written(257, 0, CER), encode(Message(Header(0, 257, 0, 1, 1), {RESULT: [2001], **CER})),
        written(280, 0, CER), written(282, 0, CER),
        written(272, 4, ccr(1, 0, group(1, requested=0), group(2, requested=5))),
        written(272, 4, ccr(3, 2, group(1, used=5))),
        written(271, 3, acr(4, 1, "data", container(1, 10), container(2, 5))), written(271, 3, acr(2, 0, "voice")),
        written(8_388_635, 16_777_302, slr(0, "state", "spend-cycle")),
        framed(Header(0xC0, 272, 4, 1, 1), of_open5gs(2, 1, 5)),
    ]  # fmt: skip


def radius() -> list[bytes]:
    nonce = bytes(range(16))
    password = hidden(b"fjord-otter", SECRET, nonce)
    asked = [pair("User-Name", "491511"), (2, password), pair("NAS-Port", 3), pair("Acct-Session-Id", "a")]
    counted = [*asked, pair("Acct-Status-Type", int(Status.STOP)), pair("Acct-Session-Time", 9)]
    ticket = Ticket(1, 2, 3, 4, restricted=False, beside=5).octets()
    counted.append(pair("Class", ticket))
    return [
        access_octets(Code.ACCESS_REQUEST, 1, nonce, asked, SECRET),
        access_octets(Code.ACCESS_REQUEST, 2, nonce, [*asked, pair("State", ticket)], SECRET),
        request_octets(Code.ACCOUNTING_REQUEST, 1, counted, SECRET),
    ]


def nchf() -> list[bytes]:
    return [json.dumps(FULL).encode(), b"{}"]


def http2() -> list[bytes]:
    client = H2Connection()
    client.initiate_connection()
    client.send_headers(1, HEADERS)
    client.send_data(1, b"{}", end_stream=True)
    client.ping(b"farwire!")
    client.send_headers(3, HEADERS, end_stream=True)
    client.reset_stream(3)
    octets = client.data_to_send()[24:]
    return [bytes((size,)) + octets for size in (0, 7, 255)]


SEEDS = {"diameter": diameter, "radius": radius, "nchf": nchf, "http2": http2}


def captured(target: str, folder: Path) -> list[bytes]:
    """Return what others have said on the wire."""
    if target == "diameter":
        paths = [*(folder / "pcap").glob("*_ccr_*.pcap"), folder / "cdr" / "pcap" / "ndpi-diameter.pcap"]
        return [one for path in paths for one in captures.messages(path)]
    if target == "radius":
        return [
            one
            for path in (folder / "cdr" / "pcap").glob("*[Rr]adius*.pcap")
            for one in datagrams.packets(path)
        ]
    return []


@pytest.mark.full
@pytest.mark.shared
@pytest.mark.parametrize("target", sorted(SEEDS))
def test_whatever_octets_come_are_read_or_refused(target: str, tmp_path: Path, shared_data: Path) -> None:
    if find_spec("atheris") is None:
        pytest.skip("atheris is not installed: make test-full does it where it has a wheel")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for place, octets in enumerate([*SEEDS[target](), *captured(target, shared_data)]):
        (corpus / f"{place}").write_bytes(octets)
    words = (
        f"-max_total_time={FUZZED_S}",
        f"-max_len={MOST_OCTETS}",
        "-rss_limit_mb=1024",
        "-timeout=60",
        "-seed=1",
    )
    done = subprocess.run(
        [sys.executable, str(PROGRAM), target, *words, f"-artifact_prefix={tmp_path}/", str(corpus)],
        capture_output=True, text=True, check=False, cwd=tmp_path, errors="replace",
    )  # fmt: skip
    assert done.returncode == 0, f"{done.stdout[-4_000:]}\n{done.stderr[-6_000:]}"
    assert "Done " in done.stderr
    print(f"{target}: {done.stderr[done.stderr.rindex('Done ') :].strip()}")  # noqa: T201
