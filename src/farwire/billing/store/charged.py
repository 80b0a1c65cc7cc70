"""What is charged already, and what that was before a draft moved it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from farwire.base.storage import Tx
from farwire.billing.model import Charged, ChargedKey, ChargedStretch, ProductCharges
from farwire.kernel.ids import AccountId, BillRunId, PlanVersionId, ProductId

NOBODY: Final = UUID(int=0)
"""The payer of an account's own share."""


async def charged(tx: Tx, keys: Sequence[ChargedKey]) -> Mapping[ChargedKey, Charged]:
    """Return what is charged already, by product and payer."""
    rows = await tx.fetch(
        "SELECT c.product_id, c.payer_id, c.plan_from, c.price_id, c.charged_to, c.from_day, "
        "c.plan_version_id, c.terms "
        "FROM unnest($2::uuid[], $3::uuid[]) AS k (product_id, payer_id) CROSS JOIN LATERAL ("
        "SELECT * FROM billing.charged WHERE tenant_id = $1 AND product_id = k.product_id "
        "AND payer_id = k.payer_id OFFSET 0) AS c",
        tx.tenant_id,
        [product_id for product_id, _ in keys],
        [payer_id or NOBODY for _, payer_id in keys],
    )
    found: dict[ChargedKey, list[ChargedStretch]] = defaultdict(list)
    for row in rows:
        payer_id = None if row["payer_id"] == NOBODY else AccountId(row["payer_id"])
        version_id = None if row["plan_version_id"] is None else PlanVersionId(row["plan_version_id"])
        found[ProductId(row["product_id"]), payer_id].append(
            ChargedStretch(
                row["plan_from"],
                row["price_id"],
                row["charged_to"],
                row["from_day"],
                version_id,
                row["terms"],
            )
        )
    return {key: tuple(stretches) for key, stretches in found.items()}


async def save_charged(tx: Tx, charges: Mapping[ChargedKey, ProductCharges]) -> None:
    """Write what is charged now: new rows beside those of before, or in their place."""
    replaced = [key for key, charge in charges.items() if charge.replaced]
    if replaced:
        await tx.execute(
            "DELETE FROM billing.charged c USING unnest($2::uuid[], $3::uuid[]) AS k (product_id, payer_id) "
            "WHERE c.tenant_id = $1 AND c.product_id = k.product_id AND c.payer_id = k.payer_id",
            tx.tenant_id,
            [product_id for product_id, _ in replaced],
            [payer_id or NOBODY for _, payer_id in replaced],
        )
    rows = [(*key, row) for key, charge in charges.items() for row in charge.charged]
    await tx.execute(
        "INSERT INTO billing.charged (tenant_id, product_id, payer_id, plan_from, price_id, charged_to, from_day, "
        "plan_version_id, terms) SELECT $1, c.* FROM unnest($2::uuid[], $3::uuid[], $4::timestamptz[], $5::text[], "
        "$6::timestamptz[], $7::integer[], $8::uuid[], $9::text[]) AS c "
        "ON CONFLICT (tenant_id, product_id, payer_id, plan_from, price_id, from_day) DO UPDATE SET "
        "charged_to = excluded.charged_to, plan_version_id = excluded.plan_version_id, terms = excluded.terms",
        tx.tenant_id,
        [product_id for product_id, _, _ in rows],
        [payer_id or NOBODY for _, payer_id, _ in rows],
        [row.plan_from for _, _, row in rows],
        [row.price_id for _, _, row in rows],
        [row.charged_to for _, _, row in rows],
        [row.from_day for _, _, row in rows],
        [row.plan_version_id for _, _, row in rows],
        [row.terms for _, _, row in rows],
    )


async def keep_before(tx: Tx, cycle_end: datetime, owners: Mapping[ChargedKey, AccountId]) -> None:
    """Keep what is charged now of what accounts are about to be charged; whole rows, whatever columns they have.

    Call it before ``save_charged``.
    """
    await tx.execute(
        "INSERT INTO billing.charged_before (tenant_id, account_id, cycle_end, product_id, payer_id, charged) "
        "SELECT $1, o.account_id, $2, o.product_id, o.payer_id, coalesce((SELECT jsonb_agg(to_jsonb(c)) "
        "FROM billing.charged c WHERE c.tenant_id = $1 AND c.product_id = o.product_id AND c.payer_id = o.payer_id), "
        "'[]') FROM unnest($3::uuid[], $4::uuid[], $5::uuid[]) AS o (product_id, payer_id, account_id)",
        tx.tenant_id,
        cycle_end,
        [product_id for product_id, _ in owners],
        [payer_id or NOBODY for _, payer_id in owners],
        list(owners.values()),
    )


async def restore(tx: Tx, since: Mapping[AccountId, datetime]) -> None:
    """Put back what was charged before the cycle of each account that ended at ``since``, and forget the later ones."""
    accounts, ends = list(since.keys()), list(since.values())
    await tx.execute(
        "DELETE FROM billing.charged c USING billing.charged_before b, "
        "unnest($2::uuid[], $3::timestamptz[]) AS u (account_id, since) "
        "WHERE c.tenant_id = $1 AND b.tenant_id = $1 AND b.account_id = u.account_id AND b.cycle_end >= u.since "
        "AND c.product_id = b.product_id AND c.payer_id = b.payer_id",
        tx.tenant_id,
        accounts,
        ends,
    )
    await tx.execute(
        "WITH oldest AS (SELECT DISTINCT ON (b.product_id, b.payer_id) b.charged FROM billing.charged_before b "
        "JOIN unnest($2::uuid[], $3::timestamptz[]) AS u (account_id, since) "
        "ON b.account_id = u.account_id AND b.cycle_end >= u.since "
        "WHERE b.tenant_id = $1 ORDER BY b.product_id, b.payer_id, b.cycle_end) "
        "INSERT INTO billing.charged SELECT r.* FROM oldest "
        "CROSS JOIN LATERAL jsonb_populate_recordset(NULL::billing.charged, oldest.charged) AS r "
        "WHERE r.tenant_id = $1",
        tx.tenant_id,
        accounts,
        ends,
    )
    await tx.execute(
        "DELETE FROM billing.charged_before b USING unnest($2::uuid[], $3::timestamptz[]) AS u (account_id, since) "
        "WHERE b.tenant_id = $1 AND b.account_id = u.account_id AND b.cycle_end >= u.since",
        tx.tenant_id,
        accounts,
        ends,
    )


async def forget(tx: Tx, keys: Sequence[tuple[AccountId, datetime]]) -> None:
    """Forget what was charged before cycles that are issued now."""
    await tx.execute(
        # By key and ctid (storage.lookups): the planner would compare each row with each of the keys.
        "DELETE FROM billing.charged_before b USING unnest($2::uuid[], $3::timestamptz[]) AS k (account_id, cycle_end) "
        "CROSS JOIN LATERAL (SELECT ctid FROM billing.charged_before WHERE tenant_id = $1 "
        "AND account_id = k.account_id AND cycle_end = k.cycle_end OFFSET 0) AS found "
        "WHERE b.tenant_id = $1 AND b.ctid = found.ctid",
        tx.tenant_id,
        [account_id for account_id, _ in keys],
        [cycle_end for _, cycle_end in keys],
    )


async def forget_empty(tx: Tx, run_id: BillRunId) -> None:
    """Forget what was charged before the cycles of a run that had nothing to charge."""
    await tx.execute(
        "DELETE FROM billing.charged_before b USING billing.journal j "
        "WHERE b.tenant_id = $1 AND j.tenant_id = $1 AND j.run_id = $2 AND j.outcome = 'empty' "
        "AND b.account_id = j.account_id AND b.cycle_end = j.cycle_end",
        tx.tenant_id,
        run_id,
    )
