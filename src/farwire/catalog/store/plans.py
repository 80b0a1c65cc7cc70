"""SQL of offerings and their price plans."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from farwire.base.storage import Tx
from farwire.catalog.model import Lifecycle, PlanVersion, PricePlan, ProductOffering, to_document
from farwire.catalog.model.document import from_document
from farwire.kernel.ids import OfferingId, PlanVersionId

if TYPE_CHECKING:
    from asyncpg import Record

_OFFERING = "offering_id, code, name, lifecycle"
_VERSION = "v.plan_version_id, v.offering_id, v.number, v.digest, v.document, v.published_at"


def _offering_from_row(row: Record) -> ProductOffering:
    return ProductOffering(
        OfferingId(row["offering_id"]), row["code"], row["name"], Lifecycle(row["lifecycle"])
    )


@lru_cache(maxsize=1024)
def _plan_of(text: str) -> PricePlan:
    """Return the plan that a column of the database holds. Published ones never change."""
    return from_document(msgspec.json.decode(text))


def plan_version_from_row(row: Record) -> PlanVersion:
    """Return the plan version of a row."""
    return PlanVersion(
        id=PlanVersionId(row["plan_version_id"]),
        offering_id=OfferingId(row["offering_id"]),
        number=row["number"],
        digest=row["digest"],
        plan=_plan_of(row["document"]),
        published_at=row["published_at"],
    )


async def lock_offering(tx: Tx, offering: ProductOffering, created_at: datetime) -> ProductOffering:
    """Insert the offering where its code is new, and return the one of that code, locked until the transaction ends."""
    await tx.execute(
        "INSERT INTO catalog.offering (tenant_id, offering_id, code, name, lifecycle, created_at) "
        "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant_id, code) DO NOTHING",
        tx.tenant_id,
        offering.id,
        offering.code,
        offering.name,
        offering.lifecycle.value,
        created_at,
    )
    row = await tx.fetchrow(
        f"SELECT {_OFFERING} FROM catalog.offering WHERE tenant_id = $1 AND code = $2 FOR UPDATE",
        tx.tenant_id,
        offering.code,
    )
    return offering if row is None else _offering_from_row(row)


async def rename_offering(tx: Tx, offering_id: OfferingId, name: str) -> None:
    """Give the offering the name that its newest plan says."""
    await tx.execute(
        "UPDATE catalog.offering SET name = $3 WHERE tenant_id = $1 AND offering_id = $2",
        tx.tenant_id,
        offering_id,
        name,
    )


async def add_version(tx: Tx, version: PlanVersion) -> None:
    """Insert a plan version."""
    await tx.execute(
        "INSERT INTO catalog.price_plan (tenant_id, plan_version_id, offering_id, number, digest, valid_from, "
        "valid_to, document, published_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8::jsonb, $9)",
        tx.tenant_id,
        version.id,
        version.offering_id,
        version.number,
        version.digest,
        version.plan.valid_from,
        version.plan.valid_to,
        msgspec.json.encode(to_document(version.plan)).decode(),
        version.published_at,
    )


async def versions_of(tx: Tx, codes: Sequence[str]) -> list[tuple[str, PlanVersion]]:
    """Return the plan versions of the offerings ``codes``, each with its code, the oldest first."""
    rows = await tx.fetch(
        f"SELECT o.code, {_VERSION} FROM catalog.price_plan v JOIN catalog.offering o "
        "ON o.tenant_id = v.tenant_id AND o.offering_id = v.offering_id "
        "WHERE v.tenant_id = $1 AND o.code = ANY($2::text[]) ORDER BY o.code, v.number",
        tx.tenant_id,
        list(codes),
    )
    return [(row["code"], plan_version_from_row(row)) for row in rows]


async def versions_by_id(tx: Tx, ids: Sequence[PlanVersionId]) -> list[PlanVersion]:
    """Return the plan versions ``ids`` that this tenant has."""
    rows = await tx.fetch(
        f"SELECT {_VERSION} FROM catalog.price_plan v WHERE v.tenant_id = $1 "
        "AND v.plan_version_id = ANY($2::uuid[])",
        tx.tenant_id,
        list(ids),
    )
    return [plan_version_from_row(row) for row in rows]


async def list_offerings(tx: Tx, *, offset: int, limit: int) -> tuple[tuple[ProductOffering, ...], int]:
    """Return one page of offerings by code, and how many there are."""
    total: int = await tx.fetchval("SELECT count(*) FROM catalog.offering WHERE tenant_id = $1", tx.tenant_id)
    rows = await tx.fetch(
        f"SELECT {_OFFERING} FROM catalog.offering WHERE tenant_id = $1 ORDER BY code OFFSET $2 LIMIT $3",
        tx.tenant_id,
        offset,
        limit,
    )
    return tuple(_offering_from_row(row) for row in rows), total


async def offering_by_code(tx: Tx, code: str) -> ProductOffering | None:
    """Return the offering ``code``."""
    row = await tx.fetchrow(
        f"SELECT {_OFFERING} FROM catalog.offering WHERE tenant_id = $1 AND code = $2", tx.tenant_id, code
    )
    return _offering_from_row(row) if row else None


async def offering_by_id(tx: Tx, offering_id: OfferingId) -> ProductOffering | None:
    """Return the offering ``offering_id``."""
    row = await tx.fetchrow(
        f"SELECT {_OFFERING} FROM catalog.offering WHERE tenant_id = $1 AND offering_id = $2",
        tx.tenant_id,
        offering_id,
    )
    return _offering_from_row(row) if row else None
