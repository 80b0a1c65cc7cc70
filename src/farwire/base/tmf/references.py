"""References: what a document points to must be there, and what is pointed to must stay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from itertools import product
from typing import Any, Final, TypeAlias

from farwire.base.storage import Tx
from farwire.base.tmf.descriptor import PARENT, PLAIN, Attribute, Descriptor, Target, Version
from farwire.base.tmf.parts import WRAPPED, part_of
from farwire.base.tmf.query import Condition, Query, jsonpath
from farwire.base.tmf.resource import SERVED, Api, Document, Resource
from farwire.base.tmf.store import documents as store
from farwire.base.tmf.versions import OF_REFERENCES
from farwire.kernel.errors import Conflict, Invalid

_PARTIES: Final = ("Individual", "Organization")
_ROLES: Final = ("PartyRole", "Customer")
_PLACES: Final = ("GeographicAddress", "GeographicSite", "GeographicLocation")
_ACCOUNTS: Final = ("BillingAccount", "PartyAccount", "FinancialAccount", "SettlementAccount")
FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "Party": _PARTIES,
    "PartyRole": _ROLES,
    "Place": _PLACES,
    "Account": _ACCOUNTS,
    "ResourceAlarm": ("Alarm",),
    "RelatedPlace": _PLACES,
    **dict.fromkeys(("PartyOrPartyRole", "RelatedParty", "RelatedPartyOrPartyRole"), _PARTIES + _ROLES),
}
"""Types of the documents that stand for several which are served: any of them may be meant."""
_BY_VALUE: Final = ("RefOrValue", "RelatedPartyOrPartyRole", "RelatedPlace")
"""How types end whose things may be written out instead of named."""
_OWN: Final = "Specification"
"""How types end whose things the catalogue has too, where no API shows them."""
_Named: TypeAlias = Iterator[tuple[str, str, str]]


async def check_references(
    tx: Tx,
    api: Api,
    resource: Resource,
    after: Document,
    before: Document | None,
    version: Version,
    now: datetime,
) -> None:
    """Raise ``Invalid`` (422) for the first new reference of ``after`` to a thing that is not there.

    What this installation does not serve is somebody else's: a reference to it is taken as it is, and any reference
    where the tenant is lenient. The items of a task are its own: it answers for each.
    """
    found: dict[tuple[str, tuple[Target, ...]], dict[str, str]] = {}
    descriptor, deep = resource.descriptor, resource.work is None
    for attribute in descriptor.attributes.values():
        value, old = after.get(attribute.name), (before or {}).get(attribute.name)
        if attribute.type in PLAIN or value == old:
            continue
        known = {(kind, key) for kind, key, _ in _named(descriptor, attribute, old, version, deep=deep)}
        for kind, key, place in _named(descriptor, attribute, value, version, deep=deep):
            targets = () if (kind, key) in known else _targets(attribute, kind)
            if targets:
                name = attribute.name_in(version)
                found.setdefault((kind, targets), {}).setdefault(key, f"$.{name}{place}.id")
    if not found or await store.lenient(tx, api.number):
        return
    for (kind, targets), wanted in found.items():
        missing = set(wanted)
        for target in targets:
            missing -= await there(tx, target, sorted(missing), now)
        if missing:
            key = min(missing)
            why, fix = (
                f"there is no {kind.removeprefix('Related')} with this id",
                "refer to one that is there",
            )
            raise Invalid(why, code="tmf.reference_unknown", field=wanted[key], value=key, fix=fix)


def _targets(attribute: Attribute, kind: str) -> tuple[Target, ...]:
    """Return where a thing may be: any of them may know it. What one API serves is looked up if the table says so."""
    if attribute.refers is not None:
        return (attribute.refers,)
    found = tuple(target for name in FAMILIES.get(kind, (kind,)) for target in SERVED.of_type(name))
    return found if len(found) > 1 or attribute.type != f"{kind}Ref" else ()


def _named(
    descriptor: Descriptor, attribute: Attribute, value: Any, version: Version, *, deep: bool
) -> _Named:
    """Yield the type, the id and the place of each thing that an attribute names.

    The table of the resource says the type, or the reference itself, or else the type of the attribute; ``deep`` in
    other objects only what says itself that it is a reference, and to what.
    """
    part = part_of(descriptor, attribute)
    flat = version is Version.V4 and part is not None and bool(part.wraps)
    table = attribute.refers.type if attribute.refers is not None else ""
    declared = attribute.type.removesuffix("OrValue").removesuffix("Ref").replace("RefOr", "Or")
    by_type = declared if attribute.type.endswith(("Ref", *_BY_VALUE)) or declared in FAMILIES else ""
    for number, outer in enumerate(value if isinstance(value, list) else [] if value is None else [value]):
        inner, item = ("", outer) if table else _inside(outer)
        place = (f"[{number}]" if attribute.many else "") + ("" if flat else inner)
        kind = str(table or item.get("@referredType") or by_type)
        named = refers(item) or not attribute.type.endswith(_BY_VALUE)
        if kind and named and isinstance(item.get("id"), str):
            yield kind, item["id"], place
        elif deep:
            yield from _deeper(item, place)


def _deeper(value: Any, place: str) -> _Named:
    if isinstance(value, list):
        for number, item in enumerate(value):
            yield from _deeper(item, f"{place}[{number}]")
    elif isinstance(value, dict):
        typed = str(value.get("@type", ""))
        kind = str(value.get("@referredType") or (typed.removesuffix("Ref") if typed.endswith("Ref") else ""))
        if kind and isinstance(value.get("id"), str) and not kind.endswith(_OWN):
            yield kind, value["id"], place
            return
        for name, item in value.items():
            if isinstance(item, (dict, list)):
                yield from _deeper(item, f"{place}.{name}")


def _inside(item: Any) -> tuple[str, Any]:
    """Return the thing in an object that has its role beside it, and the name under which it is; else the object."""
    names = [one for one in WRAPPED if isinstance(item, dict) and isinstance(item.get(one), dict)]
    return (f".{names[0]}", item[names[0]]) if names and "id" not in item else ("", item)


def refers(item: Document) -> bool:
    """Return whether an object only names a thing, by what it has or by its type: it is then no value of its own."""
    typed = str(item.get("@type", ""))
    return typed.endswith("Ref") or item.keys() - {"role"} <= OF_REFERENCES


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
