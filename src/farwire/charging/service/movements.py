"""What moved and what was told, as the books have it: a moment behind the shard, and for ever."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final
from uuid import UUID

from farwire.base.storage import Tx
from farwire.charging.model.answers import MovementKind, Notice
from farwire.charging.store import history
from farwire.charging.store.books import Placed, page_movements
from farwire.kernel.page import Page, PageRequest

ACTIONS: Final = tuple(
    int(kind) for kind in MovementKind if kind not in (MovementKind.USAGE, MovementKind.OVERRUN)
)
"""Kinds of movements that somebody or a date made: all but usage."""


async def list_movements(tx: Tx, *, account: int, page: PageRequest) -> Page[Placed]:
    """Return a page of an account's movements, the newest first."""
    items, total = await page_movements(tx, account, offset=page.offset, limit=page.limit)
    return Page(items, total, page.offset, page.limit)


async def list_notices(tx: Tx, *, account: int, page: PageRequest) -> Page[Notice]:
    """Return a page of what an account was told, the newest first."""
    items, total = await history.page_notices(tx, account, offset=page.offset, limit=page.limit)
    return Page(items, total, page.offset, page.limit)


async def list_actions(tx: Tx, *, accounts: Sequence[int] | None, page: PageRequest) -> Page[Placed]:
    """Return a page of what was done to balances, in the order of the logs: of some accounts, or of all."""
    items, total = await history.page_of_kinds(tx, ACTIONS, accounts, offset=page.offset, limit=page.limit)
    return Page(items, total, page.offset, page.limit)


async def used_of(tx: Tx, *, accounts: Sequence[int]) -> Mapping[tuple[int, int], int]:
    """Return what usage took from balances, in their units, by account and balance; one that gave nothing is absent."""
    return await history.used_of(tx, accounts)


async def find_action(tx: Tx, *, shard: int, sequence: int, place: int) -> Placed | None:
    """Return what was done to a balance, by its place in the log of its shard."""
    found = await history.at_place(tx, shard, sequence, place)
    return found if found is not None and found.movement.kind in ACTIONS else None


async def numbers_behind(
    tx: Tx, *, billing_accounts: Sequence[UUID] = (), products: Sequence[UUID] = ()
) -> list[int]:
    """Return the numbers of the charging accounts of some billing accounts or products."""
    return await history.numbers_behind(tx, billing_accounts, products)


__all__ = [
    "ACTIONS",
    "Placed",
    "find_action",
    "list_actions",
    "list_movements",
    "list_notices",
    "numbers_behind",
    "used_of",
]
