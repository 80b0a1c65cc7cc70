"""SQL of the network elements that a tenant has named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from farwire.activation.adapters import Element
from farwire.base.storage import Tx

if TYPE_CHECKING:
    from datetime import datetime

    from asyncpg import Record

_ELEMENTS: Final = (
    "SELECT name, adapter, address, credentials, settings, timeout_ms "
    "FROM activation.element WHERE tenant_id = $1"
)


def element_of(tx: Tx, row: Record) -> Element:
    """Return the element of a row with its columns."""
    return Element(
        tx.tenant_id,
        row["name"],
        row["adapter"],
        row["address"],
        row["credentials"],
        json.loads(row["settings"]),
        row["timeout_ms"] / 1_000,
    )


async def element(tx: Tx, name: str) -> Element | None:
    """Return the element of that name."""
    row = await tx.fetchrow(f"{_ELEMENTS} AND name = $2", tx.tenant_id, name)
    return None if row is None else element_of(tx, row)


async def elements(tx: Tx) -> list[Element]:
    """Return all elements by name; there are at most ``MAX_ELEMENTS``."""
    return [element_of(tx, row) for row in await tx.fetch(f"{_ELEMENTS} ORDER BY name", tx.tenant_id)]


async def save_element(tx: Tx, one: Element, now: datetime) -> None:
    """Insert or replace the element."""
    await tx.execute(
        "INSERT INTO activation.element (tenant_id, name, adapter, address, credentials, settings, timeout_ms, "
        "changed_at) VALUES ($1, $2, $3, $4, $5, $6::jsonb, $7, $8) ON CONFLICT (tenant_id, name) DO UPDATE "
        "SET adapter = excluded.adapter, address = excluded.address, credentials = excluded.credentials, "
        "settings = excluded.settings, timeout_ms = excluded.timeout_ms, changed_at = excluded.changed_at",
        *(tx.tenant_id, one.name, one.adapter, one.address, one.credentials),
        *(json.dumps(dict(one.settings)), round(one.timeout_s * 1_000), now),
    )


async def delete_element(tx: Tx, name: str) -> bool:
    """Forget the element; return whether there was one."""
    done = await tx.execute(
        "DELETE FROM activation.element WHERE tenant_id = $1 AND name = $2", tx.tenant_id, name
    )
    return done != "DELETE 0"
