"""A program that fuzzes one decoder of the gateways with atheris, guided by what the decoder executes.

    python decoders.py TARGET [options of libFuzzer] CORPUS

Whatever octets come: they are read, or refused as a ``FarwireError``. Anything else ends the program with the octets.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final, cast

import atheris
import structlog

import farwire.charging.service
import farwire.usage.service  # noqa: F401 - what is imported before is not instrumented: it decodes nothing
from farwire.kernel.errors import FarwireError

with atheris.instrument_imports(include=["farwire.gateway", "h2", "hpack", "hyperframe"]):
    from farwire.gateway.diameter import codec, peer
    from farwire.gateway.diameter import profiles as diameter_profiles
    from farwire.gateway.diameter.accounting.requests import read_acr
    from farwire.gateway.diameter.credit_control.requests import event_requests, read_ccr, session_request
    from farwire.gateway.diameter.spending.reports import read_slr, session_of
    from farwire.gateway.nchf import profiles as nchf_profiles
    from farwire.gateway.nchf.charging_data import requests as charging_data
    from farwire.gateway.nchf.charging_data.documents import ChargingDataRequest, read_document
    from farwire.gateway.nchf.http2.frames import HEAD, LONGEST
    from farwire.gateway.nchf.http2.messages import Request, Response
    from farwire.gateway.nchf.http2.server import Bounds, Server
    from farwire.gateway.nchf.http2.wire import Wire
    from farwire.gateway.nchf.offline import parts_of
    from farwire.gateway.nchf.problems import Problem, refusal
    from farwire.gateway.nchf.reference import Reference, read_reference
    from farwire.gateway.radius import access, accounting, proofs
    from farwire.gateway.radius import codec as radius
    from farwire.gateway.radius import profiles as radius_profiles

NOW: Final = datetime(2026, 6, 1, tzinfo=UTC)
PEER: Final = diameter_profiles.Peer("*", "acme", home_networks=("26201",))
WANTED: Final = diameter_profiles.Peer("pgw.test.realm", "acme")
NODE: Final = diameter_profiles.Node("ocs.example", "example", (PEER,))
CONSUMER: Final = nchf_profiles.Consumer("smf", "acme", addresses=("127.0.0.0/8",), home_networks=("26201",))
REFERENCE: Final = Reference(1, 2, 3, 4, 5, "data", "26202")
SECRET: Final = b"testing123"
CLIENT: Final = radius_profiles.read_profiles(
    '[[clients]]\nname = "nas"\naddresses = ["127.0.0.1"]\nsecret = "testing123"\ntenant = "acme"\n'
    'renewal = "interim"\nchanges_port = 3799\ninterim_s = 60\ncounts = "both"\n'
).clients[0]


def diameter(data: bytes) -> None:
    """As it came, and as the transport would hand it on: as a message of its length."""
    with suppress(codec.Refusal):
        codec.decode(data)
    whole = data[: len(data) & ~3]
    octets = b"\1" + len(whole).to_bytes(3, "big") + whole[4:]
    if len(octets) < codec.HEADER:
        return
    try:
        message = codec.decode(octets)
    except codec.Refusal as refused:
        codec.encode(peer.refusal(peer.us(NODE), codec.decode_header(octets), refused))
        return
    assert codec.decode(codec.encode(message)).avps == message.avps
    waiting = peer.Connection(peer.State.WAITING, "127.0.0.1", False, 0, 1)
    greeting = peer.Connection(peer.State.GREETING, "127.0.0.1", False, 0, 1, wanted=WANTED)
    opened = peer.Connection(peer.State.OPEN, "127.0.0.1", False, 0, 1, profile=PEER)
    for before in (waiting, greeting, opened):
        for action in peer.receive(NODE, before, message, 1)[1]:
            if isinstance(action, peer.Send):
                codec.encode(action.message)
    with suppress(FarwireError):
        ccr = read_ccr(message.avps, PEER)
        with suppress(FarwireError):
            session_request(ccr, 1, "EUR")
        event_requests(ccr, 1, "EUR")
    with suppress(FarwireError):
        read_acr(message.avps, PEER, NOW)
    with suppress(FarwireError):
        session_of(message.avps)
        read_slr(message.avps)


def a_radius_packet(data: bytes) -> None:
    """As it came, and as a packet whose header names its true length."""
    for octets in (data, data[:2] + len(data).to_bytes(2, "big") + data[4:]):
        try:
            packet = radius.decode(octets)
        except radius.Malformed:
            continue
        again = radius.decode(radius.encode(packet.code, 1, bytes(16), packet.attributes))
        assert again.attributes == packet.attributes
        proofs.is_genuine(packet, SECRET)
        for read in (access.ticket_of, _accounted, _asked):
            with suppress(FarwireError):
                read(packet)


def _accounted(packet: radius.Packet) -> None:
    report = accounting.read_report(packet, "127.0.0.1", NOW)
    for second in (False, True):
        first = accounting.first_meter(CLIENT, report, 1, NOW, second=second)
        meter = accounting.advance(first, report, CLIENT, NOW)
        accounting.requests_of(meter, CLIENT)
        accounting.requests_of(accounting.gone_on(meter, CLIENT, NOW), CLIENT)


def _asked(packet: radius.Packet) -> None:
    access.identities_of(packet, CLIENT)
    access.quota_requests(packet, CLIENT, 1)
    access.ticket_of(packet, access.STATE)
    access.read_password(packet, CLIENT)


def nchf(data: bytes) -> None:
    """A body, and a reference in the path."""
    try:
        read = read_document(data, ChargingDataRequest)
        for session in (None, REFERENCE):
            request = charging_data.read_request(read, CONSUMER, session)
            charging_data.event_requests(request, account=1)
            charging_data.past_requests(request, account=1)
            parts_of(read, request, REFERENCE)
    except Problem as problem:
        if refusal(problem).status != 400:
            raise
    with suppress(Problem):
        read_reference(data.decode("latin-1"), tenant=1)


class _Transport(asyncio.Transport):
    """The other end takes everything and says nothing of it."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.closed = False

    def write(self, data: object) -> None:
        pass

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        pass

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True

    abort = close


async def _echo(request: Request) -> Response:
    return Response(200, (("x-path", request.path.encode("ascii", "replace").decode()),), request.body)


async def _http2(data: bytes) -> None:
    """The first octet says in which pieces the rest arrives, behind the preface."""
    size = (data[0] if data else 0) + 1
    octets = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + data[1:]
    wire, transport = Wire(Server(_echo, Bounds(body_octets=1_024, header_octets=1_024))), _Transport()
    wire.connection_made(transport)
    for at in range(0, len(octets), size):
        wire.data_received(octets[at : at + size])
        await asyncio.sleep(0)
    _, _, block = wire.http._headers or (0, 0, b"")
    assert len(wire.http._rest) < HEAD.size + LONGEST
    assert len(block) <= wire._bounds.header_octets
    wire.tick()
    wire.leave()
    transport.closed = True
    wire.connection_lost(None)
    await asyncio.sleep(0)


LOOP: Final = asyncio.new_event_loop()
TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    "diameter": diameter,
    "radius": a_radius_packet,
    "nchf": nchf,
    "http2": lambda data: LOOP.run_until_complete(_http2(data)),
}


if __name__ == "__main__":
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50))
    atheris.Setup([sys.argv[0], *sys.argv[2:]], cast("Callable[[bytes], None]", TARGETS[sys.argv[1]]))
    atheris.Fuzz()
