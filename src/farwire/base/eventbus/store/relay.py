"""SQL of the relay's role: every tenant's outbox, the subscribers and what they set aside."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import asyncpg

from farwire.base.eventbus.delivery import (
    DeliveryState,
    Parked,
    Positioned,
    SetAside,
    Subscriber,
    SubscriberState,
)
from farwire.base.eventbus.store.outbox import event_from_row
from farwire.base.storage import UntenantedTx
from farwire.kernel.ids import EventId, TenantId

_EVENT = (
    "o.tenant_id, o.position, o.event_id, o.type, o.subject, o.occurred_at, o.recorded_at, o.cause_id,"
    " o.data::text AS data"
)


async def last_position(tx: UntenantedTx) -> int:
    """Return the last position that was taken by anyone, committed or not; 0 before the first."""
    value: int = await tx.fetchval(
        "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM base.outbox_position"
    )
    return value


async def take_transaction_id(tx: UntenantedTx) -> int:
    """Return a newly assigned transaction id."""
    value: int = await tx.fetchval("SELECT pg_current_xact_id()::text::bigint")
    return value


async def oldest_running(tx: UntenantedTx) -> int:
    """Return the id below which no transaction of the server is running."""
    value: int = await tx.fetchval("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
    return value


async def register(tx: UntenantedTx, *, name: str, position: int, now: datetime) -> None:
    """Make the subscriber at ``position`` unless it is there."""
    await tx.execute(
        """INSERT INTO base.subscription (name, position, lease_until, created_at, updated_at)
        VALUES ($1, $2, $3, $3, $3) ON CONFLICT (name) DO NOTHING""",
        name,
        position,
        now,
    )


async def lease(
    tx: UntenantedTx, *, name: str, owner: UUID, until: datetime, now: datetime
) -> tuple[int, int] | None:
    """Return (position, epoch) if ``owner`` now holds the subscriber, or None while another one does."""
    row = await tx.fetchrow(
        """UPDATE base.subscription
        SET owner = $2, lease_until = $3, epoch = epoch + 1
        WHERE name = $1 AND (owner IS NULL OR owner = $2 OR lease_until <= $4)
        RETURNING position, epoch""",
        name,
        owner,
        until,
        now,
    )
    return None if row is None else (row["position"], row["epoch"])


async def holds(tx: UntenantedTx, *, name: str, epoch: int) -> bool:
    """Return whether the lease with this epoch is still the last one."""
    value: bool = await tx.fetchval(
        "SELECT EXISTS (SELECT FROM base.subscription WHERE name = $1 AND epoch = $2)", name, epoch
    )
    return value


async def keep_lease(tx: UntenantedTx, *, name: str, epoch: int, until: datetime) -> bool:
    """Extend the lease; return False if another process took it meanwhile."""
    tag = await tx.execute(
        "UPDATE base.subscription SET lease_until = $3 WHERE name = $1 AND epoch = $2", name, epoch, until
    )
    return tag == "UPDATE 1"


async def release(tx: UntenantedTx, *, name: str, epoch: int) -> None:
    """Give the subscriber back, so that another process need not wait for the lease to end."""
    await tx.execute("UPDATE base.subscription SET owner = NULL WHERE name = $1 AND epoch = $2", name, epoch)


async def advance(
    tx: UntenantedTx, *, name: str, epoch: int, position: int, until: datetime, now: datetime
) -> bool:
    """Commit the position; return False if the lease was lost, in which case nothing may be kept."""
    tag = await tx.execute(
        """UPDATE base.subscription SET position = $3, lease_until = $4, updated_at = $5
        WHERE name = $1 AND epoch = $2""",
        name,
        epoch,
        position,
        until,
        now,
    )
    return tag == "UPDATE 1"


async def fresh_events(
    tx: UntenantedTx, subscriber: Subscriber, *, after: int, up_to: int, limit: int
) -> list[Positioned]:
    """Return the subscriber's next events in order of position, ``up_to`` inclusive."""
    rows = await tx.fetch(
        f"""SELECT {_EVENT} FROM base.outbox o
        WHERE o.position > $1 AND o.position <= $2
          AND (o.type = ANY($3::text[]) OR EXISTS (SELECT FROM unnest($4::text[]) p WHERE starts_with(o.type, p)))
        ORDER BY o.position LIMIT $5""",
        after,
        up_to,
        subscriber.exact_types,
        subscriber.type_prefixes,
        limit,
    )
    return [Positioned(row["position"], event_from_row(row)) for row in rows]


async def blocked_subjects(
    tx: UntenantedTx, *, name: str, items: Sequence[Positioned]
) -> set[tuple[TenantId, str]]:
    """Return which subjects of ``items`` have an earlier event set aside."""
    rows = await tx.fetch(
        """SELECT DISTINCT d.tenant_id, d.subject FROM base.delivery d
        JOIN unnest($2::uuid[], $3::text[]) AS s (tenant_id, subject) USING (tenant_id, subject)
        WHERE d.subscriber = $1""",
        name,
        [item.event.tenant_id for item in items],
        [item.event.subject for item in items],
    )
    return {(TenantId(row["tenant_id"]), row["subject"]) for row in rows}


async def due_events(
    tx: UntenantedTx, *, name: str, now: datetime, limit: int
) -> list[tuple[Positioned, SetAside]]:
    """Return events set aside whose subject's first one is due, in order of position."""
    rows = await tx.fetch(
        f"""WITH head AS (
            SELECT DISTINCT ON (tenant_id, subject) tenant_id, subject, state, next_attempt_at
            FROM base.delivery WHERE subscriber = $1 ORDER BY tenant_id, subject, position
        )
        SELECT {_EVENT}, d.state, d.attempts, d.next_attempt_at, d.error, d.set_aside_at
        FROM base.delivery d
        JOIN head h USING (tenant_id, subject)
        JOIN base.outbox o ON o.tenant_id = d.tenant_id AND o.position = d.position
        WHERE d.subscriber = $1 AND h.state = 'waiting' AND h.next_attempt_at <= $2
        ORDER BY d.position LIMIT $3""",
        name,
        now,
        limit,
    )
    return [
        (
            Positioned(row["position"], event_from_row(row)),
            SetAside(
                TenantId(row["tenant_id"]),
                row["position"],
                row["subject"],
                DeliveryState(row["state"]),
                row["attempts"],
                row["next_attempt_at"],
                row["error"],
                row["set_aside_at"],
            ),
        )
        for row in rows
    ]


async def count_set_aside(tx: UntenantedTx, *, name: str) -> int:
    """Return how many events the subscriber has set aside."""
    value: int = await tx.fetchval("SELECT count(*) FROM base.delivery WHERE subscriber = $1", name)
    return value


async def save_set_aside(tx: UntenantedTx, *, name: str, items: Sequence[SetAside]) -> None:
    """Set events aside, or write down a further failure of those that are."""
    await tx.executemany(
        """INSERT INTO base.delivery
            (tenant_id, subscriber, position, subject, state, attempts, next_attempt_at, error, set_aside_at)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (tenant_id, subscriber, position) DO UPDATE SET
            state = excluded.state, attempts = excluded.attempts,
            next_attempt_at = excluded.next_attempt_at, error = excluded.error""",
        [
            (
                item.tenant_id,
                name,
                item.position,
                item.subject,
                item.state.value,
                item.attempts,
                item.next_attempt_at,
                item.error,
                item.set_aside_at,
            )
            for item in items
        ],
    )


async def delete_set_aside(tx: UntenantedTx, *, name: str, items: Sequence[Positioned]) -> None:
    """Remove events that were handled at last."""
    await tx.execute(
        """DELETE FROM base.delivery d USING unnest($2::uuid[], $3::bigint[]) AS k (tenant_id, position)
        WHERE d.subscriber = $1 AND d.tenant_id = k.tenant_id AND d.position = k.position""",
        name,
        [item.event.tenant_id for item in items],
        [item.position for item in items],
    )


async def subscriber_states(tx: UntenantedTx) -> list[SubscriberState]:
    """Return all subscribers with their lag."""
    rows = await tx.fetch(
        """SELECT s.name, s.position, s.updated_at,
            greatest((SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM base.outbox_position) - s.position, 0)
                AS behind,
            count(d.position) FILTER (WHERE d.state = 'waiting') AS waiting,
            count(d.position) FILTER (WHERE d.state = 'parked') AS parked
        FROM base.subscription s LEFT JOIN base.delivery d ON d.subscriber = s.name
        GROUP BY s.name ORDER BY s.name LIMIT 1000"""
    )
    return [
        SubscriberState(
            row["name"], row["position"], row["behind"], row["waiting"], row["parked"], row["updated_at"]
        )
        for row in rows
    ]


_PARKED = """SELECT d.subscriber, d.position, d.tenant_id, o.event_id, o.type, d.subject, d.attempts, d.error,
    d.set_aside_at, (SELECT count(*) FROM base.delivery b WHERE b.subscriber = d.subscriber
        AND b.tenant_id = d.tenant_id AND b.subject = d.subject AND b.position > d.position) AS behind
FROM base.delivery d JOIN base.outbox o ON o.tenant_id = d.tenant_id AND o.position = d.position
WHERE d.state = 'parked'"""


async def parked_events(tx: UntenantedTx, *, name: str | None, limit: int) -> list[Parked]:
    """Return parked events, oldest first."""
    rows = await tx.fetch(
        f"{_PARKED} AND ($1::text IS NULL OR d.subscriber = $1) ORDER BY d.subscriber, d.position LIMIT $2",
        name,
        limit,
    )
    return [_parked(row) for row in rows]


async def parked_event(tx: UntenantedTx, *, name: str, position: int) -> Parked | None:
    """Return one parked event."""
    row = await tx.fetchrow(f"{_PARKED} AND d.subscriber = $1 AND d.position = $2", name, position)
    return None if row is None else _parked(row)


def _parked(row: asyncpg.Record) -> Parked:
    return Parked(
        row["subscriber"],
        row["position"],
        TenantId(row["tenant_id"]),
        EventId(row["event_id"]),
        row["type"],
        row["subject"],
        row["attempts"],
        row["error"],
        row["set_aside_at"],
        row["behind"],
    )


async def retry_parked(tx: UntenantedTx, *, name: str, position: int | None, now: datetime) -> int:
    """Give parked events their attempts back; return how many."""
    tag = await tx.execute(
        """UPDATE base.delivery SET state = 'waiting', attempts = 0, next_attempt_at = $3
        WHERE subscriber = $1 AND state = 'parked' AND ($2::bigint IS NULL OR position = $2)""",
        name,
        position,
        now,
    )
    return int(tag.rpartition(" ")[2])


async def discard_parked(tx: UntenantedTx, *, name: str, position: int) -> bool:
    """Drop one parked event for this subscriber; those behind it go on."""
    tag = await tx.execute(
        "DELETE FROM base.delivery WHERE subscriber = $1 AND state = 'parked' AND position = $2",
        name,
        position,
    )
    return tag == "DELETE 1"


async def rewind(tx: UntenantedTx, *, name: str, position: int, now: datetime) -> bool:
    """Set the subscriber's position and fence out the process that serves it; return False if it is unknown."""
    tag = await tx.execute(
        """UPDATE base.subscription SET position = $2, epoch = epoch + 1, owner = NULL, lease_until = $3,
            updated_at = $3 WHERE name = $1""",
        name,
        position,
        now,
    )
    await tx.execute("DELETE FROM base.delivery WHERE subscriber = $1 AND position > $2", name, position)
    return tag == "UPDATE 1"


async def forget(tx: UntenantedTx, *, name: str) -> bool:
    """Remove a subscriber and what it set aside."""
    return await tx.execute("DELETE FROM base.subscription WHERE name = $1", name) == "DELETE 1"


async def oldest_kept(tx: UntenantedTx) -> int | None:
    """Return the position of the oldest event that is still kept."""
    value: int | None = await tx.fetchval("SELECT min(position) FROM base.outbox")
    return value


async def purge(tx: UntenantedTx, *, before: datetime, limit: int) -> int:
    """Delete old events that every subscriber has passed and none has set aside; return how many."""
    tag = await tx.execute(
        """DELETE FROM base.outbox WHERE (tenant_id, position) IN (
            SELECT o.tenant_id, o.position FROM base.outbox o
            WHERE o.recorded_at < $1
              AND o.position <= coalesce((SELECT min(position) FROM base.subscription), o.position)
              AND NOT EXISTS (SELECT FROM base.delivery d
                  WHERE d.tenant_id = o.tenant_id AND d.position = o.position)
            ORDER BY o.position LIMIT $2)""",
        before,
        limit,
    )
    return int(tag.rpartition(" ")[2])


async def purged(tx: UntenantedTx, before: datetime) -> None:
    """Write down up to which time of recording events may be gone."""
    await tx.execute(
        "INSERT INTO base.outbox_purge (before) VALUES ($1)"
        " ON CONFLICT (only_row) DO UPDATE SET before = greatest(base.outbox_purge.before, excluded.before)",
        before,
    )
