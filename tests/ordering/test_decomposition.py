"""Products that the catalogue's rules are made of: a fibre line and a circuit through their whole lives."""

from __future__ import annotations

from datetime import timedelta

import pytest

from farwire.account import service as accounts
from farwire.account.model import TermsChange
from farwire.activation import service as activation
from farwire.catalog import service as catalog
from farwire.catalog.model import read_catalogue, read_plan
from farwire.inventory import service as inventory
from farwire.inventory.model import ResourceKind, ServiceState, SuspensionReason
from farwire.kernel.ids import ProductId
from farwire.ordering import service as ordering
from farwire.ordering.model import Action, ItemRequest, OrderRefused, OrderState
from farwire.qualification import service as qualification
from farwire.qualification.model import Answer, Asker

from .test_demo_products import demo
from .world import World, add, operator

SLOWER = """
valid_from = 2026-06-01T00:00:00+02:00
[[offerings]]
code = "fibre-100"
name = "Fibre 100"
product_specification = "fibre"
"""
SLOW_PLAN = """
offering = "fibre-100"
name = "Fibre 100"
valid_from = 2026-06-01T00:00:00+02:00
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = false
recurring = [{ id = "monthly", label = "Monthly", price = 30.00 }]
"""
HOME, OTHER, BARE = "Deichstraße 5", "Elbchaussee 1", "Heide 9"


@pytest.fixture
async def world(db, clock, tenant_id) -> World:
    clock.advance(timedelta(days=1))
    world = await operator(db, clock, tenant_id, numbers=0, offers=False)
    await demo(world)
    async with db.transaction(tenant_id) as tx:
        now = clock.now()
        for name in ("pon-olt-1", "xgs-olt-1", "ethernet-10g-kiel", "ethernet-10g-jena", "static-ipv4"):
            kind = ResourceKind.IPV4 if name == "static-ipv4" else ResourceKind.PORT
            await inventory.create_pool(tx, name=name, kind=kind, quarantine_days=0, now=now)
            values = ["192.0.2.9"] if kind is ResourceKind.IPV4 else [f"{name}/1"]
            await inventory.fill_pool(tx, pool=name, values=values)
        await inventory.fill_pool(tx, pool="customer-vlan", values=["102"])
        await inventory.fill_pool(tx, pool="home-router", values=["router-2"])
        facts = {"fibre": "xgs-pon", "olt": "olt-1"}
        await qualification.set_coverage(tx, facts={"Elbchaussee*": facts}, now=now)
    await segment(world, "residential")
    return world


async def segment(world: World, name: str) -> None:
    async with world.db.transaction(world.tenant_id) as tx:
        now = world.clock.now()
        change = TermsChange(segment=name)
        await accounts.change_terms(tx, account_id=world.account.id, change=change, valid_from=now, now=now)


async def fibre(world: World, place: str = HOME, **chosen: object) -> ProductId:
    order = await world.done(add("fibre-250", place=place, characteristics=chosen))
    return order.items[0].product_id


async def services(world: World, product_id: ProductId) -> dict[str, str]:
    async with world.db.transaction(world.tenant_id) as tx:
        found = (await inventory.services_of_products(tx, [product_id]))[product_id]
    return {one.specification: one.state.value for one in found}


async def held(world: World, product_id: ProductId) -> list[str]:
    async with world.db.transaction(world.tenant_id) as tx:
        found = (await inventory.resources_of_products(tx, [product_id])).get(product_id, ())
    return sorted(one.value for one in found)


async def network(world: World, adapter: str, target: object) -> dict[str, str] | None:
    async with world.db.transaction(world.tenant_id) as tx:
        found = await activation.read_back(tx, adapter=adapter, target=str(target))
    return None if found is None else dict(found)


async def test_services_of_the_customer_stand_on_services_of_the_network_with_their_resources(
    world: World,
) -> None:
    product_id = await fibre(world, down=500)
    async with world.db.transaction(world.tenant_id) as tx:
        found = (await inventory.services_of_products(tx, [product_id]))[product_id]
        resources = (await inventory.resources_of_products(tx, [product_id]))[product_id]
    by_code = {one.specification: one for one in found}
    internet, line = by_code["internet-access"], by_code["gpon-line"]
    assert (internet.supports, line.supports) == (None, internet.id)
    assert by_code["subscriber-session"].supports == internet.id
    assert line.attributes == {"down": "500", "olt": "olt-9"}
    assert {one.value: one.service_id for one in resources if one.kind is ResourceKind.PORT} == {
        "olt-9/1": line.id
    }
    assert {one.state for one in found} == {ServiceState.ACTIVE}
    there = await network(world, "access", product_id)
    assert there is not None
    assert (there["port"], there["profile"]) == ("olt-9/1", "gpon-500")


async def test_the_preview_of_an_order_says_what_it_is_made_of_and_why(world: World) -> None:
    async with world.db.transaction(world.tenant_id, read_only=True) as tx:
        request = world.request(add("fibre-250", place=OTHER, characteristics={"down": 2000}))
        seen = await ordering.preview_decomposition(tx=tx, clock=world.clock, request=request)
    (item,) = seen.items
    lines = {part.specification: part for part in item.parts}
    assert list(lines) == ["internet-access", "xgs-pon-line", "subscriber-session", "home-gateway"]
    assert lines["xgs-pon-line"].reason == (
        "internet-access asks for line; not gpon-line: down is at most 1000"
    )
    assert seen.left["xgs-olt-1"] == 1
    assert seen.refusals == ()
    names = [step.name for step in item.steps]
    assert names.index("activate in access") < names.index("activate in radius")
    assert item.steps[names.index("activate in radius")].depends_on == (
        names.index("activate in access") + 1,
    )
    assert await world.fallout() == ()


async def test_what_cannot_be_delivered_at_a_place_is_refused_with_the_reason(world: World) -> None:
    for place, down, why in (
        (BARE, 250, "gpon-line: place.olt is not known"),
        (HOME, 2000, "xgs-pon-line: place.fibre is gpon, not xgs-pon"),
    ):
        with pytest.raises(OrderRefused) as refused:
            await world.place(add("fibre-250", place=place, characteristics={"down": down}))
        assert why in [one.message for one in refused.value.refusals]
        assert {one.code for one in refused.value.refusals} == {"ordering.not_deliverable"}


async def test_the_last_port_gone_the_next_technology_is_taken(world: World) -> None:
    first, second = await fibre(world, OTHER), await fibre(world, OTHER, down=100)
    assert "gpon-line" in await services(world, first)
    assert "xgs-pon-line" in await services(world, second)


async def test_another_speed_alters_what_stays_and_changes_the_technology_where_it_must(world: World) -> None:
    product_id = await fibre(world, OTHER, down=250)
    modify = ItemRequest(action=Action.MODIFY, product_id=product_id, characteristics={"down": 500})
    await world.done(modify)
    there = await network(world, "access", product_id)
    assert there is not None
    assert there["profile"] == "gpon-500"
    assert "pon-olt-1/1" in await held(world, product_id)
    faster = ItemRequest(action=Action.MODIFY, product_id=product_id, characteristics={"down": 2000})
    await world.done(faster)
    there = await network(world, "access", product_id)
    assert there is not None
    assert (there["port"], there["profile"]) == ("xgs-olt-1/1", "xgs-2000")
    found = await services(world, product_id)
    assert (found["gpon-line"], found["xgs-pon-line"]) == ("terminated", "active")
    assert "pon-olt-1/1" not in await held(world, product_id)


async def test_a_characteristic_that_needs_a_resource_takes_it_and_gives_it_back(world: World) -> None:
    product_id = await fibre(world, HOME)
    for fixed in (True, False):
        item = ItemRequest(
            action=Action.MODIFY, product_id=product_id, characteristics={"static-address": fixed}
        )
        await world.done(item)
        assert ("192.0.2.9" in await held(world, product_id)) is fixed


async def test_a_move_builds_at_the_new_place_and_gives_the_port_of_the_old_one_back(world: World) -> None:
    product_id = await fibre(world, HOME)
    before = await held(world, product_id)
    await world.done(ItemRequest(action=Action.MOVE, product_id=product_id, place=OTHER))
    after = await held(world, product_id)
    assert ("olt-9/1" in before, "olt-9/1" in after, "pon-olt-1/1" in after) == (True, False, True)
    there = await network(world, "access", product_id)
    assert there is not None
    assert there["port"] == "pon-olt-1/1"
    assert {*(await services(world, product_id)).values()} == {"active"}


@pytest.mark.parametrize("code", ["fibre-250", "business-circuit"])
async def test_a_product_is_suspended_resumed_and_ceased_and_nothing_is_left(world: World, code: str) -> None:
    if code == "business-circuit":
        await segment(world, "business")
    chosen = {"bandwidth": 1000, "a-node": "kiel", "b-node": "jena"} if code == "business-circuit" else {}
    order = await world.done(add(code, place=HOME, characteristics=chosen))
    product_id = order.items[0].product_id
    reason = SuspensionReason.CUSTOMER
    for action, state in ((Action.SUSPEND, "suspended"), (Action.RESUME, "active")):
        await world.done(ItemRequest(action=action, product_id=product_id, reason=reason))
        switched = {
            name: one for name, one in (await services(world, product_id)).items() if name != "home-gateway"
        }
        assert {*switched.values()} == {state}
    world.clock.advance(timedelta(days=1))
    placed = await world.place(ItemRequest(action=Action.CEASE, product_id=product_id))
    world.clock.set(max(world.clock.now(), placed.starts_at))
    await world.work()
    assert await world.state(placed) is OrderState.COMPLETED
    assert await held(world, product_id) == []
    assert {*(await services(world, product_id)).values()} == {"terminated"}


async def test_a_circuit_has_a_port_at_either_end_and_as_many_paths_as_are_asked_for(world: World) -> None:
    await segment(world, "business")
    async with world.db.transaction(world.tenant_id) as tx:
        await inventory.fill_pool(tx, pool="service-vlan", values=["902"])
    chosen = {"bandwidth": 10000, "a-node": "kiel", "b-node": "jena", "paths": 2}
    order = await world.done(add("business-circuit", characteristics=chosen))
    product_id = order.items[0].product_id
    assert await held(world, product_id) == ["901", "902", "ethernet-10g-jena/1", "ethernet-10g-kiel/1"]
    async with world.db.transaction(world.tenant_id) as tx:
        found = (await inventory.services_of_products(tx, [product_id]))[product_id]
    paths = [one for one in found if one.specification == "ethernet-path"]
    seen = [await network(world, "transport", one.id) for one in paths]
    assert sorted(one["vlan"] for one in seen if one) == ["901", "902"]
    assert {(one["a"], one["b"]) for one in seen if one} == {("ethernet-10g-kiel/1", "ethernet-10g-jena/1")}


async def test_an_order_in_flight_is_cancelled_and_nothing_of_it_is_left(world: World) -> None:
    async with world.db.transaction(world.tenant_id) as tx:
        await inventory.reserve(tx, pool="home-router", key="other", count=2, now=world.clock.now())
    order = await world.place(add("fibre-250", place=HOME))
    await world.work()
    assert await world.state(order) is OrderState.IN_PROGRESS
    await world.cancel(order)
    await world.work()
    assert await world.state(order) is OrderState.CANCELLED
    assert (await world.counts("pon-olt-9")) == {"available": 1}


async def test_an_order_is_amended_before_it_begins(world: World) -> None:
    order = await world.place(add("fibre-250", place=HOME))
    async with world.db.transaction(world.tenant_id) as tx:
        request = world.request(add("fibre-250", place=OTHER, characteristics={"down": 1000}))
        await ordering.amend_order(tx=tx, clock=world.clock, order_id=order.id, request=request)
    await world.work()
    assert await world.state(order) is OrderState.COMPLETED
    view = await world.view(order.id)
    assert "pon-olt-1/1" in await held(world, view.order.items[0].product_id)


async def test_a_place_without_a_free_port_is_not_qualified_and_a_slower_offering_is_proposed(
    world: World,
) -> None:
    asker = Asker("DE", "residential", "shop")

    async def answer(place: str, down: int) -> Answer:
        async with world.db.transaction(world.tenant_id) as tx:
            wish = qualification.Wish("fibre-250", place=place, values={"down": down})
            now = world.clock.now()
            (found,) = await qualification.qualify(tx, asker=asker, wishes=[wish], alternatives=True, now=now)
        return found

    assert (await answer(HOME, 250)).reasons == ()
    await fibre(world, HOME)
    full = await answer(HOME, 250)
    assert {one.code for one in full.reasons} == {"qualification.not_deliverable"}
    assert "gpon-line: no port is left in pon-olt-9" in [one.label for one in full.reasons]
    bare = await answer(BARE, 250)
    assert "gpon-line: place.olt is not known" in [one.label for one in bare.reasons]
    async with world.db.transaction(world.tenant_id) as tx:
        slower = read_catalogue(SLOWER)
        await catalog.publish_catalogue(tx=tx, clock=world.clock, file=slower)
        await catalog.publish_plan(tx=tx, clock=world.clock, plan=read_plan(SLOW_PLAN))
    too_fast = await answer(OTHER, 9999)
    assert [one.code for one in too_fast.alternatives] == ["fibre-100"]
