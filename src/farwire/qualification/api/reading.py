"""What the requests of TMF645 and TMF679 name, as either version writes it: parties, places, times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from farwire.base.canonical import instant_text
from farwire.base.storage import Tx
from farwire.base.tmf import Document
from farwire.kernel.errors import Invalid
from farwire.qualification.model import UNKNOWN_PLACE, Asker, Reason
from farwire.qualification.service import asker_of, region_at

ITEMS: Final = 100
"""Items of one check."""


def text_at(document: object, *path: str) -> str | None:
    """Return the text at ``path``, or None."""
    for name in path:
        document = document.get(name) if isinstance(document, Mapping) else None
    return document if isinstance(document, str) else None


def items_of(task: Document, name: str) -> list[Document]:
    """Return the items of a check. Raises ``Invalid`` (``qualification.too_many_items``)."""
    items: list[Document] = task.get(name) or []
    if len(items) > ITEMS:
        why, place = f"a check has at most {ITEMS} items", f"$.{name}"
        raise Invalid(why, code="qualification.too_many_items", field=place)
    return items


def time_of(document: Document, name: str) -> datetime | None:
    """Return a time of an item. Raises ``Invalid`` (``qualification.time``)."""
    text = document.get(name)
    if text is None:
        return None
    found = instant_text(text) if isinstance(text, str) else None
    if found is None:
        raise Invalid("not a time", code="qualification.time", field=name, value=text)
    return datetime.fromisoformat(found)


def party_of(task: Document) -> str | None:
    """Return the id of the customer that a request names; without a customer of the first party."""
    named = []
    for one in task.get("relatedParty") or []:
        inner = one.get("partyOrPartyRole")
        key = text_at(inner if isinstance(inner, Mapping) else one, "id")
        if key is not None:
            named.append((str(one.get("role", "")).lower() != "customer", key))
    return min(named, key=lambda one: one[0])[1] if named else None


def places_of(*things: object) -> list[Mapping[str, Any]]:
    """Return the places of things, as they are or as v5 wraps them."""
    found = []
    for thing in things:
        given = thing.get("place") if isinstance(thing, Mapping) else None
        for one in given if isinstance(given, Sequence) and not isinstance(given, str) else [given]:
            inner = one.get("place") if isinstance(one, Mapping) else None
            if isinstance(one, Mapping):
                found.append(inner if isinstance(inner, Mapping) else one)
    return found


def place_named(*things: object) -> str:
    """Return the first place of things as coverage names it: its name, else its id; "" without one."""
    names = (text_at(one, "name") or text_at(one, "id") for one in places_of(*things))
    return next((one for one in names if one), "")


def values_of(item: Document) -> dict[str, bool | int | str]:
    """Return the characteristics of an item's product that are plain values."""
    product = item.get("product")
    given = product.get("productCharacteristic") if isinstance(product, Mapping) else None
    listed = [one for one in given if isinstance(one, Mapping)] if isinstance(given, list) else []
    found = {str(one.get("name")): one.get("value") for one in listed}
    return {name: value for name, value in found.items() if isinstance(value, bool | int | str)}


async def where(tx: Tx, places: Sequence[Mapping[str, Any]]) -> tuple[str, tuple[Reason, ...]]:
    """Return the region of the first place that has one, and why a place is not known."""
    region, reasons = "", []
    for one in places:
        found = await region_at(tx, one)
        if found is None:
            reasons.append(Reason(UNKNOWN_PLACE, f"there is no place with the id {one.get('id')}"))
        region = region or found or ""
    return region, tuple(reasons)


async def asking(tx: Tx, task: Document, region: str, at: datetime) -> Asker:
    """Return who asks, as the request says."""
    channel = text_at(task, "channel", "id") or text_at(task, "channel", "name") or ""
    return await asker_of(tx, party=party_of(task), region=region, channel=channel, at=at)


def told(reasons: Sequence[Reason]) -> list[Document]:
    """Return reasons as the documents write them."""
    return [{"code": one.code, "label": one.label} for one in reasons]
