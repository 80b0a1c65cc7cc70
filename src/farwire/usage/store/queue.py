"""The queues of the rate run: usages that wait for their product, and usages that wait for their price."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import asyncpg
import msgspec

from farwire.base.storage import Tx
from farwire.kernel.ids import ImportId, PlanVersionId, ProductId, SubscriberKey, UsageId
from farwire.usage.model import UsageState


class Waiting(msgspec.Struct, frozen=True, gc=False):
    """A usage whose product is not known yet."""

    usage_id: UsageId
    import_id: ImportId
    subscriber_key: SubscriberKey
    started_at: datetime
    quantity: int


class Guided(msgspec.Struct, frozen=True, gc=False):
    """A usage whose product is known."""

    usage_id: UsageId
    import_id: ImportId
    product_id: ProductId
    plan_version_id: PlanVersionId
    kind: str
    started_at: datetime
    quantity: int
    destination: str
    direction: str
    visited_network: str
    rating_group: int | None
    external_charge_nano: int | None
    external_currency: str


class Priced(msgspec.Struct, frozen=True, gc=False):
    """A usage with its charge."""

    usage_id: UsageId
    charge_nano: int
    currency: str
    price_id: str
    label: str
    billed_quantity: int
    tariff_version: str
    explanation: str


class Refused(msgspec.Struct, frozen=True, gc=False):
    """A usage that has no charge, for ``reason``: in suspense, or rejected for good."""

    usage_id: UsageId
    state: UsageState
    reason: str
    detail: str


async def count_queued(tx: Tx) -> int:
    """Return how many usages wait for the rate run."""
    found: int = await tx.fetchval(
        "SELECT count(*) FROM usage.record WHERE tenant_id = $1 AND state IN ('received', 'recycled')",
        tx.tenant_id,
    )
    guided: int = await tx.fetchval(
        "SELECT count(*) FROM usage.record WHERE tenant_id = $1 AND state = 'guided'", tx.tenant_id
    )
    return found + guided


async def load_waiting(tx: Tx, limit: int) -> list[Waiting]:
    """Return the next usages that wait for their product, by start."""
    rows = await tx.fetch(
        """SELECT usage_id, import_id, subscriber_key, started_at, quantity FROM usage.record
        WHERE tenant_id = $1 AND state IN ('received', 'recycled') ORDER BY started_at, usage_id LIMIT $2""",
        tx.tenant_id,
        limit,
    )
    return [Waiting(*row) for row in rows]


async def load_guided(tx: Tx, limit: int) -> list[Guided]:
    """Return the next usages that wait for their price, by product and start: the order of allowances."""
    rows: list[asyncpg.Record] = await tx.fetch(
        """SELECT usage_id, import_id, product_id, plan_version_id, kind, started_at, quantity, destination,
        direction,
            visited_network, rating_group, external_charge_nano, external_currency
        FROM usage.record WHERE tenant_id = $1 AND state = 'guided'
        ORDER BY product_id, started_at, usage_id LIMIT $2""",
        tx.tenant_id,
        limit,
    )
    return [Guided(*row) for row in rows]


async def save_guided(
    tx: Tx, found: Sequence[tuple[UsageId, ProductId, PlanVersionId]], at: datetime
) -> None:
    """Note the product and plan version of usages."""
    await tx.execute(
        """UPDATE usage.record AS r SET state = 'guided', product_id = n.product_id, plan_version_id =
        n.plan_version_id,
            changed_at = $5
        FROM unnest($2::uuid[], $3::uuid[], $4::uuid[]) AS n (usage_id, product_id, plan_version_id)
        WHERE r.tenant_id = $1 AND r.usage_id = n.usage_id""",
        tx.tenant_id,
        [usage_id for usage_id, _, _ in found],
        [product_id for _, product_id, _ in found],
        [plan_version_id for _, _, plan_version_id in found],
        at,
    )


async def save_priced(tx: Tx, priced: Sequence[Priced], at: datetime) -> None:
    """Note the charges of usages."""
    await tx.execute(
        """UPDATE usage.record AS r SET state = 'rated', charge_nano = n.charge_nano, currency = n.currency,
            price_id = n.price_id, label = n.label, billed_quantity = n.billed_quantity,
            tariff_version = n.tariff_version, explanation = n.explanation, rated_at = $10, changed_at = $10
        FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[],
        $9::text[])
            AS n (usage_id, charge_nano, currency, price_id, label, billed_quantity, tariff_version, explanation)
        WHERE r.tenant_id = $1 AND r.usage_id = n.usage_id""",
        tx.tenant_id,
        [item.usage_id for item in priced],
        [item.charge_nano for item in priced],
        [item.currency for item in priced],
        [item.price_id for item in priced],
        [item.label for item in priced],
        [item.billed_quantity for item in priced],
        [item.tariff_version for item in priced],
        [item.explanation for item in priced],
        at,
    )


async def save_refused(tx: Tx, refused: Sequence[Refused], at: datetime) -> None:
    """Put usages into suspense or reject them. Their product is forgotten: it is looked up again."""
    await tx.execute(
        """UPDATE usage.record AS r SET state = n.state, reason = n.reason, detail = n.detail, product_id = NULL,
            plan_version_id = NULL, changed_at = $6
        FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[]) AS n (usage_id, state, reason, detail)
        WHERE r.tenant_id = $1 AND r.usage_id = n.usage_id""",
        tx.tenant_id,
        [item.usage_id for item in refused],
        [item.state.value for item in refused],
        [item.reason for item in refused],
        [item.detail for item in refused],
        at,
    )
