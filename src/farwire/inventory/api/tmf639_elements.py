"""Elements of the network as TMF639 shows them, with their links as ``resourceRelationship``, both ways.

A resource with the characteristic ``layer`` (physical or logical) is an element. Each of its relationships is a link to
another element: "contains" or, seen from the other end, "containedIn", and so on.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from farwire.base.storage import Tx
from farwire.base.tmf import Act, Document, Wanted
from farwire.inventory import service
from farwire.inventory.api.tmf_audit import note
from farwire.inventory.model import (
    Element,
    ElementId,
    ElementState,
    Layer,
    Link,
    LinkKind,
    NewElement,
    NewLink,
)
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.page import Page, PageRequest

MAX_SHOWN: Final = 1_000
"""Relationships of one resource that are shown; all of them are under /farwire/v1/elements."""
_DIGITS: Final = 18
STATUS: Final = {
    ElementState.PLANNED: "standby",
    ElementState.IN_SERVICE: "available",
    ElementState.OUT_OF_SERVICE: "alarm",
}
_BACK: Final = {
    LinkKind.CONTAINS: "containedIn",
    LinkKind.CARRIES: "carriedBy",
    LinkKind.SERVES: "servedBy",
    LinkKind.PROTECTS: "protectedBy",
    LinkKind.CONNECTS: "connects",
}
_TYPES: Final = {kind.value: (kind, True) for kind in LinkKind} | {
    word: (kind, False) for kind, word in _BACK.items() if kind.directed
}
"""What a relationship says: the kind of the link, and whether it begins at the resource that has it."""


def layer_of(document: Document) -> str | None:
    """Return the characteristic ``layer`` of a document."""
    facts = document.get("resourceCharacteristic") or []
    return next((one.get("value") for one in facts if one.get("name") == "layer"), None)


def element_id(key: object) -> ElementId | None:
    """Return the id of an element that a text is, if it is one."""
    whole = isinstance(key, str) and key.isascii() and key.isdigit() and len(key) <= _DIGITS
    return ElementId(int(str(key))) if whole else None


async def find(tx: Tx, key: str, at: datetime) -> Document | None:
    """Return the element, or None; a service is none of TMF639."""
    number = element_id(key)
    if number is None:
        return None
    try:
        one = await service.get_element(tx, element_id=number, at=at)
    except NotFound:
        return None
    return None if one.layer is Layer.SERVICE else (await documents(tx, [one], at))[0]


async def page(tx: Tx, wanted: Wanted, offset: int, limit: int) -> Page[Document]:
    """Return elements in the order of their ids, of the kinds and uses that are asked for."""
    uses = wanted.equal.get("usageState")
    states = None if uses is None else [one for one in ElementState if _usage(one) in uses]
    found = await service.list_resource_elements(
        tx,
        page=PageRequest(offset, max(limit, 1)),
        at=wanted.now,
        kinds=wanted.equal.get("category"),
        states=states,
    )
    items = await documents(tx, found.items[:limit], wanted.now)
    return Page(tuple(items), found.total, offset, limit)


def _usage(state: ElementState) -> str:
    return "active" if state is ElementState.IN_SERVICE else "idle"


async def documents(tx: Tx, elements: Sequence[Element], at: datetime) -> list[Document]:
    """Return elements as TMF639 shows them, in the shape of v5."""
    related: dict[ElementId, list[Document]] = defaultdict(list)
    there = {one.id for one in elements}
    for link in await service.links_of_elements(tx, [one.id for one in elements], at=at):
        for end in (link.start, link.end):
            if end in there and len(related[end]) < MAX_SHOWN:
                related[end].append(_relationship(link, end))
    return [_document(one, related[one.id]) for one in elements]


def _relationship(link: Link, seen_from: ElementId) -> Document:
    begins = link.start == seen_from
    other, name = (link.end, link.end_name) if begins else (link.start, link.start_name)
    word = link.kind.value if begins else _BACK[link.kind]
    shown: Document = {"relationshipType": word, "resource": {"id": str(other), "name": name}}
    if link.protection:
        facts = [{"name": "protection", "value": link.protection}]
        shown["resourceRelationshipCharacteristic"] = facts
    return shown


def _document(one: Element, related: list[Document]) -> Document:
    works = one.state is ElementState.IN_SERVICE and one.ended_at is None
    facts = [{"name": "layer", "value": one.layer.value}, {"name": "state", "value": one.state.value}]
    if one.place:
        facts.append({"name": "place", "value": one.place})
    document: Document = {
        "id": str(one.id),
        "@type": "Resource",
        "name": one.name,
        "category": one.kind,
        "administrativeState": "unlocked" if one.ended_at is None else "locked",
        "operationalState": "enabled" if works else "disabled",
        "operationalStateOfV4": "enable" if works else "disable",
        "usageState": _usage(one.state),
        "resourceStatus": "suspended" if one.ended_at is not None else STATUS[one.state],
        "resourceCharacteristic": facts,
    }
    return document | ({"resourceRelationship": related} if related else {})


async def create(tx: Tx, document: Document, act: Act) -> Document:
    """Add an element with the links that it says."""
    facts = {one.get("name"): one.get("value") for one in document.get("resourceCharacteristic") or []}
    layer, place = facts.pop("layer"), facts.pop("place", "")
    if layer not in (Layer.PHYSICAL, Layer.LOGICAL) or not isinstance(place, str):
        raise _wrong("$.resourceCharacteristic", layer, "layer is physical or logical, place a text")
    facts.pop("state", None)
    if facts:
        name = next(iter(facts))
        raise _wrong("$.resourceCharacteristic", name, "an element has a layer and perhaps a place")
    states = {word: state for state, word in STATUS.items()}
    status = document["resourceStatus"]
    if status not in states:
        raise _wrong("$.resourceStatus", status, f"one of: {', '.join(states)}")
    new = NewElement(
        str(document.get("name") or ""),
        Layer(layer),
        str(document.get("category") or "resource"),
        states[status],
        place,
    )
    one = await service.add_element(tx, new=new, at=act.now, now=act.now)
    for link in await _links(tx, one.name, document, act):
        await service.add_link(tx, new=link, at=act.now, now=act.now)
    await note(tx, "639", one.id, "inventory.add_element", act)
    return (await documents(tx, [one], act.now))[0]


def _wrong(path: str, value: object, fix: str) -> Invalid:
    return Invalid(
        "this is no element of the network", code="inventory.resource_given", field=path, value=value, fix=fix
    )


async def patch(tx: Tx, before: Document, after: Document, act: Act) -> Document:
    """Add and end the links of an element, and change how it stands."""
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    for name in sorted(changed - {"resourceStatus", "resourceRelationship"}):
        raise _wrong(f"$.{name}", name, "its state and its relationships can be changed")
    one = await service.get_element(tx, element_id=ElementId(int(before["id"])), at=act.now)
    if "resourceRelationship" in changed:
        had, has = await _links(tx, one.name, before, act), await _links(tx, one.name, after, act)
        for link in had:
            if link not in has:
                await service.end_link(tx, link=link, at=act.now, now=act.now)
        for link in has:
            if link not in had:
                await service.add_link(tx, new=link, at=act.now, now=act.now)
    if "resourceStatus" in changed:
        await _stand(tx, one, str(after.get("resourceStatus")), act)
    await note(tx, "639", one.id, "inventory.change_element", act)
    found = await find(tx, before["id"], act.now)
    return before if found is None else found


async def _stand(tx: Tx, one: Element, status: str, act: Act) -> None:
    if status == "suspended":
        await service.end_element(tx, name=one.name, at=act.now, now=act.now)
        return
    states = {word: state for state, word in STATUS.items()}
    if status not in states:
        raise _wrong("$.resourceStatus", status, f"one of: {', '.join((*states, 'suspended'))}")
    await service.change_element(tx, name=one.name, state=states[status], at=act.now, now=act.now)


async def _links(tx: Tx, name: str, document: Document, act: Act) -> list[NewLink]:
    """Return the links that a document says. Raises ``Invalid`` for a relationship that is none."""
    said = list(_said(document))
    ids = [number for _, _, number, _ in said]
    others = {one.id: one.name for one in await service.elements_by_id(tx, ids, at=act.now)}
    found = []
    for place, (kind, begins, number, protection) in enumerate(said):
        if number not in others:
            raise _wrong(f"$.resourceRelationship[{place}].resource", number, "the id of an element")
        ends = (name, others[number]) if begins else (others[number], name)
        found.append(NewLink(*ends, kind, protection))
    return found


def _said(document: Document) -> Iterator[tuple[LinkKind, bool, ElementId, str]]:
    for place, one in enumerate(document.get("resourceRelationship") or []):
        word, resource = one.get("relationshipType"), one.get("resource")
        key = resource.get("id") if isinstance(resource, dict) else None
        known, number = _TYPES.get(str(word)), element_id(key)
        if known is None or number is None:
            path, value = ("relationshipType", word) if known is None else ("resource", key)
            fix = f"one of: {', '.join(_TYPES)}; to an element by its id"
            raise _wrong(f"$.resourceRelationship[{place}].{path}", value, fix)
        facts = one.get("resourceRelationshipCharacteristic")
        listed = [fact for fact in facts if isinstance(fact, dict)] if isinstance(facts, list) else []
        groups = [str(fact.get("value")) for fact in listed if fact.get("name") == "protection"]
        yield (*known, number, groups[0] if groups else "")
