"""What is done for many orders in one statement is what would have been done for each."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from farwire.base.eventbus import list_events
from farwire.base.storage import Database
from farwire.inventory import service
from farwire.inventory.model import (
    NewResource,
    Product,
    ResourceKind,
    Service,
    ServiceChange,
    ServiceState,
)
from farwire.inventory.service import Gift
from farwire.kernel.errors import Conflict, Exhausted, NotFound
from farwire.kernel.ids import ServiceId, TenantId, uuid7

from .products import AUGUST, JULY, JUNE, a_product, added

KEYS = ("a", "b", "c")


async def fill(db: Database, tenant_id: TenantId, count: int) -> None:
    async with db.transaction(tenant_id) as tx:
        kind = ResourceKind.ESIM_PROFILE
        await service.create_pool(tx, name="sims", kind=kind, quarantine_days=0, now=JUNE)
        sims = [
            NewResource(str(89490000000000000000 + n), {"imsi": str(262010000000000 + n)})
            for n in range(count)
        ]
        await service.fill_pool(tx, pool="sims", values=sims)


async def reserve(db: Database, tenant_id: TenantId, *keys: str) -> dict[str, tuple[str, ...]]:
    async with db.transaction(tenant_id) as tx:
        found = await service.reserve_each(tx, pool="sims", keys=keys, now=JUNE)
    return {key: tuple(one.value for one in held) for key, held in found.items()}


async def counts(db: Database, tenant_id: TenantId) -> dict[str, int]:
    async with db.transaction(tenant_id) as tx:
        return {str(k): n for k, n in (await service.count_pool(tx, pool="sims")).counts.items()}


async def products(db: Database, tenant_id: TenantId, count: int = 3) -> list[Product]:
    made = [a_product() for _ in range(count)]
    await added(db, tenant_id, *made)
    return made


async def assigned_events(db: Database, tenant_id: TenantId) -> list[str]:
    async with db.transaction(tenant_id) as tx:
        found = await list_events(tx=tx, type_prefix="farwire.inventory.resource_assigned")
    return [one.subject for _, one in found]


async def test_each_key_gets_one_of_its_own_and_keeps_it(db: Database, tenant_id: TenantId) -> None:
    await fill(db, tenant_id, 4)
    first = await reserve(db, tenant_id, "a", "b")
    assert len({value for held in first.values() for value in held}) == 2
    assert await reserve(db, tenant_id, "a", "b") == first
    both = await reserve(db, tenant_id, "c", "b", "a", "a")  # some known, some new
    assert {key: both[key] for key in first} == first
    assert len({value for held in both.values() for value in held}) == 3
    assert await counts(db, tenant_id) == {"available": 1, "reserved": 3}


async def test_too_few_are_refused_and_nothing_stays_taken(db: Database, tenant_id: TenantId) -> None:
    await fill(db, tenant_id, 3)
    first = await reserve(db, tenant_id, "a")
    async with db.transaction(tenant_id) as tx:  # the transaction goes on after the refusal
        with pytest.raises(Exhausted):
            await service.reserve_each(tx, pool="sims", keys=["a", "b", "c", "d"], now=JUNE)
    assert await counts(db, tenant_id) == {"available": 2, "reserved": 1}
    assert await reserve(db, tenant_id, "a", "b", "d") | first == await reserve(db, tenant_id, "a", "b", "d")


async def test_two_who_take_many_at_once_take_different_ones(db: Database, tenant_id: TenantId) -> None:
    await fill(db, tenant_id, 40)
    taken = await asyncio.gather(
        *(reserve(db, tenant_id, *(f"{who}-{n}" for n in range(10))) for who in range(4))
    )
    values = [value for one in taken for held in one.values() for value in held]
    assert (len(values), len(set(values))) == (40, 40)


async def test_what_many_keys_hold_is_given_once_and_again_changes_nothing(
    db: Database, tenant_id: TenantId
) -> None:
    await fill(db, tenant_id, 3)
    await reserve(db, tenant_id, *KEYS)
    made = await products(db, tenant_id)
    starts = (JUNE, JULY, JUNE)
    gifts = [Gift(key, one.id, None, at) for key, one, at in zip(KEYS, made, starts, strict=True)]
    async with db.transaction(tenant_id) as tx:
        await service.give_each(tx, gifts[:1], now=AUGUST)
    async with db.transaction(tenant_id) as tx:
        given = await service.give_each(tx, gifts, now=AUGUST)  # one of them was there
        assert await service.give_each(tx, gifts, now=AUGUST) == given
    async with db.transaction(tenant_id) as tx:
        for gift in gifts:
            (one,) = given[gift.key]
            (use,) = await service.resource_history(tx, resource_id=one.id)
            assert (use.product_id, use.valid_from, use.valid_to) == (gift.product_id, gift.at, None)
            keys = await service.subscriber_keys(tx, [one.attributes["imsi"]])
            (holder,) = (await service.products_by_subscriber(tx, list(keys.values()))).popitem()[1]
            (key,) = keys.values()
            assert holder.id == gift.product_id
            assert [holder.serves(key, at) for at in (gift.at, AUGUST)] == [True, True]
            assert not holder.serves(key, JUNE) or gift.at == JUNE
    assert sorted(await assigned_events(db, tenant_id)) == sorted(str(given[key][0].id) for key in KEYS)


async def test_a_gift_that_fails_leaves_the_others_ungiven(db: Database, tenant_id: TenantId) -> None:
    await fill(db, tenant_id, 3)
    await reserve(db, tenant_id, *KEYS)
    made = await products(db, tenant_id)
    bad = {
        "inventory.reservation_unknown": Gift("unknown", made[2].id, None, JUNE),
        "inventory.unknown": Gift("c", a_product().id, None, JUNE),
        "inventory.not_active": Gift("c", made[2].id, None, JUNE.replace(year=2025)),
    }
    for code, gift in bad.items():
        async with db.transaction(tenant_id) as tx:
            with pytest.raises((NotFound, Conflict)) as refused:
                await service.give_each(
                    tx, [Gift("a", made[0].id, None, JUNE), Gift("b", made[1].id, None, JUNE), gift], now=JULY
                )
        assert refused.value.code == code
    assert await counts(db, tenant_id) == {"reserved": 3}
    assert await assigned_events(db, tenant_id) == []


async def test_one_reservation_goes_to_one_product(db: Database, tenant_id: TenantId) -> None:
    await fill(db, tenant_id, 1)
    await reserve(db, tenant_id, "a")
    one, other = await products(db, tenant_id, 2)
    gift = Gift("a", one.id, None, JUNE)
    async with db.transaction(tenant_id) as tx:
        with pytest.raises(Conflict) as refused:
            await service.give_each(tx, [gift, replace(gift, product_id=other.id)], now=JULY)
        assert refused.value.code == "inventory.resource_state"
        given = await service.give_each(tx, [gift, gift], now=JULY)
    (use,) = await history(db, tenant_id, given["a"][0].id)
    assert use == one.id


async def history(db: Database, tenant_id: TenantId, resource_id) -> list:  # type: ignore[no-untyped-def, type-arg]
    async with db.transaction(tenant_id) as tx:
        return [one.product_id for one in await service.resource_history(tx, resource_id=resource_id)]


async def test_another_tenants_reservations_and_pools_are_unknown(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    await fill(db, tenant_id, 3)
    await reserve(db, tenant_id, *KEYS)
    (made,) = await products(db, other_tenant_id, 1)
    async with db.transaction(other_tenant_id) as tx:
        with pytest.raises(NotFound, match="nothing is reserved"):
            await service.give_each(tx, [Gift("a", made.id, None, JUNE)], now=JULY)
        with pytest.raises(NotFound, match="no such pool"):
            await service.reserve_each(tx, pool="sims", keys=["z"], now=JUNE)
    await fill_other(db, other_tenant_id)
    assert len(await reserve(db, other_tenant_id, *KEYS)) == 3  # the same keys, of their own
    assert await counts(db, tenant_id) == {"reserved": 3}


async def fill_other(db: Database, tenant_id: TenantId) -> None:
    await fill(db, tenant_id, 3)


def a_service(product: Product) -> Service:
    changes = (ServiceChange(JUNE, ServiceState.DESIGNED), ServiceChange(JULY, ServiceState.ACTIVE))
    return Service(ServiceId(uuid7()), product.id, "mobile-line", changes, {"apn": "internet"})


async def test_services_are_added_once_with_their_history(db: Database, tenant_id: TenantId) -> None:
    made = await products(db, tenant_id)
    wanted = [a_service(one) for one in made]
    async with db.transaction(tenant_id) as tx:
        await service.add_services(tx, wanted[:1])
        await service.add_services(tx, [*wanted, wanted[1]])
        found = await service.services_of_products(tx, [one.id for one in made])
    assert [found[one.id] for one in made] == [(one,) for one in wanted]


async def test_a_service_knows_which_one_it_supports_and_gets_other_characteristics(
    db: Database, tenant_id: TenantId
) -> None:
    (made,) = await products(db, tenant_id, 1)
    above = a_service(made)
    below = replace(a_service(made), id=ServiceId(uuid7()), specification="radio", supports=above.id)
    async with db.transaction(tenant_id) as tx:
        await service.add_services(tx, [below, above])
        await service.change_services(tx, {below.id: {"apn": "corporate"}})
        found = (await service.services_of_products(tx, [made.id]))[made.id]
    assert {one.id: (one.supports, one.attributes["apn"]) for one in found} == {
        above.id: (None, "internet"),
        below.id: (above.id, "corporate"),
    }


async def test_what_pools_have_left_is_counted_no_further_than_asked(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    await fill(db, tenant_id, 3)
    async with db.transaction(tenant_id) as tx:
        await service.create_pool(tx, name="lan", kind=ResourceKind.IPV4, quarantine_days=0, now=JUNE)
        await service.add_range(tx, pool=await service.pool_named(tx, "lan"), text="10.0.0.0/24")
        await service.reserve_each(tx, pool="sims", keys=["a"], now=JUNE)
        assert await service.left_in(tx, pools=["sims", "lan", "none"]) == {"sims": 2, "lan": 254}
        assert await service.left_in(tx, pools=["sims", "lan"], at_most=1) == {"sims": 1, "lan": 1}
    async with db.transaction(other_tenant_id) as tx:
        assert await service.left_in(tx, pools=["sims"]) == {}


async def test_a_service_of_an_unknown_product_adds_none(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    (made,) = await products(db, tenant_id, 1)
    (foreign,) = await products(db, other_tenant_id, 1)
    async with db.transaction(tenant_id) as tx:
        with pytest.raises(NotFound, match="no such product"):
            await service.add_services(tx, [a_service(made), a_service(foreign)])
    async with db.transaction(tenant_id) as tx:
        assert await service.services_of_products(tx, [made.id, foreign.id]) == {}
