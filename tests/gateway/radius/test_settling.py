"""What one session, one process or one port has left behind keeps no other one waiting, and is never taken for done."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import msgspec
import pytest

from farwire.base.clock import MovableClock
from farwire.charging import service as charging
from farwire.charging.model import Answer, SessionRequest
from farwire.gateway.radius import serving, store
from farwire.gateway.radius.access import Ticket, identities_of
from farwire.gateway.radius.accounting import Meter
from farwire.gateway.radius.codec import Packet
from farwire.gateway.radius.dictionary import Status, key_of
from farwire.gateway.radius.profiles import Client
from tests.gateway.radius.world import EURO, MB, World, a_node, pair

PRICE = 20_000_000
CLASS = key_of("Class")


class Away:
    """A client of charging to whom the shard of some sessions does not answer."""

    def __init__(self, real: charging.Client) -> None:
        self.real = real
        self.away: set[int] = set()

    async def ask(self, tenant: int, request: object) -> Answer:
        if isinstance(request, SessionRequest) and request.session_hi in self.away:
            raise charging.busy()
        return await self.real.ask(tenant, request)  # type: ignore[arg-type]

    async def close(self) -> None: ...


async def meters(world: World) -> list[Meter]:
    rows = await world.meters()
    return [Meter(*(row[name] for name in Meter.__struct_fields__)) for row in rows]  # type: ignore[arg-type]


async def test_a_shard_that_is_away_holds_no_request_of_another_one(
    world: World, clock: MovableClock
) -> None:
    for session in ("s1", "s2"):
        await world.acct.account(Status.START, session=session)
    asking = world.gateway.metering._asking
    real, asking._client = asking._client, Away(asking._client)
    away = asking._client.away
    away.update(one.charge_hi for one in await meters(world))
    for session in ("s1", "s2"):
        world.acct.send(world.acct.account_octets(Status.STOP, session=session, output=MB, seconds=9))
    async with asyncio.timeout(30):
        while any(one.settled for one in await meters(world)) or world.gateway.server.tasks:
            await asyncio.gather(*world.gateway.server.tasks)
            await asyncio.sleep(0.01)
    away.discard((await meters(world))[1].charge_hi)
    clock.advance(timedelta(minutes=1))
    assert await world.gateway.settle_old() == 2
    assert sorted(one.settled for one in await meters(world)) == [False, True]
    assert await world.balance() == EURO - PRICE
    asking._client = real
    assert await world.gateway.settle_old() == 1
    assert await world.balance() == EURO - 2 * PRICE


async def test_a_session_of_nobody_does_not_keep_its_nas_from_starting(world: World) -> None:
    nobody = Ticket(99_999, 1, 2, 0, restricted=False)
    world.acct.send(world.acct.account_octets(Status.START, (CLASS, nobody.octets()), session="s9"))
    await world.acct.account(Status.START)
    await asyncio.gather(*world.gateway.server.tasks)
    await world.acct.account(Status.ON)
    found = await meters(world)
    assert len(found) == 2
    assert all(one.settled and one.ended_at is not None for one in found)


async def test_a_late_word_of_an_earlier_request_settles_no_later_one(world: World) -> None:
    await world.acct.account(Status.STOP, output=MB, seconds=9)
    (first,) = await meters(world)
    later = msgspec.structs.replace(first, generation=1, settled=False)
    assert later.number == first.number
    async with world.db.transaction(world.tenant_id) as tx:
        await store.update(tx, later)
        await store.settle(tx, first)
    assert [one.settled for one in await meters(world)] == [False]
    async with world.db.transaction(world.tenant_id) as tx:
        await store.settle(tx, later)
    assert [one.settled for one in await meters(world)] == [True]


async def test_a_crowd_that_logs_in_leaves_room_for_what_is_used(world: World) -> None:
    world.gateway.server.node = msgspec.structs.replace(world.gateway.server.node, pending=1)
    came, stop, real = asyncio.Event(), asyncio.Event(), world.gateway.application._passwords.check

    async def slow(*what: object) -> None:
        came.set()
        await stop.wait()
        await real(*what)  # type: ignore[arg-type]

    world.gateway.application._passwords.check = slow  # type: ignore[method-assign]
    world.auth.send(world.auth.access_octets())
    async with asyncio.timeout(30):
        await came.wait()
        await world.acct.account(Status.START)
    stop.set()
    await asyncio.gather(*world.gateway.server.tasks)


async def test_a_stop_waits_for_no_nas_that_does_not_answer(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serving, "FAREWELL_S", 0.1)
    telling = asyncio.create_task(asyncio.sleep(1_000))
    world.gateway.application.tasks.add(telling)
    async with asyncio.timeout(30):
        await world.gateway.drain()
    assert telling.cancelled()


def test_what_no_name_can_be_names_nobody() -> None:
    client: Client = msgspec.structs.replace(
        a_node().clients[0], identities=("imsi", "user_name", "calling_station")
    )
    for value in (b"26201\x00", b"2620\xc3\x28", b"x" * 15):
        pairs = (key_of("3GPP-IMSI"), value), (key_of("User-Name"), value[:4] + b"\0")
        assert identities_of(Packet(1, 1, bytes(16), pairs), client) == ()
    packet = Packet(1, 1, bytes(16), (pair("3GPP-IMSI", "262011234567890"),))
    assert [one.value for one in identities_of(packet, client)] == ["262011234567890"]
