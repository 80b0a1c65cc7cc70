"""What a NAS is told when an account changes: Disconnect at the end of the money, the walled garden, and out of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging.model import CommandKind
from farwire.charging.model.terms import AtTheEnd
from farwire.gateway.radius.codec import Packet, Pair
from farwire.gateway.radius.dictionary import Code, ErrorCause, Status, key_of
from farwire.gateway.sessions import Protocol, Reason, wish_for_account
from farwire.kernel.ids import TenantId
from tests.gateway.radius.world import EURO, MB, ToldNas, World, a_nas, a_node, a_world, pair

FILTER, CLASS = key_of("Filter-Id"), key_of("Class")
INTERIM = 'renewal = "interim"\nchanges_port = {port}\n'
GARDEN = """
[clients.restricted]
Filter-Id = ["garden", "dns"]
[clients.accept]
Filter-Id = "full"
"""


@asynccontextmanager
async def told(
    db: Database,
    tenant_id: TenantId,
    clock: MovableClock,
    folder: Path,
    more: str = "",
    *,
    money: int = EURO,
    at_the_end: AtTheEnd = AtTheEnd.TERMINATE,
) -> AsyncIterator[tuple[World, ToldNas]]:
    async with a_nas() as nas:
        node = a_node(INTERIM.format(port=nas.port) + more)
        async with a_world(
            db, tenant_id, clock, folder, node=node, money=money, at_the_end=at_the_end
        ) as world:
            yield world, nas


async def begin(world: World) -> tuple[Packet, Pair]:
    accepted = await world.auth.access()
    assert accepted.code == Code.ACCESS_ACCEPT
    ticket = (CLASS, accepted.first(CLASS) or b"")
    await world.acct.account(Status.START, ticket)
    return accepted, ticket


async def want(world: World, reason: Reason) -> None:
    """Wish it for the account's sessions, as the follower of charging's events does, and follow the wish."""
    await world.gateway.book.flush()
    async with world.db.transaction(world.tenant_id) as tx:
        assert await wish_for_account(tx, account=world.account.number, reason=reason) == 1
    assert await world.gateway.follow_wishes() == 1


async def wishes(world: World) -> int:
    async with world.db.transaction(world.tenant_id) as tx:
        found = await tx.fetchval("SELECT count(*) FROM gateway.wish WHERE tenant_id = $1", tx.tenant_id)
    return int(found)


async def test_a_session_whose_money_is_used_up_is_disconnected_by_name(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    async with told(db, tenant_id, clock, tmp_path) as (world, nas):
        accepted, ticket = await begin(world)
        assert accepted.first(key_of("ChilliSpot-Max-Total-Octets")) is None
        await world.acct.account(Status.INTERIM, ticket, output=10 * MB, seconds=60)
        assert nas.told.empty()
        await world.acct.account(Status.INTERIM, ticket, output=51 * MB, seconds=120)
        request = await nas.next()
        assert request.code == Code.DISCONNECT_REQUEST
        assert (request.text(key_of("Acct-Session-Id")), request.text(1)) == ("s1", "491511")
        assert request.number(key_of("Event-Timestamp"))
        await world.acct.account(Status.STOP, ticket, output=51 * MB, seconds=121)
        assert (await world.balance(), await world.held()) == (0, 0)


async def test_the_last_quota_at_login_is_told_as_a_limit(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    async with told(db, tenant_id, clock, tmp_path, money=EURO // 50) as (world, _):
        accepted = await world.auth.access()
        assert accepted.number(key_of("ChilliSpot-Max-Total-Octets")) == MB


async def test_a_nas_that_does_not_have_the_session_ends_it_here_too(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    async with told(db, tenant_id, clock, tmp_path) as (world, nas):
        await begin(world)
        assert await world.held() > 0
        cause = pair("Error-Cause", ErrorCause.SESSION_NOT_FOUND)
        nas.decide = lambda one: (Code.DISCONNECT_NAK, [cause])
        await want(world, Reason.SUSPENDED)
        assert (await nas.next()).code == Code.DISCONNECT_REQUEST
        assert await world.held() == 0
        assert (await world.meters())[0]["ended_at"] is not None
        assert await wishes(world) == 0


async def test_a_nas_that_is_silent_is_asked_again_with_the_same_octets(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    async with told(db, tenant_id, clock, tmp_path) as (world, nas):
        await begin(world)
        nas.decide = lambda one: (one.code + 1, []) if len(nas.seen) > 1 else None
        await want(world, Reason.SUSPENDED)
        assert len(nas.seen) == 2
        assert nas.seen[0] == nas.seen[1]


async def test_an_unpaid_session_goes_to_the_garden_and_when_it_is_paid_to_full_speed(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    async with told(db, tenant_id, clock, tmp_path, GARDEN) as (world, nas):
        accepted, ticket = await begin(world)
        assert accepted.text(FILTER) == "full"
        await world.command(CommandKind.BAR, "bar", 1)
        await want(world, Reason.SUSPENDED)
        request = await nas.next()
        assert (request.code, request.all(FILTER)) == (Code.COA_REQUEST, (b"garden", b"dns"))
        await world.acct.account(Status.INTERIM, ticket, output=MB, seconds=60)
        assert await world.balance() == EURO  # the garden is free
        assert (await world.auth.access()).all(FILTER) == (b"garden", b"dns")
        await world.command(CommandKind.BAR, "unbar", 0)
        await want(world, Reason.RESUMED)
        request = await nas.next()
        assert (request.code, request.text(FILTER)) == (Code.COA_REQUEST, "full")
        await world.acct.account(Status.STOP, ticket, output=3 * MB, seconds=90)
        assert await world.balance() == EURO - 2 * 20_000_000
        assert nas.told.empty()


@pytest.mark.parametrize("at_the_end", [AtTheEnd.REDIRECT, AtTheEnd.TERMINATE])
async def test_without_money_the_plan_says_whether_there_is_a_garden_and_a_top_up_leads_out_of_it(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path, at_the_end: AtTheEnd
) -> None:
    async with told(db, tenant_id, clock, tmp_path, GARDEN, at_the_end=at_the_end) as (world, nas):
        _, ticket = await begin(world)
        await world.acct.account(Status.INTERIM, ticket, output=50 * MB, seconds=60)
        request = await nas.next()
        if at_the_end == AtTheEnd.TERMINATE:
            assert request.code == Code.DISCONNECT_REQUEST
            assert (await world.auth.access()).code == Code.ACCESS_REJECT
            return
        assert (request.code, request.all(FILTER)) == (Code.COA_REQUEST, (b"garden", b"dns"))
        await asyncio.gather(*world.gateway.application.tasks)
        await world.command(CommandKind.TOP_UP, "second", EURO)
        await want(world, Reason.TOP_UP)
        assert (await nas.next()).text(FILTER) == "full"


async def test_a_nas_that_cannot_change_a_session_is_told_to_end_it(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    async with told(db, tenant_id, clock, tmp_path, GARDEN) as (world, nas):
        await begin(world)
        cause = pair("Error-Cause", ErrorCause.UNSUPPORTED_ATTRIBUTE)
        nas.decide = lambda one: (
            (Code.COA_NAK, [cause]) if one.code == Code.COA_REQUEST else (Code.DISCONNECT_ACK, [])
        )
        await want(world, Reason.SUSPENDED)
        assert [(await nas.next()).code for _ in range(2)] == [Code.COA_REQUEST, Code.DISCONNECT_REQUEST]
        assert await wishes(world) == 0


async def test_wishes_that_change_nothing_are_done_without_a_word(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    async with told(db, tenant_id, clock, tmp_path) as (world, nas):
        _, ticket = await begin(world)
        for reason in (Reason.TOP_UP, Reason.COUNTER, Reason.POLICY, Reason.RESUMED):
            await want(world, reason)
        assert nas.told.empty()
        await world.acct.account(Status.STOP, ticket, output=MB, seconds=9)
        await world.gateway.book.flush()
        async with db.transaction(tenant_id) as tx:
            sql = "SELECT count(*) FROM gateway.session WHERE tenant_id = $1 AND protocol = $2"
            assert await tx.fetchval(sql, tx.tenant_id, Protocol.RADIUS.value) == 0
