"""Pools: nothing is given twice, nobody is refused while one is left, nothing leaks."""

from __future__ import annotations

import asyncio
import signal
import sys
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.jobs import Worker, enqueue_due
from farwire.base.storage import Database
from farwire.inventory import jobs, service
from farwire.inventory.model import NewResource, Resource, ResourceKind, ResourceState, number_range
from farwire.kernel.errors import Conflict, Exhausted, Invalid, NotFound
from farwire.kernel.ids import TenantId
from farwire.kernel.page import PageRequest

from .products import JUNE, a_product, added

DAY = timedelta(days=1)
POOL = "mobile"
TAKER = Path(__file__).with_name("taker.py")


async def make_pool(
    db: Database, tenant_id: TenantId, count: int, *, name: str = POOL, first: int = 4915100000000
) -> None:
    async with db.transaction(tenant_id) as tx:
        await service.create_pool(tx, name=name, kind=ResourceKind.MSISDN, quarantine_days=30, now=JUNE)
        values = number_range(str(first), str(first + count - 1))
        assert await service.fill_pool(tx, pool=name, values=values) == count


async def reserved(db: Database, tenant_id: TenantId, key: str, count: int = 1) -> tuple[Resource, ...]:
    async with db.transaction(tenant_id) as tx:
        return await service.reserve(tx, pool=POOL, key=key, count=count, now=JUNE)


async def counts(db: Database, tenant_id: TenantId, name: str = POOL) -> dict[str, int]:
    async with db.transaction(tenant_id) as tx:
        found = await service.count_pool(tx, pool=name)
    return {state.value: count for state, count in found.counts.items()}


async def attempt(db: Database, tenant_id: TenantId, key: str, count: int = 1) -> list[str] | None:
    """Return the numbers, None where the pool is exhausted."""
    try:
        return [one.value for one in await reserved(db, tenant_id, key, count)]
    except Exhausted:
        return None


async def test_200_requests_at_once_on_150_numbers_give_150_and_50_refusals(
    db: Database, tenant_id: TenantId
) -> None:
    await make_pool(db, tenant_id, 150)
    answers = await asyncio.gather(*(attempt(db, tenant_id, f"order-{n}") for n in range(200)))
    given_out = [numbers[0] for numbers in answers if numbers]
    assert (len(given_out), len(set(given_out)), answers.count(None)) == (150, 150, 50)
    assert await counts(db, tenant_id) == {"reserved": 150}
    again = await asyncio.gather(*(attempt(db, tenant_id, f"order-{n}") for n in range(200)))
    assert again == answers


async def test_who_wants_several_gets_them_or_none_and_nobody_fails_for_another_who_fails(
    db: Database, tenant_id: TenantId
) -> None:
    await make_pool(db, tenant_id, 20)
    answers = await asyncio.gather(*(attempt(db, tenant_id, f"order-{n}", 3) for n in range(12)))
    assert [len(numbers) for numbers in answers if numbers] == [3] * 6
    assert len({number for numbers in answers if numbers for number in numbers}) == 18
    assert await counts(db, tenant_id) == {"reserved": 18, "available": 2}


async def test_one_key_at_once_reserves_once(db: Database, tenant_id: TenantId) -> None:
    await make_pool(db, tenant_id, 20)
    answers = await asyncio.gather(*(attempt(db, tenant_id, "order-1", 2) for _ in range(10)))
    assert len({tuple(numbers or ()) for numbers in answers}) == 1
    assert await counts(db, tenant_id) == {"reserved": 2, "available": 18}
    with pytest.raises(Conflict, match="another reservation"):
        await reserved(db, tenant_id, "order-1", 3)


async def test_the_last_number_is_not_refused_while_another_only_tries_it(
    db: Database, tenant_id: TenantId
) -> None:
    await make_pool(db, tenant_id, 1)
    tried, go_on = asyncio.Event(), asyncio.Event()

    async def try_and_fail() -> None:
        async with db.transaction(tenant_id) as tx:
            await service.reserve(tx, pool=POOL, key="fails", now=JUNE)
            tried.set()
            await go_on.wait()
            raise RuntimeError

    failing = asyncio.create_task(try_and_fail())
    await tried.wait()
    second = asyncio.create_task(attempt(db, tenant_id, "order-2"))
    await asyncio.sleep(0.1)
    assert not second.done()
    go_on.set()
    assert await second == ["4915100000000"]
    with pytest.raises(RuntimeError):
        await failing


async def test_a_refusal_leaves_no_trace_even_where_its_transaction_goes_on(
    db: Database, tenant_id: TenantId
) -> None:
    await make_pool(db, tenant_id, 2)
    async with db.transaction(tenant_id) as tx:
        with pytest.raises(Exhausted):
            await service.reserve(tx, pool=POOL, key="order-1", count=3, now=JUNE)
        with pytest.raises(Conflict):
            await service.reserve_chosen(
                tx, pool=POOL, key="order-1", values=["4915100000000", "4915100000009"], now=JUNE
            )
    assert await counts(db, tenant_id) == {"available": 2}
    assert len(await reserved(db, tenant_id, "order-1", 2)) == 2


async def test_what_is_released_can_be_had_again_and_its_key_too(db: Database, tenant_id: TenantId) -> None:
    await make_pool(db, tenant_id, 1)
    (first,) = await reserved(db, tenant_id, "order-1")
    async with db.transaction(tenant_id) as tx:
        assert await service.release(tx, key="order-1") == 1
        assert await service.release(tx, key="order-1") == 0
        assert await service.reserved(tx, key="order-1") == ()
    assert await reserved(db, tenant_id, "order-1") == (first,)


async def test_an_unused_reservation_expires_by_the_job_and_asking_again_prolongs_it(
    db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    await make_pool(db, tenant_id, 2)
    async with db.transaction(tenant_id) as tx:
        await service.reserve(tx, pool=POOL, key="short", now=JUNE, until=JUNE + DAY)
        await service.reserve(tx, pool=POOL, key="long", now=JUNE, until=JUNE + DAY)
        (kept,) = await service.reserve(tx, pool=POOL, key="long", now=JUNE, until=JUNE + 9 * DAY)
    assert kept.until == JUNE + 9 * DAY
    worker = Worker(db=db, clock=clock, handlers=jobs.handlers(db=db, clock=clock))
    clock.advance(DAY)
    async with db.transaction(tenant_id) as tx:
        await enqueue_due(tx=tx, schedules=jobs.SCHEDULES, now=clock.now())
    while await worker.run_once():
        pass
    assert await counts(db, tenant_id) == {"reserved": 1, "available": 1}
    async with db.transaction(tenant_id) as tx:
        assert await service.reserved(tx, key="short") == ()
        assert await service.reserved(tx, key="long") == (kept,)


async def test_a_chosen_number_goes_to_the_first_who_asks(db: Database, tenant_id: TenantId) -> None:
    await make_pool(db, tenant_id, 1000)

    async def choose(key: str) -> str | None:
        try:
            async with db.transaction(tenant_id) as tx:
                (one,) = await service.reserve_chosen(
                    tx, pool=POOL, key=key, values=["4915100000777"], now=JUNE
                )
        except Conflict:
            return None
        return one.value

    answers = await asyncio.gather(*(choose(f"order-{n}") for n in range(10)))
    assert sorted(filter(None, answers)) == ["4915100000777"]
    winner = next(n for n, answer in enumerate(answers) if answer)
    assert await choose(f"order-{winner}") == "4915100000777"
    with pytest.raises(Conflict, match="another reservation"):
        async with db.transaction(tenant_id) as tx:
            await service.reserve_chosen(
                tx, pool=POOL, key=f"order-{winner}", values=["4915100000778"], now=JUNE
            )


async def test_free_numbers_are_searched_by_pattern_page_by_page(db: Database, tenant_id: TenantId) -> None:
    await make_pool(db, tenant_id, 1000)
    await reserved(db, tenant_id, "order-1")

    async def search(pattern: str, offset: int = 0) -> tuple[list[str], int]:
        async with db.transaction(tenant_id) as tx:
            page = await service.free_resources(tx, pool=POOL, pattern=pattern, page=PageRequest(offset, 5))
        return [one.value[-3:] for one in page.items], page.total

    assert await search("777") == (["777"], 1)
    assert await search("*77") == (["077", "177", "277", "377", "477"], 10)
    assert await search("*77", offset=5) == (["577", "677", "777", "877", "977"], 10)
    assert await search("49151000009?9") == (["909", "919", "929", "939", "949"], 10)
    assert (await search(""))[1] == 999
    for literal in ("%", "_", "\\"):
        assert await search(f"*{literal}*") == ([], 0)


async def test_an_esim_profile_is_one_resource_with_all_that_belongs_to_it(
    db: Database, tenant_id: TenantId
) -> None:
    profiles = [
        NewResource(f"89490200000000{n:05d}", {"imsi": f"26201{n:010d}", "matching_id": f"M-{n}"})
        for n in range(3)
    ]
    async with db.transaction(tenant_id) as tx:
        await service.create_pool(
            tx, name="esim", kind=ResourceKind.ESIM_PROFILE, quarantine_days=0, now=JUNE
        )
        assert await service.fill_pool(tx, pool="esim", values=profiles) == 3
        (one,) = await service.reserve(tx, pool="esim", key="order-1", now=JUNE)
    assert (one.value, dict(one.attributes)) == (profiles[0].value, dict(profiles[0].attributes))
    with pytest.raises(Conflict, match="one IMSI"):
        async with db.transaction(tenant_id) as tx:
            await service.fill_pool(
                tx, pool="esim", values=[NewResource("89490200000000099999", {"imsi": "262010000000001"})]
            )


async def test_filling_again_adds_what_is_new_and_another_pool_cannot_have_the_same(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    await make_pool(db, tenant_id, 10)
    await make_pool(db, other_tenant_id, 10)
    async with db.transaction(tenant_id) as tx:
        values = number_range("4915100000005", "4915100000014")
        assert await service.fill_pool(tx, pool=POOL, values=values) == 5
        assert await service.fill_pool(tx, pool=POOL, values=["4915100000099"] * 2) == 1
        await service.create_pool(tx, name="gold", kind=ResourceKind.MSISDN, quarantine_days=0, now=JUNE)
    with pytest.raises(Conflict) as refused:
        async with db.transaction(tenant_id) as tx:
            await service.fill_pool(tx, pool="gold", values=["4915200000000", "4915100000005"])
    assert (refused.value.code, refused.value.value) == ("inventory.in_other_pool", "4915100000005")
    assert await counts(db, tenant_id, "gold") == {}
    assert await counts(db, other_tenant_id) == {"available": 10}
    with pytest.raises(NotFound):
        await counts(db, other_tenant_id, "gold")


@pytest.mark.parametrize(
    ("kind", "bad"),
    [
        (ResourceKind.MSISDN, "015112345678"),
        (ResourceKind.MSISDN, "+4915112345678"),
        (ResourceKind.ICCID, "123"),
        (ResourceKind.IMSI, "2620112345678901"),
        (ResourceKind.IPV4, "10.0.0.256"),
        (ResourceKind.PORT, "olt 1"),
        (ResourceKind.PORT, ""),
    ],
)
async def test_a_malformed_value_is_refused_with_its_row_and_nothing_is_added(
    db: Database, tenant_id: TenantId, kind: ResourceKind, bad: str
) -> None:
    good = {"msisdn": "4915112345678", "iccid": "8949020000000000001", "imsi": "262011234567890"}
    async with db.transaction(tenant_id) as tx:
        await service.create_pool(tx, name="p", kind=kind, quarantine_days=0, now=JUNE)
    with pytest.raises(Invalid, match="row 2"):
        async with db.transaction(tenant_id) as tx:
            await service.fill_pool(tx, pool="p", values=[good.get(kind.value, "10.0.0.1"), bad])
    assert await counts(db, tenant_id, "p") == {}


@given(st.integers(0, 10**12), st.integers(0, 50))
def test_a_range_has_every_number_once_with_its_leading_zeros(first: int, more: int) -> None:
    found = list(number_range(f"{first:014d}", f"{first + more:014d}"))
    assert found == [f"{number:014d}" for number in range(first, first + more + 1)]


@pytest.mark.parametrize(
    ("first", "last"), [("2", "1"), ("1", "10"), ("a", "b"), ("", ""), ("10000000", "99999999"), ("²", "³")]
)
def test_a_range_that_is_none_is_refused(first: str, last: str) -> None:
    with pytest.raises(Invalid):
        number_range(first, last)


async def test_a_pool_is_made_once(db: Database, tenant_id: TenantId) -> None:
    await make_pool(db, tenant_id, 1)
    async with db.transaction(tenant_id) as tx:
        same = await service.create_pool(
            tx, name=POOL, kind=ResourceKind.MSISDN, quarantine_days=30, now=JUNE + DAY
        )
        assert same.created_at == JUNE
        with pytest.raises(Conflict):
            await service.create_pool(tx, name=POOL, kind=ResourceKind.IMSI, quarantine_days=30, now=JUNE)
        for name, days in (("", 0), (" x", 0), ("x", -1), ("x", 3651), ("x" * 101, 0)):
            with pytest.raises(Invalid):
                await service.create_pool(
                    tx, name=name, kind=ResourceKind.IMSI, quarantine_days=days, now=JUNE
                )
        page = await service.list_pools(tx, page=PageRequest())
    assert [(one.pool.name, one.total) for one in page.items] == [(POOL, 1)]


async def test_another_tenant_neither_sees_nor_takes_what_is_in_a_pool(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    await make_pool(db, tenant_id, 3)
    (one,) = await reserved(db, tenant_id, "order-1")
    product = a_product()
    await added(db, other_tenant_id, product)
    async with db.transaction(other_tenant_id) as tx:
        assert await service.reserved(tx, key="order-1") == ()
        assert await service.release(tx, key="order-1") == 0
        for act in (
            service.reserve(tx, pool=POOL, key="order-1", now=JUNE),
            service.get_resource(tx, resource_id=one.id),
            service.give_resources(tx, key="order-1", product_id=product.id, at=JUNE, now=JUNE),
            service.resource_valued(tx, kind=one.kind, value=one.value),
        ):
            with pytest.raises(NotFound):
                await act
    assert await counts(db, tenant_id) == {"reserved": 1, "available": 2}


async def taker(settings: Settings, tenant_id: TenantId, *arguments: str) -> tuple[int, list[str]]:
    """Run a process that takes numbers; return how it ended and what it got."""
    command = [sys.executable, str(TAKER), str(settings.database_url), str(tenant_id), *arguments]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    printed, _ = await process.communicate()
    assert process.returncode is not None
    return process.returncode, printed.decode().split()


@pytest.mark.full
async def test_four_processes_share_150_numbers(
    db: Database, tenant_id: TenantId, settings: Settings
) -> None:
    await make_pool(db, tenant_id, 150)
    ended = await asyncio.gather(*(taker(settings, tenant_id, f"w{n}", "50") for n in range(4)))
    answers = [answer for _, printed in ended for answer in printed]
    numbers = [answer for answer in answers if answer != "-"]
    assert (len(answers), len(numbers), len(set(numbers))) == (200, 150, 150)


@pytest.mark.crash
async def test_a_killed_process_leaks_no_number(
    db: Database, tenant_id: TenantId, settings: Settings
) -> None:
    await make_pool(db, tenant_id, 3)
    code, printed = await taker(settings, tenant_id, "w", "1", "die")
    assert (code, len(printed)) == (-signal.SIGKILL, 1)
    # What was not committed is free as soon as the server has noticed; what was, when it expires.
    assert len(await reserved(db, tenant_id, "others", 2)) == 2
    assert await service.free_due(db=db, tenant_id=tenant_id, now=JUNE + 2 * DAY) == 3
    assert await counts(db, tenant_id) == {"available": 3}
    async with db.transaction(tenant_id) as tx:
        assert (
            await tx.fetchval("SELECT count(*) FROM inventory.reservation WHERE tenant_id = $1", tenant_id)
            == 0
        )


async def test_a_large_pool_is_filled_in_batches(
    db: Database, tenant_id: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("farwire.inventory.service.pools.FILL_BATCH", 1500)
    await make_pool(db, tenant_id, 5000)
    assert await counts(db, tenant_id) == {ResourceState.AVAILABLE: 5000}
