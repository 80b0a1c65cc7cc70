"""SQL of the audit log. Rows are appended and read; the role has no other grant."""

from __future__ import annotations

import json
from collections.abc import Sequence

import asyncpg

from farwire.base.audit.model import EMPTY, Act, Entry, Head
from farwire.base.canonical import canonical
from farwire.base.storage import Tx
from farwire.kernel.ids import TenantId
from farwire.kernel.tenancy import Actor, ActorKind

_LOCK_CLASS = 0x41554454  # "AUDT": the first half of the advisory lock's key
_COLUMNS = "tenant_id, sequence, at, actor_kind, actor_id, action, subject, detail::text AS detail, previous_hash, hash"


async def lock_head(tx: Tx) -> Head:
    """Return the last entry's head, locked until the transaction ends, so that the next one can follow it.

    Two tenants whose ids hash alike wait for each other needlessly; nothing else.
    """
    await tx.execute("SELECT pg_advisory_xact_lock($1, hashtext($2::text))", _LOCK_CLASS, str(tx.tenant_id))
    return await load_head(tx)


async def load_head(tx: Tx) -> Head:
    """Return the head of the tenant's chain as far as it is committed."""
    row = await tx.fetchrow(
        "SELECT sequence, hash FROM base.audit_entry WHERE tenant_id = $1 ORDER BY sequence DESC LIMIT 1",
        tx.tenant_id,
    )
    return EMPTY if row is None else Head(row["sequence"], row["hash"])


async def save_entry(tx: Tx, entry: Entry) -> None:
    """Append ``entry``."""
    await tx.execute(
        """INSERT INTO base.audit_entry
            (tenant_id, sequence, at, actor_kind, actor_id, action, subject, detail, previous_hash, hash)
        VALUES ($1, $2, $3, $4, $5, $6, $7, $8::text::jsonb, $9, $10)""",
        tx.tenant_id,
        entry.sequence,
        entry.act.at,
        entry.act.actor.kind.value,
        entry.act.actor.id,
        entry.act.action,
        entry.act.subject,
        canonical(entry.act.detail).decode(),
        entry.previous_hash,
        entry.hash,
    )


async def load_entries(tx: Tx, *, after: int, limit: int) -> list[Entry]:
    """Return entries after a number, oldest first."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM base.audit_entry WHERE tenant_id = $1 AND sequence > $2 ORDER BY sequence LIMIT $3",
        tx.tenant_id,
        after,
        limit,
    )
    return _entries(rows)


async def load_latest(tx: Tx, *, limit: int, action_prefix: str, subject: str | None) -> list[Entry]:
    """Return the last entries, newest first."""
    rows = await tx.fetch(
        f"""SELECT {_COLUMNS} FROM base.audit_entry
        WHERE tenant_id = $1 AND starts_with(action, $2) AND ($3::text IS NULL OR subject = $3)
        ORDER BY sequence DESC LIMIT $4""",
        tx.tenant_id,
        action_prefix,
        subject,
        limit,
    )
    return _entries(rows)


def _entries(rows: Sequence[asyncpg.Record]) -> list[Entry]:
    return [
        Entry(
            TenantId(row["tenant_id"]),
            row["sequence"],
            Act(
                _actor(row["actor_kind"], row["actor_id"]),
                row["action"],
                row["subject"],
                row["at"],
                json.loads(row["detail"]),
            ),
            row["previous_hash"],
            row["hash"],
        )
        for row in rows
    ]


def _actor(kind: str, identifier: str) -> Actor:
    """Return the actor of a row. A kind that is not ours must not stop the verification, nor pass it."""
    if kind in set(ActorKind):
        return Actor(ActorKind(kind), identifier)
    return Actor(ActorKind.SYSTEM, f"unknown kind {kind}: {identifier}")
