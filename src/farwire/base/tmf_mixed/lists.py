"""Lists of a context's own things and of the recorded ones after them, each in the order of its making.

Own things are looked through as ever (``documents.served``), recorded ones are found by the index of values. A cursor
says where it stands among the recorded ones by their position, so it stays right while own things are added.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final, TypeAlias

from farwire.base.authz import Permission, Principal
from farwire.base.storage import Tx
from farwire.base.tmf import Behaviour, Document, Target
from farwire.base.tmf.documents import SCANNED, Found, documents, fitting, in_order, served
from farwire.base.tmf.query import Query, jsonpath
from farwire.kernel.errors import Invalid

FIRST: Final = 10**17
"""Cursors from here on stand among the recorded things."""
Lists: TypeAlias = Callable[[Tx, Behaviour, Query, datetime, Principal | None], Awaitable[Found]]


def listed(recorded: Target) -> Lists:
    """Return what answers a list request for own things and the documents of ``recorded``."""

    async def answer(
        tx: Tx, own: Behaviour, query: Query, now: datetime, principal: Principal | None
    ) -> Found:
        async def others(part: Query) -> Found:
            return await _recorded(tx, recorded, own, part, principal)

        if query.sort:
            return await _sorted(await served(tx, own, _all(query), now, principal), others, query)
        if query.after is not None and query.after >= FIRST:
            mine = await served(tx, own, replace(query, after=None, offset=0, limit=1), now, principal)
            return _together((), mine.total, await others(replace(query, after=query.after - FIRST)))
        mine = await served(tx, own, query, now, principal)
        return await _after(mine, others, query)

    return answer


_Others: TypeAlias = Callable[[Query], Awaitable[Found]]


def _all(query: Query) -> Query:
    return replace(query, after=None, offset=0, limit=SCANNED)


async def _sorted(mine: Found, others: _Others, query: Query) -> Found:
    theirs = await others(_all(query))
    ordered = in_order([*mine.items, *theirs.items], query)
    return Found(ordered[query.offset : query.offset + query.limit], mine.total + theirs.total)


async def _after(mine: Found, others: _Others, query: Query) -> Found:
    """Fill what the own things leave of a page with recorded ones."""
    room = query.limit - len(mine.items)
    if mine.next is not None or room <= 0:
        theirs = await others(replace(query, after=None, offset=0, limit=1))
        following = mine.next if mine.next is not None else FIRST if theirs.total else None
        return Found(mine.items, mine.total + theirs.total, theirs.more, following)
    begin = query.offset if query.after is None else query.after
    skip = max(0, begin - mine.total)
    return _together(
        mine.items, mine.total, await others(replace(query, after=None, offset=skip, limit=room))
    )


def _together(items: Sequence[Document], total: int, theirs: Found) -> Found:
    following = None if theirs.next is None else FIRST + theirs.next
    return Found([*items, *theirs.items], total + theirs.total, theirs.more, following)


async def _recorded(
    tx: Tx, target: Target, own: Behaviour, query: Query, principal: Principal | None
) -> Found:
    """Return recorded things as the caller may see them; what is hidden from him is not looked into either."""
    sees_all = principal is not None and principal.may(Permission.PARTY_READ)
    if own.seen_by is None or sees_all or not (jsonpath(query) or query.sort):
        found = await documents(tx, target, query)
        return replace(found, items=[own.shown_to(one, principal) for one in found.items])
    whole = await documents(tx, target, Query(limit=SCANNED + 1))
    if len(whole.items) > SCANNED:
        why = f"more than {SCANNED} things would have to be looked through"
        raise Invalid(why, code="tmf.too_many", field="filter", fix="ask with a key that may read parties")
    shown = [own.shown_to(one, principal) for one in whole.items]
    predicate = jsonpath(query)
    kept = in_order(await fitting(tx, shown, predicate) if predicate else shown, query)
    begin = query.offset if query.after is None else query.after
    end = begin + query.limit
    return Found(kept[begin:end], len(kept), next=end if end < len(kept) else None)
