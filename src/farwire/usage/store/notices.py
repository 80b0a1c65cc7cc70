"""Which thresholds of which allowances were told."""

from __future__ import annotations

from collections.abc import Sequence

from farwire.base.storage import Tx
from farwire.usage.model import Crossing


async def add_new(tx: Tx, crossed: Sequence[Crossing]) -> list[Crossing]:
    """Remember ``crossed`` and return those that were not there yet, in one statement."""
    by_key = {
        (one.product_id, one.allowance_id, one.period_start, one.percent): one for one in reversed(crossed)
    }
    rows = await tx.fetch(
        """INSERT INTO usage.allowance_notice (tenant_id, product_id, allowance_id, period_start, percent, at)
        SELECT $1, * FROM unnest($2::uuid[], $3::text[], $4::timestamptz[], $5::smallint[], $6::timestamptz[])
        ON CONFLICT DO NOTHING RETURNING product_id, allowance_id, period_start, percent""",
        tx.tenant_id,
        [one.product_id for one in by_key.values()],
        [one.allowance_id for one in by_key.values()],
        [one.period_start for one in by_key.values()],
        [one.percent for one in by_key.values()],
        [one.at for one in by_key.values()],
    )
    new = {tuple(row) for row in rows}
    return [one for key, one in reversed(by_key.items()) if key in new]
