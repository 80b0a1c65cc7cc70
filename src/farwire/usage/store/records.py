"""Usage records: pages, sums for bills, and the mark that a bill leaves."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

import asyncpg

from farwire.base.storage import Tx
from farwire.kernel.ids import (
    BillId,
    ImportId,
    PlanVersionId,
    ProductId,
    SubscriberKey,
    UsageId,
)
from farwire.kernel.page import Page, PageRequest
from farwire.rating.model import Direction, UsageKind
from farwire.usage.model import RatedTotal, UsageRecord, UsageSpan, UsageState

_COLUMNS = """usage_id, import_id, subscriber_key, kind, state, reason, started_at, quantity, destination, direction,
 visited_network, rating_group, external_charge_nano, external_currency, product_id, plan_version_id, charge_nano,
 currency, price_id, label, billed_quantity, tariff_version, explanation, rated_at, bill_id"""


def _from_row(row: asyncpg.Record) -> UsageRecord:
    fields = dict(row)
    fields |= {
        "usage_id": UsageId(row["usage_id"]),
        "import_id": ImportId(row["import_id"]),
        "subscriber_key": SubscriberKey(row["subscriber_key"]),
        "kind": UsageKind(row["kind"]),
        "state": UsageState(row["state"]),
        "direction": Direction(row["direction"]),
    }
    return UsageRecord(**fields)


async def get_record(tx: Tx, usage_id: UsageId) -> UsageRecord | None:
    """Return one usage, or None."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM usage.record WHERE tenant_id = $1 AND usage_id = $2", tx.tenant_id, usage_id
    )
    return None if row is None else _from_row(row)


async def page_records(
    tx: Tx,
    page: PageRequest,
    *,
    product_id: ProductId | None = None,
    bill_id: BillId | None = None,
    plan_version_id: PlanVersionId | None = None,
    price_id: str | None = None,
    label: str | None = None,
    state: UsageState | None = None,
    kind: UsageKind | None = None,
    started_from: datetime | None = None,
    started_before: datetime | None = None,
) -> Page[UsageRecord]:
    """Return usages by start time, those in ``[started_from, started_before)``.

    Filters that are None do not filter.
    """
    filters: tuple[tuple[str, object | None], ...] = (
        ("product_id =", product_id),
        ("bill_id =", bill_id),
        ("plan_version_id =", plan_version_id),
        ("price_id =", price_id),
        ("label =", label),
        ("state =", None if state is None else state.value),
        ("kind =", None if kind is None else kind.value),
        ("started_at >=", started_from),
        ("started_at <", started_before),
    )
    conditions, values = ["tenant_id = $1"], list[object]([tx.tenant_id])
    for comparison, value in filters:
        if value is not None:
            values.append(value)
            conditions.append(f"{comparison} ${len(values)}")
    where = " AND ".join(conditions)
    total = await tx.fetchval(f"SELECT count(*) FROM usage.record WHERE {where}", *values)
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM usage.record WHERE {where} ORDER BY started_at, usage_id
        OFFSET {page.offset:d} LIMIT {page.limit:d}""",
        *values,
    )
    return Page(tuple(_from_row(row) for row in rows), total, page.offset, page.limit)


_SUMS = """product_id, price_id, label, kind, currency, plan_version_id, sum(charge_nano)::text AS nano,
 sum(quantity)::text AS quantity, sum(billed_quantity)::text AS billed_quantity, count(*) AS count,
 min(started_at) AS first_at, max(started_at) AS last_at, late, span"""
_GROUP = "product_id, price_id, label, kind, currency, plan_version_id, late, span"
_EVER: Final = datetime.min.replace(tzinfo=UTC)


def _total_from_row(row: asyncpg.Record) -> RatedTotal:
    return RatedTotal(
        product_id=ProductId(row["product_id"]),
        price_id=row["price_id"],
        label=row["label"],
        kind=UsageKind(row["kind"]),
        currency=row["currency"],
        plan_version_id=PlanVersionId(row["plan_version_id"]),
        nano=int(row["nano"]),
        quantity=int(row["quantity"]),
        billed_quantity=int(row["billed_quantity"]),
        count=row["count"],
        first_at=row["first_at"],
        last_at=row["last_at"],
        late=row["late"],
        span=row["span"],
    )


def _columns(spans: Sequence[UsageSpan]) -> tuple[Sequence[object], ...]:
    """Return spans as arrays: product, since when, before when, before when it is late."""
    return (
        [span.product_id for span in spans],
        [span.since or _EVER for span in spans],
        [min(span.until or span.cycle.end, span.cycle.end) for span in spans],
        [span.cycle.start for span in spans],
    )


async def mark_billed(tx: Tx, spans: Sequence[UsageSpan], changed_at: datetime) -> tuple[RatedTotal, ...]:
    """Put the unbilled usage of each span on its bill; return the sums of what was marked."""
    rows = await tx.fetch(
        f"""WITH marked AS (
            UPDATE usage.record AS r SET state = 'billed', bill_id = b.bill_id, changed_at = $7
            FROM unnest($2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[], $6::uuid[])
                WITH ORDINALITY AS b (product_id, since, before, cycle_start, bill_id, place)
            CROSS JOIN LATERAL (SELECT ctid FROM usage.record WHERE tenant_id = $1 AND product_id = b.product_id
                AND started_at >= b.since AND started_at < b.before AND state IN ('rated', 'rerated') OFFSET 0) AS found
            WHERE r.tenant_id = $1 AND r.ctid = found.ctid
            RETURNING r.product_id, r.price_id, r.label, r.kind, r.currency, r.plan_version_id, r.charge_nano,
                r.quantity, r.billed_quantity, r.started_at, r.started_at < b.cycle_start AS late, b.place - 1 AS span)
        SELECT {_SUMS} FROM marked GROUP BY {_GROUP} ORDER BY {_GROUP}""",
        tx.tenant_id,
        *_columns(spans),
        [span.bill_id for span in spans],
        changed_at,
    )
    return tuple(_total_from_row(row) for row in rows)


async def pending_totals(tx: Tx, spans: Sequence[UsageSpan]) -> tuple[RatedTotal, ...]:
    """Return the sums that ``mark_billed`` would mark."""
    rows = await tx.fetch(
        f"""WITH waiting AS (
            SELECT r.product_id, r.price_id, r.label, r.kind, r.currency, r.plan_version_id, r.charge_nano,
                r.quantity, r.billed_quantity, r.started_at, r.started_at < b.cycle_start AS late, b.place - 1 AS span
            FROM unnest($2::uuid[], $3::timestamptz[], $4::timestamptz[], $5::timestamptz[])
                WITH ORDINALITY AS b (product_id, since, before, cycle_start, place)
            JOIN usage.record AS r ON r.tenant_id = $1 AND r.product_id = b.product_id
                AND r.started_at >= b.since AND r.started_at < b.before AND r.state IN ('rated', 'rerated'))
        SELECT {_SUMS} FROM waiting GROUP BY {_GROUP} ORDER BY {_GROUP}""",
        tx.tenant_id,
        *_columns(spans),
    )
    return tuple(_total_from_row(row) for row in rows)


async def suspended_counts(tx: Tx, product_ids: Sequence[ProductId] | None) -> dict[ProductId, int]:
    """Return how many usages of these products, or of all, wait in suspense."""
    rows = await tx.fetch(
        "SELECT product_id, count(*) AS n FROM usage.record "
        "WHERE tenant_id = $1 AND state = 'suspended' AND product_id IS NOT NULL "
        "AND ($2::uuid[] IS NULL OR product_id = ANY($2)) GROUP BY product_id",
        tx.tenant_id,
        None if product_ids is None else list(product_ids),
    )
    return {ProductId(row["product_id"]): row["n"] for row in rows}


async def unmark_bills(tx: Tx, bill_ids: Sequence[BillId], changed_at: datetime) -> int:
    """Take the usage of bills off them again; return how many records."""
    tag = await tx.execute(
        """UPDATE usage.record SET state = 'rated', bill_id = NULL, changed_at = $3
        WHERE tenant_id = $1 AND bill_id = ANY($2::uuid[])""",
        tx.tenant_id,
        list(bill_ids),
        changed_at,
    )
    return int(tag.rpartition(" ")[2])
