"""Open items: what bills and credit notes leave to be paid."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import UUID

from farwire.base.storage import Tx
from farwire.kernel.ids import AccountId
from farwire.kernel.page import Page, PageRequest
from farwire.payment.model import ItemKind, OpenItem
from farwire.payment.service.settling import apply_credit
from farwire.payment.store import items as item_store


async def add_open_items(
    tx: Tx,
    items: Sequence[OpenItem],
    *,
    now: datetime,
    use_credit: bool = True,
    first: frozenset[UUID] = frozenset(),
) -> int:
    """Add what bills and credit notes leave to be paid, each document once; return how many were new.

    The caller books the receivable. Credit of the same accounts is put against what they owe, unless ``use_credit``
    is false: against the documents ``first`` (those that credit notes correct), then the oldest due. A document over 0
    leaves nothing to be paid and makes no item.
    """
    wanted = [item for item in items if item.amount_minor]
    if not wanted:
        return 0
    new = await item_store.add_items(tx, wanted, now)
    if use_credit and new:
        await apply_credit(tx, sorted({item.account_id for item in wanted}), now=now, first=first)
    return len(new)


async def items_of_documents(tx: Tx, document_ids: Sequence[UUID]) -> Mapping[UUID, OpenItem]:
    """Return what bills and credit notes left to be paid, by the document's id; those without an item are absent."""
    return await item_store.items_of_documents(tx, document_ids)


async def list_open_items(
    tx: Tx,
    *,
    page: PageRequest,
    account_id: AccountId | None = None,
    only_open: bool = True,
    kind: ItemKind | None = None,
) -> Page[OpenItem]:
    """Return a page of items, oldest due first; with ``only_open`` those of which something is open."""
    found, total = await item_store.list_items(
        tx, account_id=account_id, only_open=only_open, kind=kind, offset=page.offset, limit=page.limit
    )
    return Page(found, total, page.offset, page.limit)
