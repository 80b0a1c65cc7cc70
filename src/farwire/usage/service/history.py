"""Usage that was rated, for who rates it again without saving anything."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from farwire.base.storage import Tx
from farwire.kernel.ids import ProductId
from farwire.usage.model.history import RatedUsage
from farwire.usage.store import history as store


async def rated_history(
    tx: Tx, *, product_ids: Sequence[ProductId], since: datetime, before: datetime
) -> Sequence[RatedUsage]:
    """Return the usages of these products in ``[since, before)`` that have a charge, billed or not.

    By product, start and usage id: the order in which allowances are used. No index serves it, so that rating writes
    none: a call reads the tenant's usage once; ask for many products at once.
    """
    return await store.rated_history(tx, product_ids, since, before) if product_ids else ()
