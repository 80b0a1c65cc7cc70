"""References: what a document points to must be there, and what is pointed to must stay."""

from __future__ import annotations

from datetime import datetime
from itertools import product
from typing import Any

from farwire.base.storage import Tx
from farwire.base.tmf.descriptor import PARENT, Attribute, Descriptor, Target, Version
from farwire.base.tmf.parts import WRAPPED, part_of
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
        if value is None or (before is not None and before.get(attribute.name) == value):
            continue
        for kind, wanted in _named(descriptor, attribute, value, version).items():
            missing, targets = set(wanted), _targets(attribute, kind)
            for target in targets:
                missing -= await there(tx, target, sorted(missing), now)
            if missing and targets:
                key, name = min(missing), attribute.name_in(version)
                why, place = f"there is no {kind} with this id", f"$.{name}{wanted[key]}"
                fix = "refer to one that is there"
                raise Invalid(why, code="tmf.reference_unknown", field=place, value=key, fix=fix)


def _targets(attribute: Attribute, kind: str) -> tuple[Target, ...]:
    """Return where a thing may be: any of them may know it. What one API serves is looked up if the table says so."""
    if attribute.refers is not None:
        return (attribute.refers,)
    found = SERVED.of_type(kind)
    return found if len(found) > 1 or attribute.type != f"{kind}Ref" else ()


def _named(
    descriptor: Descriptor, attribute: Attribute, value: Any, version: Version
) -> dict[str, dict[str, str]]:
    """Return the ids that an attribute names, each with where it stands, by the type of the thing.

    The table of the resource says the type, or the reference itself, or else the type of the attribute.
    """
    part, typed = part_of(descriptor, attribute), attribute.type.removesuffix("OrValue")
    flat = version is Version.V4 and part is not None and bool(part.wraps)
    table = attribute.refers.type if attribute.refers is not None else ""
    by_type = typed.removesuffix("Ref") if typed.endswith("Ref") else ""
    found: dict[str, dict[str, str]] = {}
    for number, outer in enumerate(value if isinstance(value, list) else [value]):
        inner, item = ("", outer) if table else _inside(outer)
        if not isinstance(item, dict) or not isinstance(item.get("id"), str):
            continue
        kind = table or item.get("@referredType") or by_type
        if kind and (refers(item) or not attribute.type.endswith("RefOrValue")):
            place = (f"[{number}]" if attribute.many else "") + ("" if flat else inner)
            found.setdefault(str(kind), {})[item["id"]] = f"{place}.id"
    return found


def _inside(item: Any) -> tuple[str, Any]:
    """Return the thing in an object that has its role beside it, and the name under which it is; else the object."""
    names = [one for one in WRAPPED if isinstance(item, dict) and isinstance(item.get(one), dict)]
    return (f".{names[0]}", item[names[0]]) if names and "id" not in item else ("", item)


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
            if (await store.matching(tx, Target(api.number, kind), predicate, 1))[0]:
                why = f"a {descriptor.type} refers to it"
                fix = f"remove it or its reference {name[0]} first"
                raise Conflict(why, code="tmf.referenced", field="id", value=key, fix=fix)
