"""A session that is charged by volume and by time: each is counted once, and what is used up first ends it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging import service as charging
from farwire.charging.model import CommandKind
from farwire.charging.service.books import take_all
from farwire.gateway.radius.access import ticket_of
from farwire.gateway.radius.accounting import Meter, Report, advance, first_meter, requests_of
from farwire.gateway.radius.dictionary import Code, Status, key_of
from farwire.gateway.sessions import Reason
from farwire.kernel.ids import TenantId
from tests.conftest import START
from tests.gateway.radius.test_accounting import a_report
from tests.gateway.radius.test_settling import Away, meters
from tests.gateway.radius.test_telling import GARDEN, begin, told, want
from tests.gateway.radius.world import EURO, MB, World, a_node, a_world

BOTH = 'counts = "both"\n'
CLIENT = a_node(BOTH).clients[0]
A_MB, A_SECOND = EURO // 50, EURO // 100
LOW, TIMEOUT = key_of("ChilliSpot-Max-Total-Octets"), key_of("Session-Timeout")


@pytest.fixture
async def both(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> AsyncIterator[World]:
    async with a_world(db, tenant_id, clock, tmp_path, node=a_node(BOTH)) as found:
        yield found


async def test_a_login_is_told_both_limits_and_both_are_held(both: World) -> None:
    accepted = await both.auth.access()
    octets, seconds = accepted.number(LOW) or 0, accepted.number(TIMEOUT) or 0
    assert min(octets, seconds) > 0
    assert await both.held() == octets * A_MB // MB + seconds * A_SECOND
    ticket = ticket_of(accepted)
    assert ticket is not None
    assert (ticket.most, ticket.beside) == (octets, seconds)


async def test_both_are_charged_and_nothing_stays_held(both: World) -> None:
    _, ticket = await begin(both)
    await both.acct.account(Status.INTERIM, ticket, input=MB, output=MB, seconds=5)
    await both.acct.account(Status.STOP, ticket, input=MB, output=4 * MB, seconds=9)
    assert (await both.balance(), await both.held()) == (EURO - 5 * A_MB - 9 * A_SECOND, 0)


async def test_a_login_that_has_too_little_for_both_holds_neither(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    async with a_world(db, tenant_id, clock, tmp_path, node=a_node(BOTH), money=A_MB) as world:
        assert (await world.auth.access()).code == Code.ACCESS_REJECT
        assert (await world.balance(), await world.held()) == (A_MB, 0)


@pytest.mark.parametrize(("octets", "seconds"), [(35 * MB, 0), (0, 82)])
async def test_what_is_used_up_first_ends_the_session(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path, octets: int, seconds: int
) -> None:
    async with told(db, tenant_id, clock, tmp_path, BOTH) as (world, nas):
        _, ticket = await begin(world)
        await world.acct.account(Status.INTERIM, ticket, output=octets, seconds=seconds)
        assert (await nas.next()).code == Code.DISCONNECT_REQUEST
        await asyncio.gather(*world.gateway.application.tasks)
        await world.acct.account(Status.STOP, ticket, output=octets, seconds=seconds)
        left = EURO - octets // MB * A_MB - seconds * A_SECOND
        assert (await world.balance(), await world.held()) == (left, 0)
        assert left > 0, "the other half held it"
        assert nas.told.empty()


async def test_in_the_garden_neither_is_charged_and_after_it_both_are(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    async with told(db, tenant_id, clock, tmp_path, BOTH + GARDEN) as (world, nas):
        _, ticket = await begin(world)
        await world.command(CommandKind.BAR, "bar", 1)
        await want(world, Reason.SUSPENDED)
        assert (await nas.next()).code == Code.COA_REQUEST
        await world.acct.account(Status.INTERIM, ticket, output=MB, seconds=50)
        assert await world.balance() == EURO
        await world.command(CommandKind.BAR, "unbar", 0)
        await want(world, Reason.RESUMED)
        assert (await nas.next()).text(key_of("Filter-Id")) == "full"
        await world.acct.account(Status.STOP, ticket, output=3 * MB, seconds=55)
        assert (await world.balance(), await world.held()) == (EURO - 2 * A_MB - 5 * A_SECOND, 0)


async def half_charged(world: World) -> tuple[bytes, charging.Client]:
    """Have a Stop of 1 MB and 9 s of which only the volume is charged; return it, and the way to the shard."""
    asking = world.gateway.metering._asking
    real = asking._client
    asking._client = away = Away(real)
    away.away.update(one.charge_hi for one in await meters(world) if one.beside)
    before = await world.balance()
    octets = world.acct.send(world.acct.account_octets(Status.STOP, output=MB, seconds=9))
    async with asyncio.timeout(60):
        while await world.balance() == before or world.gateway.server.tasks:  # noqa: ASYNC110 - it is asked for
            await asyncio.sleep(0.01)
    assert await world.balance() == before - A_MB
    assert world.acct.came.empty()
    return octets, real


async def test_a_report_of_which_one_half_was_charged_is_answered_when_the_other_one_is_too(
    both: World,
) -> None:
    await both.acct.account(Status.START)
    octets, both.gateway.metering._asking._client = await half_charged(both)
    assert (await both.acct.answer(octets)).code == Code.ACCOUNTING_RESPONSE
    assert (await both.balance(), await both.held()) == (EURO - A_MB - 9 * A_SECOND, 0)


async def test_the_end_of_one_half_in_the_books_is_not_taken_for_that_of_the_other(
    both: World, clock: MovableClock
) -> None:
    await both.acct.account(Status.START)
    _, both.gateway.metering._asking._client = await half_charged(both)
    await take_all(db=both.db, log=both.desk.runner.shard.log, clock=clock)
    clock.advance(timedelta(days=3))
    assert await both.gateway.settle_old() == 1
    assert (await both.balance(), await both.held()) == (EURO - A_MB - 9 * A_SECOND, 0)


async def test_a_nas_that_starts_ends_both_halves_of_its_sessions(both: World) -> None:
    await both.acct.account(Status.START)
    await both.acct.account(Status.INTERIM, output=MB, seconds=5)
    await both.acct.account(Status.ON)
    assert [one.ended_at is not None for one in await meters(both)] == [True, True]
    assert await both.held() == 0


PARTS = st.lists(st.tuples(st.integers(0, 2**33), st.integers(0, 600)), max_size=8)


@given(PARTS, st.randoms(use_true_random=False))
@settings(max_examples=60)
def test_whatever_is_repeated_lost_reordered_or_asked_again_each_octet_and_each_second_is_charged_once(
    parts: list[tuple[int, int]], random: object
) -> None:
    sums = [(0, 0)]
    for octets, seconds in parts:
        sums.append((sums[-1][0] + octets, sums[-1][1] + seconds))
    told_ = [
        a_report(Status.INTERIM, output=octets & 0xFFFFFFFF, gigawords=octets >> 32, seconds=seconds)
        for octets, seconds in sums
    ]
    shuffled = [one for one in told_ * 2 if random.random() < 0.7]  # type: ignore[attr-defined]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    last = msgspec.structs.replace(told_[-1], status=Status.STOP)
    reports = [a_report(Status.START), *shuffled, last, *shuffled, last]
    assert charged(reports, second=False) == sums[-1][0]
    assert charged(reports, second=True) == sums[-1][1]


def charged(reports: list[Report], *, second: bool) -> int:
    """Return what charging is told of the half of a session: by each number it is told once, whoever asks again."""
    meter: Meter = first_meter(CLIENT, reports[0], 7, START, second=second)
    asked: dict[tuple[int, int], int] = {}
    for one in reports:
        meter = msgspec.structs.replace(advance(meter, one, CLIENT, START), settled=True)
        for _ in range(2):
            request, _beginning = requests_of(meter, CLIENT)
            asked[meter.generation, request.number] = request.asks[0].used
    return sum(asked.values())
