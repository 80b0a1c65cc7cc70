"""SQL of who has an offering."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from farwire.base.storage import Tx
from farwire.kernel.ids import AccountId, OfferingId


async def accounts_with_offering(
    tx: Tx, offering_id: OfferingId, *, at: datetime, after: UUID, limit: int
) -> list[AccountId]:
    """Return the next accounts after ``after`` that have a product of the offering at ``at``, by id."""
    rows = await tx.fetch(
        "SELECT DISTINCT account_id FROM inventory.product WHERE tenant_id = $1 AND account_id > $2 "
        "AND offering_id = $3 AND started_at <= $4 AND (ended_at IS NULL OR ended_at > $4) "
        "ORDER BY account_id LIMIT $5",
        tx.tenant_id,
        after,
        offering_id,
        at,
        limit,
    )
    return [AccountId(row["account_id"]) for row in rows]
