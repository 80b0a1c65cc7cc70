"""What the work of a task does with documents of the TMF engine that others made: find, change and tell of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from farwire.base.storage import Tx
from farwire.base.tmf import Act, Api, Document, Resource, Target
from farwire.base.tmf.documents import documents, insert, load, update
from farwire.base.tmf.query import Condition, Query
from farwire.base.tmf.resource import SERVED
from farwire.base.tmf.states import check_transition
from farwire.base.tmf.writing import publish_change
from farwire.kernel.errors import Defect


def served(target: Target) -> tuple[Api, Resource]:
    """Return what this process serves as ``target``."""
    found = SERVED.get(target)
    if found is None:
        raise Defect(f"{target} is not served", code="tmf.not_served")
    return found


async def equal_ids(tx: Tx, target: Target, values: Mapping[str, str], most: int) -> list[str]:
    """Return the ids of at most ``most`` documents that have every one of ``values``."""
    return [document["id"] for document in await equal_documents(tx, target, values, most)]


async def equal_documents(tx: Tx, target: Target, values: Mapping[str, str], most: int) -> Sequence[Document]:
    """Return at most ``most`` documents that have every one of ``values``, by dotted paths, in order of creation."""
    conditions = tuple(Condition(tuple(name.split(".")), "eq", (value,)) for name, value in values.items())
    return (await documents(tx, target, Query(conditions=conditions, limit=most))).items


async def locked(tx: Tx, target: Target, keys: Iterable[str]) -> dict[str, Document]:
    """Return those of the documents that are there, locked in the order in which any two tasks lock them."""
    there: dict[str, Document] = {}
    for key in sorted(set(keys)):
        found = await load(tx, target, key, lock=True)
        if found is not None:
            there[key] = found
    return there


async def change_documents(
    tx: Tx,
    api: Api,
    resource: Resource,
    keys: Sequence[str],
    change: Callable[[Document], Document],
    act: Act,
) -> list[str]:
    """Change those of ``keys`` that are there, and return them, in the order in which any two tasks lock them.

    Raises: ``Invalid`` (``tmf.state``) where the table of states forbids it; nothing is then changed.
    """
    target = Target(api.number, resource.descriptor.type)
    there = await locked(tx, target, keys)
    for before in there.values():
        after = change(before)
        if after != before:
            check_transition(resource.descriptor, after, before)
            await update(tx, target, after, act.now)
            await publish_change(tx, api, resource, before, after, act)
    return list(there)


async def keep_document(tx: Tx, target: Target, document: Document, act: Act) -> None:
    """Keep a new document that a context makes, and tell of it."""
    api, resource = served(target)
    await insert(tx, target, document, act.now)
    await publish_change(tx, api, resource, None, document, act)
