"""SQL of listeners."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from farwire.base.storage import Tx
from farwire.base.tmf.descriptor import Version

_COLUMNS: Final = "id, api, version, callback, query, secret"


@dataclass(frozen=True, slots=True)
class Hub:
    """One listener. ``secret`` signs what is sent to it."""

    id: UUID
    api: str
    version: Version
    callback: str
    query: str
    secret: str = field(repr=False)


async def insert(tx: Tx, made: Hub, now: datetime) -> None:
    """Keep a new listener."""
    await tx.execute(
        f"INSERT INTO base.tmf_hub (tenant_id, created_at, {_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
        *(tx.tenant_id, now, made.id, made.api, made.version.value, made.callback, made.query, made.secret),
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
        f"SELECT {_COLUMNS} FROM base.tmf_hub WHERE tenant_id = $1 AND api = $2 ORDER BY created_at, id LIMIT 1000",
        *(tx.tenant_id, api),
    )
    return [_from_row(row) for row in rows]


async def by_id(tx: Tx, key: str) -> Hub | None:
    """Return one listener."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM base.tmf_hub WHERE tenant_id = $1 AND id::text = $2", tx.tenant_id, key
    )
    return None if row is None else _from_row(row)


def _from_row(row: asyncpg.Record) -> Hub:
    return Hub(row["id"], row["api"], Version(row["version"]), row["callback"], row["query"], row["secret"])
