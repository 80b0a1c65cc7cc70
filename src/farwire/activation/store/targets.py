"""SQL of what was applied to the network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from farwire.activation.model import Action, Operation, Target, TargetId
from farwire.activation.store.elements import element_of
from farwire.base.storage import Tx

if TYPE_CHECKING:
    from asyncpg import Record

    from farwire.activation.adapters import Element

_TARGETS: Final = (
    "SELECT target_id, adapter, name, attributes, changed_at FROM activation.target WHERE tenant_id = $1"
)


def _target(row: Record) -> Target:
    return Target(
        TargetId(row["target_id"]),
        row["adapter"],
        row["name"],
        json.loads(row["attributes"]),
        row["changed_at"],
    )


async def applied(
    tx: Tx, key: str, adapter: str
) -> tuple[tuple[str, Action, datetime] | None, Element | None]:
    """Return (adapter, action, when) of the operation with the key, if it was applied, and what the adapter is.

    One statement for both: every operation asks.
    """
    row = await tx.fetchrow(
        "SELECT o.adapter AS applied_by, o.action, o.applied_at, e.name, e.adapter, e.address, e.credentials, "
        "e.settings, e.timeout_ms FROM (SELECT $1::uuid AS tenant_id) AS t "
        "LEFT JOIN activation.operation AS o ON o.tenant_id = t.tenant_id AND o.key = $2 "
        "LEFT JOIN activation.element AS e ON e.tenant_id = t.tenant_id AND e.name = $3",
        *(tx.tenant_id, key, adapter),
    )
    if row is None:
        return None, None
    done = (row["applied_by"], Action(row["action"]), row["applied_at"]) if row["action"] else None
    return done, None if row["name"] is None else element_of(tx, row)


async def add_operation(
    tx: Tx, adapter: str, operation: Operation, target_id: TargetId, now: datetime
) -> None:
    """Write down that the operation was applied. Violates ``operation_key`` where another was at the same time."""
    await tx.execute(
        "INSERT INTO activation.operation (tenant_id, key, adapter, action, target_id, applied_at) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        *(tx.tenant_id, operation.key, adapter, operation.action, target_id, now),
    )


async def locked_target(tx: Tx, adapter: str, name: str) -> Target | None:
    """Return the target as nobody else can change it before the transaction ends."""
    row = await tx.fetchrow(
        f"{_TARGETS} AND adapter = $2 AND name = $3 FOR UPDATE", *(tx.tenant_id, adapter, name)
    )
    return None if row is None else _target(row)


async def save_target(
    tx: Tx, target_id: TargetId, adapter: str, name: str, attributes: Mapping[str, str], now: datetime
) -> None:
    """Insert or update the target. Violates ``target_name`` where another was added at the same time."""
    await tx.execute(
        "INSERT INTO activation.target (tenant_id, target_id, adapter, name, attributes, changed_at) "
        "VALUES ($1, $2, $3, $4, $5::jsonb, $6) ON CONFLICT (tenant_id, target_id) "
        "DO UPDATE SET attributes = excluded.attributes, changed_at = excluded.changed_at",
        *(tx.tenant_id, target_id, adapter, name, json.dumps(dict(attributes)), now),
    )


async def delete_target(tx: Tx, target_id: TargetId) -> None:
    """Forget the target."""
    await tx.execute(
        "DELETE FROM activation.target WHERE tenant_id = $1 AND target_id = $2", tx.tenant_id, target_id
    )


async def target_named(tx: Tx, adapter: str, name: str) -> Target | None:
    """Return the target."""
    row = await tx.fetchrow(f"{_TARGETS} AND adapter = $2 AND name = $3", *(tx.tenant_id, adapter, name))
    return None if row is None else _target(row)


async def targets_after(tx: Tx, adapter: str, after: TargetId, limit: int) -> list[Target]:
    """Return up to ``limit`` targets of the adapter by id, from behind ``after``."""
    rows = await tx.fetch(
        f"{_TARGETS} AND adapter = $2 AND target_id > $3 ORDER BY target_id LIMIT $4",
        *(tx.tenant_id, adapter, after, limit),
    )
    return [_target(row) for row in rows]


async def lock_free(tx: Tx, ids: Sequence[TargetId]) -> list[Target]:
    """Return those of the targets that nobody else is changing, as nobody can before the transaction ends."""
    rows = await tx.fetch(
        f"{_TARGETS} AND target_id = ANY($2::uuid[]) ORDER BY target_id FOR UPDATE SKIP LOCKED",
        *(tx.tenant_id, list(ids)),
    )
    return [_target(row) for row in rows]


async def has_targets(tx: Tx, adapter: str) -> bool:
    """Return whether something is applied there."""
    found: bool = await tx.fetchval(
        "SELECT EXISTS (SELECT FROM activation.target WHERE tenant_id = $1 AND adapter = $2)",
        *(tx.tenant_id, adapter),
    )
    return found


async def known_names(tx: Tx, adapter: str, names: Sequence[str]) -> set[str]:
    """Return those of the names to which something was applied."""
    rows = await tx.fetch(
        "SELECT name FROM activation.target WHERE tenant_id = $1 AND adapter = $2 AND name = ANY($3::text[])",
        *(tx.tenant_id, adapter, list(names)),
    )
    return {row["name"] for row in rows}
