"""What is previewed is what is billed."""

from datetime import timedelta

import pytest

from farwire.billing import service as billing
from farwire.billing.model.run import Approval
from farwire.catalog import service as catalog
from farwire.catalog.model import read_plan
from farwire.kernel.page import PageRequest
from farwire.kernel.tenancy import SYSTEM
from farwire.kernel.time import instant
from farwire.ordering.model import Action, ItemRequest
from farwire.process.order_preview import preview_order

from .world import add, operator

GROSS = """
offering = "gross"
name = "Gross"
valid_from = 2026-01-01T00:00:00+01:00
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = true
one_off = [{ id = "activation", price = 9.90 }]
recurring = [{ id = "monthly", price = 39.93, in_advance = true }]
"""


async def previewed(world, *items, at=None):
    async with world.db.transaction(world.tenant_id) as tx:
        return await preview_order(tx=tx, clock=world.clock, request=world.request(*items, at=at))


async def billed(world, until):
    """Run the bills up to ``until`` and return the last one."""
    world.clock.set(instant(until))
    report = await billing.run_bills(
        db=world.db, tenant_id=world.tenant_id, clock=world.clock, until=instant(until)
    )
    assert report.failed == 0
    page = await billing.list_bills(db=world.db, tenant_id=world.tenant_id, page=PageRequest())
    return await billing.get_bill(db=world.db, tenant_id=world.tenant_id, key=str(page.items[0].id))


@pytest.fixture
async def world(db, clock, tenant_id):
    clock.set(instant("2026-06-11T14:03+02:00"))
    made = await operator(db, clock, tenant_id)
    async with db.transaction(tenant_id) as tx:
        await billing.set_approval(tx, approval=Approval.NONE, actor=SYSTEM, now=clock.now())
    return made


async def test_a_new_product_shows_activation_part_of_the_month_and_the_next(world):
    seen = await previewed(world, add())
    assert seen.refusals == ()
    assert [line.net_minor for line in seen.bill.lines] == [990, 1333, 2000]
    assert (seen.first.net_minor, seen.first.tax_minor, seen.first.total_minor) == (4323, 821, 5144)
    assert (seen.then.net_minor, seen.then.total_minor) == (2000, 2380)
    await world.done(add())
    bill = await billed(world, "2026-07-01T00:00+02:00")
    assert (bill.net_minor, bill.total_minor) == (seen.bill.net_minor, seen.bill.total_minor)
    assert [line.net_minor for line in bill.lines] == [line.net_minor for line in seen.bill.lines]


async def test_a_back_dated_order_shows_the_bill_of_its_own_cycle_first(world):
    world.clock.set(instant("2026-07-03T12:00+02:00"))
    seen = await previewed(world, add(), at="2026-06-11T00:00+02:00")
    await world.done(add(), at="2026-06-11T00:00+02:00")
    june = await billed(world, "2026-07-04T00:00+02:00")
    assert (june.net_minor, june.total_minor) == (4323, 5144)
    assert (seen.bill.net_minor, seen.first.total_minor, seen.then.total_minor) == (4323, 5144, 2380)


async def test_the_bill_after_the_next_has_roundings_of_its_own(world):
    async with world.db.transaction(world.tenant_id) as tx:
        await catalog.publish_plan(tx=tx, clock=world.clock, plan=read_plan(GROSS))
    seen = await previewed(world, add("gross"))
    assert (seen.then.net_minor, seen.then.tax_minor, seen.then.total_minor) == (3355, 638, 3993)
    assert [line.net_minor for line in seen.then.added] == [3355]
    await world.done(add("gross"))
    await billed(world, "2026-07-01T00:00+02:00")
    bill = await billed(world, "2026-08-01T00:00+02:00")
    assert (bill.net_minor, bill.tax_minor) == (3355, 638)


async def test_a_cease_within_the_term_shows_its_fee_and_what_comes_back(world):
    product = await world.mobile("flex-l")
    await billed(world, "2026-07-01T00:00+02:00")
    world.clock.advance(timedelta(days=1))
    cease = ItemRequest(action=Action.CEASE, product_id=product.id)
    seen = await previewed(world, cease)
    assert seen.refusals == ()
    assert seen.starts_at == instant("2026-08-01T00:00+02:00")
    fees = [line.net_minor for line in seen.first.added if line.net_minor == 5000]
    assert fees == [5000], "the early-termination fee"
    assert seen.then.net_minor == -2000
    await world.place(cease)
    world.clock.set(seen.starts_at + timedelta(minutes=1))
    await world.work()
    await billed(world, "2026-08-01T00:05+02:00")  # nothing is left of July: it was paid in advance
    bill = await billed(world, "2026-09-01T00:05+02:00")
    assert (bill.net_minor, bill.total_minor) == (5000, 5950)
    assert (seen.bill.net_minor, seen.bill.total_minor) == (5000, 5950)


async def test_an_order_that_would_be_refused_shows_why_and_no_price(world):
    seen = await previewed(world, add("booster"))
    assert [one.code for one in seen.refusals] == ["catalog.requires"]
    assert seen.bill is None


async def test_a_preview_leaves_no_trace(world):
    await previewed(world, add())
    async with world.db.transaction(world.tenant_id) as tx:
        for table in ("ordering.product_order", "ordering.task", "inventory.product", "billing.bill"):
            assert await tx.fetchval(f"SELECT count(*) FROM {table}") == 0
