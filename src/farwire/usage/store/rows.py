"""Rows, suspense, sessions and their fragments; and new usage records."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

import msgspec

from farwire.base.storage import Tx
from farwire.kernel.ids import ImportId, SubscriberKey, UsageId
from farwire.usage.model import AssemblyRule, Fragment, RowOutcome, Usage


class NewRow(msgspec.Struct, frozen=True, gc=False):
    """A row that came in once, and where it is."""

    identity: bytes
    import_id: ImportId
    row_number: int
    outcome: RowOutcome
    reason: str


class Suspension(msgspec.Struct, frozen=True, gc=False):
    """What is kept of a row that nobody understands yet."""

    identity: bytes
    field: str
    value: str
    raw: bytes
    attempts: int


class OpenSession(msgspec.Struct, frozen=True):
    """A session as stored. ``usage_id`` is None while it waits."""

    session_key: bytes
    rule: AssemblyRule
    usage_id: UsageId | None


class Part(msgspec.Struct, frozen=True, gc=False):
    """A fragment of a session with the place of its row. Its ``caller`` is a pseudonymous key as text."""

    fragment: Fragment
    import_id: ImportId
    row_number: int
    outcome: RowOutcome | None
    """None while the row is new."""
    reason: str


_RULE = msgspec.json.Decoder(AssemblyRule)
_FRAGMENT = msgspec.json.Decoder(Fragment)


async def known_rows(tx: Tx, identities: Sequence[bytes]) -> set[bytes]:
    """Return those of the identities that came in before."""
    rows = await tx.fetch(
        """SELECT r.identity FROM unnest($2::bytea[]) AS k (identity) CROSS JOIN LATERAL
            (SELECT identity FROM usage.row WHERE tenant_id = $1 AND identity = k.identity LIMIT 1) AS r""",
        tx.tenant_id,
        identities,
    )
    return {row["identity"] for row in rows}


async def add_rows(tx: Tx, rows: Sequence[NewRow]) -> None:
    """Add rows that are not known, in the order of their keys."""
    rows = sorted(rows, key=lambda row: row.identity)
    await tx.execute(
        """INSERT INTO usage.row (tenant_id, identity, import_id, row_number, outcome, reason)
        SELECT $1, * FROM unnest($2::bytea[], $3::uuid[], $4::bigint[], $5::text[], $6::text[])""",
        tx.tenant_id,
        [row.identity for row in rows],
        [row.import_id for row in rows],
        [row.row_number for row in rows],
        [row.outcome.value for row in rows],
        [row.reason for row in rows],
    )


async def move_rows(tx: Tx, moves: Sequence[tuple[bytes, RowOutcome, str]]) -> None:
    """Put known rows into another outcome."""
    await tx.execute(
        """UPDATE usage.row AS r SET outcome = m.outcome, reason = m.reason
        FROM unnest($2::bytea[], $3::text[], $4::text[]) AS m (identity, outcome, reason)
        WHERE r.tenant_id = $1 AND r.identity = m.identity""",
        tx.tenant_id,
        [identity for identity, _, _ in moves],
        [outcome.value for _, outcome, _ in moves],
        [reason for _, _, reason in moves],
    )


async def add_duplicate_rows(tx: Tx, rows: Sequence[tuple[ImportId, int, bytes]]) -> None:
    """Note rows that came in again."""
    await tx.execute(
        """INSERT INTO usage.duplicate_row (tenant_id, import_id, row_number, identity)
        SELECT $1, * FROM unnest($2::uuid[], $3::bigint[], $4::bytea[])""",
        tx.tenant_id,
        [import_id for import_id, _, _ in rows],
        [number for _, number, _ in rows],
        [identity for _, _, identity in rows],
    )


async def add_suspensions(tx: Tx, rows: Sequence[Suspension], at: datetime) -> None:
    """Keep what suspended rows held."""
    await tx.execute(
        """INSERT INTO usage.suspended_row (tenant_id, identity, field, value, raw, attempts, suspended_at)
        SELECT $1, *, $7 FROM unnest($2::bytea[], $3::text[], $4::text[], $5::bytea[], $6::integer[])""",
        tx.tenant_id,
        [row.identity for row in rows],
        [row.field for row in rows],
        [row.value for row in rows],
        [row.raw for row in rows],
        [row.attempts for row in rows],
        at,
    )


async def open_sessions(tx: Tx, keys: Sequence[bytes], rule: AssemblyRule) -> dict[bytes, OpenSession]:
    """Return the sessions of ``keys``; those that are new are opened under ``rule``."""
    await tx.execute(
        """INSERT INTO usage.session (tenant_id, session_key, rule)
        SELECT $1, key, $3 FROM unnest($2::bytea[]) AS key ON CONFLICT DO NOTHING""",
        tx.tenant_id,
        keys,
        msgspec.json.encode(rule).decode(),
    )
    return await load_sessions(tx, keys)


async def load_sessions(tx: Tx, keys: Sequence[bytes]) -> dict[bytes, OpenSession]:
    """Return the sessions of ``keys`` that exist."""
    rows = await tx.fetch(
        "SELECT session_key, rule, usage_id FROM usage.session WHERE tenant_id = $1 AND session_key = ANY($2::bytea[])",
        tx.tenant_id,
        keys,
    )
    return {
        row["session_key"]: OpenSession(
            row["session_key"],
            _RULE.decode(row["rule"]),
            None if row["usage_id"] is None else UsageId(row["usage_id"]),
        )
        for row in rows
    }


async def load_parts(tx: Tx, keys: Sequence[bytes]) -> list[Part]:
    """Return the fragments of the sessions, with the places of their rows."""
    rows = await tx.fetch(
        """SELECT f.body, r.import_id, r.row_number, r.outcome, r.reason FROM usage.fragment AS f
        JOIN usage.row AS r USING (tenant_id, identity)
        WHERE f.tenant_id = $1 AND f.session_key = ANY($2::bytea[])""",
        tx.tenant_id,
        keys,
    )
    return [
        Part(
            _FRAGMENT.decode(row["body"]),
            ImportId(row["import_id"]),
            row["row_number"],
            RowOutcome(row["outcome"]),
            row["reason"],
        )
        for row in rows
    ]


async def add_fragments(tx: Tx, fragments: Sequence[Fragment]) -> None:
    """Keep the fragments of sessions. Their rows are there already."""
    await tx.execute(
        """INSERT INTO usage.fragment (tenant_id, session_key, identity, body)
        SELECT $1, * FROM unnest($2::bytea[], $3::bytea[], $4::text[])""",
        tx.tenant_id,
        [fragment.usage for fragment in fragments],
        [fragment.identity for fragment in fragments],
        [msgspec.json.encode(fragment).decode() for fragment in fragments],
    )


async def save_sessions(tx: Tx, sessions: Sequence[tuple[bytes, UsageId | None, datetime | None]]) -> None:
    """Set the usage of closed sessions and the time at which waiting ones close by themselves."""
    await tx.execute(
        """UPDATE usage.session AS s SET usage_id = n.usage_id, close_at = n.close_at
        FROM unnest($2::bytea[], $3::uuid[], $4::timestamptz[]) AS n (session_key, usage_id, close_at)
        WHERE s.tenant_id = $1 AND s.session_key = n.session_key""",
        tx.tenant_id,
        [key for key, _, _ in sessions],
        [usage_id for _, usage_id, _ in sessions],
        [close_at for _, _, close_at in sessions],
    )


async def sessions_to_close(tx: Tx, at: datetime, limit: int) -> list[bytes]:
    """Return the keys of sessions whose time to close without an end has come, the oldest first."""
    rows = await tx.fetch(
        """SELECT session_key FROM usage.session WHERE tenant_id = $1 AND close_at <= $2
        ORDER BY close_at, session_key LIMIT $3""",
        tx.tenant_id,
        at,
        limit,
    )
    return [row["session_key"] for row in rows]


async def known_usages(tx: Tx, ids: Sequence[UsageId]) -> set[UUID]:
    """Return those of the usages that are known."""
    rows = await tx.fetch(
        """SELECT r.usage_id FROM unnest($2::uuid[]) AS k (usage_id) CROSS JOIN LATERAL
            (SELECT usage_id FROM usage.record WHERE tenant_id = $1 AND usage_id = k.usage_id LIMIT 1) AS r""",
        tx.tenant_id,
        ids,
    )
    return {row["usage_id"] for row in rows}


async def add_usages(tx: Tx, usages: Sequence[tuple[Usage, ImportId, SubscriberKey]], at: datetime) -> None:
    """Add usages that are not known, as received, and queue them for the rate run."""
    found = [usage for usage, _, _ in usages]
    await tx.execute(
        """WITH added AS (
            INSERT INTO usage.record (tenant_id, state, changed_at, usage_id, import_id, subscriber_key, kind,
                started_at, quantity, destination, direction, visited_network, rating_group, external_charge_nano,
                external_currency)
            SELECT $1, 'received', $2, * FROM unnest($3::uuid[], $4::uuid[], $5::uuid[], $6::text[],
                $7::timestamptz[], $8::bigint[], $9::text[], $10::text[], $11::text[], $12::bigint[], $13::bigint[],
                $14::text[])
            RETURNING subscriber_key, started_at, usage_id, import_id, quantity)
        INSERT INTO usage.waiting (tenant_id, subscriber_key, started_at, usage_id, import_id, quantity)
        SELECT $1, * FROM added""",
        tx.tenant_id,
        at,
        [usage.usage_id for usage in found],
        [import_id for _, import_id, _ in usages],
        [key for _, _, key in usages],
        [usage.kind for usage in found],
        [usage.started_at for usage in found],
        [usage.quantity for usage in found],
        [usage.called for usage in found],
        [usage.direction for usage in found],
        [usage.visited_network for usage in found],
        [usage.rating_group for usage in found],
        [usage.charge_nano for usage in found],
        [usage.charge_currency for usage in found],
    )


async def add_duplicate_usages(tx: Tx, usages: Sequence[tuple[ImportId, int, UsageId]]) -> None:
    """Note usages that are known already under another row."""
    await tx.execute(
        """INSERT INTO usage.duplicate_usage (tenant_id, import_id, row_number, usage_id)
        SELECT $1, * FROM unnest($2::uuid[], $3::bigint[], $4::uuid[])""",
        tx.tenant_id,
        [import_id for import_id, _, _ in usages],
        [number for _, number, _ in usages],
        [usage_id for _, _, usage_id in usages],
    )
