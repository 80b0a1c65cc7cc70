"""References: what a document points to must be there, and what is pointed to must stay."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import product
from typing import Any

from farwire.base.storage import Tx
from farwire.base.tmf.descriptor import PARENT, Attribute, Descriptor, Target, Version
from farwire.base.tmf.query import Condition, Query, jsonpath
from farwire.base.tmf.resource import SERVED, Document
from farwire.base.tmf.store import documents as store
from farwire.base.tmf.versions import OF_REFERENCES
from farwire.kernel.errors import Conflict, Invalid


async def check_references(
    tx: Tx, descriptor: Descriptor, after: Document, before: Document | None, version: Version, now: datetime
) -> None:
    """Raise ``Invalid`` (422) for the first new reference of ``after`` to a thing that is not there.

    What this installation does not serve is somebody else's: a reference to it is taken as it is.
    """
    for attribute in descriptor.attributes.values():
        value = after.get(attribute.name)
        if attribute.refers is None or (before is not None and before.get(attribute.name) == value):
            continue
        wanted = dict(_ids(attribute, value))
        missing = wanted.keys() - await there(tx, attribute.refers, sorted(wanted), now)
        if missing:
            key, name = min(missing), attribute.name_in(version)
            why, place = f"there is no {attribute.refers.type} with this id", f"$.{name}{wanted[key]}"
            fix = "refer to one that is there"
            raise Invalid(why, code="tmf.reference_unknown", field=place, value=key, fix=fix)


def _ids(attribute: Attribute, value: Any) -> Iterator[tuple[str, str]]:
    """Yield each id that a reference names, with where it stands."""
    items = value if isinstance(value, list) else [value]
    for number, item in enumerate(items):
        if not isinstance(item, dict) or not isinstance(item.get("id"), str):
            continue
        if refers(item) or not attribute.type.endswith("RefOrValue"):
            yield item["id"], f"[{number}].id" if attribute.many else ".id"


def refers(item: Document) -> bool:
    """Return whether an object has nothing but what names a thing: it is then no value of its own."""
    return item.keys() <= OF_REFERENCES


async def there(tx: Tx, target: Target, keys: list[str], now: datetime) -> set[str]:
    """Return which of the things are there; all of them where somebody else serves them."""
    served = SERVED.get(target)
    if served is None or not keys:
        return set(keys)
    behaviour = served[1].behaviour
    if behaviour is None:
        return await store.known_ids(tx, target, keys)
    return {key for key in keys if await behaviour.find(tx, key, now) is not None}


async def check_unreferenced(tx: Tx, target: Target, key: str) -> None:
    """Raise ``Conflict`` if a document refers to the thing. What a context has itself, it looks after itself."""
    for api, resource in SERVED.all():
        descriptor, own = resource.descriptor, resource.behaviour
        refer = [one for one in descriptor.attributes.values() if one.refers == target]
        names: list[tuple[str, ...]] = [(one.name, "id") for one in refer]
        if descriptor.inside is not None and Target(api.number, descriptor.inside.type) == target:
            names.append((PARENT.name,))
        for name, kind in product(names, (descriptor.type,) if own is None else own.beside):
            predicate = jsonpath(Query(conditions=(Condition(name, "eq", (key,)),)))
            if await store.matching(tx, Target(api.number, kind), predicate, 1):
                why = f"a {descriptor.type} refers to it"
                fix = f"remove it or its reference {name[0]} first"
                raise Conflict(why, code="tmf.referenced", field="id", value=key, fix=fix)
