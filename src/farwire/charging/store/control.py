"""SQL of tenants' numbers, terms, plans and offers by number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from farwire.base.storage import Tx, UntenantedTx
from farwire.kernel.ids import PlanVersionId, TenantId

if TYPE_CHECKING:
    from asyncpg import Record

_NUMBERED: Final = "number, offering, plan_version_id, version, created_at"


async def tenant_number(tx: Tx | UntenantedTx, tenant_id: TenantId) -> int | None:
    """Return the number of a tenant that has one."""
    found: int | None = await tx.fetchval(
        "SELECT number FROM charging.tenant WHERE tenant_id = $1", tenant_id
    )
    return found


async def add_tenant(tx: Tx) -> None:
    """Give the tenant a number if it has none."""
    await tx.execute(
        "INSERT INTO charging.tenant (tenant_id) VALUES ($1) ON CONFLICT (tenant_id) DO NOTHING", tx.tenant_id
    )


async def tenants(tx: UntenantedTx) -> Mapping[int, TenantId]:
    """Return every tenant that charges online, by number."""
    rows = await tx.fetch("SELECT number, tenant_id FROM charging.tenant ORDER BY number")
    return {row["number"]: TenantId(row["tenant_id"]) for row in rows}


async def lock_terms(tx: Tx, kind: str, offering: str) -> None:
    """Let nobody else set terms of the offering, or number what it is sold as, until this transaction ends."""
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1::text || $2 || $3, 0))",
        *(str(tx.tenant_id), kind, offering),
    )


async def newest_terms(tx: Tx, kind: str, offering: str) -> Record | None:
    """Return version, digest, document and set_at of the newest terms of an offering."""
    return await tx.fetchrow(
        "SELECT version, digest, document, set_at FROM charging.terms WHERE tenant_id = $1 AND kind = $2 "
        "AND offering = $3 ORDER BY version DESC LIMIT 1",
        *(tx.tenant_id, kind, offering),
    )


async def add_terms(
    tx: Tx, kind: str, offering: str, *, version: int, digest: str, document: str, at: datetime
) -> None:
    """Insert a version of terms."""
    await tx.execute(
        "INSERT INTO charging.terms (tenant_id, kind, offering, version, digest, document, set_at) "
        "VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7)",
        *(tx.tenant_id, kind, offering, version, digest, document, at),
    )


async def list_terms(tx: Tx, kind: str, *, offset: int, limit: int) -> tuple[list[Record], int]:
    """Return a page of the newest terms of each offering, by its code, and how many there are."""
    total: int = await tx.fetchval(
        "SELECT count(DISTINCT offering) FROM charging.terms WHERE tenant_id = $1 AND kind = $2",
        *(tx.tenant_id, kind),
    )
    rows = await tx.fetch(
        "SELECT DISTINCT ON (offering) offering, version, digest, document, set_at FROM charging.terms "
        "WHERE tenant_id = $1 AND kind = $2 ORDER BY offering, version DESC OFFSET $3 LIMIT $4",
        *(tx.tenant_id, kind, offset, limit),
    )
    return rows, total


async def find_number(
    tx: Tx, kind: str, offering: str, plan_version_id: PlanVersionId, version: int
) -> int | None:
    """Return the number of a plan version under a version of its terms."""
    found: int | None = await tx.fetchval(
        f"SELECT number FROM charging.{_table(kind)} WHERE tenant_id = $1 AND offering = $2 "
        "AND plan_version_id = $3 AND version = $4",
        *(tx.tenant_id, offering, plan_version_id, version),
    )
    return found


async def add_number(
    tx: Tx, kind: str, offering: str, plan_version_id: PlanVersionId, *, version: int, at: datetime
) -> int:
    """Give a plan version under a version of its terms the next number."""
    number: int = await tx.fetchval(
        f"INSERT INTO charging.{_table(kind)} (tenant_id, offering, plan_version_id, version, created_at) "
        "VALUES ($1, $2, $3, $4, $5) RETURNING number",
        *(tx.tenant_id, offering, plan_version_id, version, at),
    )
    return number


async def numbered(tx: Tx, kind: str) -> list[Record]:
    """Return everything of a kind that has a number, with its document of terms."""
    return await tx.fetch(
        f"SELECT n.number, n.offering, n.plan_version_id, n.version, t.document FROM charging.{_table(kind)} n "
        "JOIN charging.terms t ON t.tenant_id = n.tenant_id AND t.kind = n.kind AND t.offering = n.offering "
        "AND t.version = n.version WHERE n.tenant_id = $1 ORDER BY n.number",
        tx.tenant_id,
    )


async def documents_of(tx: Tx, kind: str, numbers: Sequence[int]) -> dict[int, tuple[PlanVersionId, str]]:
    """Return the plan versions and documents that numbers of a kind stand for; one of another tenant is absent."""
    rows = await tx.fetch(
        f"SELECT n.number, n.plan_version_id, t.document FROM charging.{_table(kind)} n JOIN charging.terms t "
        "USING (tenant_id, kind, offering, version) WHERE n.tenant_id = $1 AND n.number = ANY($2::bigint[])",
        *(tx.tenant_id, list(numbers)),
    )
    return {row["number"]: (PlanVersionId(row["plan_version_id"]), row["document"]) for row in rows}


async def numbers_of(tx: Tx, kind: str, offerings: Sequence[str]) -> list[Record]:
    """Return what has a number of these offerings, in the order of the numbers."""
    return await tx.fetch(
        f"SELECT {_NUMBERED} FROM charging.{_table(kind)} WHERE tenant_id = $1 AND offering = ANY($2::text[]) "
        "ORDER BY number",
        *(tx.tenant_id, list(offerings)),
    )


async def plan_versions(tx: Tx, kind: str, numbers: Sequence[int]) -> dict[int, PlanVersionId]:
    """Return the plan versions that numbers of a kind stand for; one that is not this tenant's is absent."""
    rows = await tx.fetch(
        f"SELECT number, plan_version_id FROM charging.{_table(kind)} WHERE tenant_id = $1 "
        "AND number = ANY($2::bigint[])",
        *(tx.tenant_id, list(numbers)),
    )
    return {row["number"]: PlanVersionId(row["plan_version_id"]) for row in rows}


async def offerings_of(tx: Tx, kind: str, numbers: Sequence[int]) -> dict[int, str]:
    """Return the offerings that numbers stand for; one that is not this tenant's is absent."""
    rows = await tx.fetch(
        f"SELECT number, offering FROM charging.{_table(kind)}"
        " WHERE tenant_id = $1 AND number = ANY($2::bigint[])",
        *(tx.tenant_id, list(numbers)),
    )
    return {row["number"]: row["offering"] for row in rows}


def _table(kind: str) -> str:
    return {"plan": "plan", "offer": "offer"}[kind]
