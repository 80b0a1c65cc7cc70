"""A customer is told once that an allowance is nearly, and once that it is wholly used."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from usage_cases import profile
from usage_world import PLAN, deck, operator, subscribers

from farwire.base import eventbus
from farwire.catalog.model import read_plan
from farwire.kernel.ids import ProductId, uuid7
from farwire.kernel.time import BillCycle, instant, zone
from farwire.rating.model import Charge, Chargeable, CounterBook, compile_tariff, rate
from farwire.usage import events, service
from farwire.usage.model import THRESHOLDS, crossings

FREE = PLAN + '\n[[allowances]]\nid = "free"\nlabel = "10 minutes"\namount = "10 min"\nprices = ["calls"]\n'


@pytest.fixture
async def sold(db, tenant_id, clock, tmp_path):
    """Two subscribers with 10 free minutes a month."""
    await operator(db, tenant_id, clock, FREE)
    await subscribers(db, tenant_id, clock, tmp_path, ["msisdn:49151", "msisdn:49152"])
    await deck(db, tenant_id, clock, tmp_path, "wholesale", "prefix,price,increment\n49,0.60,1\n")
    await deck(db, tenant_id, clock, tmp_path, "internal", "prefix,price,increment\n10,0.01,1\n")


@pytest.fixture
def load(db, tenant_id, clock, tmp_path):
    async def run(lines, name="calls.csv"):
        path = tmp_path / name
        path.write_text("".join(lines))
        await service.import_usage(db=db, tenant_id=tenant_id, clock=clock, path=path, profile=profile())

    return run


@pytest.fixture
def told(db, tenant_id):
    """Return what was told: (percent, used seconds, when), in the order of publishing."""

    async def run():
        async with db.transaction(tenant_id) as tx:
            facts = await eventbus.list_events(tx=tx, type_prefix=events.ALLOWANCE_USED)
        return [(fact.data["percent"], fact.data["used"], fact.data["at"][:16]) for _, fact in facts]

    return run


def minutes(count, month="05", caller="49151", start=0):
    return [
        f"{month}{start + n},{caller},4930,2026-{month}-{start + n + 1:02d}T10:00:00Z,60\n"
        for n in range(count)
    ]


@pytest.mark.usefixtures("sold")
@pytest.mark.parametrize("batch", [1, 3, 5_000])
async def test_each_threshold_is_told_once_whatever_the_batches(db, tenant_id, clock, load, told, batch):
    await load(minutes(12))
    await service.rate_usage(db=db, tenant_id=tenant_id, clock=clock, batch=batch)
    assert await told() == [(80, 480, "2026-05-08T10:00"), (100, 600, "2026-05-10T10:00")]
    async with db.transaction(tenant_id) as tx:
        fact = (await eventbus.list_events(tx=tx, type_prefix=events.ALLOWANCE_USED))[0][1]
    assert (fact.data["allowance_id"], fact.data["label"], fact.data["amount"], fact.data["unit"]) == (
        "free",
        "10 minutes",
        600,
        "second",
    )
    assert fact.subject == fact.data["product_id"]


@pytest.mark.usefixtures("sold")
async def test_a_new_period_tells_anew_and_another_product_for_itself(db, tenant_id, clock, load, told):
    await load([*minutes(8), *minutes(8, month="06"), *minutes(7, caller="49152", start=8)])
    await service.rate_usage(db=db, tenant_id=tenant_id, clock=clock)
    assert [percent for percent, _, _ in await told()] == [80, 80]


@pytest.mark.usefixtures("sold")
async def test_one_usage_that_takes_all_tells_both(db, tenant_id, clock, load, told):
    await load(["1,49151,4930,2026-05-01T10:00:00Z,1200\n"])
    await service.rate_usage(db=db, tenant_id=tenant_id, clock=clock)
    assert [(percent, used) for percent, used, _ in await told()] == [(80, 600), (100, 600)]


@pytest.mark.usefixtures("sold")
async def test_the_same_file_again_and_a_restart_tell_nothing_more(db, tenant_id, clock, load, told):
    await load(minutes(8))
    await service.rate_usage(db=db, tenant_id=tenant_id, clock=clock)
    await load(minutes(8), "again.csv")
    await load(["x,49151,4930,2026-05-20T10:00:00Z,1\n"], "more.csv")
    await service.rate_usage(db=db, tenant_id=tenant_id, clock=clock)
    assert [percent for percent, _, _ in await told()] == [80]


@pytest.mark.usefixtures("sold")
async def test_a_counter_that_fell_and_rises_again_tells_nothing_twice(db, tenant_id, clock, load, told):
    await load(minutes(8))
    await service.rate_usage(db=db, tenant_id=tenant_id, clock=clock)
    async with db.transaction(tenant_id) as tx:
        await tx.execute("UPDATE rating.counter SET value = 0 WHERE tenant_id = $1", tenant_id)
    await load(minutes(9, start=8), "more.csv")
    await service.rate_usage(db=db, tenant_id=tenant_id, clock=clock)
    assert [percent for percent, _, _ in await told()] == [80]


@pytest.mark.usefixtures("sold")
async def test_runs_at_the_same_time_tell_once(db, tenant_id, clock, load, told):
    await load([*minutes(12), *minutes(12, caller="49152", start=12)])
    runs = [service.rate_usage(db=db, tenant_id=tenant_id, clock=clock, batch=2) for _ in range(3)]
    await asyncio.gather(*runs)
    assert sorted(percent for percent, _, _ in await told()) == [80, 80, 100, 100]


@pytest.mark.usefixtures("sold")
async def test_a_run_that_dies_tells_when_it_goes_on(db, tenant_id, clock, load, told):
    await load(minutes(12))
    done = 0

    def cancelled():
        nonlocal done
        done += 1
        return done > 5

    await service.rate_usage(db=db, tenant_id=tenant_id, clock=clock, batch=4, cancelled=cancelled)
    before = await told()
    await service.rate_usage(db=db, tenant_id=tenant_id, clock=clock)
    after = await told()
    assert len(before) < 2
    assert [percent for percent, _, _ in after] == [80, 100]


TARIFF = compile_tariff(
    read_plan(FREE.replace('deck = "wholesale"', "price = 0.01").replace('deck = "internal"', "price = 0.01"))
)
CYCLE = BillCycle(1, zone("Europe/Berlin"))


@given(st.lists(st.integers(1, 400), min_size=1, max_size=30))
def test_thresholds_are_crossed_once_each_and_in_order(seconds: list[int]) -> None:
    book, product, at = CounterBook(), ProductId(uuid7()), instant("2026-05-03T10:00:00Z")
    found = []
    for quantity in seconds:
        view = book.view(TARIFF, product, at, cycle=CYCLE, product_start=at)
        charge = rate(
            TARIFF,
            Chargeable(kind="voice", started_at=at, quantity=quantity, destination="4930"),
            view.values,
        )
        assert isinstance(charge, Charge)
        book.apply(view, charge)
        found += [one.percent for one in crossings(TARIFF, view, charge, at)]
    used = min(sum(seconds), 600)
    assert found == [percent for percent in THRESHOLDS if used * 100 >= percent * 600]
