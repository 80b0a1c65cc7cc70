"""A RADIUS gateway, a shard and PostgreSQL in this process, and a NAS that knows no more than octets."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging import service as charging
from farwire.charging.model import CommandKind
from farwire.charging.model.terms import AtTheEnd, PlanDocument
from farwire.gateway.operators import Operator
from farwire.gateway.radius.changes import Changer
from farwire.gateway.radius.codec import Packet, Pair, decode, octets_of
from farwire.gateway.radius.credentials import set_credential
from farwire.gateway.radius.dictionary import BY_NAME, Code, Status, key_of
from farwire.gateway.radius.profiles import Node, read_profiles
from farwire.gateway.radius.proofs import access_octets, answer_octets, hidden, is_genuine, request_octets
from farwire.gateway.radius.serving import Gateway
from farwire.kernel.ids import TenantId
from tests.charging.desk import CLERK, GO_5, Desk, a_desk, open_one
from tests.gateway.world import EURO, sell_data_and_calls

SECRET = b"testing123"
USER, PASSWORD = "491511", "fjord-otter"
MB = 1_000_000
WAIT_S = 30
PROFILES = """
listen = ["127.0.0.1:{auth}"]
listen_accounting = ["127.0.0.1:{acct}"]
reject_delay_ms = 0

[[clients]]
name = "hotspot"
addresses = ["127.0.0.0/8"]
secret = "testing123"
tenant = "nordlicht"
limits = [{{ attribute = "ChilliSpot-Max-Total-Octets", gigawords = "ChilliSpot-Max-Total-Gigawords" }}]
{more}
"""


def a_node(more: str = "", *, auth: int = 0, acct: int = 0) -> Node:
    return read_profiles(PROFILES.format(more=more, auth=auth, acct=acct))


def pair(name: str, value: int | str | bytes) -> Pair:
    return BY_NAME[name].key, octets_of(BY_NAME[name], value)


class _Nas(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.came: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.came.put_nowait(data)


@dataclass
class Wire:
    """A socket of a NAS, to one port of the gateway."""

    transport: asyncio.DatagramTransport
    came: asyncio.Queue[bytes]
    seen: list[bytes]
    numbers: itertools.count[int] = field(default_factory=itertools.count)

    def send(self, octets: bytes) -> bytes:
        self.transport.sendto(octets)
        return octets

    async def answer(self, octets: bytes, secret: bytes = SECRET) -> Packet:
        """Send a request; return its answer, which is proved."""
        request = decode(self.send(octets))
        async with asyncio.timeout(WAIT_S):
            while True:
                found = await self.came.get()
                if decode(found).identifier == request.identifier:
                    break
        self.seen.append(found)
        assert is_genuine(decode(found), secret, request.authenticator)
        return decode(found)

    def access_octets(
        self, user: str = USER, password: str | None = PASSWORD, *more: Pair, nonce: bytes = b""
    ) -> bytes:
        nonce = nonce or os.urandom(16)
        pairs = [pair("User-Name", user), pair("NAS-IP-Address", bytes((127, 0, 0, 1))), *more]
        if password is not None:
            pairs.append((key_of("User-Password"), hidden(password.encode(), SECRET, nonce)))
        return access_octets(Code.ACCESS_REQUEST, next(self.numbers) % 256, nonce, pairs, SECRET)

    async def access(self, user: str = USER, password: str | None = PASSWORD, *more: Pair) -> Packet:
        return await self.answer(self.access_octets(user, password, *more))

    def account_octets(self, status: Status, *more: Pair, session: str = "s1", **sums: int) -> bytes:
        names = {"seconds": "Acct-Session-Time", "input": "Acct-Input-Octets", "output": "Acct-Output-Octets",
                 "gigawords": "Acct-Output-Gigawords", "delay": "Acct-Delay-Time"}  # fmt: skip
        pairs = [
            pair("Acct-Status-Type", status), pair("User-Name", USER), pair("NAS-IP-Address", bytes((127, 0, 0, 1))),
            pair("Acct-Session-Id", session), *(pair(names[name], value) for name, value in sums.items()), *more,
        ]  # fmt: skip
        return request_octets(Code.ACCOUNTING_REQUEST, next(self.numbers) % 256, pairs, SECRET)

    async def account(self, status: Status, *more: Pair, session: str = "s1", **sums: int) -> Packet:
        found = await self.answer(self.account_octets(status, *more, session=session, **sums))
        assert found.code == Code.ACCOUNTING_RESPONSE
        return found


class ToldNas(asyncio.DatagramProtocol):
    """A NAS that takes Disconnect- and CoA-Requests, and answers them as it is told."""

    def __init__(self) -> None:
        self.told: asyncio.Queue[Packet] = asyncio.Queue()
        self.seen: list[bytes] = []
        self.decide: Callable[[Packet], tuple[int, list[Pair]] | None] = lambda one: (one.code + 1, [])
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.DatagramTransport", transport)

    @property
    def port(self) -> int:
        assert self.transport is not None
        return int(self.transport.get_extra_info("sockname")[1])

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        packet = decode(data)
        assert is_genuine(packet, SECRET)
        assert packet.attributes[0][0] == 80
        self.seen.append(data)
        self.told.put_nowait(packet)
        found = self.decide(packet)
        if found is not None and self.transport is not None:
            self.transport.sendto(answer_octets(packet, *found, SECRET), addr)

    async def next(self) -> Packet:
        async with asyncio.timeout(WAIT_S):
            return await self.told.get()


@asynccontextmanager
async def a_nas() -> AsyncIterator[ToldNas]:
    transport, found = await asyncio.get_running_loop().create_datagram_endpoint(
        ToldNas, local_addr=("127.0.0.1", 0)
    )
    try:
        yield found
    finally:
        transport.close()


@dataclass
class World:
    db: Database
    tenant_id: TenantId
    clock: MovableClock
    desk: Desk
    gateway: Gateway
    account: charging.ChargingAccount
    auth: Wire
    acct: Wire
    seen: list[bytes]

    async def balance(self) -> int:
        seen = (await charging.inspect(self.desk.client, account=self.account)).seen
        assert seen is not None
        return sum(one.amount for one in seen.balances)

    async def held(self) -> int:
        seen = (await charging.inspect(self.desk.client, account=self.account)).seen
        assert seen is not None
        return sum(one.reserved for one in seen.balances)

    async def command(self, kind: CommandKind, key: str, amount: int) -> None:
        done = await charging.command(
            self.desk.client, account=self.account, kind=kind, key=key, amount=amount
        )
        assert done.result == 2001

    async def meters(self) -> list[dict[str, object]]:
        async with self.db.transaction(self.tenant_id) as tx:
            rows = await tx.fetch(
                "SELECT * FROM gateway.radius_session WHERE tenant_id = $1 ORDER BY opened_at", tx.tenant_id
            )
        return [dict(row) for row in rows]

    async def wire(self, code: Code) -> Wire:
        """Return another socket of the NAS."""
        transport, found = await asyncio.get_running_loop().create_datagram_endpoint(
            _Nas, remote_addr=self.gateway.server.addresses[code][0]
        )
        return Wire(transport, found.came, self.seen)


@asynccontextmanager
async def a_world(
    db: Database,
    tenant_id: TenantId,
    clock: MovableClock,
    folder: Path,
    *,
    node: Node | None = None,
    money: int = EURO,
    at_the_end: AtTheEnd = AtTheEnd.TERMINATE,
) -> AsyncIterator[World]:
    """One subscriber, 491511, with money and a password; data costs 0.02 per MB, time 0.01 per second."""
    await sell_data_and_calls(db, tenant_id, clock)
    async with db.transaction(tenant_id) as tx:
        document = PlanDocument(offering=GO_5, at_the_end=at_the_end)
        await charging.set_plan_terms(tx, document=document, now=clock.now(), actor=CLERK)
    account = await open_one(db, tenant_id, clock)
    node = node or a_node()
    async with a_desk(db, folder, clock) as desk:
        await charging.make_live(desk.client, db=db, tenant_id=tenant_id, account=account, now=clock.now())
        async with db.transaction(tenant_id) as tx:
            await set_credential(
                tx, account=account.number, password=PASSWORD, chap=True, now=clock.now(), actor=CLERK
            )
        operators = {"nordlicht": Operator(tenant_id, account.tenant_number)}
        gateway = Gateway(
            node, db=db, clock=clock, client=desk.client, operators=operators, changer=Changer((0.2, 5, 20))
        )
        await gateway.server.start()
        found = World(db, tenant_id, clock, desk, gateway, account, None, None, [])  # type: ignore[arg-type]
        if money:
            await found.command(CommandKind.TOP_UP, "first", money)
        found.auth = await found.wire(Code.ACCESS_REQUEST)
        found.acct = await found.wire(Code.ACCOUNTING_REQUEST)
        try:
            yield found
        finally:
            for wire in (found.auth, found.acct):
                wire.transport.close()
            await gateway.drain()
