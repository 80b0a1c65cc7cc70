"""Sums over vouchers, for their control."""

from __future__ import annotations

from typing import Final

from farwire.base.storage import Tx

_SUMS: Final = """
    SELECT b.currency,
           coalesce(sum(b.value_minor) FILTER (
               WHERE v.activated_at IS NOT NULL AND v.state <> 'cancelled'), 0)::bigint AS sold,
           coalesce(sum(b.value_minor) FILTER (WHERE v.state = 'used'), 0)::bigint AS used,
           coalesce(sum(b.value_minor) FILTER (WHERE v.state = 'expired' AND v.activated_at IS NOT NULL), 0)::bigint
               AS expired,
           coalesce(sum(b.value_minor) FILTER (
               WHERE v.state IN ('active', 'blocked') AND v.activated_at IS NOT NULL), 0)::bigint AS outstanding
      FROM payment.voucher v JOIN payment.voucher_batch b USING (tenant_id, batch_id)
     WHERE v.tenant_id = $1 GROUP BY b.currency ORDER BY b.currency"""


async def sums_by_currency(tx: Tx) -> dict[str, dict[str, int]]:
    """Return the value of what is sold, used, expired and outstanding, in minor units, by currency."""
    rows = await tx.fetch(_SUMS, tx.tenant_id)
    found = {
        row["currency"]: {name: row[name] for name in ("sold", "used", "expired", "outstanding")}
        for row in rows
    }
    ordered = await tx.fetch(
        "SELECT currency, sum(value_minor)::bigint AS ordered FROM payment.credit_order WHERE tenant_id = $1 "
        "AND serial IS NOT NULL GROUP BY currency",
        tx.tenant_id,
    )
    for row in ordered:
        found.setdefault(row["currency"], {})["ordered"] = row["ordered"]
    return found


async def incomplete_batches(tx: Tx) -> int:
    """Return how many batches have another number of vouchers than was ordered. There is none."""
    found: int = await tx.fetchval(
        "SELECT count(*) FROM payment.voucher_batch b WHERE tenant_id = $1 AND quantity <> ("
        "SELECT count(*) FROM payment.voucher v WHERE v.tenant_id = $1 AND v.batch_id = b.batch_id)",
        tx.tenant_id,
    )
    return found


async def waiting_orders(tx: Tx) -> int:
    """Return how many vouchers are used and not credited."""
    found: int = await tx.fetchval(
        "SELECT count(*) FROM payment.credit_order WHERE tenant_id = $1 AND credited_at IS NULL "
        "AND serial IS NOT NULL",
        tx.tenant_id,
    )
    return found
