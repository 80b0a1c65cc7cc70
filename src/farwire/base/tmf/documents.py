"""Lists: of documents from their table, of a context's own things through its functions; the same filters for both."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias

from farwire.base.authz import Principal
from farwire.base.storage import Tx
from farwire.base.tmf.descriptor import Target
from farwire.base.tmf.query import Condition, Query, jsonpath
from farwire.base.tmf.resource import Behaviour, Document, Wanted
from farwire.base.tmf.store import documents as store
from farwire.kernel.errors import Invalid
from farwire.kernel.page import MAX_LIMIT, Page

SCANNED: Final = 10_000
"""Things of a context that one list request looks through for filters and sort orders that the context has not."""


load, update, insert, delete, fitting = store.load, store.update, store.insert, store.delete, store.fitting
by_ids, lenient = store.by_ids, store.lenient
"""Documents outside a request: of a task whose work goes on in a worker, of an event on its way."""
_Paged: TypeAlias = Callable[[int, int], Awaitable[Page[Document]]]


@dataclass(frozen=True, slots=True)
class Found:
    """A part of a list. ``total`` is a lower bound where ``more``; ``next`` is the cursor of the part after it."""

    items: Sequence[Document]
    total: int
    more: bool = False
    next: int | None = None


async def documents(tx: Tx, target: Target, query: Query) -> Found:
    """Return the part of the stored documents that ``query`` asks for."""
    predicate = jsonpath(query)
    most = 10**9 if query.count_all else store.COUNTED + 1
    if not predicate and not query.sort:
        total = await store.count(tx, target, most)
        return await _walked(tx, target, query, "", total)
    part = {"after": query.after or 0, "offset": query.offset, "limit": query.limit + 1}
    if query.sort:
        part = {"limit": store.COUNTED}
    total, rows = await store.matching(tx, target, predicate or "exists($)", most, **part)
    if total > store.COUNTED:
        if query.sort:
            raise _too_wide("sort", ())
        return await _walked(tx, target, query, predicate, total)
    if query.sort:
        ordered = in_order([document for _, document in rows], query)
        return Found(ordered[query.offset : query.offset + query.limit], total)
    return _page(rows, query, total)


async def _walked(tx: Tx, target: Target, query: Query, predicate: str, total: int) -> Found:
    rows = await store.walk(
        tx, target, predicate, after=query.after or 0, offset=query.offset, limit=query.limit + 1
    )
    more = total > store.COUNTED and not query.count_all
    return _page(rows, query, min(total, store.COUNTED) if more else total, more=more)


def _page(rows: Sequence[tuple[int, Document]], query: Query, total: int, *, more: bool = False) -> Found:
    """Return the part of a list of which there is one row more than asked for, if there is."""
    page = rows[: query.limit]
    following = page[-1][0] if len(rows) > query.limit else None
    return Found([document for _, document in page], total, more, following)


async def served(
    tx: Tx, behaviour: Behaviour, query: Query, now: datetime, principal: Principal | None
) -> Found:
    """Return the part of a context's things that ``query`` asks for, as the caller may see them."""
    own: dict[str, tuple[str, ...]] = {}
    others: list[Condition] = []
    for one in query.conditions:
        name = ".".join(one.path if one.operator == "eq" else (*one.path, one.operator))
        if name in behaviour.native and name not in own:
            own[name] = one.values
        else:
            others.append(one)
    rest = jsonpath(Query(conditions=tuple(others), expression=query.expression))

    async def page(offset: int, limit: int) -> Page[Document]:
        there = await behaviour.page(tx, Wanted(offset, limit, now, own))
        return replace(there, items=tuple(behaviour.shown_to(one, principal) for one in there.items))

    offset = query.after if query.after is not None else query.offset
    if not rest and not query.sort:
        part = await page(offset, query.limit)
        end = offset + len(part.items)
        return Found(part.items, part.total, next=end if end < part.total else None)
    found = in_order([one async for one in _scanned(tx, page, rest, sorted(behaviour.native))], query)
    end = offset + query.limit
    return Found(found[offset:end], len(found), next=end if end < len(found) and not query.sort else None)


async def _scanned(tx: Tx, page: _Paged, predicate: str, native: Sequence[str]) -> AsyncIterator[Document]:
    """Look through the context's things, a thousand at a time, and keep those that fit."""
    offset, total = 0, 1
    while offset < total:
        part = await page(offset, MAX_LIMIT)
        if part.total > SCANNED:
            raise _too_wide("filter", native)
        for one in await store.fitting(tx, part.items, predicate) if predicate else part.items:
            yield one
        offset, total = offset + len(part.items), part.total if part.items else 0


def _too_wide(parameter: str, native: Sequence[str]) -> Invalid:
    why = f"more than {SCANNED} things would have to be looked through"
    fix = "filter by " + (", ".join(native) or "attributes that fewer have")
    return Invalid(why, code="tmf.too_many", field=parameter, fix=fix)


def in_order(items: Sequence[Document], query: Query) -> Sequence[Document]:
    """Return ``items`` in the order that is asked for; equal ones keep theirs, and what lacks the attribute is last."""
    ordered = list(items)
    for path, descending in reversed(query.sort):
        there = [one for one in ordered if _at(one, path) is not None]
        absent = [one for one in ordered if _at(one, path) is None]
        there.sort(key=lambda one: _rank(_at(one, path)), reverse=descending)
        ordered = there + absent
    return ordered


def _at(document: Document, path: tuple[str, ...]) -> Any:
    found: Any = document
    for step in path:
        found = found.get(step) if isinstance(found, dict) else None
    return found if isinstance(found, (str, int, float, Decimal)) else None


def _rank(value: Any) -> tuple[int, Any]:
    if isinstance(value, bool):
        return 2, value
    return (0, value) if isinstance(value, (int, float, Decimal)) else (1, value)
