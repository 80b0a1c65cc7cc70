"""What orders leave in the network: barred while there is a reason, undone exactly, one number per line."""

from datetime import timedelta

import pytest

from farwire.activation import service as activation
from farwire.activation.model import FaultKind
from farwire.activation.simulator import plant_fault
from farwire.catalog import service as catalog
from farwire.catalog.model import read_catalogue, read_plan
from farwire.inventory import service as inventory
from farwire.inventory.model import ResourceKind, ResourceState, SuspensionReason
from farwire.ordering.model import Action, HoldReason, ItemRequest, OrderState
from farwire.ordering.service import Decision

from .world import PLAN, World, add, later, operator

MORE = """
valid_from = 2026-05-01T00:00:00+02:00

[[service_specifications]]
code = "mobile-5g"
name = "Mobile line, 5G"
resources = [
    { kind = "msisdn", pool = "numbers" },
    { kind = "esim_profile", pool = "profiles" },
]
operations = [
    { adapter = "charging", operation = "account" },
    { adapter = "hlr", operation = "subscriber_profile", parameters = { network = "5g" } },
]

[[product_specifications]]
code = "mobile-next"
name = "Mobile, 5G"
services = ["mobile-5g"]

[[offerings]]
code = "next-m"
name = "Next M"
product_specification = "mobile-next"
sim = "postpaid"
"""
HOUR = timedelta(hours=1)


async def lines(world: World, product_id) -> list[str]:
    """Return what the simulated HLR shows of each SIM that the product has or had: number and status."""
    async with world.db.transaction(world.tenant_id) as tx:
        page = await tx.fetch(
            "SELECT DISTINCT r.attributes ->> 'imsi' AS imsi FROM inventory.resource_use u "
            "JOIN inventory.resource r USING (tenant_id, resource_id) WHERE tenant_id = $1 "
            "AND u.product_id = $2 AND r.attributes ? 'imsi' ORDER BY 1",
            *(tx.tenant_id, product_id),
        )
        found = []
        for row in page:
            shown = await activation.read_back(tx, adapter="hlr", target=row["imsi"])
            found.append("nothing" if shown is None else f"{shown['msisdn']} {shown['status']}")
    return found


async def refuse(world: World, adapter: str, count: int = 1) -> None:
    async with world.db.transaction(world.tenant_id) as tx:
        await plant_fault(tx, adapter=adapter, kind=FaultKind.REFUSE, count=count)


def suspension(product, reason, action=Action.SUSPEND, **fields):
    return ItemRequest(action=action, product_id=product.id, reason=reason, **fields)


async def offer_5g(world: World) -> None:
    async with world.db.transaction(world.tenant_id) as tx:
        text = PLAN.format(code="next-m", start="2026-05-01T00:00:00+02:00", currency="EUR", price="30.00")
        await catalog.publish_plan(tx=tx, clock=world.clock, plan=read_plan(text))
        await catalog.publish_catalogue(tx=tx, clock=world.clock, file=read_catalogue(MORE))


async def test_a_suspension_that_is_cancelled_midway_leaves_the_line_served(world):
    product = await world.mobile()
    world.clock.advance(HOUR)
    await refuse(world, "charging")
    order = await world.place(suspension(product, SuspensionReason.CUSTOMER))
    await world.work()
    assert await lines(world, product.id) == ["4915100000000 suspended"]
    await world.cancel(order)
    await world.work()
    assert await world.state(order) is OrderState.CANCELLED
    assert (await world.product(product.id)).suspended_for(world.clock.now()) == frozenset()
    assert await lines(world, product.id) == ["4915100000000 active"]


async def test_a_suspension_that_is_cancelled_midway_leaves_the_other_reasons(world):
    product = await world.mobile()
    world.clock.advance(HOUR)
    await world.done(suspension(product, SuspensionReason.FRAUD))
    world.clock.advance(HOUR)
    await refuse(world, "charging")
    order = await world.place(suspension(product, SuspensionReason.CUSTOMER))
    await world.work()
    await world.cancel(order)
    await world.work()
    now = world.clock.now()
    assert (await world.product(product.id)).suspended_for(now) == {SuspensionReason.FRAUD}
    assert await lines(world, product.id) == ["4915100000000 suspended"]


async def test_a_resumption_that_is_cancelled_midway_charges_what_it_did_before(world):
    product = await world.mobile()
    world.clock.advance(HOUR)
    await world.done(suspension(product, SuspensionReason.DUNNING, recurring_percent=40))
    world.clock.advance(HOUR)
    await refuse(world, "charging")
    order = await world.place(suspension(product, SuspensionReason.DUNNING, Action.RESUME))
    await world.work()
    await world.cancel(order)
    await world.work()
    assert await world.state(order) is OrderState.CANCELLED
    after = await world.product(product.id)
    assert after.recurring_percent_at(world.clock.now()) == 40
    assert await lines(world, product.id) == ["4915100000000 suspended"]


async def test_a_cease_that_is_cancelled_midway_leaves_a_barred_line_barred(world):
    await offer_5g(world)
    product = await world.mobile("next-m")
    world.clock.advance(HOUR)
    await world.done(suspension(product, SuspensionReason.FRAUD))
    world.clock.advance(HOUR)
    await refuse(world, "charging")
    order = await world.place(ItemRequest(action=Action.CEASE, product_id=product.id))
    await world.work()
    assert await lines(world, product.id) == ["nothing"], "switched off, before charging refused"
    await world.cancel(order)
    await world.work()
    assert await world.state(order) is OrderState.CANCELLED
    assert await lines(world, product.id) == ["4915100000000 suspended"]


async def test_a_back_dated_resumption_does_not_free_a_line_that_is_barred_today(world):
    product = await world.mobile()
    world.clock.advance(timedelta(days=1))
    await world.done(suspension(product, SuspensionReason.CUSTOMER))
    world.clock.advance(timedelta(days=10))
    await world.done(suspension(product, SuspensionReason.FRAUD))
    world.clock.advance(HOUR)
    back = later(world.clock, days=-5)
    await world.done(suspension(product, SuspensionReason.CUSTOMER, Action.RESUME), at=back)
    assert await lines(world, product.id) == ["4915100000000 suspended"]
    await world.done(suspension(product, SuspensionReason.FRAUD, Action.RESUME))
    assert await lines(world, product.id) == ["4915100000000 active"]


async def test_another_technology_keeps_the_number_and_the_sim(world):
    await offer_5g(world)
    product = await world.mobile()
    world.clock.advance(HOUR)
    await world.done(ItemRequest(action=Action.CHANGE, product_id=product.id, offering="next-m"))
    assert await lines(world, product.id) == ["4915100000000 active"]
    for pool in ("numbers", "profiles"):
        assert await world.counts(pool) == {ResourceState.AVAILABLE: 19, ResourceState.ASSIGNED: 1}
    async with world.db.transaction(world.tenant_id) as tx:
        held = (await inventory.resources_of_products(tx, [product.id]))[product.id]
        imsi = next(one.attributes["imsi"] for one in held if one.kind is ResourceKind.ESIM_PROFILE)
        shown = await activation.read_back(tx, adapter="hlr", target=imsi)
        services = (await inventory.services_of_products(tx, [product.id]))[product.id]
    assert shown is not None
    assert shown["network"] == "5g"
    assert {one.specification: one.state.value for one in services} == {
        "mobile-line": "terminated",
        "mobile-5g": "active",
    }
    world.clock.advance(HOUR)
    await world.done(ItemRequest(action=Action.CEASE, product_id=product.id))
    assert await lines(world, product.id) == ["nothing"]


async def test_a_change_of_a_suspended_product_does_not_serve_it(world):
    await offer_5g(world)
    product = await world.mobile()
    world.clock.advance(HOUR)
    await world.done(suspension(product, SuspensionReason.FRAUD))
    world.clock.advance(HOUR)
    await world.done(ItemRequest(action=Action.CHANGE, product_id=product.id, offering="next-m"))
    assert await lines(world, product.id) == ["4915100000000 suspended"]


async def test_a_change_that_gives_out_a_sim_waits_for_the_verification(db, clock, tenant_id):
    world = await operator(db, clock, tenant_id, verified=False)
    order = await world.done(add("fibre-100"))
    clock.advance(HOUR)
    product_id = order.items[0].product_id
    changed = await world.place(ItemRequest(action=Action.CHANGE, product_id=product_id, offering="flex-m"))
    assert changed.holds == {HoldReason.KYC}


@pytest.mark.parametrize(
    ("decision", "state"), [(Decision.ROLLBACK, OrderState.FAILED), (Decision.ABORT, OrderState.FAILED)]
)
async def test_a_bundle_that_fails_takes_its_parts_with_it(world, decision, state):
    async with world.db.transaction(world.tenant_id) as tx:
        taken = await inventory.reserve(tx, pool="numbers", key="all", count=20, now=world.clock.now())
    order = await world.place(add("flex-m"), add("fibre-100", parent=1))
    for _ in range(6):
        await world.work()
        world.clock.advance(HOUR)
    (stuck,) = await world.fallout()
    await world.decide(stuck, decision)
    await world.work()
    view = await world.view(order.id)
    assert view.order.state is state, [item.state for item in view.order.items]
    assert len(taken) == 20
    assert await world.counts("ports") == {ResourceState.AVAILABLE: 20}
    assert (await world.events(order))[-1] == "order_failed"


async def test_a_move_changes_the_place_and_the_port_and_neither_price_nor_term(world):
    order = await world.done(add("fibre-100", place="Deich 5"))
    before = await world.product(order.items[0].product_id)
    assert before.place_at(world.clock.now()) == "Deich 5"
    world.clock.advance(timedelta(days=5))
    move = ItemRequest(action=Action.MOVE, product_id=before.id, place="Hafen 1")
    await world.done(move)
    after = await world.product(before.id)
    assert [one.place for one in after.places] == ["Deich 5", "Hafen 1"]
    assert after.place_at(world.clock.now() - HOUR) == "Deich 5"
    assert after.place_at(world.clock.now()) == "Hafen 1"
    assert (after.plans, after.commitment, after.overrides, after.ended_at) == (
        *(before.plans, before.commitment, before.overrides),
        None,
    )
    assert await world.counts("ports") == {
        ResourceState.AVAILABLE: 18,
        ResourceState.ASSIGNED: 1,
        ResourceState.QUARANTINED: 1,
    }
    with pytest.raises(Exception, match="the product is there"):
        await world.place(move)


async def test_a_number_that_was_brought_goes_with_its_line(world):
    await offer_5g(world)
    order = await world.done(add(number="4917012345678"))
    product_id = order.items[0].product_id
    for offering in ("flex-l", "next-m"):
        world.clock.advance(HOUR)
        await world.done(ItemRequest(action=Action.CHANGE, product_id=product_id, offering=offering))
        assert await lines(world, product_id) == ["4917012345678 active"]
