"""Small worlds for the tests of the gateway: a node on a free port, and a client that knows no more than octets."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import msgspec

from farwire.base.clock import Clock, MovableClock
from farwire.base.storage import Database
from farwire.catalog.service import publish_plan
from farwire.charging import service as charging
from farwire.charging.model import CommandKind
from farwire.charging.model.terms import PlanDocument
from farwire.gateway.asking import Asking
from farwire.gateway.diameter.accounting.reconciling import Reconciling
from farwire.gateway.diameter.codec import Avps, Header, Message, decode, encode
from farwire.gateway.diameter.dictionary import TGPP, key_of
from farwire.gateway.diameter.node import Application, Server
from farwire.gateway.diameter.profiles import Node, Peer
from farwire.gateway.diameter.serving import put_together
from farwire.gateway.diameter.telling import Telling
from farwire.gateway.operators import Operator
from farwire.gateway.sessions import SessionBook
from farwire.gateway.subscribers import Subscribers
from farwire.kernel.ids import TenantId
from tests.charging.desk import CLERK, GO_5, Desk, a_desk, go_5, open_one

EURO = 10**9
HOST, REALM = key_of("Origin-Host"), key_of("Origin-Realm")
RESULT, AUTH = key_of("Result-Code"), key_of("Auth-Application-Id")
SESSION, CONTEXT = key_of("Session-Id"), key_of("Service-Context-Id")
TYPE, NUMBER = key_of("CC-Request-Type"), key_of("CC-Request-Number")
SERVICES, RATING_GROUP = key_of("Multiple-Services-Credit-Control"), key_of("Rating-Group")
REQUESTED, USED, GRANTED = (key_of(f"{one}-Service-Unit") for one in ("Requested", "Used", "Granted"))
OCTETS, SECONDS = key_of("CC-Total-Octets"), key_of("CC-Time")
SUBSCRIPTION, SUBSCRIPTION_TYPE = key_of("Subscription-Id"), key_of("Subscription-Id-Type")
SUBSCRIPTION_DATA = key_of("Subscription-Id-Data")
CER: Avps = {
    HOST: ["pgw.test.realm"], REALM: ["test.realm"], key_of("Host-IP-Address"): [b"\0\1\x7f\0\0\1"],
    key_of("Vendor-Id"): [TGPP], key_of("Product-Name"): ["test"], AUTH: [4],
}  # fmt: skip


def a_node(*, listen: tuple[str, ...] = ("127.0.0.1:0",), **changes: object) -> Node:
    peer = Peer("*.test.realm", "nordlicht", addresses=("127.0.0.0/8", "::1"), home_networks=("26201",))
    return Node("ocs.example", "example", (peer,), **{"listen": listen, **changes})  # type: ignore[arg-type]


def msisdn(number: str) -> Avps:
    return {SUBSCRIPTION_TYPE: [0], SUBSCRIPTION_DATA: [number]}


def ccr(
    type_: int, number: int, *groups: Avps, session: str = "pgw.test.realm;1;1", **more: list[object]
) -> Avps:
    """Return a CCR of data; ``more``: AVPs by their names with underscores; an empty list takes one away."""
    avps: Avps = {
        SESSION: [session], HOST: ["pgw.test.realm"], REALM: ["test.realm"], key_of("Destination-Realm"): ["example"],
        AUTH: [4], CONTEXT: ["8.32251@3gpp.org"], TYPE: [type_], NUMBER: [number],
        SUBSCRIPTION: [msisdn("491511")],
    }  # fmt: skip
    if groups:
        avps[SERVICES] = list(groups)
    for name, values in more.items():
        key = key_of(name.replace("_", "-"))
        avps.pop(key, None)
        if values:
            avps[key] = values  # type: ignore[assignment]
    return avps


def group(number: int, *, used: int | None = None, requested: int | None = None) -> Avps:
    found: Avps = {}
    if requested is not None:
        found[REQUESTED] = [{OCTETS: [requested]} if requested else {}]
    if used is not None:
        found[USED] = [{OCTETS: [used]}]
    found[RATING_GROUP] = [number]
    return found


WRITERS: list[asyncio.StreamWriter] = []
"""Of the clients that a world has, to hang up when it ends."""


@dataclass
class Wire:
    """One connection of a client."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    numbers: itertools.count[int] = field(default_factory=lambda: itertools.count(1))

    def send(
        self, command: int, avps: Avps, *, flags: int = 0xC0, application: int = 4, number: int = 0
    ) -> bytes:
        """Send a request; return its octets."""
        number = number or next(self.numbers)
        octets = encode(Message(Header(flags, command, application, number, number), avps))
        self.writer.write(octets)
        return octets

    async def receive(self) -> Message:
        async with asyncio.timeout(60):
            head = await self.reader.readexactly(4)
            return decode(head + await self.reader.readexactly(int.from_bytes(head[1:4], "big") - 4))

    async def ask(self, avps: Avps, *, flags: int = 0xC0) -> Message:
        """Send a CCR; return its answer."""
        self.send(272, avps, flags=flags)
        return await self.receive()

    async def greet(self, **changes: list[object]) -> Message:
        avps = {**CER, **{key_of(name.replace("_", "-")): values for name, values in changes.items()}}
        self.send(257, avps, flags=0x80, application=0)  # type: ignore[arg-type]
        return await self.receive()

    async def ended(self) -> bytes:
        """Return what still comes until the other end hangs up."""
        async with asyncio.timeout(60):
            try:
                return await self.reader.read(-1)
            except ConnectionError:
                return b""


async def hang_up() -> None:
    """End every connection that a client has made."""
    while WRITERS:
        writer = WRITERS.pop()
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def connect(server: Server, *, greet: bool = True) -> Wire:
    wire = Wire(*await asyncio.open_connection(*server.addresses[0][:2]))
    WRITERS.append(wire.writer)
    if greet:
        assert (await wire.greet()).avps[RESULT] == [2001]
    return wire


@asynccontextmanager
async def serving(node: Node, application: Application) -> AsyncIterator[Server]:
    async with running(Server(node, application)) as server:
        yield server


@asynccontextmanager
async def running(server: Server) -> AsyncIterator[Server]:
    await server.start()
    try:
        yield server
    finally:
        for wire in tuple(server.wires):
            if wire._transport is not None:
                wire._transport.abort()
        await server.drain()


def tell_by_abort(server: Server) -> None:
    """Let clients that connect from now on hear by Abort-Session-Request that an account may use nothing more."""
    (peer,) = server.node.peers
    server.node = msgspec.structs.replace(server.node, peers=(msgspec.structs.replace(peer, told="abort"),))


async def sell_data_and_calls(db: Database, tenant_id: TenantId, clock: Clock) -> None:
    """Publish Go 5 with calls."""
    plan = go_5()
    data = next(one for one in plan.usage if one.kind == "data")
    calls = msgspec.structs.replace(
        data, id="calls", kind="voice", label="Calls", price=Decimal("0.01"), per="1 s"
    )
    async with db.transaction(tenant_id) as tx:
        plan = msgspec.structs.replace(plan, usage=(*plan.usage, calls))
        await publish_plan(tx=tx, clock=clock, plan=plan)
        await charging.set_plan_terms(tx, document=PlanDocument(offering=GO_5), now=clock.now(), actor=CLERK)


@dataclass
class Gateway:
    db: Database
    tenant_id: TenantId
    clock: MovableClock
    desk: Desk
    server: Server
    subscribers: Subscribers
    account: charging.ChargingAccount
    asking: Asking
    operators: dict[str, Operator]
    book: SessionBook
    telling: Telling
    reconciling: Reconciling

    async def balance(self) -> int:
        seen = (await charging.inspect(self.desk.client, account=self.account)).seen
        assert seen is not None
        return sum(one.amount for one in seen.balances)

    async def held(self) -> int:
        seen = (await charging.inspect(self.desk.client, account=self.account)).seen
        assert seen is not None
        return sum(one.reserved for one in seen.balances)


@asynccontextmanager
async def a_gateway(
    db: Database,
    tenant_id: TenantId,
    clock: MovableClock,
    folder: Path,
    *,
    node: Node | None = None,
    money: int = EURO,
) -> AsyncIterator[Gateway]:
    """One subscriber, 491511, with money; data costs 0.02 per MB, calls 0.01 per second."""
    await sell_data_and_calls(db, tenant_id, clock)
    account = await open_one(db, tenant_id, clock)
    node = node or a_node()
    async with a_desk(db, folder, clock) as desk:
        await charging.make_live(desk.client, db=db, tenant_id=tenant_id, account=account, now=clock.now())
        answer = await charging.command(
            desk.client, account=account, kind=CommandKind.TOP_UP, key="first", amount=money
        )
        assert answer.result == 2001
        found = Subscribers(db, lambda: int(clock.now().timestamp() * 1_000))
        operators = {"nordlicht": Operator(tenant_id, account.tenant_number)}
        asking = Asking(subscribers=found, client=desk.client)
        parts = put_together(node, db=db, clock=clock, operators=operators, asking=asking, client=desk.client)
        async with running(parts.server):
            yield Gateway(
                *(db, tenant_id, clock, desk, parts.server, found, account, asking, operators),
                *(parts.book, parts.telling, parts.reconciling),
            )
