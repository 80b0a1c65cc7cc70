"""Usage: each unit is charged once, whatever a NAS repeats, reorders or loses, and whichever process dies."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging import service as charging
from farwire.charging.model import Answer
from farwire.charging.service.books import take_all
from farwire.gateway.radius.access import Ticket
from farwire.gateway.radius.accounting import Meter, Report, advance, first_meter, is_another, requests_of
from farwire.gateway.radius.dictionary import Code, Status, key_of
from farwire.gateway.radius.proofs import request_octets
from farwire.kernel.ids import TenantId
from tests.charging.desk import open_one
from tests.conftest import START
from tests.gateway.radius.world import EURO, MB, SECRET, World, a_node, a_world, pair
from tests.gateway.world import sell_data_and_calls

PRICE = 20_000_000
"""Nano-units for a MB."""
CLASS = key_of("Class")
CLIENT = a_node().clients[0]


def a_report(status: Status, *, at: float = 0, **sums: int) -> Report:
    wraps = "gigawords" not in sums
    high = sums.pop("gigawords", 0) << 32
    counted = {"input": 0, "seconds": 0, **sums}
    output = counted.pop("output", 0) + high
    return Report(
        status, "nas", "s", START + timedelta(seconds=at), counted["input"], output, wraps, counted["seconds"], None
    )  # fmt: skip


def metered(*reports: Report, gap: float = 1) -> tuple[list[int], Meter]:
    """Return what each request of a session reports as used, and the meter after them."""
    meter, used, now = first_meter(CLIENT, reports[0], 7, START), [], START
    for one in reports:
        now += timedelta(seconds=gap)
        after = advance(meter, one, CLIENT, now)
        if after != meter:
            used.append(after.used)
            meter = msgspec.structs.replace(after, settled=True)
    return used, meter


def test_sums_become_what_is_new_and_a_stop_ends_it() -> None:
    used, meter = metered(
        a_report(Status.START),
        a_report(Status.INTERIM, output=5, seconds=9),
        a_report(Status.STOP, output=9, seconds=12),
    )
    assert used == [0, 5, 4]
    assert (meter.number, meter.ending, meter.ended_at) == (6, True, START)
    late = advance(meter, a_report(Status.INTERIM, output=9, seconds=30), CLIENT, START)
    assert late is meter


def test_what_an_ended_session_has_used_all_the_same_is_charged_in_another_one() -> None:
    _, ended = metered(a_report(Status.START), a_report(Status.STOP, output=9, seconds=12))
    more = advance(ended, a_report(Status.INTERIM, output=20, seconds=30), CLIENT, START)
    assert (more.used, more.number, more.ended_at, more.generation) == (11, 2, None, 1)
    assert (more.charge_hi, more.charge_lo) != (ended.charge_hi, ended.charge_lo)


def test_gigawords_count_and_a_counter_without_them_goes_on_after_32_bits() -> None:
    used, _ = metered(a_report(Status.INTERIM, output=7, gigawords=3, seconds=1))
    assert used == [3 * 2**32 + 7]
    used, meter = metered(
        a_report(Status.INTERIM, output=2**32 - 10, seconds=1), a_report(Status.INTERIM, output=5, seconds=2),
        a_report(Status.STOP, output=6, seconds=3),
    )  # fmt: skip
    assert used == [2**32 - 10, 15, 1]
    assert meter.output == 2**32 + 6


@given(
    st.lists(st.tuples(st.integers(0, 2**33), st.integers(0, 2**33), st.integers(1, 600)), max_size=8),
    st.randoms(use_true_random=False),
)
@settings(max_examples=60)
def test_whatever_is_repeated_lost_or_reordered_the_sum_of_what_is_used_is_what_was_reported(
    parts: list[tuple[int, int, int]], random: object
) -> None:
    sums = [(0, 0, 0)]
    for one in parts:
        sums.append(tuple(map(sum, zip(sums[-1], one, strict=True))))  # type: ignore[arg-type]
    told = [
        a_report(Status.INTERIM, input=i, output=o & 0xFFFFFFFF, gigawords=o >> 32, seconds=s)
        for i, o, s in sums
    ]
    shuffled = [one for one in told * 2 if random.random() < 0.7]  # type: ignore[attr-defined]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    last = msgspec.structs.replace(told[-1], status=Status.STOP)
    used, _ = metered(a_report(Status.START), *shuffled, last, *shuffled, last)
    assert sum(used) == sums[-1][0] + sums[-1][1]


def test_a_name_that_is_given_out_again_is_another_session_only_by_a_later_start() -> None:
    _, meter = metered(a_report(Status.START), a_report(Status.STOP, output=9, seconds=12, at=12))
    assert not is_another(meter, a_report(Status.START, at=20))
    assert not is_another(meter, a_report(Status.STOP, at=200))
    assert is_another(meter, a_report(Status.START, at=80))


def test_the_beginning_of_a_session_that_charging_does_not_know_goes_before_its_request() -> None:
    _, meter = metered(a_report(Status.STOP, output=9, seconds=12))
    request, beginning = requests_of(meter, CLIENT)
    assert (beginning.number, beginning.asks[0].used, request.number, request.asks[0].used) == (1, 0, 2, 9)


async def test_a_session_is_charged_what_it_reports(world: World) -> None:
    accepted = await world.auth.access()
    ticket = (CLASS, accepted.first(CLASS) or b"")
    await world.acct.account(Status.START, ticket)
    await world.acct.account(Status.INTERIM, ticket, input=MB, output=2 * MB, seconds=60)
    assert await world.balance() == EURO - 3 * PRICE
    assert await world.held() > 0
    await world.acct.account(Status.STOP, ticket, input=MB, output=9 * MB, seconds=90)
    assert (await world.balance(), await world.held()) == (EURO - 10 * PRICE, 0)
    (meter,) = await world.meters()
    assert (meter["settled"], meter["ended_at"] is not None) == (True, True)


async def test_repeats_with_other_identifiers_move_nothing(world: World) -> None:
    for status, seconds in ((Status.START, 0), (Status.INTERIM, 60), (Status.STOP, 90)):
        for _ in range(3):
            await world.acct.account(status, output=seconds * MB // 30, seconds=seconds)
    await world.acct.account(Status.INTERIM, output=2 * MB, seconds=60)
    assert await world.balance() == EURO - 3 * PRICE


async def test_a_stop_alone_is_charged_and_repeated_a_day_later_it_is_not(
    world: World, clock: MovableClock
) -> None:
    await world.acct.account(Status.STOP, output=4 * MB, seconds=60)
    assert await world.balance() == EURO - 4 * PRICE
    clock.advance(timedelta(days=2))
    await world.acct.account(Status.STOP, output=4 * MB, seconds=60, delay=172_800)
    assert await world.balance() == EURO - 4 * PRICE


async def test_a_session_that_charging_has_forgotten_goes_on_where_it_was(
    world: World, clock: MovableClock
) -> None:
    await world.acct.account(Status.START)
    await world.acct.account(Status.INTERIM, output=2 * MB, seconds=60)
    clock.advance(timedelta(days=3))
    await world.acct.account(Status.INTERIM, output=5 * MB, seconds=86_400 * 3)
    assert await world.balance() == EURO - 5 * PRICE


async def test_two_sessions_of_one_login_are_both_charged(world: World) -> None:
    ticket = (CLASS, (await world.auth.access()).first(CLASS) or b"")
    for session in ("s1", "s2"):
        await world.acct.account(Status.START, ticket, session=session)
        await world.acct.account(Status.STOP, ticket, session=session, output=3 * MB, seconds=9)
    assert await world.balance() == EURO - 6 * PRICE


async def test_a_name_that_is_used_again_is_charged_anew(world: World, clock: MovableClock) -> None:
    for _ in range(2):
        await world.acct.account(Status.START)
        await world.acct.account(Status.STOP, output=3 * MB, seconds=9)
        clock.advance(timedelta(minutes=5))
    assert await world.balance() == EURO - 6 * PRICE


@pytest.mark.parametrize("status", [Status.ON, Status.OFF])
async def test_a_nas_that_starts_or_ends_ends_its_sessions(world: World, status: Status) -> None:
    for session in ("s1", "s2"):
        await world.acct.account(Status.START, session=session)
        await world.acct.account(Status.INTERIM, session=session, output=MB, seconds=5)
    assert await world.held() > 0
    await world.acct.account(status)
    assert (await world.held(), await world.balance()) == (0, EURO - 2 * PRICE)
    await world.acct.account(Status.STOP, session="s1", output=2 * MB, seconds=9)
    assert all(one["ended_at"] is not None for one in await world.meters())
    assert (await world.held(), await world.balance()) == (0, EURO - 3 * PRICE)


class Dying:
    """A client of charging whose process dies: after it has asked, or before."""

    def __init__(self, real: charging.Client, *, asks: bool) -> None:
        self.real, self.asks, self.asked = real, asks, asyncio.Event()

    async def ask(self, tenant: int, request: object) -> Answer:
        if self.asks:
            await self.real.ask(tenant, request)  # type: ignore[arg-type]
        self.asked.set()
        raise charging.busy()

    async def close(self) -> None: ...


@pytest.mark.parametrize("asks", [True, False])
@pytest.mark.parametrize("repeated", [True, False])
async def test_what_a_process_that_has_died_had_asked_is_charged_once(
    world: World, clock: MovableClock, *, asks: bool, repeated: bool
) -> None:
    await world.acct.account(Status.START)
    asking = world.gateway.metering._asking
    real = asking._client
    asking._client = dying = Dying(real, asks=asks)
    octets = world.acct.send(world.acct.account_octets(Status.STOP, output=5 * MB, seconds=60))
    await dying.asked.wait()
    await asyncio.gather(*world.gateway.server.tasks)
    asking._client = real
    assert world.acct.came.empty()
    if repeated:
        assert (await world.acct.answer(octets)).code == Code.ACCOUNTING_RESPONSE
    else:
        assert await world.gateway.settle_old() == 0
        clock.advance(timedelta(minutes=1))
        assert await world.gateway.settle_old() == 1
    assert await world.gateway.settle_old() == 0
    assert (await world.balance(), await world.held()) == (EURO - 5 * PRICE, 0)


@pytest.mark.parametrize("asks", [True, False])
async def test_what_was_asked_long_ago_is_charged_once_although_charging_has_forgotten_the_session(
    world: World, clock: MovableClock, *, asks: bool
) -> None:
    await world.acct.account(Status.START)
    await world.acct.account(Status.INTERIM, output=2 * MB, seconds=30)
    asking = world.gateway.metering._asking
    real = asking._client
    asking._client = dying = Dying(real, asks=asks)
    world.acct.send(world.acct.account_octets(Status.STOP, output=5 * MB, seconds=60))
    await dying.asked.wait()
    await asyncio.gather(*world.gateway.server.tasks)
    asking._client = real
    await take_all(db=world.db, log=world.desk.runner.shard.log, clock=clock)
    clock.advance(timedelta(minutes=20) if asks else timedelta(days=3))
    assert await world.gateway.settle_old() == 1
    assert await world.gateway.settle_old() == 0
    assert (await world.balance(), await world.held()) == (EURO - 5 * PRICE, 0)


async def test_what_names_nobody_or_another_operators_account_is_not_answered(
    world: World, other_tenant_id: TenantId, clock: MovableClock
) -> None:
    await sell_data_and_calls(world.db, other_tenant_id, clock)
    other = await open_one(world.db, other_tenant_id, clock, key="sub-9")
    await charging.make_live(
        world.desk.client, db=world.db, tenant_id=other_tenant_id, account=other, now=clock.now()
    )
    stolen = Ticket(other.number, 1, 2, 0, restricted=False)
    world.acct.send(world.acct.account_octets(Status.STOP, (CLASS, stolen.octets()), output=MB))
    world.acct.send(request_octets(Code.ACCOUNTING_REQUEST, 250, [pair("Acct-Status-Type", 2)], SECRET))
    await world.acct.account(Status.START, session="s3")
    await asyncio.gather(*world.gateway.server.tasks)
    assert world.acct.came.empty()
    seen = (await charging.inspect(world.desk.client, account=other)).seen
    assert seen is not None
    assert not seen.sessions
    clock.advance(timedelta(minutes=1))
    assert [await world.gateway.settle_old() for _ in range(2)] == [1, 0]


async def test_the_delay_and_the_stamp_of_a_nas_say_when_it_was(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    async with a_world(db, tenant_id, clock, tmp_path) as world:
        await world.acct.account(Status.START, delay=600)
        stamp = int(clock.now().timestamp()) - 300
        await world.acct.account(Status.STOP, pair("Event-Timestamp", stamp), output=MB, seconds=300)
        (meter,) = await world.meters()
        assert meter["opened_at"] == clock.now() - timedelta(seconds=600)
        assert meter["ended_at"] == clock.now() - timedelta(seconds=300)
