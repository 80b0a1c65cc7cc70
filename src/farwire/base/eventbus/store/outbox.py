"""SQL of the outbox as the application sees it: append, and read one's own tenant."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType

import asyncpg
import msgspec

from farwire.base.canonical import JSON
from farwire.base.eventbus.model import Event, encoded_data
from farwire.base.storage import Tx
from farwire.kernel.ids import EventId, TenantId

EVENT_COLUMNS = (
    "tenant_id, position, event_id, type, subject, occurred_at, recorded_at, cause_id, data::text AS data"
)

_INSERT = """
INSERT INTO base.outbox (tenant_id, event_id, type, subject, occurred_at, recorded_at, cause_id, data)
SELECT $1, e.event_id, e.type, e.subject, e.occurred_at, e.recorded_at, e.cause_id, e.data::jsonb
FROM unnest($2::uuid[], $3::text[], $4::text[], $5::timestamptz[], $6::timestamptz[], $7::uuid[], $8::text[])
    WITH ORDINALITY AS e (event_id, type, subject, occurred_at, recorded_at, cause_id, data, n)
ORDER BY e.n
"""


async def save_events(tx: Tx, events: Sequence[Event]) -> None:
    """Append ``events`` to the outbox in their order, in one statement."""
    await tx.execute(
        _INSERT,
        tx.tenant_id,
        [event.id for event in events],
        [event.type for event in events],
        [event.subject for event in events],
        [event.occurred_at for event in events],
        [event.recorded_at for event in events],
        [event.cause_id for event in events],
        [encoded_data(event) for event in events],
    )


async def load_events(
    tx: Tx, *, after: int, limit: int, type_prefix: str, subject: str | None, subject_prefix: str, up_to: int
) -> list[tuple[int, Event]]:
    """Return the tenant's events after a position, oldest first, each with its position."""
    rows = await tx.fetch(
        f"""SELECT {EVENT_COLUMNS} FROM base.outbox
        WHERE tenant_id = $1 AND position > $2 AND starts_with(type, $3) AND ($4::text IS NULL OR subject = $4)
            AND starts_with(subject, $6) AND position <= $7
        ORDER BY position LIMIT $5""",
        tx.tenant_id,
        after,
        type_prefix,
        subject,
        limit,
        subject_prefix,
        up_to,
    )
    return [(row["position"], event_from_row(row)) for row in rows]


async def position_of(tx: Tx, event_id: EventId) -> int | None:
    """Return where one of the tenant's events stands."""
    found: int | None = await tx.fetchval(
        "SELECT position FROM base.outbox WHERE tenant_id = $1 AND event_id = $2", tx.tenant_id, event_id
    )
    return found


async def event_of(tx: Tx, event_id: EventId) -> Event | None:
    """Return one of the tenant's events."""
    row = await tx.fetchrow(
        f"SELECT {EVENT_COLUMNS} FROM base.outbox WHERE tenant_id = $1 AND event_id = $2",
        tx.tenant_id,
        event_id,
    )
    return None if row is None else event_from_row(row)


async def of_types(
    tx: Tx,
    *,
    types: Sequence[str],
    offset: int,
    limit: int,
    counted: int,
    times: Sequence[datetime | None],
) -> tuple[list[Event], int]:
    """Return a part of the tenant's events of some types, oldest first, and how many there are up to ``counted``.

    ``times``: those that occurred after, since, before, until then.
    """
    chosen = (
        "FROM base.outbox WHERE tenant_id = $1 AND type = ANY($2::text[])"
        " AND ($3::timestamptz IS NULL OR occurred_at > $3) AND ($4::timestamptz IS NULL OR occurred_at >= $4)"
        " AND ($5::timestamptz IS NULL OR occurred_at < $5) AND ($6::timestamptz IS NULL OR occurred_at <= $6)"
    )
    given = (tx.tenant_id, list(types), *times)
    rows = await tx.fetch(
        f"SELECT {EVENT_COLUMNS} {chosen} ORDER BY position OFFSET $7 LIMIT $8", *given, offset, limit
    )
    total: int = await tx.fetchval(
        f"SELECT count(*) FROM (SELECT 1 {chosen} LIMIT $7) AS found", *given, counted
    )
    return [event_from_row(row) for row in rows], total


async def position_at(tx: Tx, at: datetime) -> int | None:
    """Return where the tenant's first event stands that was recorded then or later."""
    found: int | None = await tx.fetchval(
        "SELECT position FROM base.outbox WHERE tenant_id = $1 AND recorded_at >= $2 ORDER BY position LIMIT 1",
        tx.tenant_id,
        at,
    )
    return found


def event_from_row(row: asyncpg.Record) -> Event:
    """Return the event of a row with ``EVENT_COLUMNS``."""
    data: Mapping[str, JSON] = msgspec.json.decode(row["data"])
    return Event(
        id=EventId(row["event_id"]),
        tenant_id=TenantId(row["tenant_id"]),
        type=row["type"],
        subject=row["subject"],
        occurred_at=row["occurred_at"],
        recorded_at=row["recorded_at"],
        data=MappingProxyType(data),
        cause_id=None if row["cause_id"] is None else EventId(row["cause_id"]),
    )


async def last_position(tx: Tx) -> int:
    """Return the position of the tenant's last event, 0 before the first."""
    found: int = await tx.fetchval(
        "SELECT coalesce(max(position), 0) FROM base.outbox WHERE tenant_id = $1", tx.tenant_id
    )
    return found
