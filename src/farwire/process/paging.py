"""Read a list to its end, for a flow that must see all of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

from farwire.kernel.page import MAX_LIMIT, Page, PageRequest

T = TypeVar("T")


async def all_of(read: Callable[[PageRequest], Awaitable[Page[T]]]) -> list[T]:
    """Return the items of all pages. For lists that belong to one customer: they are held in memory."""
    found: list[T] = []
    while True:
        page = await read(PageRequest(offset=len(found), limit=MAX_LIMIT))
        found.extend(page.items)
        if not page.has_more or not page.items:
            return found
