"""Free ports of an element: what counts as free, at any depth, and that asking another operator's is refused."""

from __future__ import annotations

import asyncio

import pytest

from farwire.base.storage import Database
from farwire.inventory import service
from farwire.inventory.model import (
    ElementId,
    ElementState,
    Layer,
    LinkKind,
    NewElement,
    NewLink,
    ResourceKind,
)
from farwire.kernel.errors import Exhausted, Invalid, NotFound
from farwire.kernel.ids import TenantId

from .products import JUNE
from .test_network import NOW, element, link


async def an_olt(db: Database, tenant_id: TenantId, ports: int = 4) -> ElementId:
    """An OLT with a card of as many ports; each is a resource of the pool pon."""
    olt = await element(db, tenant_id, "olt", kind="olt")
    await element(db, tenant_id, "card", kind="card")
    await link(db, tenant_id, "olt", "contains", "card")
    values = [f"olt-p{number}" for number in range(ports)]
    async with db.transaction(tenant_id) as tx:
        await service.create_pool(tx, name="pon", kind=ResourceKind.PORT, quarantine_days=0, now=NOW)
        await service.fill_pool(tx, pool="pon", values=values)
        for value in values:
            found = await service.resource_valued(tx, kind=ResourceKind.PORT, value=value)
            new = NewElement(value, Layer.PHYSICAL, "port", resource_id=found.id)
            await service.add_element(tx, new=new, at=JUNE, now=NOW)
            holds = NewLink("card", value, LinkKind.CONTAINS)
            await service.add_link(tx, new=holds, at=JUNE, now=NOW)
    return olt.id


async def asked(
    db: Database, tenant_id: TenantId, *ids: ElementId, kind: str = "port"
) -> list[tuple[int, int, list[str]]]:
    """Return (total, free, names of up to nine free ones) of each element."""
    async with db.transaction(tenant_id) as tx:
        found = await service.free_ports(tx, element_ids=ids, kind=kind, first=9, now=NOW)
    return [(found[one].total, found[one].free, [p.element.name for p in found[one].first]) for one in ids]


async def test_a_port_that_is_reserved_or_serves_somebody_is_not_free(
    db: Database, tenant_id: TenantId
) -> None:
    olt = await an_olt(db, tenant_id)
    async with db.transaction(tenant_id) as tx:
        await service.reserve_chosen(tx, pool="pon", key="order-1", values=["olt-p0"], now=NOW)
    await element(db, tenant_id, "home-line", layer=Layer.SERVICE, kind="access")
    await link(db, tenant_id, "olt-p1", "serves", "home-line")
    assert await asked(db, tenant_id, olt) == [(4, 2, ["olt-p2", "olt-p3"])]
    async with db.transaction(tenant_id) as tx:
        await service.release(tx, key="order-1")
        await service.end_element(tx, name="home-line", at=NOW, now=NOW)
        found = await service.free_ports(tx, element_ids=[olt], now=NOW)
    assert found[olt].free == 4
    (first,) = found[olt].first
    assert first.resource is not None
    assert (first.resource.pool, first.resource.value) == ("pon", "olt-p0")


async def test_no_port_is_free_in_a_card_that_does_not_work(db: Database, tenant_id: TenantId) -> None:
    olt = await an_olt(db, tenant_id, ports=2)
    async with db.transaction(tenant_id) as tx:
        down = ElementState.OUT_OF_SERVICE
        card = await service.change_element(tx, name="card", state=down, at=NOW, now=NOW)
    assert await asked(db, tenant_id, olt, card.id) == [(2, 0, []), (2, 0, [])]


async def test_a_port_of_no_pool_is_free_while_nothing_is_plugged_in(
    db: Database, tenant_id: TenantId
) -> None:
    switch = await element(db, tenant_id, "switch", kind="switch")
    for name in ("a", "b", "c", "d"):
        await element(db, tenant_id, name, kind="port")
        await link(db, tenant_id, "switch", "contains", name)
    await link(db, tenant_id, "a", "connects", "b")
    assert await asked(db, tenant_id, switch.id) == [(4, 2, ["c", "d"])]
    async with db.transaction(tenant_id) as tx:
        await service.end_element(tx, name="d", at=NOW, now=NOW)
    assert await asked(db, tenant_id, switch.id) == [(3, 1, ["c"])]
    assert await asked(db, tenant_id, switch.id, kind="pon_port") == [(0, 0, [])]


async def test_elements_of_another_operator_are_unknown(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    olt = await an_olt(db, tenant_id, ports=1)
    with pytest.raises(NotFound) as unknown:
        await asked(db, other_tenant_id, olt)
    assert unknown.value.code == "inventory.element_unknown"
    with pytest.raises(Invalid):
        await asked(db, tenant_id)


async def test_a_port_is_reserved_in_the_element_that_serves_the_place(
    db: Database, tenant_id: TenantId
) -> None:
    olt = await an_olt(db, tenant_id, ports=2)
    async with db.transaction(tenant_id) as tx:
        await service.fill_pool(tx, pool="pon", values=["a-port-elsewhere"])
    for number in range(2):
        async with db.transaction(tenant_id) as tx:
            key = f"order-{number}"
            (one,) = await service.reserve(tx, pool="pon", key=key, within=olt, now=NOW)
            again = await service.reserve(tx, pool="pon", key=key, within=olt, now=NOW)
        assert (one.value, again) == (f"olt-p{number}", (one,))
    async with db.transaction(tenant_id) as tx:
        with pytest.raises(Exhausted):
            await service.reserve(tx, pool="pon", key="order-3", within=olt, now=NOW)
        (other,) = await service.reserve(tx, pool="pon", key="order-4", now=NOW)
        assert other.value == "a-port-elsewhere"


async def test_orders_at_once_get_each_another_port_of_an_element(db: Database, tenant_id: TenantId) -> None:
    olt = await an_olt(db, tenant_id, ports=6)

    async def order(number: int) -> str:
        async with db.transaction(tenant_id) as tx:
            (one,) = await service.reserve(tx, pool="pon", key=f"order-{number}", within=olt, now=NOW)
        return one.value

    given = await asyncio.gather(*(order(number) for number in range(6)))
    assert sorted(given) == [f"olt-p{number}" for number in range(6)]


async def test_the_ports_of_an_element_come_into_a_pool_once_and_are_given_like_any_other(
    db: Database, tenant_id: TenantId
) -> None:
    switch = await element(db, tenant_id, "switch", kind="switch")
    for name in ("s-1", "s-2"):
        await element(db, tenant_id, name, kind="port")
        await link(db, tenant_id, "switch", "contains", name)
    async with db.transaction(tenant_id) as tx:
        await service.create_pool(tx, name="eth", kind=ResourceKind.PORT, quarantine_days=0, now=NOW)
        added = [await service.pool_ports(tx, pool="eth", element="switch", now=NOW) for _ in range(2)]
        await service.reserve(tx, pool="eth", key="order-1", within=switch.id, now=NOW)
    assert added == [2, 0]
    assert await asked(db, tenant_id, switch.id) == [(2, 1, ["s-2"])]
    await element(db, tenant_id, "a name", kind="port")
    await link(db, tenant_id, "switch", "contains", "a name")
    async with db.transaction(tenant_id) as tx:
        with pytest.raises(Invalid) as refused:
            await service.pool_ports(tx, pool="eth", element="switch", now=NOW)
    assert "row 1" in refused.value.message
