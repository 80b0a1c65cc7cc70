"""SQL of selling: the versions in force of many offerings at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from farwire.base.storage import Tx
from farwire.catalog.model import Entry, Kind, Lifecycle, Offered, Offering, PlanVersion
from farwire.catalog.model.combination import within
from farwire.catalog.store.catalogue import document_of, entry_from_row
from farwire.catalog.store.plans import plan_version_from_row
from farwire.kernel.ids import OfferingId

# $2 is the moment. Of each list the version that started last; whether it has ended is told apart from "none".
_AT = (
    "FROM catalog.offering o "
    "LEFT JOIN LATERAL (SELECT v.document, v.valid_to, v.regions, v.segments, v.channels, v.specification "
    "FROM catalog.offering_version v WHERE v.tenant_id = o.tenant_id AND v.offering_id = o.offering_id "
    "AND v.valid_from <= $2 ORDER BY v.valid_from DESC LIMIT 1) d ON true "
    "LEFT JOIN LATERAL (SELECT v.plan_version_id, v.number, v.digest, v.document, v.published_at, v.valid_to "
    "FROM catalog.price_plan v WHERE v.tenant_id = o.tenant_id AND v.offering_id = o.offering_id "
    "AND v.valid_from <= $2 ORDER BY v.valid_from DESC LIMIT 1) p ON true "
    "WHERE o.tenant_id = $1 "
)
_HAS_DOCUMENT = (
    "EXISTS (SELECT 1 FROM catalog.offering_version e WHERE e.tenant_id = o.tenant_id "
    "AND e.offering_id = o.offering_id)"
)


@dataclass(frozen=True, slots=True)
class Found:
    """An offering at a moment. ``offering`` is None where its documents do not hold then, ``plan`` likewise."""

    entry: Entry
    offering: Offering | None
    plan: PlanVersion | None


def _offering(entry: Entry, text: str | None) -> Offering:
    document = (
        Offering(code=entry.code, name=entry.name) if text is None else document_of(Kind.OFFERING, text)
    )
    assert isinstance(document, Offering)  # noqa: S101  # the kind says so
    return document


async def offerings_at(tx: Tx, codes: Sequence[str], at: datetime) -> dict[str, Found]:
    """Return the offerings ``codes`` with what holds at ``at``, by code; unknown ones are absent."""
    rows = await tx.fetch(
        "SELECT o.offering_id AS id, 'offering' AS kind, o.code, o.name, o.lifecycle, d.document AS terms, "
        f"(d.valid_to <= $2) IS TRUE OR (d.document IS NULL AND {_HAS_DOCUMENT}) AS gone, "
        "(p.valid_to <= $2) IS TRUE AS unpriced, o.offering_id, p.plan_version_id, p.number, p.digest, p.document, "
        f"p.published_at {_AT} AND o.code = ANY($3::text[])",
        tx.tenant_id,
        at,
        list(codes),
    )
    found = {}
    for row in rows:
        entry = entry_from_row(row)
        priced = row["plan_version_id"] is not None and not row["unpriced"]
        found[entry.code] = Found(
            entry,
            None if row["gone"] else _offering(entry, row["terms"]),
            plan_version_from_row(row) if priced else None,
        )
    return found


async def offered(
    tx: Tx,
    *,
    region: str,
    segment: str,
    channel: str,
    at: datetime,
    lifecycle: Lifecycle | None,
    offset: int,
    limit: int,
) -> tuple[tuple[Offered, ...], int]:
    """Return one page of what is sold then to whom, by code, and how much there is: one statement."""
    rows = await tx.fetch(
        "SELECT o.offering_id AS id, 'offering' AS kind, o.code, o.name, o.lifecycle, d.document AS terms, "
        f"p.number, p.document ->> 'currency' AS currency, count(*) OVER () AS total {_AT} "
        "AND o.lifecycle IN ('active', 'launched') AND ($8::text IS NULL OR o.lifecycle = $8) "
        "AND p.plan_version_id IS NOT NULL AND (p.valid_to IS NULL OR p.valid_to > $2) "
        f"AND CASE WHEN d.document IS NULL THEN NOT {_HAS_DOCUMENT} "
        "ELSE (d.valid_to IS NULL OR d.valid_to > $2) "
        "AND (d.regions = '{}' OR d.regions && $3::text[]) AND (d.segments = '{}' OR $4 = ANY(d.segments)) "
        "AND (d.channels = '{}' OR $5 = ANY(d.channels)) "
        "AND (d.specification IS NULL OR EXISTS (SELECT 1 FROM catalog.specification s WHERE s.tenant_id = $1 "
        "AND s.kind = 'product_specification' AND s.code = d.specification "
        "AND s.lifecycle IN ('active', 'launched'))) END ORDER BY o.code OFFSET $6 LIMIT $7",
        tx.tenant_id,
        at,
        list(within(region)),
        segment,
        channel,
        offset,
        limit,
        None if lifecycle is None else lifecycle.value,
    )
    items = []
    for row in rows:
        entry = entry_from_row(row)
        offering = _offering(entry, row["terms"])
        items.append(Offered(OfferingId(entry.id), offering, entry.lifecycle, row["number"], row["currency"]))
    return tuple(items), rows[0]["total"] if rows else 0
