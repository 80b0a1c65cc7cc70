"""SQL of listeners."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from farwire.base.storage import Tx
from farwire.base.tmf.descriptor import Version

_COLUMNS: Final = "id, api, version, callback, query, secret, topic"
_ALL: Final = (
    f"{_COLUMNS}, failures, missed_from, missed_to, missed_since, created_at,"
    " EXISTS (SELECT FROM base.tmf_held f WHERE f.tenant_id = $1 AND f.hub = base.tmf_hub.id) AS holds"
)


@dataclass(frozen=True, slots=True)
class Hub:
    """One listener. ``secret`` signs what is sent to it."""

    id: UUID
    api: str
    version: Version
    callback: str
    query: str
    secret: str = field(repr=False)
    topic: str = ""
    """The topic of TMF688 that it listens to, where it is not a whole API."""
    failures: int = 0
    """Posts that failed since the last one that did not."""
    missed: tuple[int, int] | None = None
    """First and last position of what it has still to hear, while it is away."""
    missed_since: datetime | None = None
    """When the first of that was recorded, at the latest."""
    holds: bool = False
    """Whether there is something of some resource that it does not take."""
    created_at: datetime | None = None


async def insert(tx: Tx, made: Hub, now: datetime) -> None:
    """Keep a new listener."""
    await tx.execute(
        f"INSERT INTO base.tmf_hub (tenant_id, created_at, {_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        *(tx.tenant_id, now, made.id, made.api, made.version.value, made.callback, made.query, made.secret),
        made.topic,
    )


async def delete(tx: Tx, api: str, key: str) -> bool:
    """Remove a listener; return False for an unknown one."""
    tag = await tx.execute(
        "DELETE FROM base.tmf_hub WHERE tenant_id = $1 AND id::text = $2 AND api = $3", tx.tenant_id, key, api
    )
    return tag == "DELETE 1"


async def of_api(tx: Tx, api: str) -> list[Hub]:
    """Return the listeners of an API, the oldest first."""
    rows = await tx.fetch(
        f"SELECT {_ALL} FROM base.tmf_hub WHERE tenant_id = $1 AND api = $2 ORDER BY created_at, id LIMIT 1000",
        *(tx.tenant_id, api),
    )
    return [_from_row(row) for row in rows]


async def of_topic(tx: Tx, topic: str) -> list[Hub]:
    """Return the listeners of a topic, the oldest first."""
    rows = await tx.fetch(
        f"SELECT {_ALL} FROM base.tmf_hub WHERE tenant_id = $1 AND topic = $2 ORDER BY created_at, id LIMIT 1000",
        *(tx.tenant_id, topic),
    )
    return [_from_row(row) for row in rows]


async def by_id(tx: Tx, key: str) -> Hub | None:
    """Return one listener."""
    row = await tx.fetchrow(
        f"SELECT {_ALL} FROM base.tmf_hub WHERE tenant_id = $1 AND id::text = $2", tx.tenant_id, key
    )
    return None if row is None else _from_row(row)


async def all_of_tenant(tx: Tx, limit: int, offset: int) -> list[Hub]:
    """Return listeners of every API, the oldest first."""
    rows = await tx.fetch(
        f"SELECT {_ALL} FROM base.tmf_hub WHERE tenant_id = $1 ORDER BY created_at, id LIMIT $2 OFFSET $3",
        *(tx.tenant_id, limit, offset),
    )
    return [_from_row(row) for row in rows]


async def count(tx: Tx) -> int:
    """Return how many listeners the tenant has."""
    found: int = await tx.fetchval("SELECT count(*) FROM base.tmf_hub WHERE tenant_id = $1", tx.tenant_id)
    return found


async def count_failure(tx: Tx, key: UUID, now: datetime, since: datetime, most: int) -> bool:
    """Count a post that failed; return whether it is one too many: the ``most``-th, or failing ``since`` then."""
    found = await tx.fetchval(
        "UPDATE base.tmf_hub SET failures = failures + 1, failing_since = coalesce(failing_since, $3)"
        " WHERE tenant_id = $1 AND id = $2 RETURNING failures >= $5 OR failing_since <= $4",
        *(tx.tenant_id, key, now, since, most),
    )
    return bool(found)


async def clear_failures(tx: Tx, key: UUID, now: datetime) -> None:
    """Forget failures: the listener took something."""
    await tx.execute(
        "UPDATE base.tmf_hub SET failures = 0, failing_since = NULL, heard_at = $3 WHERE tenant_id = $1 AND id = $2",
        *(tx.tenant_id, key, now),
    )


async def miss(tx: Tx, key: UUID, position: int) -> bool:
    """Write down that the listener has still to hear this position; return False if it is not away, or gone."""
    tag = await tx.execute(
        "UPDATE base.tmf_hub SET missed_from = least(missed_from, $3), missed_to = greatest(missed_to, $3)"
        " WHERE tenant_id = $1 AND id = $2 AND missed_from IS NOT NULL",
        *(tx.tenant_id, key, position),
    )
    return tag == "UPDATE 1"


async def set_missed(tx: Tx, key: UUID, first: int, last: int, since: datetime) -> None:
    """Let the listener have to hear these positions, recorded ``since`` then, whatever it had to."""
    await tx.execute(
        "UPDATE base.tmf_hub SET missed_from = $3, missed_to = $4, missed_since = $5 WHERE tenant_id = $1 AND id = $2",
        *(tx.tenant_id, key, first, last, since),
    )


async def caught_up(tx: Tx, listener: Hub, position: int, now: datetime) -> None:
    """Keep that an away listener heard all up to ``position``; it is back if that is all there was meanwhile."""
    await tx.execute(
        "UPDATE base.tmf_hub SET failures = 0, failing_since = NULL, heard_at = $6, missed_since = $6,"
        " missed_from = CASE WHEN missed_to > $5 THEN $5 + 1 END,"
        " missed_to = CASE WHEN missed_to > $5 THEN missed_to END"
        " WHERE tenant_id = $1 AND id = $2 AND missed_from = $3 AND missed_to >= $4",
        *(tx.tenant_id, listener.id, *(listener.missed or (0, 0)), position, now),
    )


async def purged_before(tx: Tx) -> datetime | None:
    """Return up to which time of recording events may be gone."""
    found: datetime | None = await tx.fetchval("SELECT before FROM base.outbox_purge")
    return found


def _from_row(row: asyncpg.Record) -> Hub:
    away = row["missed_from"] is not None
    return Hub(
        *(row["id"], row["api"], Version(row["version"]), row["callback"], row["query"], row["secret"]),
        *(row["topic"], row["failures"]),
        (row["missed_from"], row["missed_to"]) if away else None,
        *(row["missed_since"], row["holds"], row["created_at"]),
    )
