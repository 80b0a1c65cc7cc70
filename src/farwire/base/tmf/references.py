"""References: what a document points to must be there, and what is pointed to must stay."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from farwire.base.storage import Tx
from farwire.base.tmf.descriptor import Attribute, Descriptor, Target, Version
from farwire.base.tmf.query import Condition, Query, jsonpath
from farwire.base.tmf.resource import SERVED, Document
from farwire.base.tmf.store import documents as store
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
        missing = wanted.keys() - await _there(tx, attribute.refers, sorted(wanted), now)
        if missing:
            key = min(missing)
            raise Invalid(
                f"there is no {attribute.refers.type} with this id",
                code="tmf.reference_unknown",
                field=f"$.{attribute.name_in(version)}{wanted[key]}",
                value=key,
                fix="refer to one that is there",
            )


def _ids(attribute: Attribute, value: Any) -> Iterator[tuple[str, str]]:
    """Yield each id that a reference names, with where it stands."""
    items = value if isinstance(value, list) else [value]
    for number, item in enumerate(items):
        if isinstance(item, dict) and isinstance(item.get("id"), str):
            yield item["id"], f"[{number}].id" if attribute.many else ".id"


async def _there(tx: Tx, target: Target, keys: list[str], now: datetime) -> set[str]:
    served = SERVED.get(target)
    if served is None or not keys:
        return set(keys)
    behaviour = served[1].behaviour
    if behaviour is None:
        return await store.known_ids(tx, target, keys)
    return {key for key in keys if await behaviour.find(tx, key, now) is not None}


async def check_unreferenced(tx: Tx, target: Target, key: str) -> None:
    """Raise ``Conflict`` if a document refers to the thing. A context looks after its own references."""
    for api, resource in SERVED.all():
        if resource.behaviour is not None:
            continue
        names = [one.name for one in resource.descriptor.attributes.values() if one.refers == target]
        for name in names:
            holder = Target(api.number, resource.descriptor.type)
            predicate = jsonpath(Query(conditions=(Condition((name, "id"), "eq", (key,)),)))
            if await store.matching(tx, holder, predicate, 1):
                raise Conflict(
                    f"a {resource.descriptor.type} refers to it",
                    code="tmf.referenced",
                    field="id",
                    value=key,
                    fix=f"remove the reference {name} first",
                )
