"""Pools with ranges: a /8 is a row, no number is given twice or lost, and no two pools have the same."""

from __future__ import annotations

import asyncio
import signal
from datetime import timedelta

import pytest

from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.eventbus import list_events
from farwire.base.jobs import Worker, enqueue_due
from farwire.base.storage import Database
from farwire.inventory import jobs, service
from farwire.inventory.model import PoolPolicy, Resource, ResourceKind, ResourceState, Span, shown, span_of
from farwire.inventory.service import PoolRanges
from farwire.kernel.errors import Conflict, Exhausted, Invalid, NotFound
from farwire.kernel.ids import TenantId
from farwire.kernel.page import PageRequest

from .products import JUNE, a_product, added
from .test_pools import taker

DAY = timedelta(days=1)
IPV4, IPV6 = ResourceKind.IPV4, ResourceKind.IPV6
NETS = ResourceKind.IPV4_PREFIX


async def make_pool(
    db: Database, tenant_id: TenantId, name: str, kind: ResourceKind, *ranges: str, gateway: str = "", **terms
) -> PoolRanges | None:
    async with db.transaction(tenant_id) as tx:
        pool = await service.create_pool(
            tx, name=name, kind=kind, quarantine_days=terms.pop("quarantine_days", 0), now=JUNE, **terms
        )
        found = None
        for text in ranges:
            found = await service.add_range(tx, pool=pool, text=text, gateway=gateway)
        return found


async def reserve(db: Database, tenant_id: TenantId, name: str, key: str, count: int = 1, **how) -> list[str]:
    async with db.transaction(tenant_id) as tx:
        found = await service.reserve(tx, pool=name, key=key, count=count, now=JUNE, **how)
    return [one.value for one in found]


async def choose(
    db: Database, tenant_id: TenantId, name: str, key: str, *values: str
) -> tuple[Resource, ...]:
    async with db.transaction(tenant_id) as tx:
        return await service.reserve_chosen(tx, pool=name, key=key, values=values, now=JUNE)


async def release(db: Database, tenant_id: TenantId, key: str) -> None:
    async with db.transaction(tenant_id) as tx:
        await service.release(tx, key=key)


async def counts(db: Database, tenant_id: TenantId, name: str) -> dict[str, int]:
    async with db.transaction(tenant_id) as tx:
        return {str(k): n for k, n in (await service.count_pool(tx, pool=name)).counts.items() if n}


async def test_an_operators_private_network_gives_its_lowest_address_and_keeps_back_what_is_none(
    db: Database, tenant_id: TenantId
) -> None:
    found = await make_pool(db, tenant_id, "cpe", IPV4, "10.0.0.0/8", gateway="10.0.0.1")
    assert found is not None
    assert [(shown(IPV4, one.span), one.reason) for one in found.withheld] == [
        ("10.0.0.0", "network"),
        ("10.0.0.1", "gateway"),
        ("10.255.255.255", "broadcast"),
    ]
    assert await counts(db, tenant_id, "cpe") == {"available": 2**24 - 3}
    assert await reserve(db, tenant_id, "cpe", "a", 9) == [f"10.0.0.{n}" for n in range(2, 11)]
    assert await reserve(db, tenant_id, "cpe", "b") == ["10.0.0.11"]
    await release(db, tenant_id, "a")
    assert await reserve(db, tenant_id, "cpe", "c", 10) == [f"10.0.0.{n}" for n in (*range(2, 11), 12)]
    assert await counts(db, tenant_id, "cpe") == {"available": 2**24 - 14, "reserved": 11}
    with pytest.raises(Conflict) as refused:
        await choose(db, tenant_id, "cpe", "d", "10.0.0.1")
    assert refused.value.code == "inventory.taken"


@pytest.mark.parametrize("gateway", ["10.0.0.0", "10.0.0.255", "10.0.1.1", "10.0.0.2-10.0.0.3", "::1"])
async def test_a_gateway_that_is_none_leaves_no_trace_even_where_its_transaction_goes_on(
    db: Database, tenant_id: TenantId, gateway: str
) -> None:
    await make_pool(db, tenant_id, "cpe", IPV4)
    async with db.transaction(tenant_id) as tx:
        pool = await service.pool_named(tx, "cpe")
        with pytest.raises(Invalid):
            await service.add_range(tx, pool=pool, text="10.0.0.0/24", gateway=gateway)
        assert (await service.pool_ranges(tx, pool=pool)).ranges == ()


async def test_addresses_of_a_list_come_in_their_order_and_not_in_that_of_text(
    db: Database, tenant_id: TenantId
) -> None:
    await make_pool(db, tenant_id, "list", IPV4)
    async with db.transaction(tenant_id) as tx:
        await service.fill_pool(tx, pool="list", values=["10.0.0.10", "10.0.0.9", "9.0.0.0"])
        page = await service.list_resources(tx, page=PageRequest(), pool="list")
        free = await service.free_resources(tx, pool="list", page=PageRequest())
    assert [one.value for one in page.items] == ["9.0.0.0", "10.0.0.9", "10.0.0.10"]
    assert page.items == free.items
    assert await reserve(db, tenant_id, "list", "a", 3) == ["9.0.0.0", "10.0.0.9", "10.0.0.10"]
    async with db.transaction(tenant_id) as tx:  # as the migration numbers those that were there before
        wrong = await tx.fetchval(
            "SELECT count(*) FROM inventory.resource WHERE tenant_id = $1 "
            "AND number <> value::inet - inet '0.0.0.0'",
            tx.tenant_id,
        )
    assert wrong == 0


@pytest.mark.parametrize(
    ("kind", "text", "size", "first", "withheld"),
    [
        (IPV4, "192.0.2.0/31", 2, "192.0.2.0", 0),
        (IPV4, "192.0.2.7-192.0.3.2", 252, "192.0.2.7", 0),
        (IPV6, "2001:db8::/64", 2**64, "2001:db8::1", 1),
        (IPV6, "2001:db8::/127", 2, "2001:db8::", 0),
        (ResourceKind.VLAN, "9-4094", 4086, "9", 0),
        (ResourceKind.MSISDN, "4915100000000-4915199999999", 100_000_000, "4915100000000", 0),
    ],
)
async def test_whatever_is_counted_has_ranges(
    db: Database, tenant_id: TenantId, kind: ResourceKind, text: str, size: int, first: str, withheld: int
) -> None:
    found = await make_pool(db, tenant_id, "p", kind, text)
    assert found is not None
    assert ([one.size for one in found.ranges], len(found.withheld)) == ([size], withheld)
    assert [shown(kind, one) for one in found.ranges] == [text]
    if kind is IPV4 and size > 2:
        assert (await counts(db, tenant_id, "p"))["available"] == size
    assert await reserve(db, tenant_id, "p", "a") == [first]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (IPV4, "10.0.0.1/8"),
        (IPV4, "10.0.0.9-10.0.0.5"),
        (IPV4, "2001:db8::/64"),
        (IPV4, "10.0.0.0/33"),
        (IPV4, ""),
        (IPV4, "-"),
        (IPV6, "10.0.0.0/8"),
        (IPV6, "2001:DB8::-2001:db8::2"),
        (IPV6, "fe80::1%eth0"),
        (NETS, "10.0.0.0/8-11.0.0.0/8"),
        (ResourceKind.VLAN, "0-9"),
        (ResourceKind.VLAN, "4090-4095"),
        (ResourceKind.VLAN, "²-9"),
        (ResourceKind.MSISDN, "+4915100000000-4915100000009"),
        (ResourceKind.PORT, "1-2"),
        (ResourceKind.ICCID, "8949020000000000001-8949020000000000009"),
    ],
)
def test_what_is_no_range_is_refused(kind: ResourceKind, text: str) -> None:
    with pytest.raises(Invalid):
        span_of(kind, text)


async def test_pools_that_overlap_are_refused_with_both_named_unless_their_scopes_differ(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    await make_pool(db, tenant_id, "one", IPV4, "10.0.0.0/16")
    await make_pool(db, tenant_id, "listed", IPV4)
    async with db.transaction(tenant_id) as tx:
        assert await service.fill_pool(tx, pool="listed", values=["10.9.0.1"]) == 1
        assert await service.fill_pool(tx, pool="one", values=["10.0.7.7"]) == 0  # it is in the range
    for text, both in (
        ("10.0.255.255-10.1.0.0", r"10\.0\.255\.255-10\.1\.0\.0 .* two .* 10\.0\.0\.0/16 of the pool one \["),
        ("10.0.0.0/8", r"pool two .* pool one \["),
        ("10.0.5.0/24", r"pool two .* pool one \["),
        ("10.9.0.0/16", r"pool two overlaps with 10\.9\.0\.1 of the pool listed \["),
    ):
        with pytest.raises(Conflict, match=both) as refused:
            await make_pool(db, tenant_id, "two", IPV4, text)
        assert refused.value.code == "inventory.pool_overlap"
    with pytest.raises(Conflict, match="another pool"):
        async with db.transaction(tenant_id) as tx:
            await service.fill_pool(tx, pool="listed", values=["10.0.7.7"])
    with pytest.raises(Conflict, match="overlaps"):
        await make_pool(db, tenant_id, "one", IPV4, "10.0.0.0/17")
    same = await make_pool(db, tenant_id, "one", IPV4, "10.0.0.0/16")  # the same again
    assert same is not None
    assert (len(same.ranges), len(same.withheld)) == (1, 2)
    await make_pool(db, tenant_id, "vpn", IPV4, "10.0.0.0/16", scope="customer-7")
    await make_pool(db, tenant_id, "nets", NETS, "10.0.0.0/16", prefix_length=29)  # another kind
    await make_pool(db, other_tenant_id, "one", IPV4, "10.0.0.0/16")
    assert (
        await reserve(db, tenant_id, "one", "a") == await reserve(db, tenant_id, "vpn", "b") == ["10.0.0.1"]
    )
    async with db.transaction(tenant_id) as tx:
        own = await service.resource_valued(tx, kind=IPV4, value="10.0.0.1")
        theirs = await service.resource_valued(tx, kind=IPV4, value="10.0.0.1", scope="customer-7")
    assert (own.pool, theirs.pool) == ("one", "vpn")


async def test_of_two_that_add_the_same_range_at_once_one_is_refused(
    db: Database, tenant_id: TenantId
) -> None:
    names = [f"p{n}" for n in range(6)]
    for name in names:
        await make_pool(db, tenant_id, name, IPV4)
    done = await asyncio.gather(
        *(make_pool(db, tenant_id, name, IPV4, "10.0.0.0/8") for name in names), return_exceptions=True
    )
    assert sorted(type(one).__name__ for one in done) == ["Conflict"] * 5 + ["PoolRanges"]


@pytest.mark.parametrize("policy", PoolPolicy)
async def test_many_at_once_get_each_address_once_and_all_of_them(
    db: Database, tenant_id: TenantId, policy: PoolPolicy
) -> None:
    await make_pool(db, tenant_id, "small", IPV4, "10.0.0.0-10.0.0.119", policy=policy)

    async def client(which: int) -> list[str]:
        got = list[str]()
        for number in range(8):
            key, count = f"{which}-{number}", 1 + (which + number) % 3
            try:
                values = await reserve(db, tenant_id, "small", key, count)
            except Exhausted:
                continue
            if number % 4 == 0:
                await release(db, tenant_id, key)
            else:
                got += values
        return got

    taken = [value for one in await asyncio.gather(*(client(n) for n in range(10))) for value in one]
    assert len(set(taken)) == len(taken)
    found = await counts(db, tenant_id, "small")
    assert (found["reserved"], found.get("available", 0)) == (len(taken), 120 - len(taken))
    rest = 120 - len(taken)
    values = await reserve(db, tenant_id, "small", "rest", rest) if rest else []
    assert len({*taken, *values}) == 120
    with pytest.raises(Exhausted, match="has not 1 left"):
        await reserve(db, tenant_id, "small", "none")


async def test_many_prefixes_at_once_never_overlap(db: Database, tenant_id: TenantId) -> None:
    await make_pool(db, tenant_id, "nets", NETS, "192.0.2.0/25", prefix_length=29)
    wanted = [(f"k{n}", 29 - n % 3) for n in range(14)]

    async def one(key: str, length: int) -> list[str]:
        try:
            return await reserve(db, tenant_id, "nets", key, length=length)
        except Exhausted:
            return []

    got = [
        span_of(NETS, text)
        for texts in await asyncio.gather(*(one(*each) for each in wanted))
        for text in texts
    ]
    numbers = [n for each in got for n in range(each.first, each.last + 1)]
    assert len(numbers) == len(set(numbers))
    assert len(numbers) > 100


async def test_subnets_are_carved_lowest_first_and_come_back_as_part_of_wider_ones(
    db: Database, tenant_id: TenantId
) -> None:
    await make_pool(db, tenant_id, "nets", NETS, "10.4.0.0/16", prefix_length=29)
    assert await reserve(db, tenant_id, "nets", "a") == ["10.4.0.0/29"]
    assert await reserve(db, tenant_id, "nets", "b", length=28) == ["10.4.0.16/28"]
    assert await reserve(db, tenant_id, "nets", "c") == ["10.4.0.8/29"]
    assert await reserve(db, tenant_id, "nets", "b", length=28) == ["10.4.0.16/28"]
    with pytest.raises(Conflict, match="another reservation"):
        await reserve(db, tenant_id, "nets", "b", length=29)
    await release(db, tenant_id, "a")
    await release(db, tenant_id, "c")
    assert await reserve(db, tenant_id, "nets", "d", length=28) == ["10.4.0.0/28"]
    (one,) = await choose(db, tenant_id, "nets", "e", "10.4.7.0/24")
    assert (one.value, one.state) == ("10.4.7.0/24", ResourceState.RESERVED)
    for wrong in ("10.4.7.128/25", "10.5.0.0/29", "nonsense"):
        with pytest.raises(Conflict):
            await choose(db, tenant_id, "nets", "f", wrong)
    with pytest.raises(Exhausted):
        await reserve(db, tenant_id, "nets", "f", length=16)
    for length in (0, 33):
        with pytest.raises(Invalid):
            await reserve(db, tenant_id, "nets", "f", length=length)
    assert await counts(db, tenant_id, "nets") == {"reserved": 3, "retired": 2, "available": 8192 - 36}


async def test_a_prefix_rests_and_who_had_it_is_known_when_it_is_given_again(
    db: Database, tenant_id: TenantId
) -> None:
    await make_pool(db, tenant_id, "nets", NETS, "192.0.2.0/29", prefix_length=29, quarantine_days=10)
    first, second = a_product(), a_product()
    await added(db, tenant_id, first, second)
    await reserve(db, tenant_id, "nets", "a")
    async with db.transaction(tenant_id) as tx:
        (one,) = await service.give_resources(tx, key="a", product_id=first.id, at=JUNE, now=JUNE)
        rests = await service.return_resource(tx, resource_id=one.id, at=JUNE + DAY, now=JUNE + DAY)
    assert rests.state is ResourceState.QUARANTINED
    with pytest.raises(Exhausted):
        await reserve(db, tenant_id, "nets", "b", length=32)
    assert await service.free_due(db=db, tenant_id=tenant_id, now=JUNE + 11 * DAY) == 1
    assert await reserve(db, tenant_id, "nets", "b") == ["192.0.2.0/29"]
    async with db.transaction(tenant_id) as tx:
        (same,) = await service.give_resources(
            tx, key="b", product_id=second.id, at=JUNE + 11 * DAY, now=JUNE + 11 * DAY
        )
        uses = await service.resource_history(tx, resource_id=same.id)
    assert (same.id, [use.product_id for use in uses]) == (one.id, [first.id, second.id])


async def test_the_policies_give_the_next_and_any(db: Database, tenant_id: TenantId) -> None:
    vlan = ResourceKind.VLAN
    await make_pool(db, tenant_id, "s", vlan, "10-14", policy=PoolPolicy.SEQUENTIAL)
    assert await reserve(db, tenant_id, "s", "a", 3) == ["10", "11", "12"]
    await release(db, tenant_id, "a")
    assert await reserve(db, tenant_id, "s", "b") == ["13"]
    assert sorted(await reserve(db, tenant_id, "s", "c", 3)) == ["10", "11", "14"]
    await make_pool(db, tenant_id, "r", vlan, "100-4000", policy=PoolPolicy.RANDOM)
    assert len(set(await reserve(db, tenant_id, "r", "d", 50))) == 50
    assert await reserve(db, tenant_id, "r", "e", 3) != ["100", "101", "102"]
    await make_pool(db, tenant_id, "listed", ResourceKind.MSISDN, policy=PoolPolicy.SEQUENTIAL)
    async with db.transaction(tenant_id) as tx:
        await service.fill_pool(tx, pool="listed", values=["4915100000001", "4915100000005", "49151000000"])
        assert len(await service.reserve_each(tx, pool="s", keys=["one"], now=JUNE)) == 1
    assert await reserve(db, tenant_id, "listed", "f") == ["49151000000"]
    await release(db, tenant_id, "f")
    assert await reserve(db, tenant_id, "listed", "g") == ["4915100000001"]
    for kind, policy, length in (
        (ResourceKind.PORT, PoolPolicy.RANDOM, 0),
        (NETS, PoolPolicy.SEQUENTIAL, 29),
        (NETS, PoolPolicy.LOWEST, 0),
        (NETS, PoolPolicy.LOWEST, 33),
        (IPV4, PoolPolicy.LOWEST, 24),
    ):
        with pytest.raises(Invalid):
            await make_pool(db, tenant_id, "bad", kind, policy=policy, prefix_length=length)
    with pytest.raises(Conflict):
        await make_pool(db, tenant_id, "s", vlan, policy=PoolPolicy.RANDOM)


async def test_what_is_withheld_is_offered_again_and_what_is_given_cannot_be_withheld(
    db: Database, tenant_id: TenantId
) -> None:
    await make_pool(db, tenant_id, "v", ResourceKind.VLAN, "1-50")
    async with db.transaction(tenant_id) as tx:
        pool = await service.pool_named(tx, "v")
        for _ in range(2):
            kept = await service.withhold(tx, pool=pool, text="1-2", reason="management")
        assert (await service.pool_ranges(tx, pool=pool)).withheld == (kept,)
    assert await reserve(db, tenant_id, "v", "a") == ["3"]
    for text in ("3", "2-9", "50-51"):
        async with db.transaction(tenant_id) as tx:
            with pytest.raises(Conflict, match="not all of it is free"):
                await service.withhold(tx, pool=pool, text=text, reason="mine")
    async with db.transaction(tenant_id) as tx:
        with pytest.raises(NotFound):
            await service.offer(tx, pool=pool, text="1")
        await service.offer(tx, pool=pool, text="1-2")
    assert await reserve(db, tenant_id, "v", "b", 3) == ["1", "2", "4"]


async def test_another_tenant_has_no_pool_of_this_name(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    await make_pool(db, tenant_id, "cpe", IPV4, "10.0.0.0/24")
    async with db.transaction(tenant_id) as tx:
        pool = await service.pool_named(tx, "cpe")
    async with db.transaction(other_tenant_id) as tx:
        assert (await service.pool_ranges(tx, pool=pool)).ranges == ()
        with pytest.raises(Conflict):
            await service.withhold(tx, pool=pool, text="10.0.0.5", reason="mine")
        with pytest.raises(NotFound):
            await service.reserve(tx, pool="cpe", key="a", now=JUNE)


async def test_somebody_is_told_once_when_little_is_left_and_again_after_there_was_more(
    db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    await make_pool(db, tenant_id, "few", IPV4, "10.0.0.0-10.0.0.9", warn_percent=70)
    await make_pool(db, tenant_id, "empty", IPV4)

    async def told() -> list[tuple[object, object]]:
        clock.advance(timedelta(hours=1))
        async with db.transaction(tenant_id) as tx:
            await enqueue_due(tx=tx, schedules=jobs.SCHEDULES, now=clock.now())
        worker = Worker(db=db, clock=clock, handlers=jobs.handlers(db=db, clock=clock))
        while await worker.run_once():
            pass
        async with db.transaction(tenant_id) as tx:
            found = await list_events(tx=tx, type_prefix="farwire.inventory.pool_used")
        return [(one.data["pool"], one.data["percent"]) for _, one in found]

    until = JUNE + 30 * DAY
    await reserve(db, tenant_id, "few", "a", 6, until=until)
    assert await told() == []
    await reserve(db, tenant_id, "few", "b", 1, until=until)
    assert await told() == [("few", 70)]
    await reserve(db, tenant_id, "few", "c", 1, until=until)
    assert await told() == [("few", 70)]
    await release(db, tenant_id, "a")
    assert len(await told()) == 1
    await reserve(db, tenant_id, "few", "d", 8, until=until)
    assert await told() == [("few", 70), ("few", 100)]


@pytest.mark.crash
async def test_a_killed_process_leaks_no_number_of_a_range(
    db: Database, tenant_id: TenantId, settings: Settings
) -> None:
    await make_pool(db, tenant_id, "mobile", ResourceKind.MSISDN, "4915100000000-4915100000099")
    code, printed = await taker(settings, tenant_id, "w", "5", "die")
    assert (code, len(set(printed))) == (-signal.SIGKILL, 5)
    rest = await reserve(db, tenant_id, "mobile", "rest", 95)
    assert len({*printed, *rest}) == 100
    assert await service.free_due(db=db, tenant_id=tenant_id, now=JUNE + 2 * DAY) == 100
    assert await counts(db, tenant_id, "mobile") == {"available": 100}


def test_a_span_is_shown_as_it_is_read() -> None:
    for kind, text in (
        (IPV4, "10.0.0.4/30"),
        (IPV4, "10.0.0.1-10.0.0.4"),
        (NETS, "10.0.0.0/8"),
        (IPV4, "10.0.0.7"),
    ):
        assert shown(kind, span_of(kind, text)) == text
    assert span_of(ResourceKind.VLAN, "7") == Span(7, 7)
