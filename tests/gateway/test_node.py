"""The transport of Diameter on real sockets: back-pressure, limits, slow and hostile peers, the end."""

from __future__ import annotations

import asyncio
import ssl
import subprocess
from pathlib import Path

import msgspec
import pytest

from farwire.gateway.diameter import wire as wire_module
from farwire.gateway.diameter.answering import Self, answer
from farwire.gateway.diameter.codec import Message, Refusal
from farwire.gateway.diameter.dictionary import Result, key_of
from farwire.gateway.diameter.node import Server
from farwire.gateway.diameter.peer import Connection, Question, State
from farwire.gateway.diameter.profiles import Node, Peer
from tests.gateway.world import (
    CER,
    NUMBER,
    RESULT,
    SESSION,
    TYPE,
    WRITERS,
    Wire,
    a_node,
    ccr,
    connect,
    serving,
)

US = Self("ocs.example", "example")


class Desk:
    """An application that answers when it is let."""

    def __init__(self) -> None:
        self.came: list[Message] = []
        self.free = asyncio.Event()
        self.free.set()

    async def __call__(self, connection: Connection, message: Message) -> Message:
        self.came.append(message)
        await self.free.wait()
        number = message.avps[NUMBER][0]
        if number == 666:
            raise ZeroDivisionError
        if number == 667:
            raise Refusal(Result.MISSING_AVP, "it is not there", failed=b"\0\0\1\xa0@\0\0\x0c\0\0\0\0")
        return answer(US, message, 2001, {TYPE: message.avps[TYPE], NUMBER: message.avps[NUMBER]})


async def until(found: object) -> None:
    async with asyncio.timeout(60):
        while not found():  # type: ignore[operator]  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_requests_of_several_peers_are_answered_each_on_its_connection() -> None:
    async with serving(a_node(), Desk()) as server:
        wires = [await connect(server) for _ in range(3)]
        for place, wire in enumerate(wires):
            for number in range(20):
                wire.send(272, ccr(2, number, session=f"s;{place}"))
        for place, wire in enumerate(wires):
            found = [await wire.receive() for _ in range(20)]
            assert {one.avps[SESSION][0] for one in found} == {f"s;{place}"}
            assert sorted(one.avps[NUMBER][0] for one in found) == list(range(20))
            assert all(one.header.hop_by_hop == one.header.end_to_end for one in found)


async def test_a_defect_in_one_request_ends_no_connection() -> None:
    async with serving(a_node(), Desk()) as server:
        wire = await connect(server)
        assert (await wire.ask(ccr(1, 666))).avps[RESULT] == [Result.UNABLE_TO_COMPLY]
        refused = await wire.ask(ccr(1, 667))
        assert refused.avps[RESULT] == [Result.MISSING_AVP]
        assert refused.avps[key_of("Failed-AVP")] == [b"\0\0\1\xa0@\0\0\x0c\0\0\0\0"]
        assert (await wire.ask(ccr(1, 1))).avps[RESULT] == [2001]


async def test_no_more_is_read_than_may_wait() -> None:
    desk = Desk()
    desk.free.clear()
    node = Node(
        "ocs.example", "example", (Peer("*", "acme", addresses=("::1/128",), pending=3),), ("[::1]:0",)
    )
    async with serving(node, desk) as server:
        wire = await connect(server)
        for number in range(50):
            wire.send(272, ccr(2, number))
        await until(lambda: len(desk.came) == 3)
        await asyncio.sleep(0.05)
        assert len(desk.came) == 3
        desk.free.set()
        assert [(await wire.receive()).avps[NUMBER][0] for _ in range(50)] == list(range(50))


async def test_a_peer_that_does_not_read_its_answers_is_not_read() -> None:
    desk, numbers = Desk(), range(1_000, 5_000)
    async with serving(a_node(), desk) as server:
        wire = await connect(server)
        wire.reader._transport.pause_reading()  # type: ignore[attr-defined]
        for one in numbers:
            wire.send(272, ccr(2, one, session="s" * 2_000))
        came = -1
        while len(desk.came) > came or not came:
            came = len(desk.came)
            await asyncio.sleep(0.3)
        (there,) = server.wires
        assert there._transport is not None
        assert 0 < came < len(numbers)
        assert there._transport.get_write_buffer_size() < 1 << 21
        wire.reader._transport.resume_reading()  # type: ignore[attr-defined]
        assert [(await wire.receive()).avps[NUMBER][0] for _ in numbers] == list(numbers)


async def test_a_peer_that_never_reads_its_answers_is_left_like_one_that_is_silent() -> None:
    desk = Desk()
    async with serving(a_node(), desk) as server:
        wire = await connect(server)
        wire.reader._transport.pause_reading()  # type: ignore[attr-defined]
        (there,) = server.wires
        for one in range(3_000):
            wire.send(272, ccr(2, one, session="s" * 2_000))
        await until(lambda: there._choked)
        there.tick()
        assert there in server.wires
        there._choked_at -= 2 * server.node.watchdog_s * 1_000 + 1
        there.tick()
        there._ends_at = 0
        there.tick()
        await until(lambda: not server.wires)


@pytest.mark.parametrize(
    "octets",
    [b"GET / HTTP/1.1\r\n\r\n", b"\1\xff\xff\xff", b"\1\0\0\x10" + bytes(12), b"\1\0\0\x15" + bytes(17)],
)
async def test_what_is_no_diameter_is_hung_up_on(octets: bytes) -> None:
    async with serving(a_node(), Desk()) as server:
        for greet in (False, True):
            wire = await connect(server, greet=greet)
            wire.writer.write(octets)
            assert await wire.ended() == b""


async def test_a_slow_loris_and_a_silent_client_are_hung_up_on() -> None:
    async with serving(a_node(greeting_s=2), Desk()) as server:
        silent, slow, good = await connect(server, greet=False), await connect(server), await connect(server)
        slow.writer.write(b"\1\0")
        assert await silent.ended() == b""
        assert await slow.ended() == b""
        assert (await good.ask(ccr(1, 1))).avps[RESULT] == [2001]


async def test_a_message_in_many_pieces_and_many_messages_in_one_piece_are_read() -> None:
    async with serving(a_node(), Desk()) as server:
        wire = await connect(server)
        pieces = Wire(wire.reader, Written())  # type: ignore[arg-type]
        octets = pieces.send(272, ccr(1, 1)) + pieces.send(272, ccr(2, 2))
        for place in range(len(octets)):
            wire.writer.write(octets[place : place + 1])
            await asyncio.sleep(0)
        assert [(await wire.receive()).avps[NUMBER][0] for _ in range(2)] == [1, 2]


class Written:
    def write(self, octets: bytes) -> None:
        """Take them."""


async def test_a_request_that_cannot_be_read_is_answered_with_what_could_be() -> None:
    async with serving(a_node(), Desk()) as server:
        wire = await connect(server)
        octets = bytearray(Wire(wire.reader, Written()).send(272, ccr(1, 1)))  # type: ignore[arg-type]
        octets[-25] = 200
        wire.writer.write(octets)
        refused = await wire.receive()
        assert refused.avps[RESULT] == [Result.INVALID_AVP_LENGTH]
        assert refused.avps[SESSION] == ["pgw.test.realm;1;1"]


async def test_connections_are_counted_in_all_and_for_each_peer() -> None:
    async with serving(a_node(connections=3), Desk()) as server:
        kept = [await connect(server) for _ in range(3)]
        assert await (await connect(server, greet=False)).ended() == b""
        assert (await kept[0].ask(ccr(1, 1))).avps[RESULT] == [2001]
    peer = Peer("*.test.realm", "acme", addresses=("127.0.0.1",), connections=1)
    node = Node("ocs.example", "example", (peer,), ("127.0.0.1:0",))
    async with serving(node, Desk()) as server:
        first = await connect(server)
        for _ in range(2):
            assert await (await connect(server)).ended() == b""
        assert (await first.ask(ccr(1, 1))).avps[RESULT] == [2001]


async def test_an_address_of_no_profile_has_no_connection() -> None:
    peers = (
        Peer("*.test.realm", "acme", addresses=("10.0.0.0/8",)),
        Peer("*.test.realm", "acme", addresses=("127.0.0.1",), tls=True),
    )
    async with serving(
        Node("ocs.example", "example", peers, ("127.0.0.1:0",), greeting_s=3_600), Desk()
    ) as server:
        assert await (await connect(server, greet=False)).ended() == b""


async def test_the_end_is_told_and_what_is_in_is_answered() -> None:
    desk = Desk()
    desk.free.clear()
    server = Server(a_node(), desk)
    await server.start()
    wire = await connect(server)
    wire.send(272, ccr(1, 1))
    await until(lambda: desk.came)
    end = asyncio.create_task(server.drain())
    dpr = await wire.receive()
    assert (dpr.header.command, dpr.avps[key_of("Disconnect-Cause")]) == (282, [0])
    wire.send(282, {**CER, RESULT: [2001]}, flags=0, application=0, number=dpr.header.hop_by_hop)
    await asyncio.sleep(0.05)
    desk.free.set()
    assert (await wire.receive()).avps[NUMBER] == [1]
    assert await wire.ended() == b""
    await end
    with pytest.raises(OSError, match=r"refused|failed"):
        await connect(server)


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    """A private key, and its certificate for ocs.example and two peers."""
    key, certificate = tmp_path / "key.pem", tmp_path / "cert.pem"
    subprocess.run(
        ["openssl", "req", "-new", "-x509", "-nodes", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-keyout", str(key), "-out", str(certificate), "-days", "2", "-subj", "/CN=ocs.example",
         "-addext", "subjectAltName=DNS:ocs.example,DNS:PGW.test.realm,DNS:a.test.realm"],
        check=True, capture_output=True,
    )  # fmt: skip
    return key, certificate


async def test_tls_is_spoken_from_the_first_octet_and_asks_for_a_certificate(pair: tuple[Path, Path]) -> None:
    key, certificate = pair
    node = Node(
        "ocs.example", "example", (Peer("*.test.realm", "acme", tls=True),), (), ("127.0.0.1:0",),
        str(certificate), str(key), str(certificate),
    )  # fmt: skip
    context = ssl.create_default_context(cafile=str(certificate))
    async with serving(node, Desk()) as server:
        address = server.addresses[0][:2]
        refused = Wire(*await asyncio.open_connection(*address, ssl=context, server_hostname="ocs.example"))
        WRITERS.append(refused.writer)
        with pytest.raises((ssl.SSLError, ConnectionError, asyncio.IncompleteReadError)):
            await refused.greet()
        context.load_cert_chain(certificate, key)
        other = Wire(*await asyncio.open_connection(*address, ssl=context, server_hostname="ocs.example"))
        WRITERS.append(other.writer)
        assert (await other.greet(Origin_Host=["mme.test.realm"])).avps[RESULT] == [Result.UNKNOWN_PEER]
        wire = Wire(*await asyncio.open_connection(*address, ssl=context, server_hostname="ocs.example"))
        assert (await wire.greet()).avps[RESULT] == [2001]
        assert (await wire.ask(ccr(1, 1))).avps[RESULT] == [2001]
        WRITERS.append(wire.writer)


async def test_a_half_open_connection_ends_with_its_watchdogs_and_a_half_closed_one_at_once() -> None:
    async with serving(a_node(), Desk()) as server:
        gone = await connect(server)
        (there,) = server.wires
        for _ in range(3):  # asked, suspect, left
            there.connection = msgspec.structs.replace(there.connection, due_at=0)  # type: ignore[arg-type]
            there.tick()
        assert (await gone.receive()).header.command == 280
        assert await gone.ended() == b""
        closed = await connect(server)
        closed.writer.write_eof()
        assert await closed.ended() == b""
        await until(lambda: not server.wires)


async def test_ipv6_is_spoken_and_told() -> None:
    async with serving(a_node(listen=("[::1]:0",)), Desk()) as server:
        wire = await connect(server, greet=False)
        cea = await wire.greet(Host_IP_Address=[b"\0\2" + bytes(15) + b"\1"])
        assert cea.avps[key_of("Host-IP-Address")] == [b"\0\2" + bytes(15) + b"\1"]
        assert (await wire.ask(ccr(1, 1))).avps[RESULT] == [2001]


async def test_a_question_whose_connection_is_lost_waits_for_no_answer_that_cannot_come() -> None:
    async with serving(a_node(), Desk()) as server:
        client = await connect(server)
        (wire,) = server.wires
        asked = asyncio.create_task(wire.ask(Question("pgw;1", 4, 258, {}, 7), 3_600_000))
        assert (await client.receive()).header.command == 258
        client.writer.transport.abort()
        async with asyncio.timeout(60):
            assert await asked is None


async def test_who_answers_no_watchdog_is_asked_only_where_nobody_else_is() -> None:
    async with serving(a_node(), Desk()) as server:
        for greeting in ({}, {"Origin_Host": ["fd.test.realm"], "Auth_Application_Id": [0xFFFFFFFF]}):
            await (await connect(server, greet=False)).greet(**greeting)
        direct, relay = sorted(server.wires, key=lambda one: one.connection.host, reverse=True)  # type: ignore[union-attr]
        hosts = ["pgw.test.realm"]
        assert server.way_to("acme", hosts) is None, "another tenant's"
        assert server.way_to("nordlicht", hosts) is direct
        for suspect, way in (((direct,), relay), ((direct, relay), direct), ((relay,), direct)):
            for wire in server.wires:
                state = State.SUSPECT if wire in suspect else State.OPEN
                wire.connection = msgspec.structs.replace(wire.connection, state=state)  # type: ignore[arg-type]
            assert server.way_to("nordlicht", hosts) is way
        other = await connect(server)
        (there,) = server.wires - {direct, relay}
        for wires in ((direct,), (there,)):
            for wire in (direct, there):
                state = State.SUSPECT if wire in wires else State.OPEN
                wire.connection = msgspec.structs.replace(wire.connection, state=state)  # type: ignore[arg-type]
            assert server.way_to("nordlicht", hosts) in {direct, there} - set(wires)
        assert (await other.ask(ccr(1, 1))).avps[RESULT] == [2001]


async def test_names_and_commands_that_a_peer_makes_up_take_no_memory() -> None:
    series = wire_module._MESSAGES._series._metric._metrics  # type: ignore[attr-defined]
    async with serving(a_node(), Desk()) as server:
        for name in ("x" * 300 + ".test.realm", "a\nb.test.realm", "a\0.test.realm"):
            long = await connect(server, greet=False)
            refused = await long.greet(Origin_Host=[name])
            assert refused.avps[RESULT] == [Result.INVALID_AVP_VALUE]
            assert await long.ended() == b""
        wire = await connect(server)
        for command in range(5_000, 5_050):
            wire.send(command, ccr(1, 666))
            await wire.receive()
        assert "5049" not in {command for command, _ in series}
