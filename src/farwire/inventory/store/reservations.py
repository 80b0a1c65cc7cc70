"""SQL of reservations: who takes which resources of a pool, at once and only once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Final

from farwire.base.storage import Tx
from farwire.inventory.model import Pool, Resource, number_of
from farwire.inventory.store.resources import resource_of
from farwire.kernel.ids import ResourceId

TAKEN: Final = (
    "RETURNING r.resource_id, r.pool_id, r.kind, r.value, r.attributes, r.state, r.reservation_key, r.until, "
    "r.product_id, r.service_id"
)
_TAKE: Final = (
    "WITH found AS MATERIALIZED (SELECT resource_id FROM inventory.resource "
    "WHERE tenant_id = $1 AND pool_id = $2 AND state = 'available' {among} ORDER BY number, value LIMIT $5 "
    "FOR NO KEY UPDATE {wait}) "
    "UPDATE inventory.resource r SET state = 'reserved', reservation_key = $3, until = $4 FROM found "
    "WHERE r.tenant_id = $1 AND r.resource_id = found.resource_id "
    f"AND (SELECT count(*) FROM found) = $5 {TAKEN}"
)
_WAYS: Final = {True: "", False: "SKIP LOCKED"}
_ANY: Final = {wait: _TAKE.format(wait=way, among="") for wait, way in _WAYS.items()}
_AMONG: Final = {
    wait: _TAKE.format(wait=way, among="AND resource_id = ANY($6::uuid[])") for wait, way in _WAYS.items()
}
_CHOSEN: Final = (
    "UPDATE inventory.resource r SET state = 'reserved', reservation_key = $3, until = $4 "
    "WHERE r.tenant_id = $1 AND r.pool_id = $2 AND r.kind = $5 AND r.value = ANY($6::text[]) "
    f"AND r.state = 'available' {TAKEN}"
)


async def open_reservation(tx: Tx, key: str, pool: Pool, count: int) -> tuple[bool, bool]:
    """Write the reservation down; return (is it new, is a known one of the same pool and count).

    Another transaction with the same key waits here until this one has ended.
    """
    added = await tx.fetchval(
        "INSERT INTO inventory.reservation (tenant_id, key, pool_id, count) VALUES ($1, $2, $3, $4) "
        "ON CONFLICT (tenant_id, key) DO NOTHING RETURNING 1",
        *(tx.tenant_id, key, pool.id, count),
    )
    if added is not None:
        return True, True
    same = await tx.fetchval(
        "SELECT pool_id = $3 AND count = $4 FROM inventory.reservation WHERE tenant_id = $1 AND key = $2",
        *(tx.tenant_id, key, pool.id, count),
    )
    return False, bool(same)


async def open_reservations(tx: Tx, keys: Sequence[str], pool: Pool) -> list[str]:
    """Write a reservation of one resource down for each key; return those that are new."""
    rows = await tx.fetch(
        "INSERT INTO inventory.reservation (tenant_id, key, pool_id, count) "
        "SELECT $1, k, $3, 1 FROM unnest($2::text[]) AS k ORDER BY k "
        "ON CONFLICT (tenant_id, key) DO NOTHING RETURNING key",
        *(tx.tenant_id, list(keys), pool.id),
    )
    return [row["key"] for row in rows]


async def take_each(tx: Tx, pool: Pool, keys: Sequence[str], until: datetime) -> list[Resource]:
    """Reserve one of the first available resources for each key; none at all where there are too few.

    Of a pool with ranges, those that are lower than whatever is free in its ranges.
    """
    rows = await tx.fetch(
        "WITH found AS MATERIALIZED (SELECT resource_id, number, value FROM inventory.resource "
        "WHERE tenant_id = $1 AND pool_id = $2 AND state = 'available' AND number < coalesce(("
        "SELECT first_number FROM inventory.pool_free WHERE tenant_id = $1 AND pool_id = $2 "
        "ORDER BY last_number LIMIT 1), 'Infinity') ORDER BY number, value LIMIT cardinality($3::text[]) "
        "FOR NO KEY UPDATE SKIP LOCKED), "
        "numbered AS (SELECT resource_id, row_number() OVER (ORDER BY number, value) AS n FROM found) "
        "UPDATE inventory.resource r SET state = 'reserved', reservation_key = k.key, until = $4 "
        "FROM numbered JOIN unnest($3::text[]) WITH ORDINALITY AS k (key, n) USING (n) "
        "WHERE r.tenant_id = $1 AND r.resource_id = numbered.resource_id "
        f"AND (SELECT count(*) FROM found) = cardinality($3::text[]) {TAKEN}",
        *(tx.tenant_id, pool.id, list(keys), until),
    )
    return [resource_of(row, pool.name) for row in rows]


async def close_reservation(tx: Tx, key: str) -> None:
    """Delete the reservation."""
    await tx.execute("DELETE FROM inventory.reservation WHERE tenant_id = $1 AND key = $2", tx.tenant_id, key)


async def take(
    tx: Tx,
    pool: Pool,
    key: str,
    count: int,
    until: datetime,
    *,
    wait: bool,
    among: Sequence[ResourceId] | None = None,
) -> list[Resource]:
    """Reserve the first ``count`` available resources, perhaps of those ``among``, or none.

    Those that another transaction is taking are passed by; with ``wait``, its end is waited for.
    """
    given = (tx.tenant_id, pool.id, key, until, count)
    if among is None:
        rows = await tx.fetch(_ANY[wait], *given)
    else:
        rows = await tx.fetch(_AMONG[wait], *given, list(among))
    return in_order(resource_of(row, pool.name) for row in rows)


async def take_chosen(tx: Tx, pool: Pool, key: str, values: Sequence[str], until: datetime) -> list[Resource]:
    """Reserve those of the values that are available."""
    rows = await tx.fetch(_CHOSEN, tx.tenant_id, pool.id, key, until, pool.kind, list(values))
    return in_order(resource_of(row, pool.name) for row in rows)


def in_order(found: Iterable[Resource]) -> list[Resource]:
    """Return resources by number, those that are none by value."""
    return sorted(found, key=lambda one: (number_of(one.kind, one.value), one.value))


async def lock_pool(tx: Tx, pool: Pool) -> None:
    """Let those who want several resources of the pool come one after the other: none takes what makes two fail."""
    await tx.execute(
        "SELECT 1 FROM inventory.pool WHERE tenant_id = $1 AND pool_id = $2 FOR NO KEY UPDATE",
        *(tx.tenant_id, pool.id),
    )


async def held_by(tx: Tx, key: str) -> list[Resource]:
    """Return what is reserved or assigned under the key, by value, and keep it from changing."""
    return (await held_by_keys(tx, [key])).get(key, [])


async def held_by_keys(tx: Tx, keys: Sequence[str]) -> dict[str, list[Resource]]:
    """Return what is reserved or assigned under each key that holds something, by value; it is kept from changing."""
    rows = await tx.fetch(
        "SELECT r.resource_id, r.pool_id, r.kind, r.value, r.attributes, r.state, r.reservation_key, r.until, "
        "r.product_id, r.service_id, p.name AS pool FROM inventory.resource r "
        "JOIN inventory.pool p ON p.tenant_id = r.tenant_id AND p.pool_id = r.pool_id "
        "WHERE r.tenant_id = $1 AND r.reservation_key = ANY($2::text[]) ORDER BY r.number, r.value "
        "FOR NO KEY UPDATE OF r",
        *(tx.tenant_id, list(keys)),
    )
    found: dict[str, list[Resource]] = {}
    for row in rows:
        found.setdefault(row["reservation_key"], []).append(resource_of(row, row["pool"]))
    return found


async def prolong(tx: Tx, key: str, until: datetime) -> None:
    """Let what is reserved under the key be held until ``until``, unless it is held longer."""
    await tx.execute(
        "UPDATE inventory.resource SET until = $3 WHERE tenant_id = $1 AND reservation_key = $2 "
        "AND state = 'reserved' AND until < $3",
        *(tx.tenant_id, key, until),
    )


async def release(tx: Tx, key: str) -> int:
    """Free what is reserved under the key and not assigned; return how many resources."""
    rows = await tx.fetch(
        "UPDATE inventory.resource SET state = 'available', until = NULL, reservation_key = NULL "
        "WHERE tenant_id = $1 AND reservation_key = $2 AND state = 'reserved' RETURNING 1",
        *(tx.tenant_id, key),
    )
    return len(rows)


async def free_due(tx: Tx, now: datetime, limit: int) -> tuple[list[str], int]:
    """Free up to ``limit`` resources whose reservation or quarantine has ended; return (keys, how many)."""
    rows = await tx.fetch(
        "WITH due AS MATERIALIZED (SELECT resource_id, reservation_key FROM inventory.resource "
        "WHERE tenant_id = $1 AND until <= $2 LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED) "
        "UPDATE inventory.resource r SET state = 'available', until = NULL, reservation_key = NULL FROM due "
        "WHERE r.tenant_id = $1 AND r.resource_id = due.resource_id RETURNING due.reservation_key",
        *(tx.tenant_id, now, limit),
    )
    return sorted({row["reservation_key"] for row in rows if row["reservation_key"]}), len(rows)


async def close_empty_reservations(tx: Tx, keys: Sequence[str]) -> None:
    """Delete those of the reservations that hold nothing any more."""
    await tx.execute(
        "DELETE FROM inventory.reservation v WHERE v.tenant_id = $1 AND v.key = ANY($2::text[]) "
        "AND NOT EXISTS (SELECT FROM inventory.resource r "
        "WHERE r.tenant_id = $1 AND r.reservation_key = v.key)",
        *(tx.tenant_id, list(keys)),
    )
