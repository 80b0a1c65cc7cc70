"""SQL of usage that was rated."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from farwire.base.storage import Tx
from farwire.kernel.ids import ProductId
from farwire.usage.model.history import RatedUsage


async def rated_history(
    tx: Tx, product_ids: Sequence[ProductId], since: datetime, before: datetime
) -> list[RatedUsage]:
    """Return the usages of these products in ``[since, before)`` that have a charge, in the order of rating."""
    rows = await tx.fetch(
        """SELECT usage_id, product_id, kind, started_at, quantity, destination, direction, visited_network,
            rating_group, external_charge_nano, external_currency, charge_nano, currency, price_id
        FROM usage.record WHERE tenant_id = $1 AND product_id = ANY($2::uuid[]) AND charge_nano IS NOT NULL
            AND started_at >= $3 AND started_at < $4 ORDER BY product_id, started_at, usage_id""",
        tx.tenant_id,
        list(product_ids),
        since,
        before,
    )
    return [RatedUsage(*row) for row in rows]
