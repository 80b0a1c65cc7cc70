"""The queues of the rate run: usages that wait for their product, and usages that wait for their price."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

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
    import_id: ImportId
    product_id: ProductId
    plan_version_id: PlanVersionId
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
    waiting: int = await tx.fetchval("SELECT count(*) FROM usage.waiting WHERE tenant_id = $1", tx.tenant_id)
    guided: int = await tx.fetchval("SELECT count(*) FROM usage.guided WHERE tenant_id = $1", tx.tenant_id)
    return waiting + guided


async def take_waiting(tx: Tx, limit: int, after: UUID) -> list[Waiting]:
    """Take the next usages that wait for their product out of their queue, by subscriber and start.

    Begin with the subscriber ``after``, where the last call ended: those before it leave traces until the next vacuum.
    """
    rows = await tx.fetch(
        """SELECT usage_id, import_id, subscriber_key, started_at, quantity FROM usage.waiting
        WHERE tenant_id = $1 AND subscriber_key >= $2 ORDER BY subscriber_key, started_at, usage_id LIMIT $3""",
        tx.tenant_id,
        after,
        limit,
    )
    taken = [Waiting(*row) for row in rows]
    if taken:
        await tx.execute(
            """DELETE FROM usage.waiting WHERE tenant_id = $1 AND subscriber_key >= $2
            AND (subscriber_key, started_at, usage_id) <= ($3, $4, $5)""",
            tx.tenant_id,
            after,
            taken[-1].subscriber_key,
            taken[-1].started_at,
            taken[-1].usage_id,
        )
    return taken


async def add_guided(tx: Tx, found: Sequence[tuple[Waiting, ProductId, PlanVersionId]]) -> None:
    """Queue usages whose product and plan version are known for their price."""
    found = sorted(found, key=lambda one: (one[1], one[0].started_at, one[0].usage_id))
    await tx.execute(
        """INSERT INTO usage.guided (tenant_id, product_id, started_at, usage_id, import_id, plan_version_id)
        SELECT $1, * FROM unnest($2::uuid[], $3::timestamptz[], $4::uuid[], $5::uuid[], $6::uuid[])""",
        tx.tenant_id,
        [product_id for _, product_id, _ in found],
        [item.started_at for item, _, _ in found],
        [item.usage_id for item, _, _ in found],
        [item.import_id for item, _, _ in found],
        [plan_version_id for _, _, plan_version_id in found],
    )


async def take_guided(tx: Tx, limit: int, after: UUID) -> list[Guided]:
    """Take the next usages that wait for their price out of their queue, by product and start: as allowances go.

    Begin with the product ``after``, as ``take_waiting`` with the subscriber.
    """
    rows: list[asyncpg.Record] = await tx.fetch(
        """SELECT g.usage_id, g.import_id, g.product_id, g.plan_version_id, r.kind, r.started_at, r.quantity,
            r.destination, r.direction, r.visited_network, r.rating_group, r.external_charge_nano, r.external_currency
        FROM (SELECT usage_id, import_id, product_id, started_at, plan_version_id FROM usage.guided
            WHERE tenant_id = $1 AND product_id >= $2 ORDER BY product_id, started_at, usage_id LIMIT $3) AS g
        CROSS JOIN LATERAL (SELECT * FROM usage.record WHERE tenant_id = $1 AND usage_id = g.usage_id OFFSET 0) AS r
        ORDER BY g.product_id, g.started_at, g.usage_id""",
        tx.tenant_id,
        after,
        limit,
    )
    taken = [Guided(*row) for row in rows]
    if taken:
        await tx.execute(
            """DELETE FROM usage.guided WHERE tenant_id = $1 AND product_id >= $2
            AND (product_id, started_at, usage_id) <= ($3, $4, $5)""",
            tx.tenant_id,
            after,
            taken[-1].product_id,
            taken[-1].started_at,
            taken[-1].usage_id,
        )
    return taken


async def save_priced(tx: Tx, priced: Sequence[Priced], at: datetime) -> None:
    """Note products and charges of usages: the one time that their records are written anew."""
    await tx.execute(
        """UPDATE usage.record AS r SET state = 'rated', product_id = n.product_id,
            plan_version_id = n.plan_version_id, charge_nano = n.charge_nano, currency = n.currency,
            price_id = n.price_id, label = n.label, billed_quantity = n.billed_quantity,
            tariff_version = n.tariff_version, explanation = n.explanation, rated_at = $12, changed_at = $12
        FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::bigint[], $6::text[], $7::text[], $8::text[],
            $9::bigint[], $10::text[], $11::text[])
            AS n (usage_id, product_id, plan_version_id, charge_nano, currency, price_id, label, billed_quantity,
                tariff_version, explanation)
        CROSS JOIN LATERAL (
            SELECT ctid FROM usage.record WHERE tenant_id = $1 AND usage_id = n.usage_id OFFSET 0) AS found
        WHERE r.tenant_id = $1 AND r.ctid = found.ctid""",
        tx.tenant_id,
        [item.usage_id for item in priced],
        [item.product_id for item in priced],
        [item.plan_version_id for item in priced],
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
    """Put usages into suspense or reject them."""
    await tx.execute(
        """UPDATE usage.record AS r SET state = n.state, reason = n.reason, detail = n.detail, changed_at = $6
        FROM unnest($2::uuid[], $3::text[], $4::text[], $5::text[]) AS n (usage_id, state, reason, detail)
        CROSS JOIN LATERAL (
            SELECT ctid FROM usage.record WHERE tenant_id = $1 AND usage_id = n.usage_id OFFSET 0) AS found
        WHERE r.tenant_id = $1 AND r.ctid = found.ctid""",
        tx.tenant_id,
        [item.usage_id for item in refused],
        [item.state.value for item in refused],
        [item.reason for item in refused],
        [item.detail for item in refused],
        at,
    )
