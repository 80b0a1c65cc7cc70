"""SQL of live sessions and wishes. Times are the database's."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from farwire.base.storage import Tx
from farwire.gateway.sessions.model import OPPOSITES, TRIES_MOST, LiveSession, Protocol, Reason, Wish

if TYPE_CHECKING:
    from asyncpg import Record


async def save(tx: Tx, sessions: Sequence[LiveSession]) -> None:
    """Insert sessions, or write where they are now, and that they were seen."""
    await tx.execute(
        "INSERT INTO gateway.session AS known (tenant_id, protocol, session, account, peer, address) "
        "SELECT $1, p, s, a, e, d::jsonb FROM "
        "unnest($2::text[], $3::text[], $4::bigint[], $5::text[], $6::text[]) AS new (p, s, a, e, d) ORDER BY p, s "
        "ON CONFLICT (tenant_id, protocol, session) DO UPDATE SET account = excluded.account, "
        "peer = excluded.peer, address = excluded.address, seen_at = now()",
        *(tx.tenant_id, [one.protocol.value for one in sessions], [one.session for one in sessions]),
        *([one.account for one in sessions], [one.peer for one in sessions]),
        [json.dumps(dict(one.address)) for one in sessions],
    )


async def get(tx: Tx, protocol: Protocol, session: str) -> LiveSession | None:
    """Return a live session, or None."""
    row = await tx.fetchrow(
        "SELECT account, peer, address::text AS address FROM gateway.session "
        "WHERE tenant_id = $1 AND protocol = $2 AND session = $3",
        *(tx.tenant_id, protocol.value, session),
    )
    if row is None:
        return None
    address = json.loads(row["address"])
    return LiveSession(tx.tenant_id, protocol, session, row["account"], row["peer"], address)


async def remove(tx: Tx, keys: Sequence[tuple[Protocol, str]]) -> int:
    """Delete sessions that have ended, with their wishes; return how many there were."""
    tag = await tx.execute(
        "DELETE FROM gateway.session WHERE tenant_id = $1 "
        "AND (protocol, session) IN (SELECT * FROM unnest($2::text[], $3::text[]))",
        *(tx.tenant_id, [protocol.value for protocol, _ in keys], [session for _, session in keys]),
    )
    return int(tag.rpartition(" ")[2])


async def want(tx: Tx, account: int, reason: Reason) -> int:
    """Write a wish for each live session of the account, anew where there is one; return how many there are."""
    opposite = OPPOSITES.get(reason)
    if opposite is not None:
        await tx.execute(
            "DELETE FROM gateway.wish AS w USING gateway.session AS s WHERE w.tenant_id = $1 "
            "AND (s.tenant_id, s.protocol, s.session) = (w.tenant_id, w.protocol, w.session) "
            "AND s.account = $2 AND w.reason = $3",
            *(tx.tenant_id, account, opposite.value),
        )
    tag = await tx.execute(
        "INSERT INTO gateway.wish (tenant_id, protocol, session, reason) "
        "SELECT tenant_id, protocol, session, $3 FROM gateway.session WHERE tenant_id = $1 AND account = $2 "
        "ORDER BY protocol, session FOR KEY SHARE "
        "ON CONFLICT (tenant_id, protocol, session, reason) DO UPDATE SET wanted_at = excluded.wanted_at, "
        "due_at = excluded.due_at, tries = 0",
        *(tx.tenant_id, account, reason.value),
    )
    return int(tag.rpartition(" ")[2])


async def claim(
    tx: Tx,
    protocol: Protocol,
    peers: Collection[str] | None,
    but: Collection[str],
    *,
    strangers_after: timedelta,
    lease: timedelta,
    limit: int,
) -> list[Wish]:
    """Return wishes that are due, the oldest first, and let nobody else have them before the lease ends.

    ``peers``: only of sessions that came by one of these, and after ``strangers_after`` of all; ``but``: never.
    """
    # Materialized: a join that reads it twice would find further rows, beyond the limit.
    rows = await tx.fetch(
        "WITH found AS MATERIALIZED (SELECT w.session, w.reason, s.account, s.peer, s.address::text AS address "
        "FROM gateway.wish AS w JOIN gateway.session AS s USING (tenant_id, protocol, session) "
        "WHERE w.tenant_id = $1 AND w.protocol = $2 AND w.due_at <= now() AND w.tries < $3 "
        "AND ($4::text[] IS NULL OR s.peer = ANY($4) OR w.wanted_at < now() - $5::interval) "
        "AND s.peer <> ALL($8::text[]) ORDER BY w.wanted_at LIMIT $7 FOR UPDATE OF w SKIP LOCKED) "
        "UPDATE gateway.wish AS w SET due_at = now() + $6::interval, tries = w.tries + 1 FROM found "
        "WHERE w.tenant_id = $1 AND w.protocol = $2 AND w.session = found.session AND w.reason = found.reason "
        "RETURNING w.session, w.reason, w.tries, w.wanted_at, found.account, found.peer, found.address",
        *(tx.tenant_id, protocol.value, TRIES_MOST, None if peers is None else sorted(peers)),
        *(strangers_after, lease, limit, sorted(but)),
    )
    return sorted((_wish(tx, protocol, row) for row in rows), key=lambda one: one.wanted_at)


def _wish(tx: Tx, protocol: Protocol, row: Record) -> Wish:
    session = LiveSession(
        tx.tenant_id, protocol, row["session"], row["account"], row["peer"], json.loads(row["address"])
    )
    return Wish(session, Reason(row["reason"]), row["tries"], row["wanted_at"])


async def forget(tx: Tx, wish: Wish) -> None:
    """Delete a wish, unless it has been wanted again meanwhile."""
    await tx.execute(
        "DELETE FROM gateway.wish WHERE tenant_id = $1 AND protocol = $2 AND session = $3 AND reason = $4 "
        "AND wanted_at = $5",
        *(tx.tenant_id, wish.session.protocol.value, wish.session.session, wish.reason.value, wish.wanted_at),
    )


async def postpone(tx: Tx, wish: Wish, rest: timedelta) -> None:
    """Let a wish be claimed again after a rest, unless it has been wanted again meanwhile."""
    await tx.execute(
        "UPDATE gateway.wish SET due_at = now() + $6::interval WHERE tenant_id = $1 AND protocol = $2 AND session = $3 "
        "AND reason = $4 AND wanted_at = $5",
        *(tx.tenant_id, wish.session.protocol.value, wish.session.session, wish.reason.value, wish.wanted_at),
        rest,
    )


async def purge(tx: Tx, *, unseen_for: timedelta, limit: int) -> int:
    """Delete sessions that were not seen for so long, up to ``limit``, with their wishes; return how many."""
    tag = await tx.execute(
        "DELETE FROM gateway.session WHERE tenant_id = $1 AND (protocol, session) IN ("
        "SELECT protocol, session FROM gateway.session WHERE tenant_id = $1 AND seen_at < now() - $2::interval "
        "ORDER BY seen_at LIMIT $3)",
        *(tx.tenant_id, unseen_for, limit),
    )
    return int(tag.rpartition(" ")[2])


async def drop_wishes(tx: Tx, *, older_than: timedelta) -> int:
    """Delete wishes that nobody has settled for so long: their tries are used up; return how many."""
    tag = await tx.execute(
        "DELETE FROM gateway.wish WHERE tenant_id = $1 AND wanted_at < now() - $2::interval",
        *(tx.tenant_id, older_than),
    )
    return int(tag.rpartition(" ")[2])
