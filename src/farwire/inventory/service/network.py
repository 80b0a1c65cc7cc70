"""The network: elements come, change and end; links join them. What was, stays to be asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from farwire.base import eventbus
from farwire.base.storage import Tx, on_violation
from farwire.inventory import events
from farwire.inventory.model import (
    Element,
    ElementId,
    ElementStanding,
    ElementState,
    Layer,
    Link,
    LinkKind,
    NewElement,
    NewLink,
    check_element,
    check_link,
)
from farwire.inventory.service.resources import get_resource
from farwire.inventory.service.services import find_service
from farwire.inventory.store import network as store
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import ServiceId
from farwire.kernel.page import Page, PageRequest


def _not_ahead(at: datetime, now: datetime) -> None:
    if at > now:
        raise Invalid(
            "the network holds what is and was",
            code="inventory.time_ahead",
            field="at",
            value=at,
            fix="give a time up to now; what is to come has the state planned",
        )


async def add_element(tx: Tx, *, new: NewElement, at: datetime, now: datetime) -> Element:
    """Add an element that is there from ``at`` on. Publishes ``network_element_added``.

    Raises ``Invalid`` (``inventory.element``, ``inventory.time_ahead``), ``Conflict`` (``inventory.element_exists``),
    ``NotFound`` for a resource of a pool or a service that it is to be and that is not there.
    """
    check_element(new)
    _not_ahead(at, now)
    if new.resource_id is not None:
        await get_resource(tx, resource_id=new.resource_id)
    if new.service_id is not None:
        await _check_service(tx, new.service_id)
    await store.lock_network(tx)
    taken = _exists("name", new.name)
    violations = {
        "element_name": taken,
        "element_of_resource": _exists("resource_id", new.resource_id),
        "element_of_service": _exists("service_id", new.service_id),
    }
    with on_violation(violations):
        element_id = await store.add_element(tx, new, at)
    element = (await store.elements(tx, [element_id], at))[element_id]
    sequence = await store.next_sequence(tx)
    await eventbus.publish(tx, events.element_added(tx.tenant_id, sequence, element, now))
    return element


async def _check_service(tx: Tx, service_id: ServiceId) -> None:
    if await find_service(tx, service_id) is None:
        raise NotFound(
            "there is no such service", code="inventory.service_unknown", field="service", value=service_id
        )


def _exists(field: str, value: object) -> Conflict:
    return Conflict(
        "there is or was such an element",
        code="inventory.element_exists",
        field=field,
        value=value,
        fix="a name is given once, and what an element is, no other one is",
    )


async def change_element(
    tx: Tx,
    *,
    name: str,
    state: ElementState | None = None,
    place: str | None = None,
    at: datetime,
    now: datetime,
) -> Element:
    """Let an element stand otherwise, or elsewhere, from ``at`` on; what it says already changes nothing.

    Publishes ``network_element_changed``. Raises ``NotFound`` (``inventory.element_unknown``), ``Invalid``
    (``inventory.element``, ``inventory.time_ahead``), ``Conflict`` (``inventory.element_ended``,
    ``inventory.element_later``: it stands so since later than ``at``).
    """
    _not_ahead(at, now)
    await store.lock_network(tx)
    before = await _there(tx, name, now)
    after = replace(
        before, state=state or before.state, place=before.place if place is None else place, since=at
    )
    if (after.state, after.place) == (before.state, before.place):
        return before
    check_element(NewElement(after.name, after.layer, after.kind, after.state, after.place))
    _not_before(before.since, at)
    await store.change_element(tx, before, state=after.state, place=after.place, at=at)
    sequence = await store.next_sequence(tx)
    await eventbus.publish(tx, events.element_changed(tx.tenant_id, sequence, after, now))
    return after


def _not_before(since: datetime, at: datetime) -> None:
    if at < since:
        raise Conflict(
            f"it stands so since {since.isoformat()}",
            code="inventory.element_later",
            field="at",
            value=at,
            fix="give a later time",
        )


async def end_element(tx: Tx, *, name: str, at: datetime, now: datetime) -> Element:
    """End an element at ``at`` (exclusive), and every link of it. What has ended stays as it is.

    Publishes ``network_element_ended``. Raises ``NotFound`` (``inventory.element_unknown``), ``Invalid``
    (``inventory.time_ahead``), ``Conflict`` (``inventory.element_later``: it, or a link of it, began or ended later).
    """
    _not_ahead(at, now)
    await store.lock_network(tx)
    element = await element_named(tx, name=name, at=now)
    if element.ended_at is not None:
        return element
    linked, parted = await store.latest_links_of(tx, element.id)
    _not_before(element.since if parted is None else max(element.since, parted), at)
    if linked is not None and at <= linked:
        _not_before(linked, at)
        raise Conflict(
            "a link of it begins then",
            code="inventory.element_later",
            field="at",
            value=at,
            fix="end it later",
        )
    await store.end_links_of(tx, element.id, at)
    await store.end_element(tx, element.id, at)
    ended = replace(element, ended_at=at)
    sequence = await store.next_sequence(tx)
    await eventbus.publish(tx, events.element_ended(tx.tenant_id, sequence, ended, now))
    return ended


async def element_named(tx: Tx, *, name: str, at: datetime) -> Element:
    """Return the element as it stood at ``at``, ended or not. Raises ``NotFound`` (``inventory.element_unknown``)."""
    found = (await store.elements_named(tx, [name], at)).get(name)
    if found is None:
        raise element_unknown("name", name)
    return found


async def get_element(tx: Tx, *, element_id: ElementId, at: datetime) -> Element:
    """Return the element as it stood at ``at``, ended or not. Raises ``NotFound`` (``inventory.element_unknown``)."""
    found = (await store.elements(tx, [element_id], at)).get(element_id)
    if found is None:
        raise element_unknown("element", element_id)
    return found


def element_unknown(field: str, value: object) -> NotFound:
    """Return the refusal of an element that is not there."""
    return NotFound(
        "there is no such element of the network",
        code="inventory.element_unknown",
        field=field,
        value=value,
        fix="farwire inventory elements",
    )


async def _there(tx: Tx, name: str, at: datetime, field: str = "name") -> Element:
    found = (await store.elements_named(tx, [name], at)).get(name)
    if found is None:
        raise element_unknown(field, name)
    if not found.exists_at(at):
        raise Conflict(
            "the element is not there then",
            code="inventory.element_ended",
            field=field,
            value=name,
            fix="farwire inventory element NAME tells from when to when it was there",
        )
    return found


async def list_elements(
    tx: Tx,
    *,
    page: PageRequest,
    at: datetime,
    layer: Layer | None = None,
    kind: str | None = None,
    prefix: str = "",
) -> Page[Element]:
    """Return a page of the elements that were there at ``at``, by name; ``prefix``: how their names begin."""
    items, total = await store.list_elements(
        tx, at=at, layer=layer, kind=kind, prefix=prefix, limit=page.limit, offset=page.offset
    )
    return Page(tuple(items), total, page.offset, page.limit)


async def list_resource_elements(
    tx: Tx,
    *,
    page: PageRequest,
    at: datetime,
    kinds: Sequence[str] | None,
    states: Sequence[ElementState] | None,
) -> Page[Element]:
    """Return a page of the elements that are no services, by id, of these kinds and in these states."""
    items, total = await store.resource_elements(
        tx, at=at, kinds=kinds, states=states, limit=page.limit, offset=page.offset
    )
    return Page(tuple(items), total, page.offset, page.limit)


async def elements_by_id(tx: Tx, ids: Sequence[ElementId], *, at: datetime) -> tuple[Element, ...]:
    """Return those of the elements that exist, ended or not."""
    return tuple((await store.elements(tx, ids, at)).values())


async def links_of_elements(tx: Tx, ids: Sequence[ElementId], *, at: datetime) -> tuple[Link, ...]:
    """Return the links of the elements that hold at ``at``."""
    return tuple(await store.links_of(tx, ids, at))


async def element_history(tx: Tx, *, element: Element, now: datetime) -> tuple[ElementStanding, ...]:
    """Return how the element stood, oldest first; the last one is how it stands, or stood when it ended."""
    last = await get_element(tx, element_id=element.id, at=now)
    before = await store.past(tx, element.id)
    return (*before, ElementStanding(last.since, last.ended_at, last.state, last.place))


async def add_link(tx: Tx, *, new: NewLink, at: datetime, now: datetime) -> Link:
    """Link two elements from ``at`` on; a link that holds already is returned. Publishes ``network_link_added``.

    Raises ``NotFound`` (``inventory.element_unknown``), ``Invalid`` (``inventory.link``, ``inventory.time_ahead``),
    ``Conflict`` (``inventory.link_to_itself``, ``inventory.element_ended``, ``inventory.link_differs``: it holds in
    another protection group, ``inventory.link_later``: there was one until later than ``at``,
    ``inventory.contained``: another element contains it, ``inventory.contains_itself``: containment would loop).
    """
    check_link(new)
    _not_ahead(at, now)
    await store.lock_network(tx)
    start, end = await _ends(tx, new, at)
    last = await store.last_link(tx, start.id, end.id, new.kind)
    if last is not None and last.valid_to is None:
        if last.protection == new.protection:
            return last
        raise Conflict(
            f"the link holds, with the protection {last.protection!r}",
            code="inventory.link_differs",
            field="protection",
            value=new.protection,
            fix="end it first",
        )
    if last is not None and last.valid_to is not None and at < last.valid_to:
        raise Conflict(
            f"there was such a link until {last.valid_to.isoformat()}",
            code="inventory.link_later",
            field="at",
            value=at,
            fix="give a later time",
        )
    if new.kind is LinkKind.CONTAINS:
        await _check_container(tx, start, end, at)
    await store.add_link(tx, start.id, end.id, new.kind, new.protection, at)
    link = Link(start.id, start.name, end.id, end.name, new.kind, new.protection, at)
    sequence = await store.next_sequence(tx)
    await eventbus.publish(tx, events.link_added(tx.tenant_id, sequence, link, now))
    return link


async def _ends(tx: Tx, new: NewLink, at: datetime) -> tuple[Element, Element]:
    """Return the ends; those of an undirected link in the order of their ids. They must be there still."""
    start = await _there(tx, new.start, at, "from")
    end = await _there(tx, new.end, at, "to")
    for field, one in (("from", start), ("to", end)):
        if one.ended_at is not None:
            raise Conflict(
                "the element has ended", code="inventory.element_ended", field=field, value=one.name
            )
    return (start, end) if new.kind.directed or start.id < end.id else (end, start)


async def _check_container(tx: Tx, container: Element, part: Element, at: datetime) -> None:
    containers = await store.containers_of(tx, part.id, at)
    if containers:
        outer = (await store.elements(tx, containers[:1], part.since))[containers[0]]
        raise Conflict(
            f"{outer.name} contains it, or did later than that",
            code="inventory.contained",
            field="to",
            value=part.name,
            fix="end that link first, or give a later time: a thing is in one place",
        )
    if part.id in await store.containers_of(tx, container.id, at):
        raise Conflict(
            "it would contain itself",
            code="inventory.contains_itself",
            field="to",
            value=part.name,
            fix=f"{part.name} contains {container.name}, directly or not",
        )


async def end_link(tx: Tx, *, link: NewLink, at: datetime, now: datetime) -> Link:
    """End the link at ``at`` (exclusive); one that has ended stays as it is. Publishes ``network_link_ended``.

    Raises ``NotFound`` (``inventory.element_unknown``, ``inventory.link_unknown``), ``Invalid``
    (``inventory.time_ahead``), ``Conflict`` (``inventory.link_later``: it began then or later).
    """
    _not_ahead(at, now)
    await store.lock_network(tx)
    start = await element_named(tx, name=link.start, at=now)
    end = await element_named(tx, name=link.end, at=now)
    if not link.kind.directed and start.id > end.id:
        start, end = end, start
    held = await store.last_link(tx, start.id, end.id, link.kind)
    if held is None:
        raise NotFound(
            f"{link.start} never {link.kind} {link.end}",
            code="inventory.link_unknown",
            field="to",
            value=link.end,
            fix=f"farwire inventory links {link.start}",
        )
    if held.valid_to is not None:
        return held
    if at <= held.valid_from:
        raise Conflict(
            f"it holds since {held.valid_from.isoformat()}",
            code="inventory.link_later",
            field="at",
            value=at,
            fix="give a later time",
        )
    await store.end_link(tx, held, at)
    ended = replace(held, valid_to=at)
    sequence = await store.next_sequence(tx)
    await eventbus.publish(tx, events.link_ended(tx.tenant_id, sequence, ended, now))
    return ended


async def list_links(
    tx: Tx, *, page: PageRequest, element: Element, at: datetime, kind: LinkKind | None = None
) -> Page[Link]:
    """Return a page of the element's links that held at ``at``, by kind and names."""
    items, total = await store.list_links(
        tx, at=at, element_id=element.id, kind=kind, limit=page.limit, offset=page.offset
    )
    return Page(tuple(items), total, page.offset, page.limit)
