"""SQL of what was applied to the network."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from farwire.activation.model import Action, Operation, Target, TargetId
from farwire.base.storage import Tx

if TYPE_CHECKING:
    from asyncpg import Record

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


async def applied(tx: Tx, key: str) -> tuple[str, Action, datetime] | None:
    """Return (adapter, action, when) of the operation with the key, if it was applied."""
    row = await tx.fetchrow(
        "SELECT adapter, action, applied_at FROM activation.operation WHERE tenant_id = $1 AND key = $2",
        *(tx.tenant_id, key),
    )
    return None if row is None else (row["adapter"], Action(row["action"]), row["applied_at"])


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


async def targets_after(tx: Tx, after: TargetId, limit: int) -> list[Target]:
    """Return up to ``limit`` targets by id, from behind ``after``."""
    rows = await tx.fetch(
        f"{_TARGETS} AND target_id > $2 ORDER BY target_id LIMIT $3", *(tx.tenant_id, after, limit)
    )
    return [_target(row) for row in rows]


async def known_names(tx: Tx, adapter: str, names: Sequence[str]) -> set[str]:
    """Return those of the names to which something was applied."""
    rows = await tx.fetch(
        "SELECT name FROM activation.target WHERE tenant_id = $1 AND adapter = $2 AND name = ANY($3::text[])",
        *(tx.tenant_id, adapter, list(names)),
    )
    return {row["name"] for row in rows}
