"""Numbers and SIMs in use: given, taken back, resting, given to the next; who had which when."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from farwire.base.eventbus import list_events
from farwire.base.storage import Database
from farwire.inventory import service
from farwire.inventory.model import (
    NewResource,
    Product,
    Resource,
    ResourceKind,
    ResourceState,
    Service,
    ServiceChange,
    ServiceState,
)
from farwire.kernel.errors import Conflict, NotFound
from farwire.kernel.ids import ProductId, ServiceId, TenantId, uuid7
from farwire.kernel.page import PageRequest

from .products import AUGUST, JULY, JUNE, a_product, added, loaded

NUMBER = "4915112345678"
IMSI = "262011234567890"
ICCID = "8949020000000000017"
DAY = timedelta(days=1)


@pytest.fixture
async def product(db: Database, tenant_id: TenantId) -> Product:
    """A running product, beside a pool of one number (30 days of rest) and one of one eSIM (none)."""
    one = a_product()
    await added(db, tenant_id, one)
    async with db.transaction(tenant_id) as tx:
        kind = ResourceKind.ESIM_PROFILE
        await service.create_pool(tx, name="mobile", kind=ResourceKind.MSISDN, quarantine_days=30, now=JUNE)
        await service.create_pool(tx, name="esim", kind=kind, quarantine_days=0, now=JUNE)
        await service.fill_pool(tx, pool="mobile", values=[NUMBER])
        profile = NewResource(ICCID, {"imsi": IMSI, "matching_id": "M-1"})
        await service.fill_pool(tx, pool="esim", values=[profile])
    return one


async def give(
    db: Database, tenant_id: TenantId, product: Product, at: datetime = JUNE, pool: str = "mobile"
) -> Resource:
    async with db.transaction(tenant_id) as tx:
        key = f"{pool}:{product.id}"
        await service.reserve(tx, pool=pool, key=key, now=at)
        (one,) = await service.give_resources(tx, key=key, product_id=product.id, at=at, now=at)
        again = await service.give_resources(tx, key=key, product_id=product.id, at=at, now=at)
        assert again == (one,)
    return one


async def take_back(db: Database, tenant_id: TenantId, product: Product, at: datetime) -> None:
    async with db.transaction(tenant_id) as tx:
        await service.take_back(tx, product_id=product.id, at=at, now=at)


async def serving(db: Database, tenant_id: TenantId, identifier: str, at: datetime) -> list[ProductId]:
    async with db.transaction(tenant_id) as tx:
        keys = await service.subscriber_keys(tx, [identifier])
        found = await service.products_by_subscriber(tx, list(keys.values()))
    return [one.id for key in keys.values() for one in found.get(key, ()) if one.serves(key, at)]


async def test_a_given_number_is_assigned_and_its_usage_belongs_to_the_product(
    db: Database, tenant_id: TenantId, product: Product
) -> None:
    number = await give(db, tenant_id, product)
    sim = await give(db, tenant_id, product, pool="esim")
    assert (number.state, number.usage_state, number.until) == (ResourceState.ASSIGNED, "active", None)
    for identifier in (NUMBER, IMSI):
        assert await serving(db, tenant_id, identifier, JULY) == [product.id]
    assert await serving(db, tenant_id, ICCID, JULY) == []
    async with db.transaction(tenant_id) as tx:
        held = await service.resources_of_products(tx, [product.id])
    assert held == {product.id: (sim, number)}
    kinds = {one.kind for one in (await loaded(db, tenant_id, product.id)).assignments}
    assert kinds == {"msisdn", "imsi"}


async def test_no_event_tells_a_number(db: Database, tenant_id: TenantId, product: Product) -> None:
    await give(db, tenant_id, product)
    await give(db, tenant_id, product, pool="esim")
    await take_back(db, tenant_id, product, JULY)
    async with db.transaction(tenant_id) as tx:
        events = [event for _, event in await list_events(tx=tx)]
    assert [event.type.split(".")[2] for event in events] == [
        "product_added",
        *["resource_assigned"] * 2,
        *["resource_returned"] * 2,
    ]
    written = repr(events)
    assert not any(secret in written for secret in (NUMBER, IMSI, ICCID, "M-1"))


async def test_a_returned_number_rests_and_then_serves_another(
    db: Database, tenant_id: TenantId, product: Product
) -> None:
    number = await give(db, tenant_id, product)
    await take_back(db, tenant_id, product, JULY)
    async with db.transaction(tenant_id) as tx:
        resting = await service.get_resource(tx, resource_id=number.id)
        assert (resting.state, resting.until) == (ResourceState.QUARANTINED, JULY + 30 * DAY)
        assert (resting.key, resting.product_id) == (None, None)
    assert await serving(db, tenant_id, NUMBER, JULY - DAY) == [product.id]
    assert await serving(db, tenant_id, NUMBER, JULY) == []
    second = a_product(JULY)
    await added(db, tenant_id, second)
    assert await service.free_due(db=db, tenant_id=tenant_id, now=JULY + 29 * DAY) == 0
    assert await service.free_due(db=db, tenant_id=tenant_id, now=JULY + 30 * DAY) == 1
    await give(db, tenant_id, second, at=AUGUST)
    for at, holder in ((JUNE, product.id), (JULY, None), (AUGUST - DAY, None), (AUGUST, second.id)):
        async with db.transaction(tenant_id) as tx:
            use = await service.holder_at(tx, kind=ResourceKind.MSISDN, value=f"+{NUMBER}", at=at)
        assert (None if use is None else use.product_id) == holder
        assert await serving(db, tenant_id, NUMBER, at) == ([] if holder is None else [holder])
    async with db.transaction(tenant_id) as tx:
        history = await service.resource_history(tx, resource_id=number.id)
    assert [(use.product_id, use.valid_from, use.valid_to) for use in history] == [
        (product.id, JUNE, JULY),
        (second.id, AUGUST, None),
    ]


async def test_a_resource_without_quarantine_is_free_at_once(
    db: Database, tenant_id: TenantId, product: Product
) -> None:
    sim = await give(db, tenant_id, product, pool="esim")
    await take_back(db, tenant_id, product, JULY)
    second = a_product(JUNE)
    await added(db, tenant_id, second)
    with pytest.raises(Conflict) as refused:
        await give(db, tenant_id, second, at=JULY - DAY, pool="esim")
    assert refused.value.code == "inventory.held_then"
    assert (await give(db, tenant_id, second, at=JULY, pool="esim")).id == sim.id


async def test_a_number_is_only_given_to_whom_it_is_reserved_for(
    db: Database, tenant_id: TenantId, product: Product
) -> None:
    async with db.transaction(tenant_id) as tx:
        (one,) = await service.reserve(tx, pool="mobile", key="a", now=JUNE)
    other = a_product()
    await added(db, tenant_id, other)

    async def assign(key: str, to: Product, at: datetime) -> None:
        async with db.transaction(tenant_id) as tx:
            await service.assign_resource(tx, resource_id=one.id, key=key, product_id=to.id, at=at, now=JUNE)

    async def code_of(key: str, to: Product, at: datetime = JUNE) -> str:
        with pytest.raises((Conflict, NotFound)) as refused:
            await assign(key, to, at)
        return refused.value.code

    assert await code_of("b", product) == "inventory.resource_state"
    assert await code_of("a", product, JUNE - DAY) == "inventory.not_active"
    assert await code_of("a", a_product()) == "inventory.unknown"
    # The reservation expires and somebody else gets the number: the first one comes too late.
    assert await service.free_due(db=db, tenant_id=tenant_id, now=JUNE + 2 * DAY) == 1
    async with db.transaction(tenant_id) as tx:
        assert await service.reserve(tx, pool="mobile", key="b", now=JULY)
        with pytest.raises(NotFound):
            await service.give_resources(tx, key="a", product_id=product.id, at=JUNE, now=JUNE)
    assert await code_of("a", product) == "inventory.resource_state"
    await assign("b", other, JULY)
    assert await code_of("b", product, JULY) == "inventory.resource_state"


async def test_a_lost_sim_is_replaced_from_its_day_on(
    db: Database, tenant_id: TenantId, product: Product
) -> None:
    first = await give(db, tenant_id, product, pool="esim")
    async with db.transaction(tenant_id) as tx:
        new = NewResource("8949020000000000025", {"imsi": "262011234567891"})
        await service.fill_pool(tx, pool="esim", values=[new])
        await service.reserve(tx, pool="esim", key="swap", now=JULY)
        await service.return_resource(tx, resource_id=first.id, at=JULY, now=JULY)
        await service.retire_resource(tx, resource_id=first.id, now=JULY)
        await service.retire_resource(tx, resource_id=first.id, now=JULY)
        await service.give_resources(tx, key="swap", product_id=product.id, at=JULY, now=JULY)
    assert await serving(db, tenant_id, IMSI, JULY - DAY) == [product.id]
    assert await serving(db, tenant_id, IMSI, JULY) == []
    assert await serving(db, tenant_id, "262011234567891", JULY) == [product.id]
    async with db.transaction(tenant_id) as tx:
        assert (await service.get_resource(tx, resource_id=first.id)).state is ResourceState.RETIRED
        (held,) = (await service.resources_of_products(tx, [product.id]))[product.id]
        with pytest.raises(Conflict):
            await service.retire_resource(tx, resource_id=held.id, now=JULY)
        page = await service.list_resources(tx, page=PageRequest(), pool="esim", state=ResourceState.RETIRED)
    assert [one.id for one in page.items] == [first.id]


async def test_a_number_that_is_given_by_mistake_and_returned_at_once_leaves_only_its_history(
    db: Database, tenant_id: TenantId, product: Product
) -> None:
    number = await give(db, tenant_id, product)
    with pytest.raises(Conflict):
        await take_back(db, tenant_id, product, JUNE - DAY)
    await take_back(db, tenant_id, product, JUNE)
    await take_back(db, tenant_id, product, JUNE)
    assert await serving(db, tenant_id, NUMBER, JUNE) == []
    async with db.transaction(tenant_id) as tx:
        (use,) = await service.resource_history(tx, resource_id=number.id)
        assert use.valid_from == use.valid_to == JUNE
        assert await service.holder_at(tx, kind=number.kind, value=NUMBER, at=JUNE) is None


async def test_an_ended_product_gives_its_numbers_back_and_usage_ends_with_it(
    db: Database, tenant_id: TenantId, product: Product
) -> None:
    await give(db, tenant_id, product)
    async with db.transaction(tenant_id) as tx:
        await service.end_product(tx, product_id=product.id, at=JULY)
        await service.take_back(tx, product_id=product.id, at=JULY, now=AUGUST)
        one = await service.resource_valued(tx, kind=ResourceKind.MSISDN, value=NUMBER)
    assert (one.state, one.until) == (ResourceState.AVAILABLE, None), "it has rested since July"
    assert await serving(db, tenant_id, NUMBER, JULY - DAY) == [product.id]


async def test_when_a_person_is_erased_the_number_forgets_who_had_it(
    db: Database, tenant_id: TenantId, product: Product
) -> None:
    number = await give(db, tenant_id, product)
    await give(db, tenant_id, product, pool="esim")
    await take_back(db, tenant_id, product, JULY)
    keys = [one.subscriber_key for one in (await loaded(db, tenant_id, product.id)).assignments]
    async with db.transaction(tenant_id) as tx:
        assert await service.erase_subscribers(tx, keys, at=AUGUST) == 2
        assert await service.resource_history(tx, resource_id=number.id) == ()
        assert await service.holder_at(tx, kind=number.kind, value=NUMBER, at=JUNE) is None
        left = await tx.fetchval(
            "SELECT count(*) FROM inventory.resource_use WHERE tenant_id = $1", tenant_id
        )
    assert left == 0


async def test_a_service_goes_through_its_states_and_remembers_them(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId, product: Product
) -> None:
    one = Service(
        ServiceId(uuid7()),
        product.id,
        "mobile-line",
        (ServiceChange(JUNE, ServiceState.DESIGNED),),
        {"apn": "internet"},
    )

    async def change(state: ServiceState, at: datetime, tenant: TenantId = tenant_id) -> None:
        async with db.transaction(tenant) as tx:
            await service.change_service_state(tx, service_id=one.id, state=state, at=at)

    async with db.transaction(tenant_id) as tx:
        await service.add_service(tx, one)
        await service.add_service(tx, one)
    await change(ServiceState.ACTIVE, JUNE + DAY)
    await change(ServiceState.ACTIVE, JUNE + 2 * DAY)
    await change(ServiceState.SUSPENDED, JULY)
    for state, at in ((ServiceState.DESIGNED, AUGUST), (ServiceState.ACTIVE, JULY - DAY)):
        with pytest.raises(Conflict, match="cannot become"):
            await change(state, at)
    with pytest.raises(NotFound):
        await change(ServiceState.ACTIVE, AUGUST, other_tenant_id)
    async with db.transaction(tenant_id) as tx:
        ((found,),) = (await service.services_of_products(tx, [product.id])).values()
        suspended = await service.list_services(tx, page=PageRequest(), state=ServiceState.SUSPENDED)
        active = await service.list_services(tx, page=PageRequest(), state=ServiceState.ACTIVE)
    assert (found.state, found.attributes) == (ServiceState.SUSPENDED, {"apn": "internet"})
    assert [found.state_at(at) for at in (JUNE - DAY, JUNE, JUNE + DAY, JULY)] == [
        None,
        ServiceState.DESIGNED,
        ServiceState.ACTIVE,
        ServiceState.SUSPENDED,
    ]
    assert (suspended.items, active.items) == ((found,), ())
    async with db.transaction(other_tenant_id) as tx:
        assert await service.services_of_products(tx, [product.id]) == {}
