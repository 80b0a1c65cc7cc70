"""What TMF documents say about a person: find it, and take the person out of it.

A document names people by references (an object with their ``id``) and by numbers. An erasure leaves of a reference
that it was one, and of a number nothing. What people wrote into a text stays: only who reads it knows whom it is about.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from farwire.base.privacy import store
from farwire.base.storage import Tx
from farwire.base.tmf import Document, Target
from farwire.base.tmf.documents import update


async def documents_naming(tx: Tx, names: Sequence[str]) -> list[Mapping[str, object]]:
    """Return the documents that name one of ``names`` (ids, numbers), each with its API and type, oldest first."""
    wanted = frozenset(name for name in names if name)
    found = await store.holding(tx, sorted(wanted)) if wanted else []
    return [
        {"api": f"TMF{one.api}", "type": one.type, "document": one.document}
        for one in found
        if mentions(one.document, wanted)
    ]


async def forget_in_documents(tx: Tx, names: Sequence[str], now: datetime) -> int:
    """Take the bearer of ``names`` out of every document; return how many changed. Idempotent."""
    wanted = frozenset(name for name in names if name)
    count = 0
    for one in await store.holding(tx, sorted(wanted)) if wanted else []:
        after = forgotten(one.document, wanted)
        if after != one.document:
            await update(tx, Target(one.api, one.type), after, now)
            count += 1
    return count


def mentions(value: Any, names: frozenset[str]) -> bool:
    """Return whether a JSON value holds one of the names as a whole text, or as a part of an address."""
    if isinstance(value, str):
        return not names.isdisjoint((value.removeprefix("+"), *value.split("/")))
    if isinstance(value, Mapping):
        return any(mentions(one, names) for one in value.values())
    return isinstance(value, list) and any(mentions(one, names) for one in value)


def forgotten(document: Document, names: frozenset[str]) -> Document:
    """Return a document without what it says about the bearer of the names."""
    after = _without(document, names)
    return after if isinstance(after, dict) else document


def _without(value: Any, names: frozenset[str]) -> Any:
    if isinstance(value, Mapping):
        if value.get("id") in names:
            return {
                key: one for key, one in value.items() if key in ("id", "href", "role") or key.startswith("@")
            }
        return {key: _without(one, names) for key, one in value.items()}
    if isinstance(value, list):
        return [_without(one, names) for one in value]
    return "" if isinstance(value, str) and value.removeprefix("+") in names else value
