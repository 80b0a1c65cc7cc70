"""SQL of records that online charging may not have seen. Times of leases are the database's."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from farwire.base.storage import Tx
from farwire.gateway.diameter.accounting.unseen import State, Unseen

_COLUMNS: Final = "key_hi, key_lo, account, rating_group, started_at, ended_at, units, visited"


async def add(tx: Tx, found: Sequence[Unseen], rest: timedelta) -> None:
    """Insert what is new; it is decided after ``rest``."""
    await tx.executemany(
        f"INSERT INTO gateway.unseen (tenant_id, {_COLUMNS}, due_at) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, now() + $10::interval) ON CONFLICT DO NOTHING",
        [
            (
                *(tx.tenant_id, one.key_hi, one.key_lo, one.account, one.rating_group),
                *(one.started_at, one.ended_at, one.units, one.visited, rest),
            )
            for one in found
        ],
    )


async def claim(tx: Tx, *, lease: timedelta, limit: int) -> list[Unseen]:
    """Return what is to be decided, the oldest first; nobody else has it before the lease ends."""
    rows = await tx.fetch(
        # Materialized: a join that reads it twice would find further rows, beyond the limit.
        "WITH found AS MATERIALIZED (SELECT key_hi AS high, key_lo AS low FROM gateway.unseen WHERE tenant_id = $1 "
        "AND state = 'pending' AND due_at <= now() ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED) "
        "UPDATE gateway.unseen SET due_at = now() + $2::interval FROM found "
        f"WHERE tenant_id = $1 AND (key_hi, key_lo) = (high, low) RETURNING {_COLUMNS}",
        *(tx.tenant_id, lease, limit),
    )
    return sorted((Unseen(*row) for row in rows), key=lambda one: one.started_at)


async def own_starts(tx: Tx, account: int, rating_group: int) -> set[datetime]:
    """Return when the records of a rating group began that are kept: what is charged for them is no session online."""
    rows = await tx.fetch(
        "SELECT started_at FROM gateway.unseen WHERE tenant_id = $1 AND account = $2 AND rating_group = $3",
        *(tx.tenant_id, account, rating_group),
    )
    return {row["started_at"] for row in rows}


async def decide(tx: Tx, one: Unseen, state: State) -> None:
    """Write what became of a record."""
    await tx.execute(
        "UPDATE gateway.unseen SET state = $4 "
        "WHERE tenant_id = $1 AND key_hi = $2 AND key_lo = $3 AND state = 'pending'",
        *(tx.tenant_id, one.key_hi, one.key_lo, state.value),
    )


async def purge(tx: Tx, *, older_than: timedelta) -> None:
    """Delete what was decided and recorded so long ago that no record of its time comes any more."""
    await tx.execute(
        "DELETE FROM gateway.unseen "
        "WHERE tenant_id = $1 AND state <> 'pending' AND recorded_at < now() - $2::interval",
        *(tx.tenant_id, older_than),
    )
