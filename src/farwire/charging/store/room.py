"""SQL of the room that bills give back to postpaid accounts."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from farwire.base.storage import Tx


async def lock(tx: Tx, document_id: UUID) -> None:
    """Let nobody else plan a step of this bill until this transaction ends."""
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"charging.room:{tx.tenant_id}:{document_id}"
    )


async def steps(tx: Tx, document_id: UUID) -> list[tuple[int, int, int, int | None]]:
    """Return account, number, amount and what was moved of each step of a bill, in the order of the numbers."""
    rows = await tx.fetch(
        "SELECT account, step, amount, moved FROM charging.room WHERE tenant_id = $1 AND document_id = $2 "
        "ORDER BY account, step",
        *(tx.tenant_id, document_id),
    )
    return [(row["account"], row["step"], row["amount"], row["moved"]) for row in rows]


async def add_step(tx: Tx, document_id: UUID, account: int, step: int, amount: int, at: datetime) -> None:
    """Insert a step that nobody has asked its shard for yet."""
    await tx.execute(
        "INSERT INTO charging.room (tenant_id, document_id, account, step, amount, planned_at) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        *(tx.tenant_id, document_id, account, step, amount, at),
    )


async def set_moved(tx: Tx, document_id: UUID, account: int, step: int, moved: int) -> None:
    """Write what the shard has done; the first answer counts."""
    await tx.execute(
        "UPDATE charging.room SET moved = $5 WHERE tenant_id = $1 AND document_id = $2 AND account = $3 "
        "AND step = $4 AND moved IS NULL",
        *(tx.tenant_id, document_id, account, step, moved),
    )


async def totals(tx: Tx, reason: int) -> list[tuple[int, str, int, int]]:
    """Return account, currency, what bills gave and what was moved for ``reason``, of accounts without an open step."""
    rows = await tx.fetch(
        "SELECT a.number, a.currency, sum(one.given)::numeric AS given, sum(one.moved)::numeric AS moved FROM ("
        "SELECT account, coalesce(moved, 0) AS given, 0 AS moved, moved IS NULL AS open FROM charging.room "
        "WHERE tenant_id = $1 UNION ALL SELECT account, 0, amount, false FROM charging.movement "
        "WHERE tenant_id = $1 AND reason = $2 AND unit = 0) AS one JOIN charging.account AS a "
        "ON a.tenant_id = $1 AND a.number = one.account GROUP BY a.number, a.currency "
        "HAVING NOT bool_or(one.open) ORDER BY a.number",
        *(tx.tenant_id, reason),
    )
    return [(row["number"], row["currency"], int(row["given"]), int(row["moved"])) for row in rows]
