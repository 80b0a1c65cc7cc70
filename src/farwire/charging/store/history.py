"""SQL of movements and notices for those who look something up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from farwire.base.storage import Tx
from farwire.charging.model.answers import MovementKind, Notice
from farwire.charging.model.pricing import microseconds
from farwire.charging.store.books import PLACED, Placed, placed_of

if TYPE_CHECKING:
    from asyncpg import Record


async def page_of_kinds(
    tx: Tx, kinds: Sequence[int], accounts: Sequence[int] | None, *, offset: int, limit: int
) -> tuple[tuple[Placed, ...], int]:
    """Return a page of the movements of some kinds, in the order of the logs, and how many there are."""
    wanted = (tx.tenant_id, list(kinds), None if accounts is None else list(accounts))
    total: int = await tx.fetchval(
        "SELECT count(*) FROM charging.movement WHERE tenant_id = $1 AND kind = ANY($2::smallint[]) "
        "AND ($3::bigint[] IS NULL OR account = ANY($3))",
        *wanted,
    )
    rows = await tx.fetch(
        f"SELECT {PLACED} FROM charging.movement WHERE tenant_id = $1 AND kind = ANY($2::smallint[]) "
        "AND ($3::bigint[] IS NULL OR account = ANY($3)) ORDER BY shard, sequence, place OFFSET $4 LIMIT $5",
        *(*wanted, offset, limit),
    )
    return tuple(placed_of(row) for row in rows), total


async def used_of(tx: Tx, accounts: Sequence[int]) -> dict[tuple[int, int], int]:
    """Return what usage took from each balance of some accounts."""
    rows = await tx.fetch(
        "SELECT account, balance, -sum(amount)::numeric AS amount FROM charging.movement WHERE tenant_id = $1 "
        "AND account = ANY($2::bigint[]) AND kind = $3 GROUP BY account, balance",
        *(tx.tenant_id, list(accounts), int(MovementKind.USAGE)),
    )
    return {(row["account"], row["balance"]): int(row["amount"]) for row in rows}


async def at_place(tx: Tx, shard: int, sequence: int, place: int) -> Placed | None:
    """Return the movement at a place of a log."""
    row = await tx.fetchrow(
        f"SELECT {PLACED} FROM charging.movement WHERE tenant_id = $1 AND shard = $2 AND sequence = $3 AND place = $4",
        *(tx.tenant_id, shard, sequence, place),
    )
    return None if row is None else placed_of(row)


async def page_notices(tx: Tx, account: int, *, offset: int, limit: int) -> tuple[tuple[Notice, ...], int]:
    """Return a page of what an account was told, the newest first, and how much there is."""
    total: int = await tx.fetchval(
        "SELECT count(*) FROM charging.notice WHERE tenant_id = $1 AND account = $2", tx.tenant_id, account
    )
    rows = await tx.fetch(
        "SELECT account, kind, subject, value, at FROM charging.notice WHERE tenant_id = $1 AND account = $2 "
        "ORDER BY at DESC, shard DESC, sequence DESC, place DESC OFFSET $3 LIMIT $4",
        *(tx.tenant_id, account, offset, limit),
    )
    return tuple(_notice(row) for row in rows), total


def _notice(row: Record) -> Notice:
    at = microseconds(row["at"])
    return Notice(row["account"], row["kind"], row["subject"], row["value"], at)


async def numbers_behind(tx: Tx, billing_accounts: Sequence[UUID], products: Sequence[UUID]) -> list[int]:
    """Return the numbers of the charging accounts of some billing accounts or products."""
    rows = await tx.fetch(
        "SELECT number FROM charging.account WHERE tenant_id = $1 "
        "AND (account_id = ANY($2::uuid[]) OR product_id = ANY($3::uuid[])) ORDER BY number",
        *(tx.tenant_id, list(billing_accounts), list(products)),
    )
    return [row["number"] for row in rows]
