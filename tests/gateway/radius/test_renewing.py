"""Limits that are moved while a session goes on: by CoA when they are nearly used or money comes, and by State."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging.model import CommandKind
from farwire.gateway.radius.codec import Packet, Pair
from farwire.gateway.radius.dictionary import Code, ErrorCause, Status, key_of
from farwire.gateway.sessions import Reason
from farwire.kernel.ids import TenantId
from tests.gateway.radius.test_telling import begin, told, want
from tests.gateway.radius.world import EURO, MB, ToldNas, World, a_nas, a_node, a_world, pair

CHANGE = 'renewal = "change"\nchanges_port = {port}\n'
LOW, TIMEOUT = key_of("ChilliSpot-Max-Total-Octets"), key_of("Session-Timeout")
STATE, CLASS = key_of("State"), key_of("Class")
A_MB, A_SECOND = EURO // 50, EURO // 100


@asynccontextmanager
async def renewed(
    db: Database, tenant_id: TenantId, clock: MovableClock, folder: Path, more: str = "", *, money: int = EURO
) -> AsyncIterator[tuple[World, ToldNas]]:
    async with a_nas() as nas:
        node = a_node(CHANGE.format(port=nas.port) + more)
        async with a_world(db, tenant_id, clock, folder, node=node, money=money) as world:
            yield world, nas


async def test_a_limit_that_is_nearly_used_is_moved_and_the_session_uses_all_its_money_without_another_login(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    async with renewed(db, tenant_id, clock, tmp_path) as (world, nas):
        accepted, ticket = await begin(world)
        limits, used = [accepted.number(LOW) or 0], 0
        assert 0 < limits[0] < 50 * MB
        while limits[-1] < 50 * MB:
            used += (limits[-1] - used) * 3 // 4
            await world.acct.account(Status.INTERIM, ticket, output=used, seconds=used // MB)
            request = await nas.next()
            await asyncio.gather(*world.gateway.application.tasks)
            assert (request.code, request.text(key_of("Acct-Session-Id"))) == (Code.COA_REQUEST, "s1")
            limits.append(request.number(LOW) or 0)
            assert limits[-1] > limits[-2]
        await world.acct.account(Status.STOP, ticket, output=limits[-1], seconds=60)
        assert limits[-1] == 50 * MB
        assert (await world.balance(), await world.held()) == (0, 0)
        assert nas.told.empty()


async def test_a_limit_that_is_far_is_left_alone_until_money_comes(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    async with renewed(db, tenant_id, clock, tmp_path) as (world, nas):
        accepted, ticket = await begin(world)
        await world.acct.account(Status.INTERIM, ticket, output=MB, seconds=5)
        await want(world, Reason.POLICY)
        assert nas.told.empty()
        await world.command(CommandKind.TOP_UP, "second", 9 * EURO)
        await want(world, Reason.TOP_UP)
        assert ((await nas.next()).number(LOW) or 0) > 2 * (accepted.number(LOW) or 0)
        await want(world, Reason.TOP_UP)
        assert nas.told.empty()


async def test_a_last_quota_is_the_last_one_no_more_when_money_comes(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    async with told(db, tenant_id, clock, tmp_path, money=A_MB) as (world, nas):
        accepted, ticket = await begin(world)
        assert accepted.number(LOW) == MB
        await world.command(CommandKind.TOP_UP, "second", EURO)
        await want(world, Reason.TOP_UP)
        moved = (await nas.next()).number(LOW) or 0
        assert moved > MB
        await world.acct.account(Status.INTERIM, ticket, output=moved, seconds=9)
        assert ((await nas.next()).number(LOW) or 0) > moved
        await asyncio.gather(*world.gateway.application.tasks)


async def test_both_limits_of_a_session_are_moved_together_from_its_start(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    async with renewed(db, tenant_id, clock, tmp_path, 'counts = "both"\n') as (world, nas):
        accepted, ticket = await begin(world)
        seconds = accepted.number(TIMEOUT) or 0
        await world.acct.account(Status.INTERIM, ticket, output=MB, seconds=seconds)
        request = await nas.next()
        await asyncio.gather(*world.gateway.application.tasks)
        assert (request.number(TIMEOUT) or 0) > seconds
        assert (request.number(LOW) or 0) > MB
        limits = {one["most"] for one in await world.meters()}
        assert limits == {request.number(TIMEOUT), request.number(LOW)}


@pytest.mark.parametrize("cause", [ErrorCause.UNSUPPORTED_ATTRIBUTE, ErrorCause.SESSION_NOT_FOUND])
async def test_a_nas_that_cannot_move_a_limit_keeps_it_and_one_that_has_no_session_ends_ours(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path, cause: ErrorCause
) -> None:
    async with renewed(db, tenant_id, clock, tmp_path) as (world, nas):
        nas.decide = lambda one: (one.code + 2, [pair("Error-Cause", cause)])
        accepted, ticket = await begin(world)
        limit = accepted.number(LOW) or 0
        await world.acct.account(Status.INTERIM, ticket, output=limit - 1, seconds=5)
        assert (await nas.next()).code == Code.COA_REQUEST
        await asyncio.gather(*world.gateway.application.tasks)
        (meter,) = await world.meters()
        assert meter["most"] == limit
        assert (meter["ended_at"] is not None) == (cause == ErrorCause.SESSION_NOT_FOUND)
        assert nas.told.empty()


# ---- State


@pytest.fixture
async def timed(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> AsyncIterator[World]:
    node = a_node('counts = "time"\n')
    async with a_world(db, tenant_id, clock, tmp_path, node=node, money=10 * EURO) as found:
        yield found


async def begun(world: World) -> tuple[int, Pair, Pair]:
    """Return the time, Class and State of a session that has started."""
    accepted, ticket = await begin(world)
    state = accepted.first(STATE)
    assert accepted.number(key_of("Termination-Action")) == 1
    assert state is not None
    return accepted.number(TIMEOUT) or 0, ticket, (STATE, state)


def more_octets(world: World, state: Pair) -> bytes:
    return world.auth.access_octets("491511", "fjord-otter", state)


async def test_a_nas_that_asks_again_at_the_end_of_the_time_goes_on_in_the_same_session(
    timed: World, clock: MovableClock
) -> None:
    seconds, ticket, state = await begun(timed)
    clock.advance(timedelta(seconds=seconds))
    octets = more_octets(timed, state)
    again = await timed.auth.answer(octets)
    assert again.code == Code.ACCESS_ACCEPT
    assert await timed.balance() == 10 * EURO - seconds * A_SECOND
    more = again.number(TIMEOUT) or 0
    assert await timed.held() == more * A_SECOND
    timed.gateway.server._answers.clear()
    repeated: Packet = await timed.auth.answer(octets)
    assert repeated.number(TIMEOUT) == more
    assert await timed.balance() == 10 * EURO - seconds * A_SECOND
    await timed.acct.account(Status.STOP, ticket, seconds=seconds + 7)
    assert (await timed.balance(), await timed.held()) == (10 * EURO - (seconds + 7) * A_SECOND, 0)
    assert len(await timed.meters()) == 1


async def test_who_asks_again_early_is_charged_no_more_than_the_time_that_has_passed(
    timed: World, clock: MovableClock
) -> None:
    _, ticket, state = await begun(timed)
    clock.advance(timedelta(seconds=3))
    assert (await timed.auth.answer(more_octets(timed, state))).code == Code.ACCESS_ACCEPT
    assert await timed.balance() == 10 * EURO - 3 * A_SECOND
    await timed.acct.account(Status.STOP, ticket, seconds=3)
    assert (await timed.balance(), await timed.held()) == (10 * EURO - 3 * A_SECOND, 0)


async def test_a_session_that_has_no_money_for_more_is_rejected_at_the_end_of_its_time(
    timed: World, clock: MovableClock
) -> None:
    seconds, ticket, state = await begun(timed)
    await timed.acct.account(Status.INTERIM, ticket, seconds=1_000)
    clock.advance(timedelta(seconds=1_000))
    again = await timed.auth.answer(more_octets(timed, state))
    assert seconds < 1_000
    assert (again.code, await timed.balance()) == (Code.ACCESS_REJECT, 0)


async def test_the_state_of_a_session_that_has_ended_begins_another_one(
    timed: World, clock: MovableClock
) -> None:
    seconds, ticket, state = await begun(timed)
    clock.advance(timedelta(seconds=seconds))
    await timed.acct.account(Status.STOP, ticket, seconds=seconds)
    again = await timed.auth.answer(more_octets(timed, state))
    assert again.code == Code.ACCESS_ACCEPT
    assert again.first(CLASS) != ticket[1]
    assert await timed.balance() == 10 * EURO - seconds * A_SECOND
