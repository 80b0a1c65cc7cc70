"""SQL of what a listener does not take, resource by resource."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from farwire.base.storage import Tx
from farwire.kernel.ids import uuid7

_ALL: Final = (
    "id, hub, subject, first_position, last_position, state, attempts, error, failing_since, failed_at"
)


@dataclass(frozen=True, slots=True)
class Held:
    """What one listener does not take of one resource. ``subject`` is that of the notifications."""

    id: UUID
    hub: UUID
    subject: str
    first: int
    last: int
    """Positions of the one that fails, and of the last one behind it."""
    dead: bool
    """Whether it waits for a person, not for its next attempt."""
    attempts: int
    error: str
    failing_since: datetime
    failed_at: datetime

    @property
    def resource(self) -> str:
        """Return the id of the resource."""
        return self.subject.partition("/")[2]


async def extend(tx: Tx, hub: UUID, subject: str, position: int) -> bool:
    """Let a notification wait behind one of its resource; return False if none is held."""
    tag = await tx.execute(
        "UPDATE base.tmf_held SET last_position = greatest(last_position, $4)"
        " WHERE tenant_id = $1 AND hub = $2 AND subject = $3",
        *(tx.tenant_id, hub, subject, position),
    )
    return tag == "UPDATE 1"


async def hold(
    tx: Tx, *, hub: UUID, subject: str, first: int, last: int, error: str, now: datetime, most: int
) -> bool:
    """Keep what failed once; return whether it shall be tried again: not if ``most`` of the listener's wait already."""
    state = await tx.fetchval(
        "INSERT INTO base.tmf_held"
        " (tenant_id, hub, subject, id, first_position, last_position, state, attempts, error, failing_since,"
        " failed_at) SELECT $1, $2, $3, $4, $5, $6,"
        "  CASE WHEN count(*) FILTER (WHERE state = 'waiting') < $9 THEN 'waiting' ELSE 'dead' END, 1, $7, $8, $8"
        " FROM base.tmf_held WHERE tenant_id = $1 AND hub = $2"
        " ON CONFLICT (tenant_id, hub, subject) DO UPDATE"
        " SET last_position = greatest(base.tmf_held.last_position, excluded.last_position) RETURNING state",
        *(tx.tenant_id, hub, subject, uuid7(now), first, last, error, now, most),
    )
    return bool(state == "waiting")


async def failed_again(tx: Tx, held: Held, *, error: str, now: datetime, attempts: int, most: int) -> bool:
    """Count a further attempt that failed; return whether it is dead now.

    After ``attempts`` if the listener took something else since this fails, after ``most`` in any case.
    """
    state = await tx.fetchval(
        "UPDATE base.tmf_held AS f SET attempts = f.attempts + 1, error = $4, failed_at = $5, state ="
        " CASE WHEN f.attempts + 1 >= $7 OR (f.attempts + 1 >= $6 AND h.heard_at > f.failing_since)"
        " THEN 'dead' ELSE 'waiting' END"
        " FROM base.tmf_hub AS h WHERE f.tenant_id = $1 AND f.hub = $2 AND f.subject = $3"
        " AND h.tenant_id = $1 AND h.id = $2 RETURNING f.state",
        *(tx.tenant_id, held.hub, held.subject, error, now, attempts, most),
    )
    return bool(state == "dead")


async def heard(tx: Tx, held: Held, position: int, now: datetime) -> bool:
    """Keep that all up to ``position`` was heard; return whether something waits behind it still."""
    await tx.execute(
        "DELETE FROM base.tmf_held WHERE tenant_id = $1 AND hub = $2 AND subject = $3 AND last_position <= $4",
        *(tx.tenant_id, held.hub, held.subject, position),
    )
    tag = await tx.execute(
        "UPDATE base.tmf_held SET first_position = greatest(first_position, $4 + 1), attempts = 0, failing_since = $5"
        " WHERE tenant_id = $1 AND hub = $2 AND subject = $3",
        *(tx.tenant_id, held.hub, held.subject, position, now),
    )
    return tag == "UPDATE 1"


async def again(tx: Tx, held: Held, now: datetime) -> None:
    """Give what is dead its attempts back."""
    await tx.execute(
        "UPDATE base.tmf_held SET state = 'waiting', attempts = 0, failing_since = $3"
        " WHERE tenant_id = $1 AND id = $2",
        *(tx.tenant_id, held.id, now),
    )


async def by_subject(tx: Tx, hub: UUID, subject: str) -> Held | None:
    """Return what is held of one resource."""
    row = await tx.fetchrow(
        f"SELECT {_ALL} FROM base.tmf_held WHERE tenant_id = $1 AND hub = $2 AND subject = $3",
        *(tx.tenant_id, hub, subject),
    )
    return None if row is None else _from_row(row)


async def by_id(tx: Tx, key: UUID) -> Held | None:
    """Return one of the tenant's, locked."""
    row = await tx.fetchrow(
        f"SELECT {_ALL} FROM base.tmf_held WHERE tenant_id = $1 AND id = $2 FOR UPDATE", tx.tenant_id, key
    )
    return None if row is None else _from_row(row)


async def of_hub(tx: Tx, hub: UUID) -> list[Held]:
    """Return all that is held for a listener."""
    rows = await tx.fetch(
        f"SELECT {_ALL} FROM base.tmf_held WHERE tenant_id = $1 AND hub = $2 ORDER BY first_position",
        tx.tenant_id,
        hub,
    )
    return [_from_row(row) for row in rows]


async def drop_from(tx: Tx, hub: UUID, position: int) -> None:
    """Forget what is held from a position on: it comes again by other ways."""
    await tx.execute(
        "DELETE FROM base.tmf_held WHERE tenant_id = $1 AND hub = $2 AND first_position >= $3",
        *(tx.tenant_id, hub, position),
    )


async def page(
    tx: Tx, *, hub: UUID | None, dead: bool | None, limit: int, offset: int
) -> tuple[list[Held], int]:
    """Return a part of what the tenant's listeners do not take, the oldest first, and how many there are."""
    chosen = (
        "FROM base.tmf_held WHERE tenant_id = $1 AND ($2::uuid IS NULL OR hub = $2)"
        " AND ($3::boolean IS NULL OR (state = 'dead') = $3)"
    )
    rows = await tx.fetch(
        f"SELECT {_ALL} {chosen} ORDER BY failing_since, id LIMIT $4 OFFSET $5",
        *(tx.tenant_id, hub, dead, limit, offset),
    )
    total: int = await tx.fetchval(f"SELECT count(*) {chosen}", tx.tenant_id, hub, dead)
    return [_from_row(row) for row in rows], total


def _from_row(row: asyncpg.Record) -> Held:
    return Held(
        *(row["id"], row["hub"], row["subject"], row["first_position"], row["last_position"]),
        row["state"] == "dead",
        *(row["attempts"], row["error"], row["failing_since"], row["failed_at"]),
    )
