"""Connecting to peers: their CEA, one connection with each, whoever began, and again when it is lost."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from farwire.gateway.diameter import dialling
from farwire.gateway.diameter.codec import Avps, Header, Message
from farwire.gateway.diameter.dictionary import Result
from farwire.gateway.diameter.node import Server
from farwire.gateway.diameter.peer import (
    Close,
    Connection,
    Question,
    Send,
    State,
    dialled,
    leave,
    lose,
    receive,
    tick,
    wins,
)
from farwire.gateway.diameter.profiles import Node, Peer, read_profiles
from farwire.kernel.errors import Invalid
from tests.gateway.processes import Processes, free_port
from tests.gateway.python_diameter import Client
from tests.gateway.test_freediameter import NUMBER, a_relay, balance
from tests.gateway.test_node import Desk, pair, until
from tests.gateway.world import AUTH, CER, HOST, REALM, RESULT, WRITERS, Wire, ccr, running

__all__ = ("pair",)  # a fixture
THEM = Peer("b.test.realm", "acme", connect=("127.0.0.1:1",), addresses=("127.0.0.0/8",))
NODE = Node("a.test.realm", "test.realm", (THEM,), ())
CEA: Avps = {RESULT: [2001], HOST: ["B.test.realm"], REALM: ["test.realm"], AUTH: [4]}


def begun() -> tuple[Connection, Message]:
    connection, actions = dialled(
        NODE, THEM, address="127.0.0.1", local="127.0.0.1", tls=False, now=0, first_id=7
    )
    (send,) = actions
    assert isinstance(send, Send)
    return connection, send.message


def answered(avps: Avps, command: int = 257, flags: int = 0) -> Message:
    return Message(Header(flags, command, 0, 7, 7), avps)


def test_we_say_who_we_are_and_the_answer_opens_the_connection() -> None:
    connection, cer = begun()
    assert (cer.header.command, cer.header.is_request, cer.header.hop_by_hop) == (257, True, 7)
    assert (cer.avps[HOST], cer.avps[REALM], cer.avps[AUTH]) == (["a.test.realm"], ["test.realm"], [4])
    assert cer.avps.keys() >= CER.keys()
    after, actions = receive(NODE, connection, answered(CEA), 5)
    assert (after.state, after.host, after.profile, actions) == (State.OPEN, "B.test.realm", THEM, ())
    assert after.due_at == 5 + NODE.watchdog_s * 1_000


@pytest.mark.parametrize(
    "message",
    [
        answered({**CEA, RESULT: [3010]}), answered({**CEA, HOST: ["c.test.realm"]}), answered({**CEA, AUTH: [5]}),
        answered({RESULT: [2001], AUTH: [4]}), answered(CEA, 280), answered(CEA, 257, 0x80), answered(CEA, 272, 0x80),
    ],
)  # fmt: skip
def test_any_other_answer_ends_it(message: Message) -> None:
    after, actions = receive(NODE, begun()[0], message, 5)
    assert after.state == State.CLOSED
    assert [type(one) for one in actions] == [Close]


def test_an_answer_is_waited_for_as_long_as_a_greeting_and_nobody_says_goodbye_before_it() -> None:
    connection, _ = begun()
    assert tick(NODE, connection, NODE.greeting_s * 1_000 - 1) == (connection, ())
    assert tick(NODE, connection, NODE.greeting_s * 1_000)[0].state == State.CLOSED
    assert [type(one) for one in leave(NODE, connection, 1)[1]] == [Close]


def test_the_later_name_wins_whatever_its_letters() -> None:
    b = msgspec.structs.replace(NODE, identity="B.test.realm")
    assert not wins(NODE, "B.test.realm")
    assert wins(b, "a.test.realm")
    assert wins(b, "A.test.realm")
    after, actions = lose(NODE, begun()[0], Message(Header(0x80, 257, 0, 1, 1), CER))
    assert after.state == State.CLOSED
    assert isinstance(actions[0], Send)
    assert actions[0].message.avps[RESULT] == [Result.ELECTION_LOST]


# ---- on sockets


def a_node(name: str, listen: int = 0, *peers: Peer) -> Node:
    return Node(name, "test.realm", peers, (f"127.0.0.1:{listen}",) if listen else (), greeting_s=5)


def to(name: str, *ports: int, **more: object) -> Peer:
    addresses = tuple(f"127.0.0.1:{port}" for port in ports)
    return Peer(name, "acme", connect=addresses, addresses=("127.0.0.0/8",), **more)  # type: ignore[arg-type]


@asynccontextmanager
async def nodes(*found: Node) -> AsyncIterator[list[Server]]:
    async with running(Server(found[0], Desk())) as first:
        if len(found) == 1:
            yield [first]
            return
        async with nodes(*found[1:]) as others:
            yield [first, *others]


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Try again at once."""
    monkeypatch.setattr(dialling, "FIRST_MS", 20)
    monkeypatch.setattr(dialling, "MOST_MS", 100)


def one_each(servers: list[Server]) -> bool:
    return all(len(one.wires) == 1 and sum(one.hosts.values()) == 1 for one in servers)


async def asked(server: Server, host: str) -> Message | None:
    wire = server.way_to("acme", [host])
    assert wire is not None
    return await wire.ask(Question("s", 4, 272, {**ccr(1, 1), HOST: [server.node.identity]}, 1), 30_000)


async def test_questions_go_both_ways_over_a_connection_that_we_began() -> None:
    port = free_port()
    there = Peer("a.test.realm", "acme", addresses=("127.0.0.0/8",))
    async with nodes(a_node("b.test.realm", port, there), a_node("a.test.realm", 0, to("b.test.realm", 1, port))) as (
        b, a,
    ):  # fmt: skip
        await until(lambda: one_each([a, b]))
        for server, host in ((a, "b.test.realm"), (b, "a.test.realm")):
            found = await asked(server, host)
            assert found is not None
            assert found.avps[RESULT] == [2001]


async def test_of_two_nodes_that_connect_to_one_another_one_connection_stays() -> None:
    ports = free_port(), free_port()
    for _ in range(3):
        async with nodes(
            a_node("a.test.realm", ports[0], to("b.test.realm", ports[1])),
            a_node("b.test.realm", ports[1], to("A.test.realm", ports[0])),
        ) as servers:
            await until(lambda servers=servers: one_each(servers))  # type: ignore[misc]
            (here,), (there,) = (one.wires for one in servers)
            assert {here._transport.get_extra_info("sockname")} == {
                there._transport.get_extra_info("peername")
            }  # type: ignore[union-attr]
            assert await asked(servers[0], "b.test.realm")


@pytest.mark.parametrize(("name", "won"), [("0.test.realm", True), ("z.test.realm", False)])
async def test_while_both_greet_the_election_decides(name: str, won: bool) -> None:
    """The peer is octets: it takes our CER, and says its own on a connection of its own before it answers."""
    came: asyncio.Queue[Wire] = asyncio.Queue()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        WRITERS.append(writer)
        came.put_nowait(Wire(reader, writer))

    port, listening = free_port(), await asyncio.start_server(take, "127.0.0.1", 0)
    theirs = listening.sockets[0].getsockname()[1]
    async with listening, nodes(a_node("m.test.realm", port, to(name, theirs))):
        ours = await came.get()
        assert (await ours.receive()).avps[HOST] == ["m.test.realm"]
        other = Wire(*await asyncio.open_connection("127.0.0.1", port))
        WRITERS.append(other.writer)
        found = await other.greet(Origin_Host=[name])
        assert found.avps[RESULT] == [2001 if won else Result.ELECTION_LOST]
        if won:
            assert await ours.ended() == b""
        else:
            assert await other.ended() == b""
            ours.send(257, {**CEA, HOST: [name]}, flags=0, application=0, number=1)
        kept = other if won else ours
        assert (await kept.ask(ccr(1, 1))).avps[RESULT] == [2001]
        late = Wire(*await asyncio.open_connection("127.0.0.1", port))
        WRITERS.append(late.writer)
        assert (await late.greet(Origin_Host=[name])).avps[RESULT] == [Result.ELECTION_LOST]


async def test_a_peer_that_goes_is_connected_to_again_wherever_it_comes_back() -> None:
    ports = free_port(), free_port()
    there = Peer("a.test.realm", "acme", addresses=("127.0.0.0/8",))
    async with nodes(a_node("a.test.realm", 0, to("b.test.realm", *ports))) as (a,):
        for port in (*ports, ports[0]):
            async with nodes(a_node("b.test.realm", port, there)) as (b,):
                await until(lambda b=b: one_each([a, b]))  # type: ignore[misc]
                assert a.reaches("B.test.realm")
            await until(lambda: not a.wires)


async def test_over_tls_the_peer_shows_that_it_has_its_name(pair: tuple[Path, Path]) -> None:
    key, certificate = map(str, pair)
    port = free_port()

    def secured(name: str, peer: Peer, *listen: str) -> Node:
        return Node(name, "test.realm", (peer,), (), listen, certificate, key, certificate)

    there = Peer("a.test.realm", "acme", tls=True)
    for name, reached in (("ocs.example", True), ("b.test.realm", False)):
        peer = to(name, port, tls=True)
        async with nodes(
            secured(name, there, f"127.0.0.1:{port}"), secured("a.test.realm", peer)
        ) as (b, a):  # fmt: skip
            if reached:
                await until(lambda b=b, a=a: one_each([a, b]))  # type: ignore[misc]
            else:
                assert not await dialling.Dialling(a, peer)._connect(peer.connect[0])


@pytest.mark.parametrize(
    ("host", "connect", "path"),
    [
        ("*.test.realm", "127.0.0.1:3868", "peers[0].host"), ("b.test.realm", "3868", "peers[0].connect[0]"),
        ("b.test.realm", "b:0", "peers[0].connect[0]"), ("b.test.realm", "b c:3868", "peers[0].connect[0]"),
        ("b.test.realm", "::z:3868", "peers[0].connect[0]"), ("b.test.realm", "b.test.realm:3868", ""),
        ("b.test.realm", "[::1]:3868", ""),
    ],
)  # fmt: skip
def test_a_profile_names_one_host_and_where_it_is(host: str, connect: str, path: str) -> None:
    text = (
        f'identity = "a"\nrealm = "b"\n[[peers]]\nhost = "{host}"\ntenant = "acme"\n'
        f'connect = ["{connect}"]\naddresses = ["127.0.0.1"]\n'
    )
    if not path:
        assert read_profiles(text).peers[0].connect == (connect,)
        return
    with pytest.raises(Invalid) as caught:
        read_profiles(text)
    assert caught.value.field == path


DIALS = """
identity = "{identity}"
realm = "test.realm"
listen = [{listen}]
watchdog_s = 6

[[peers]]
host = "fd.test.realm"
tenant = "nordlicht"
addresses = ["127.0.0.0/8"]
connect = ["127.0.0.1:3870"]
"""


@pytest.mark.rigs
@pytest.mark.shared
@pytest.mark.full
@pytest.mark.parametrize("listen", ["", '"127.0.0.1:3868"'])
def test_freediameter_is_connected_to_and_brings_requests_and_takes_ours(
    shop: None,
    processes: Processes,
    clients: Callable[..., Client],
    require_rig: Callable[[str], Path],
    shared_data: Path,
    listen: str,
) -> None:
    """With a port of ours freeDiameter connects to us, too: one connection stays."""
    relay = require_rig("freeDiameterd")
    (processes.folder / "ocs.toml").write_text(
        processes.moved(DIALS.format(identity="ocs.test.realm", listen=listen))
    )
    processes.farwire("ocs", "gateway", "diameter", "serve", "ocs.toml", until="is served at")
    a_relay(processes, shared_data, relay)
    processes.wait(lambda: "diameter peer connected" in processes.said("ocs"), "relay")
    processes.farwire("worker", "worker", until="Working on")
    processes.wait(lambda: "gateway-sessions" in processes.call("events", "subscribers"), "worker")
    client = clients("fd.test.realm", "test.realm", processes.port(3870), NUMBER)
    assert client.ask(1, 0, requested=2_000_000).result_code == 2001
    processes.call("charging", "account", "topup", NUMBER, "0.30", "--key", "told")
    processes.wait(lambda: client.told, "ocs")
    assert client.ask(3, 1, used=2_000_000).result_code == 2001
    assert balance(processes) == "0.46 EUR"
    assert len(re.findall("diameter peer connected", processes.said("ocs"))) == 1
