"""SQL of usage that online charging has priced for a bill, and of the products that it prices."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from farwire.base.storage import Tx
from farwire.kernel.ids import BillId, ImportId, ProductId, SubscriberKey, UsageId
from farwire.usage.model.charged import OwedTotal, OwedUsage


async def add_online(tx: Tx, product_id: ProductId, since: datetime) -> None:
    """Write since when a product is charged online; the first time counts."""
    await tx.execute(
        "INSERT INTO usage.online (tenant_id, product_id, since) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
        *(tx.tenant_id, product_id, since),
    )


async def online_since(tx: Tx, product_ids: Sequence[ProductId]) -> dict[ProductId, datetime]:
    """Return since when those of the products are charged online that are."""
    rows = await tx.fetch(
        "SELECT product_id, since FROM usage.online WHERE tenant_id = $1 AND product_id = ANY($2::uuid[])",
        *(tx.tenant_id, list(product_ids)),
    )
    return {ProductId(row["product_id"]): row["since"] for row in rows}


async def add_rated(
    tx: Tx, import_id: ImportId, usages: Sequence[tuple[UsageId, SubscriberKey, OwedUsage]], at: datetime
) -> None:
    """Add usages that are not known, as rated."""
    found = [one for _, _, one in usages]
    await tx.execute(
        """INSERT INTO usage.record (tenant_id, import_id, state, direction, visited_network, external_currency,
            rated_at, changed_at, usage_id, subscriber_key, kind, started_at, quantity, destination, rating_group,
            product_id, plan_version_id, charge_nano, currency, price_id, label, billed_quantity, tariff_version,
            explanation)
        SELECT $1, $2, 'rated', 'originating', '', '', $3, $3, * FROM unnest($4::uuid[], $5::uuid[], $6::text[],
            $7::timestamptz[], $8::bigint[], $9::text[], $10::bigint[], $11::uuid[], $12::uuid[], $13::bigint[],
            $14::text[], $15::text[], $16::text[], $17::bigint[], $18::text[], $19::text[])""",
        *(tx.tenant_id, import_id, at),
        [usage_id for usage_id, _, _ in usages],
        [key for _, key, _ in usages],
        [one.kind.value for one in found],
        [one.started_at for one in found],
        [one.quantity for one in found],
        [one.destination for one in found],
        [one.rating_group for one in found],
        [one.product_id for one in found],
        [one.plan_version_id for one in found],
        [one.charge_nano for one in found],
        [one.currency for one in found],
        [one.price_id for one in found],
        [one.label for one in found],
        [one.billed_quantity for one in found],
        [one.tariff_version for one in found],
        [one.explanation for one in found],
    )


async def totals(tx: Tx, profile_digest: bytes) -> tuple[OwedTotal, ...]:
    """Return the sum of what is rated of all imports by a profile, by currency."""
    rows = await tx.fetch(
        "SELECT r.currency, sum(r.charge_nano)::numeric AS nano, count(*) AS count, "
        "coalesce(sum(r.charge_nano) FILTER (WHERE r.state = 'billed'), 0)::numeric AS billed "
        "FROM usage.record AS r JOIN usage.import AS i USING (tenant_id, import_id) WHERE r.tenant_id = $1 "
        "AND i.profile_digest = $2 AND r.state IN ('rated', 'rerated', 'billed') GROUP BY r.currency "
        "ORDER BY r.currency",
        *(tx.tenant_id, profile_digest),
    )
    return tuple(
        OwedTotal(row["currency"], int(row["nano"]), int(row["billed"]), row["count"]) for row in rows
    )


async def on_bill(tx: Tx, profile_digest: bytes, bill_id: BillId) -> dict[ProductId, int]:
    """Return the sum that is on a bill of all imports by a profile, by product."""
    rows = await tx.fetch(
        "SELECT r.product_id, sum(r.charge_nano)::numeric AS nano FROM usage.record AS r "
        "JOIN usage.import AS i USING (tenant_id, import_id) WHERE r.tenant_id = $1 AND r.bill_id = $3 "
        "AND i.profile_digest = $2 GROUP BY r.product_id",
        *(tx.tenant_id, profile_digest, bill_id),
    )
    return {ProductId(row["product_id"]): int(row["nano"]) for row in rows}
