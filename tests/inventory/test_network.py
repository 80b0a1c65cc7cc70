"""Elements and links: what is refused, what was, and that every change is told."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from farwire.base import eventbus
from farwire.base.storage import Database
from farwire.inventory import events, service
from farwire.inventory.model import (
    Element,
    ElementState,
    Layer,
    Link,
    LinkKind,
    NewElement,
    NewLink,
    ResourceKind,
    Service,
    ServiceChange,
    ServiceState,
)
from farwire.kernel.errors import Conflict, FarwireError, Invalid, NotFound
from farwire.kernel.ids import ServiceId, TenantId, uuid7
from farwire.kernel.page import PageRequest

from .products import AUGUST, JULY, JUNE, a_product, added

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)


async def element(
    db: Database, tenant_id: TenantId, name: str, at: datetime = JUNE, **other: object
) -> Element:
    facts: dict[str, object] = {"layer": Layer.PHYSICAL, "kind": "router"} | other
    async with db.transaction(tenant_id) as tx:
        return await service.add_element(tx, new=NewElement(name, **facts), at=at, now=NOW)  # type: ignore[arg-type]


async def link(
    db: Database,
    tenant_id: TenantId,
    start: str,
    kind: str,
    end: str,
    at: datetime = JUNE,
    protection: str = "",
) -> Link:
    async with db.transaction(tenant_id) as tx:
        new = NewLink(start, end, LinkKind(kind), protection)
        return await service.add_link(tx, new=new, at=at, now=NOW)


async def linked(db: Database, tenant_id: TenantId, name: str, at: datetime) -> list[str]:
    """Return the links of an element as words."""
    async with db.transaction(tenant_id) as tx:
        one = await service.element_named(tx, name=name, at=at)
        page = await service.list_links(tx, page=PageRequest(), element=one, at=at)
    return [f"{one.start_name} {one.kind} {one.end_name}" for one in page.items]


async def test_an_element_is_told_as_it_stood_at_any_time(db: Database, tenant_id: TenantId) -> None:
    await element(db, tenant_id, "r1", place="Hamburg")
    async with db.transaction(tenant_id) as tx:
        down = ElementState.OUT_OF_SERVICE
        await service.change_element(tx, name="r1", state=down, at=JULY, now=NOW)
        await service.change_element(tx, name="r1", place="Kiel", at=AUGUST, now=NOW)
        await service.change_element(tx, name="r1", place="Kiel", at=AUGUST, now=NOW)
        stood = [
            await service.element_named(tx, name="r1", at=at) for at in (JUNE, JULY - SECOND, JULY, AUGUST)
        ]
        history = await service.element_history(tx, element=stood[0], now=NOW)
    assert [(one.state.value, one.place) for one in stood] == [
        ("in_service", "Hamburg"),
        ("in_service", "Hamburg"),
        ("out_of_service", "Hamburg"),
        ("out_of_service", "Kiel"),
    ]
    assert [(one.valid_from, one.valid_to) for one in history] == [
        (JUNE, JULY),
        (JULY, AUGUST),
        (AUGUST, None),
    ]


async def test_a_link_holds_from_its_start_to_just_before_its_end(db: Database, tenant_id: TenantId) -> None:
    for name in ("r1", "r2"):
        await element(db, tenant_id, name)
    await link(db, tenant_id, "r1", "carries", "r2", JULY)
    async with db.transaction(tenant_id) as tx:
        one = NewLink("r1", "r2", LinkKind.CARRIES)
        ended = await service.end_link(tx, link=one, at=AUGUST, now=NOW)
        assert await service.end_link(tx, link=one, at=NOW, now=NOW) == ended
    held = [await linked(db, tenant_id, "r2", at) for at in (JULY - SECOND, JULY, AUGUST - SECOND, AUGUST)]
    assert held == [[], ["r1 carries r2"], ["r1 carries r2"], []]
    with pytest.raises(Conflict, match="until 2026-08-01"):
        await link(db, tenant_id, "r1", "carries", "r2", AUGUST - SECOND)
    await link(db, tenant_id, "r1", "carries", "r2", AUGUST)
    assert await linked(db, tenant_id, "r1", AUGUST) == ["r1 carries r2"]


async def test_what_connects_does_so_both_ways_and_once(db: Database, tenant_id: TenantId) -> None:
    for name in ("r1", "r2"):
        await element(db, tenant_id, name)
    first = await link(db, tenant_id, "r2", "connects", "r1")
    assert await link(db, tenant_id, "r1", "connects", "r2") == first
    assert await linked(db, tenant_id, "r1", JUNE) == await linked(db, tenant_id, "r2", JUNE)


@pytest.mark.parametrize(
    ("start", "kind", "end", "protection", "code", "field"),
    [
        ("r1", "connects", "r1", "", "inventory.link_to_itself", "to"),
        ("r1", "contains", "nowhere", "", "inventory.element_unknown", "to"),
        ("nowhere", "contains", "r1", "", "inventory.element_unknown", "from"),
        ("r3", "contains", "r1", "", "inventory.contains_itself", "to"),
        ("r3", "contains", "r2", "", "inventory.contained", "to"),
        ("r1", "protects", "r2", "", "inventory.link", "protection"),
        ("r1", "connects", "r2", "ring", "inventory.link", "protection"),
        ("r1", "carries", "r2", "No!", "inventory.link", "protection"),
        ("r1", "carries", "gone", "", "inventory.element_ended", "to"),
    ],
)
async def test_a_link_that_cannot_be_is_refused_with_its_reason_and_leaves_no_trace(
    db: Database, tenant_id: TenantId, start: str, kind: str, end: str, protection: str, code: str, field: str
) -> None:
    for name in ("r1", "r2", "r3", "gone"):
        await element(db, tenant_id, name)
    await link(db, tenant_id, "r1", "contains", "r2")
    await link(db, tenant_id, "r2", "contains", "r3")
    async with db.transaction(tenant_id) as tx:
        await service.end_element(tx, name="gone", at=JULY, now=NOW)
    before = [await linked(db, tenant_id, name, NOW) for name in ("r1", "r2", "r3")]
    with pytest.raises(FarwireError) as refused:
        await link(db, tenant_id, start, kind, end, protection=protection)
    assert (refused.value.code, refused.value.field) == (code, field)
    assert before == [await linked(db, tenant_id, name, NOW) for name in ("r1", "r2", "r3")]


@pytest.mark.parametrize(
    ("facts", "field"),
    [
        ({"name": " r"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "r\n"}, "name"),
        ({"name": "r" * 129}, "name"),
        ({"kind": "Router"}, "kind"),
        ({"place": "x\x00"}, "place"),
        ({"service_id": ServiceId(uuid7())}, "layer"),
    ],
)
async def test_a_malformed_element_is_refused_by_its_field(
    db: Database, tenant_id: TenantId, facts: dict[str, object], field: str
) -> None:
    with pytest.raises(Invalid) as refused:
        await element(db, tenant_id, **{"name": "r1", **facts})  # type: ignore[arg-type]
    assert (refused.value.code, refused.value.field) == ("inventory.element", field)


async def test_a_name_is_given_once_and_nothing_is_of_the_future(db: Database, tenant_id: TenantId) -> None:
    await element(db, tenant_id, "r1")
    with pytest.raises(Conflict, match="there is or was"):
        await element(db, tenant_id, "r1")
    with pytest.raises(Invalid, match="what is and was"):
        await element(db, tenant_id, "r2", NOW + SECOND)


async def test_who_moves_two_parts_into_each_other_at_once_moves_one(
    db: Database, tenant_id: TenantId
) -> None:
    for name in ("r1", "r2"):
        await element(db, tenant_id, name)
    answers = await asyncio.gather(
        link(db, tenant_id, "r1", "contains", "r2"),
        link(db, tenant_id, "r2", "contains", "r1"),
        return_exceptions=True,
    )
    assert sorted(type(one).__name__ for one in answers) == ["Conflict", "Link"]


async def test_an_element_that_ends_takes_its_links_with_it(db: Database, tenant_id: TenantId) -> None:
    for name in ("r1", "r2"):
        await element(db, tenant_id, name)
    await link(db, tenant_id, "r1", "serves", "r2", JULY)
    async with db.transaction(tenant_id) as tx:
        with pytest.raises(Conflict, match="begins then"):
            await service.end_element(tx, name="r1", at=JULY, now=NOW)
        with pytest.raises(Conflict, match="it stands so since"):
            await service.end_element(tx, name="r1", at=JULY - SECOND, now=NOW)
        await service.end_element(tx, name="r1", at=AUGUST, now=NOW)
        again = await service.end_element(tx, name="r1", at=NOW, now=NOW)
        listed = await service.list_elements(tx, page=PageRequest(), at=AUGUST)
    assert again.ended_at == AUGUST
    assert [one.name for one in listed.items] == ["r2"]
    assert await linked(db, tenant_id, "r2", AUGUST) == []
    assert await linked(db, tenant_id, "r2", AUGUST - SECOND) == ["r1 serves r2"]


async def test_an_element_can_be_a_pools_resource_or_a_products_service(
    db: Database, tenant_id: TenantId
) -> None:
    product = a_product()
    await added(db, tenant_id, product)
    access = Service(ServiceId(uuid7()), product.id, "access", (ServiceChange(JUNE, ServiceState.ACTIVE),))
    async with db.transaction(tenant_id) as tx:
        await service.add_service(tx, access)
        await service.create_pool(tx, name="ports", kind=ResourceKind.PORT, quarantine_days=0, now=JUNE)
        await service.fill_pool(tx, pool="ports", values=["olt1-p1"])
        port = await service.resource_valued(tx, kind=ResourceKind.PORT, value="olt1-p1")
    assert (await element(db, tenant_id, "p1", resource_id=port.id)).resource_id == port.id
    made = await element(db, tenant_id, "s1", layer=Layer.SERVICE, kind="access", service_id=access.id)
    assert made.service_id == access.id
    with pytest.raises(Conflict, match="there is or was"):
        await element(db, tenant_id, "p2", resource_id=port.id)
    with pytest.raises(NotFound):
        await element(db, tenant_id, "s2", layer=Layer.SERVICE, service_id=ServiceId(uuid7()))


async def test_every_change_is_told_with_a_number_that_has_no_gap(db: Database, tenant_id: TenantId) -> None:
    for name in ("r1", "r2"):
        await element(db, tenant_id, name)
    with pytest.raises(Conflict):
        await element(db, tenant_id, "r1")
    await link(db, tenant_id, "r1", "carries", "r2", protection="ring")
    await link(db, tenant_id, "r1", "carries", "r2", protection="ring")
    async with db.transaction(tenant_id) as tx:
        await service.change_element(tx, name="r1", place="Kiel", at=JULY, now=NOW)
        await service.end_link(tx, link=NewLink("r1", "r2", LinkKind.CARRIES), at=JULY, now=NOW)
        await service.end_element(tx, name="r2", at=AUGUST, now=NOW)
        told = await eventbus.list_events(tx=tx, type_prefix=events.NETWORK)
    assert [(event.type, event.data["sequence"]) for _, event in told] == [
        (events.ELEMENT_ADDED, 1),
        (events.ELEMENT_ADDED, 2),
        (events.LINK_ADDED, 3),
        (events.ELEMENT_CHANGED, 4),
        (events.LINK_ENDED, 5),
        (events.ELEMENT_ENDED, 6),
    ]


async def test_the_network_of_another_tenant_is_unknown(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    mine = await element(db, tenant_id, "r1")
    await element(db, other_tenant_id, "r2")
    with pytest.raises(NotFound):
        await link(db, other_tenant_id, "r2", "connects", "r1")
    async with db.transaction(other_tenant_id) as tx:
        with pytest.raises(NotFound):
            await service.get_element(tx, element_id=mine.id, at=NOW)
        assert (await service.list_elements(tx, page=PageRequest(), at=NOW)).total == 1


async def test_a_part_is_in_one_place_at_any_past_time_too(db: Database, tenant_id: TenantId) -> None:
    for name in ("rack", "other", "shelf"):
        await element(db, tenant_id, name)
    await link(db, tenant_id, "rack", "contains", "shelf")
    async with db.transaction(tenant_id) as tx:
        one = NewLink("rack", "shelf", LinkKind.CONTAINS)
        await service.end_link(tx, link=one, at=AUGUST, now=NOW)
    with pytest.raises(Conflict) as refused:
        await link(db, tenant_id, "other", "contains", "shelf", JULY)
    assert refused.value.code == "inventory.contained"
    with pytest.raises(Conflict) as refused:
        await link(db, tenant_id, "shelf", "contains", "rack", JULY)
    assert refused.value.code == "inventory.contains_itself"
    await link(db, tenant_id, "other", "contains", "shelf", AUGUST)
    await link(db, tenant_id, "shelf", "contains", "rack", AUGUST)
    await element(db, tenant_id, "card")
    with pytest.raises(Conflict) as refused:  # over time, the rack and the shelf were each in the other
        await link(db, tenant_id, "card", "contains", "shelf", JULY)
    assert refused.value.code == "inventory.contained"


async def test_an_element_does_not_end_before_a_link_that_it_had(db: Database, tenant_id: TenantId) -> None:
    for name in ("r1", "r2"):
        await element(db, tenant_id, name)
    await link(db, tenant_id, "r1", "connects", "r2")
    async with db.transaction(tenant_id) as tx:
        one = NewLink("r1", "r2", LinkKind.CONNECTS)
        await service.end_link(tx, link=one, at=AUGUST, now=NOW)
    async with db.transaction(tenant_id) as tx:
        with pytest.raises(Conflict) as refused:
            await service.end_element(tx, name="r1", at=JULY, now=NOW)
    assert refused.value.code == "inventory.element_later"
    async with db.transaction(tenant_id) as tx:
        assert (await service.end_element(tx, name="r1", at=AUGUST, now=NOW)).ended_at == AUGUST
