"""SQL of the simulated network and of the faults planted in it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from farwire.activation.model import FaultKind
from farwire.base.storage import Tx

if TYPE_CHECKING:
    from asyncpg import Record


async def read(tx: Tx, adapter: str, name: str) -> dict[str, str] | None:
    """Return what the simulated element knows about the target."""
    found = await tx.fetchval(
        "SELECT attributes FROM activation.simulated WHERE tenant_id = $1 AND adapter = $2 AND name = $3",
        *(tx.tenant_id, adapter, name),
    )
    return None if found is None else dict(json.loads(found))


async def read_many(tx: Tx, adapter: str, names: Sequence[str]) -> list[tuple[str, dict[str, str]]]:
    """Return what the simulated element knows about those of the targets that it has."""
    rows = await tx.fetch(
        "SELECT name, attributes FROM activation.simulated "
        "WHERE tenant_id = $1 AND adapter = $2 AND name = ANY($3::text[])",
        *(tx.tenant_id, adapter, list(names)),
    )
    return [(row["name"], json.loads(row["attributes"])) for row in rows]


async def write(
    tx: Tx, adapter: str, name: str, attributes: Mapping[str, str] | None, alone: str | None
) -> None:
    """Let the simulated element know this about the target, or nothing; ``alone`` is what no other one may have."""
    if attributes is None:
        await tx.execute(
            "DELETE FROM activation.simulated WHERE tenant_id = $1 AND adapter = $2 AND name = $3",
            *(tx.tenant_id, adapter, name),
        )
        return
    await tx.execute(
        "INSERT INTO activation.simulated (tenant_id, adapter, name, attributes, alone) "
        "VALUES ($1, $2, $3, $4::jsonb, $5) ON CONFLICT (tenant_id, adapter, name) "
        "DO UPDATE SET attributes = excluded.attributes, alone = excluded.alone",
        *(tx.tenant_id, adapter, name, json.dumps(dict(attributes)), alone),
    )


async def holder(tx: Tx, adapter: str, alone: str) -> str | None:
    """Return the target that has what only one may have in the simulated element."""
    found: str | None = await tx.fetchval(
        "SELECT name FROM activation.simulated WHERE tenant_id = $1 AND adapter = $2 AND alone = $3 LIMIT 1",
        *(tx.tenant_id, adapter, alone),
    )
    return found


async def names_after(tx: Tx, adapter: str, after: str, limit: int) -> list[str]:
    """Return up to ``limit`` targets that the simulated element knows, by name, from behind ``after``."""
    rows = await tx.fetch(
        "SELECT name FROM activation.simulated WHERE tenant_id = $1 AND adapter = $2 AND name > $3 "
        "ORDER BY name LIMIT $4",
        *(tx.tenant_id, adapter, after, limit),
    )
    return [row["name"] for row in rows]


async def plant(tx: Tx, adapter: str, kind: FaultKind, count: int, delay_ms: int) -> None:
    """Let the next ``count`` attempts from now on meet the fault; it replaces the adapter's last one."""
    await tx.execute(
        "INSERT INTO activation.fault (tenant_id, adapter, kind, count, after, delay_ms) "
        "VALUES ($1, $2, $3, $4, nextval('activation.attempt'), $5) ON CONFLICT (tenant_id, adapter) DO UPDATE "
        "SET kind = excluded.kind, count = excluded.count, after = excluded.after, delay_ms = excluded.delay_ms",
        *(tx.tenant_id, adapter, kind, count, delay_ms),
    )


async def fault_of_attempt(tx: Tx, adapter: str) -> Record | None:
    """Count an attempt if the adapter has a fault; return the fault (kind, delay_ms) that it meets, if any."""
    row = await tx.fetchrow(
        "SELECT kind, delay_ms, nextval('activation.attempt') - after <= count AS met "
        "FROM activation.fault WHERE tenant_id = $1 AND adapter = $2",
        *(tx.tenant_id, adapter),
    )
    return row if row is not None and row["met"] else None


async def silent_at_attempt(tx: Tx, adapter: str) -> bool:
    """Return whether a question meets the fault that the adapter is silent; it counts as an attempt then."""
    found: bool | None = await tx.fetchval(
        "SELECT nextval('activation.attempt') - after <= count FROM activation.fault "
        "WHERE tenant_id = $1 AND adapter = $2 AND kind = 'silent'",
        *(tx.tenant_id, adapter),
    )
    return bool(found)
