"""Each product of the demo is data: ordered, given its resources, switched on and off without a line of code for it."""

from datetime import timedelta
from importlib import resources

import pytest

from farwire.account import service as accounts
from farwire.account.model import TermsChange
from farwire.activation import service as activation
from farwire.catalog import service as catalog
from farwire.catalog.model import Catalogue, read_document
from farwire.inventory import service as inventory
from farwire.inventory.model import NewResource, ResourceKind, ServiceState
from farwire.ordering.model import Action, ItemRequest
from farwire.qualification import service as qualification

from .world import World, add, operator

DAY = timedelta(days=1)
DATA = resources.files("farwire.demo") / "data"
POOLS = {
    "msisdn": (ResourceKind.MSISDN, "4915200000001"),
    "sensor-number": (ResourceKind.MSISDN, "4915200000002"),
    "esim": (ResourceKind.ESIM_PROFILE, NewResource("89490000000000000001", {"imsi": "262010000000991"})),
    "sensor-sim": (
        ResourceKind.ESIM_PROFILE,
        NewResource("89490000000000000002", {"imsi": "262010000000992"}),
    ),
    "pon-olt-9": (ResourceKind.PORT, "olt-9/1"),
    "customer-vlan": (ResourceKind.VLAN, "101"),
    "home-router": (ResourceKind.DEVICE, "router-1"),
    "ethernet-kiel": (ResourceKind.PORT, "pe1/1"),
    "ethernet-jena": (ResourceKind.PORT, "pe2/1"),
    "service-vlan": (ResourceKind.VLAN, "901"),
    "cloud-ipv4": (ResourceKind.IPV4, "192.0.2.2"),
}


async def demo(world: World) -> None:
    folders = (DATA / "catalogue", DATA / "catalogue" / "plans")
    texts = [one.read_text() for folder in folders for one in folder.iterdir() if one.name.endswith(".toml")]
    found = [read_document(text) for text in (*texts, (DATA / "flex-m.toml").read_text())]
    async with world.db.transaction(world.tenant_id) as tx:
        for document in sorted(found, key=lambda one: isinstance(one, Catalogue)):
            if isinstance(document, Catalogue):
                await catalog.publish_catalogue(tx=tx, clock=world.clock, file=document)
            else:
                await catalog.publish_plan(tx=tx, clock=world.clock, plan=document)
        now = world.clock.now()
        for name, (kind, value) in POOLS.items():
            await inventory.create_pool(tx, name=name, kind=kind, quarantine_days=0, now=now)
            await inventory.fill_pool(tx, pool=name, values=[value])
        facts = {"fibre": "gpon", "olt": "olt-9"}
        await qualification.set_coverage(tx, facts={"Deichstraße*": facts}, now=now)


@pytest.mark.parametrize(
    ("code", "segment", "characteristics", "held"),
    [
        ("flex-m", "residential", {}, 2),
        ("go-5", "residential", {}, 2),
        ("fibre-250", "residential", {}, 3),
        ("business-circuit", "business", {"bandwidth": 1000, "a-node": "kiel", "b-node": "jena"}, 3),
        ("vm-small", "business", {"image": "debian-13"}, 1),
        ("city-sense", "business", {"model": "ParkingSpot"}, 2),
    ],
)
async def test_each_product_of_the_demo_is_ordered_and_works(
    db, clock, tenant_id, code, segment, characteristics, held
):
    clock.advance(DAY)
    world = await operator(db, clock, tenant_id, numbers=0, offers=False)
    await demo(world)
    async with db.transaction(tenant_id) as tx:
        change, now = TermsChange(segment=segment), clock.now()
        await accounts.change_terms(tx, account_id=world.account.id, change=change, valid_from=now, now=now)
    place = "Deichstraße 5" if code == "fibre-250" else ""
    order = await world.place(add(code, place=place, characteristics=characteristics), channel="shop")
    await world.work()
    assert [(one.step.name, one.error) for one in (await world.view(order.id)).tasks if one.error] == []
    product_id = order.items[0].product_id
    async with db.transaction(tenant_id) as tx:
        services = (await inventory.services_of_products(tx, [product_id]))[product_id]
        assert {one.state for one in services} == {ServiceState.ACTIVE}
        given = (await inventory.resources_of_products(tx, [product_id]))[product_id]
        assert len(given) == held
    clock.advance(DAY)
    cease = ItemRequest(action=Action.CEASE, product_id=product_id)
    placed = await world.place(cease, channel="shop")
    clock.set(max(clock.now(), placed.starts_at))
    await world.work()
    assert [one.error for one in await world.fallout()] == []
    async with db.transaction(tenant_id) as tx:
        assert await inventory.resources_of_products(tx, [product_id]) == {}
        assert await activation.drift(tx) == ()
