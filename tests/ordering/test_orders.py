"""Orders from placing to completion, on a real database and the simulated network."""

from datetime import timedelta
from decimal import Decimal

import pytest

from farwire.activation import service as activation
from farwire.inventory.model import EndReason, ProductState, ResourceState, SuspensionReason
from farwire.kernel.errors import Conflict, NotFound
from farwire.kernel.time import instant
from farwire.ordering import service as ordering
from farwire.ordering.model import (
    Action,
    HoldReason,
    ItemRequest,
    OrderRefused,
    OrderState,
    Policy,
    PriceChange,
    TaskState,
)

from .world import World, add, later, operator, verify


async def hlr(world: World, product_id) -> list[str]:
    """Return what the simulated network shows of the product's SIM: its number and status, by IMSI."""
    from farwire.inventory import service as inventory

    async with world.db.transaction(world.tenant_id) as tx:
        held = (await inventory.resources_of_products(tx, [product_id])).get(product_id, ())
        found = []
        for one in held:
            if imsi := one.attributes.get("imsi"):
                shown = await activation.read_back(tx, adapter="hlr", target=imsi)
                found.append("nothing" if shown is None else f"{shown['msisdn']} {shown['status']}")
    return found


async def test_an_order_gives_a_number_and_a_sim_and_switches_the_line_on(world):
    order = await world.place(add())
    assert order.state is OrderState.ACKNOWLEDGED
    await world.work()
    view = await world.view(order.id)
    assert view.order.state is OrderState.COMPLETED
    assert {task.state for task in view.tasks} == {TaskState.DONE}
    product = await world.product(order.items[0].product_id)
    assert product.state_at(world.clock.now()) is ProductState.ACTIVE
    assert product.order_id == order.id
    assert {one.kind for one in product.assignments} == {"msisdn", "imsi"}
    assert await world.counts("numbers") == {ResourceState.AVAILABLE: 19, ResourceState.ASSIGNED: 1}
    assert await hlr(world, product.id) == ["4915100000000 active"]
    assert await world.events(order) == ["order_placed", "order_completed"]
    acts = [entry.act for entry in view.journal]
    assert acts[0] == "placed"
    assert acts.count("done") == len(view.tasks) == 8


async def test_the_same_key_is_the_same_order(world):
    first = await world.place(add(), key="k1")
    again = await world.place(add(), key="k1")
    assert again.id == first.id
    with pytest.raises(Conflict, match="another order") as refused:
        await world.place(add("fibre-100"), key="k1")
    assert refused.value.code == "ordering.key_reused"
    async with world.db.transaction(world.tenant_id) as tx:
        assert (await ordering.list_orders(tx=tx)).total == 1


async def test_another_tenants_order_is_unknown(world, other_tenant_id):
    order = await world.place(add())
    async with world.db.transaction(other_tenant_id) as tx:
        with pytest.raises(NotFound, match="no such order"):
            await ordering.get_order(tx=tx, order_id=order.id)
    worked = await ordering.work(db=world.db, tenant_id=other_tenant_id, clock=world.clock)
    assert worked.attempts == 0
    assert await world.state(order) is OrderState.ACKNOWLEDGED


async def test_every_reason_against_an_order_is_told_at_once(world):
    ceased = await world.mobile()
    await world.done(ItemRequest(action=Action.CEASE, product_id=ceased.id))
    world.clock.advance(timedelta(days=1))
    with pytest.raises(OrderRefused) as refused:
        await world.place(
            add("booster"),
            add("nothing-such"),
            add("shop-only"),
            add(characteristics={"sim": "wood"}),
            add(number="123"),
            ItemRequest(action=Action.CEASE, product_id=ceased.id),
            ItemRequest(action=Action.SUSPEND, product_id=ceased.id),
            ItemRequest(action=Action.CEASE, product_id=world.account.id),
            add(overrides=(PriceChange(price_id="weekly", reason=""),)),
            at=later(world.clock, days=800),
        )
    codes = {one.code for one in refused.value.refusals}
    assert {
        "ordering.too_late",
        "catalog.offering_unknown",
        "catalog.not_eligible",
        "catalog.characteristic",
        "ordering.number",
        "ordering.product_inactive",
        "ordering.product_twice",
        "ordering.field_missing",
        "ordering.product_unknown",
        "ordering.price_unknown",
        "ordering.override",
        "ordering.override_reason",
    } <= codes
    assert all(one.message and one.fix for one in refused.value.refusals)
    async with world.db.transaction(world.tenant_id) as tx:
        assert (await ordering.list_orders(tx=tx)).total == 2, "bad input leaves no trace"


async def test_what_an_offering_requires_counts_in_the_order_and_among_what_is_held(world):
    with pytest.raises(OrderRefused) as refused:
        await world.place(add("booster"))
    assert [one.code for one in refused.value.refusals] == ["catalog.requires"]
    await world.done(add("booster"), add("flex-m"))
    await world.done(add("booster"))


async def test_a_sim_waits_for_the_verification_and_starts_no_earlier(db, clock, tenant_id):
    world = await operator(db, clock, tenant_id, verified=False)
    order = await world.place(add(), at=later(clock, days=-2))
    assert order.holds == {HoldReason.KYC}
    assert order.state is OrderState.HELD
    assert (await world.work()).attempts == 0
    clock.advance(timedelta(days=3))
    await verify(world)
    async with db.transaction(tenant_id) as tx:
        released = await ordering.release_verified(tx=tx, clock=clock, party_id=world.party_id)
        assert released == (order.id,)
        assert await ordering.release_verified(tx=tx, clock=clock, party_id=world.party_id) == ()
    verified_at = clock.now()
    await world.work()
    assert await world.state(order) is OrderState.COMPLETED
    assert (await world.product(order.items[0].product_id)).started_at == verified_at
    assert await world.events(order) == ["order_placed", "order_held", "order_released", "order_completed"]


async def test_nobody_releases_an_order_by_hand_that_waits_for_the_verification(db, clock, tenant_id):
    world = await operator(db, clock, tenant_id, verified=False)
    order = await world.place(add())
    for reason in (None, HoldReason.KYC):
        with pytest.raises(Conflict) as refused:
            await world.release(order, reason)
        assert refused.value.code == "ordering.not_verified"
        assert "farwire party verify" in refused.value.fix
    async with db.transaction(tenant_id) as tx:
        await ordering.hold_order(tx=tx, clock=clock, order_id=order.id)
    assert (await world.release(order)).holds == {HoldReason.KYC}  # the hand takes away what the hand did
    assert (await world.work()).attempts == 0
    await verify(world)
    assert (await world.release(order)).holds == frozenset()
    await world.work()
    assert await world.state(order) is OrderState.COMPLETED


async def test_what_has_no_sim_needs_no_verification(db, clock, tenant_id):
    world = await operator(db, clock, tenant_id, verified=False)
    assert (await world.place(add("fibre-100"))).state is OrderState.ACKNOWLEDGED


async def test_a_future_order_waits_for_its_date_and_starts_at_it(world):
    order = await world.place(add(), at="2026-06-11T14:03+02:00")
    assert order.state is OrderState.PENDING
    world.clock.set(instant("2026-06-11T12:02:59Z"))
    assert (await world.work()).attempts == 0
    world.clock.set(instant("2026-06-11T12:05:00Z"))
    await world.work()
    assert (await world.product(order.items[0].product_id)).started_at == instant("2026-06-11T12:03:00Z")


async def test_a_back_dated_order_starts_in_the_past_within_the_tenants_bound(world):
    product = await world.mobile(at=later(world.clock, days=-20))
    assert product.started_at == world.clock.now() - timedelta(days=20)
    with pytest.raises(OrderRefused) as refused:
        await world.place(add(), at=later(world.clock, days=-40))
    assert refused.value.code == "ordering.too_early"
    async with world.db.transaction(world.tenant_id) as tx:
        await ordering.set_policy(tx=tx, clock=world.clock, policy=Policy(back_dated_days=10))
    with pytest.raises(OrderRefused):
        await world.place(add(), at=later(world.clock, days=-20))


async def test_an_order_is_amended_until_it_begins(world):
    order = await world.place(add(), at=later(world.clock, days=3))
    async with world.db.transaction(world.tenant_id) as tx:
        amended = await ordering.amend_order(
            tx=tx, clock=world.clock, order_id=order.id, request=world.request(add("fibre-100"))
        )
    assert (amended.version, amended.state) == (2, OrderState.ACKNOWLEDGED)
    await world.work()
    view = await world.view(order.id)
    assert view.order.items[0].request.offering == "fibre-100"
    assert await world.counts("numbers") == {ResourceState.AVAILABLE: 20}
    async with world.db.transaction(world.tenant_id) as tx:
        with pytest.raises(Conflict, match="cannot be amended"):
            await ordering.amend_order(
                tx=tx, clock=world.clock, order_id=order.id, request=world.request(add())
            )


async def test_an_order_that_has_not_begun_is_cancelled_at_once(world):
    order = await world.place(add(), at=later(world.clock, days=3))
    assert (await world.cancel(order)).state is OrderState.CANCELLED
    assert (await world.cancel(order)).state is OrderState.CANCELLED
    world.clock.advance(timedelta(days=4))
    assert (await world.work()).attempts == 0
    assert await world.events(order) == ["order_placed", "order_cancelled"]


async def test_an_order_is_held_and_released_by_hand(world):
    order = await world.place(add())
    async with world.db.transaction(world.tenant_id) as tx:
        held = await ordering.hold_order(tx=tx, clock=world.clock, order_id=order.id)
    assert held.state is OrderState.HELD
    assert (await world.work()).attempts == 0
    async with world.db.transaction(world.tenant_id) as tx:
        await ordering.release_order(tx=tx, clock=world.clock, order_id=order.id)
    await world.work()
    assert await world.state(order) is OrderState.COMPLETED


async def test_a_ceased_product_gives_its_number_back_into_quarantine(world):
    product = await world.mobile()
    world.clock.advance(timedelta(days=10))
    order = await world.done(ItemRequest(action=Action.CEASE, product_id=product.id))
    ended = await world.product(product.id)
    assert (ended.ended_at, ended.end_reason) == (world.clock.now(), EndReason.CEASE)
    assert await world.counts("numbers") == {ResourceState.AVAILABLE: 19, ResourceState.QUARANTINED: 1}
    assert order.items[0].final
    with pytest.raises(Conflict):
        await world.cancel(order)


async def test_the_notice_decides_when_a_product_can_end(world):
    product = await world.mobile("flex-l")
    assert product.commitment is not None
    assert product.commitment.ends_at == instant("2028-05-31T22:00:00Z")
    assert product.commitment.fee == Decimal("50.00")
    world.clock.advance(timedelta(days=20))
    cease = ItemRequest(action=Action.CEASE, product_id=product.id)
    with pytest.raises(OrderRefused) as refused:
        await world.place(cease, at=later(world.clock, days=1))
    assert refused.value.code == "ordering.notice"
    order = await world.place(cease)
    assert order.starts_at == instant("2026-07-20T22:00:00Z"), "the first midnight after 30 local days"
    assert order.state is OrderState.PENDING
    world.clock.advance(timedelta(days=31))
    await world.work()
    ended = await world.product(product.id)
    assert (ended.ended_at, ended.end_reason) == (order.starts_at, EndReason.CEASE)


async def test_a_product_is_withdrawn_from_within_the_period(world):
    product = await world.mobile("flex-l")
    world.clock.advance(timedelta(days=14))
    await world.done(ItemRequest(action=Action.CEASE, product_id=product.id))
    assert (await world.product(product.id)).end_reason is EndReason.WITHDRAWAL
    late = await world.mobile("flex-l")
    world.clock.advance(timedelta(days=16))
    with pytest.raises(OrderRefused) as refused:
        await world.place(ItemRequest(action=Action.CEASE, product_id=late.id, withdrawal=True))
    assert refused.value.refusals[0].code == "ordering.withdrawal_over"


def suspension(product, reason, action=Action.SUSPEND, **fields):
    return ItemRequest(action=action, product_id=product.id, reason=reason, **fields)


async def test_a_product_serves_again_when_no_reason_is_left(world):
    product = await world.mobile()
    hour = timedelta(hours=1)
    await world.done(suspension(product, SuspensionReason.CUSTOMER))
    assert await hlr(world, product.id) == ["4915100000000 suspended"]
    world.clock.advance(hour)
    await world.done(suspension(product, SuspensionReason.DUNNING, recurring_percent=50))
    world.clock.advance(hour)
    await world.done(suspension(product, SuspensionReason.CUSTOMER, Action.RESUME))
    assert await hlr(world, product.id) == ["4915100000000 suspended"]
    world.clock.advance(hour)
    await world.done(suspension(product, SuspensionReason.DUNNING, Action.RESUME))
    assert await hlr(world, product.id) == ["4915100000000 active"]
    found = await world.product(product.id)
    assert [(one.reason, one.recurring_percent) for one in found.suspensions] == [
        (SuspensionReason.CUSTOMER, 0),
        (SuspensionReason.DUNNING, 50),
    ]
    assert found.suspended_for(world.clock.now()) == frozenset()


async def test_a_change_of_plan_and_a_price_of_its_own_are_dated(world):
    product = await world.mobile()
    world.clock.advance(timedelta(days=5))
    await world.done(ItemRequest(action=Action.CHANGE, product_id=product.id, offering="flex-l"))
    changed = await world.product(product.id)
    assert len(changed.plans) == 2
    assert changed.plans[1].valid_from == world.clock.now()
    assert changed.commitment is not None
    await world.done(
        ItemRequest(
            action=Action.MODIFY,
            product_id=product.id,
            overrides=(PriceChange(price_id="monthly", price=Decimal("15.00"), reason="goodwill"),),
        )
    )
    override = (await world.product(product.id)).override_at("monthly", world.clock.now())
    assert override is not None
    assert (override.price, override.reason) == (Decimal("15.00"), "goodwill")


async def test_a_move_takes_a_port_at_the_new_place_and_gives_the_old_one_back(world):
    order = await world.done(add("fibre-100", place="Deich 5"))
    product_id = order.items[0].product_id
    world.clock.advance(timedelta(days=5))
    await world.done(ItemRequest(action=Action.MOVE, product_id=product_id, place="Hafen 1"))
    assert await world.counts("ports") == {
        ResourceState.AVAILABLE: 18,
        ResourceState.ASSIGNED: 1,
        ResourceState.QUARANTINED: 1,
    }


async def test_the_parts_of_a_bundle_wait_for_it_and_know_it(world):
    order = await world.done(add("home"), add("fibre-100", parent=1), add("flex-m", parent=1))
    home, fibre, mobile = [await world.product(item.product_id) for item in order.items]
    assert fibre.parent_id == mobile.parent_id == home.id
    with pytest.raises(OrderRefused) as refused:
        await world.place(add("home"))
    assert refused.value.code == "catalog.bundle_cardinality"


async def test_a_chosen_number_is_taken_from_the_pool_and_a_brought_one_from_nowhere(world):
    chosen = await world.done(add(number="4915100000007"))
    assert await hlr(world, chosen.items[0].product_id) == ["4915100000007 active"]
    brought = await world.done(add(number="4917012345678"))
    assert await hlr(world, brought.items[0].product_id) == ["4917012345678 active"]
    for number in ("4915100000007", "4917012345678"):
        with pytest.raises(OrderRefused) as refused:
            await world.place(add(number=number))
        assert refused.value.code == "ordering.number_taken"


async def test_an_offering_is_sold_at_the_version_of_the_day_of_the_order(world):
    from farwire.catalog import service as catalog
    from farwire.catalog.model import read_plan

    from .world import PLAN

    order = await world.place(add(), at="2026-07-02T00:00:00Z")
    text = PLAN.format(code="flex-m", start="2026-07-01T00:00:00+02:00", currency="EUR", price="25.00")
    async with world.db.transaction(world.tenant_id) as tx:
        second = await catalog.publish_plan(tx=tx, clock=world.clock, plan=read_plan(text))
    world.clock.set(instant("2026-07-03T00:00:00Z"))
    await world.work()
    product = await world.product(order.items[0].product_id)
    assert product.plans[0].plan_version_id != second.version.id
    later_one = await world.mobile()
    assert later_one.plans[0].plan_version_id == second.version.id
    back_dated = await world.mobile(at="2026-06-20T00:00:00Z")
    assert back_dated.plans[0].plan_version_id == product.plans[0].plan_version_id


async def test_two_open_orders_never_change_one_product(world):
    product = await world.mobile()
    await world.place(ItemRequest(action=Action.CEASE, product_id=product.id), at=later(world.clock, days=3))
    with pytest.raises(OrderRefused) as refused:
        await world.place(suspension(product, SuspensionReason.FRAUD))
    assert refused.value.code == "ordering.product_busy"
