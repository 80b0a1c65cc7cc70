"""Search of what can be had: the nice numbers of a pool."""

from __future__ import annotations

from farwire.base.storage import Tx
from farwire.inventory.model import Resource
from farwire.inventory.service.pools import pool_named
from farwire.inventory.store import resources as store
from farwire.kernel.errors import Invalid
from farwire.kernel.page import Page, PageRequest


async def free_resources(tx: Tx, *, pool: str, pattern: str = "", page: PageRequest) -> Page[Resource]:
    """Return available resources of the pool by value. In ``pattern``, ``*`` is any text and ``?`` one character.

    A pattern without either is searched anywhere: "777". One that starts with digits is found by the index. Raises
    ``NotFound``, ``Invalid`` (``inventory.pattern``).
    """
    if len(pattern) > 128 or "\x00" in pattern:
        raise Invalid(
            "a pattern has at most 128 characters", code="inventory.pattern", field="pattern", value=pattern
        )
    found = await pool_named(tx, pool)
    wild = pattern if set(pattern) & {"*", "?"} else f"*{pattern}*"
    escaped = wild.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    like = escaped.replace("*", "%").replace("?", "_")
    items, total = await store.free_resources(tx, found, like, page.limit, page.offset)
    return Page(tuple(items), total, page.offset, page.limit)
