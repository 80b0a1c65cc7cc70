"""SQL of resources, of the pools that they are taken from, and of who had them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from farwire.base.storage import Tx
from farwire.inventory.model import (
    PREFIXES,
    NewResource,
    Pool,
    PoolCount,
    PoolPolicy,
    Resource,
    ResourceKind,
    ResourceState,
    ResourceUse,
    block_size,
    number_of,
)
from farwire.kernel.ids import PoolId, ProductId, ResourceId, ServiceId, uuid7

if TYPE_CHECKING:
    from asyncpg import Record

_COLUMNS: Final = (
    "resource_id, pool_id, kind, value, attributes, state, reservation_key, until, product_id, service_id"
)
_POOL: Final = (
    "SELECT pool_id, name, kind, quarantine_days, created_at, scope, policy, prefix_length, warn_percent, has_ranges "
    "FROM inventory.pool WHERE tenant_id = $1"
)
_RESOURCES: Final = (
    "SELECT r.resource_id, r.pool_id, r.kind, r.value, r.attributes, r.state, r.reservation_key, r.until, "
    "r.product_id, r.service_id, p.name AS pool FROM inventory.resource r "
    "JOIN inventory.pool p ON p.tenant_id = r.tenant_id AND p.pool_id = r.pool_id WHERE r.tenant_id = $1"
)


def resource_of(row: Record, pool: str) -> Resource:
    """Return the resource of a row of ``inventory.resource``."""
    return Resource(
        ResourceId(row["resource_id"]),
        ResourceKind(row["kind"]),
        row["value"],
        PoolId(row["pool_id"]),
        pool,
        ResourceState(row["state"]),
        json.loads(row["attributes"]),
        row["reservation_key"],
        row["until"],
        ProductId(row["product_id"]) if row["product_id"] else None,
        ServiceId(row["service_id"]) if row["service_id"] else None,
    )


def _pool(row: Record) -> Pool:
    return Pool(
        PoolId(row["pool_id"]),
        row["name"],
        ResourceKind(row["kind"]),
        row["quarantine_days"],
        row["created_at"],
        row["scope"],
        PoolPolicy(row["policy"]),
        row["prefix_length"],
        row["warn_percent"],
        row["has_ranges"],
    )


async def add_pool(tx: Tx, pool: Pool) -> None:
    """Insert a pool. A known name changes nothing."""
    await tx.execute(
        "INSERT INTO inventory.pool (tenant_id, pool_id, name, kind, quarantine_days, created_at, scope, policy, "
        "prefix_length, warn_percent) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
        "ON CONFLICT (tenant_id, name) DO NOTHING",
        *(tx.tenant_id, pool.id, pool.name, pool.kind, pool.quarantine_days, pool.created_at),
        *(pool.scope, pool.policy, pool.prefix_length, pool.warn_percent),
    )


async def pool_named(tx: Tx, name: str) -> Pool | None:
    """Return the pool."""
    row = await tx.fetchrow(f"{_POOL} AND name = $2", tx.tenant_id, name)
    return None if row is None else _pool(row)


async def pools(tx: Tx, limit: int, offset: int) -> tuple[list[PoolCount], int]:
    """Return pools by name with the number of their resources by state, and how many pools there are."""
    rows = await tx.fetch(f"{_POOL} ORDER BY name LIMIT $2 OFFSET $3", tx.tenant_id, limit, offset)
    total = await tx.fetchval("SELECT count(*) FROM inventory.pool WHERE tenant_id = $1", tx.tenant_id)
    return await pool_counts(tx, [_pool(row) for row in rows]), total


async def pool_counts(tx: Tx, found: Sequence[Pool]) -> list[PoolCount]:
    """Return how many resources of each pool are in each state. Reads the whole pools."""
    ids = [pool.id for pool in found]
    states: dict[PoolId, dict[ResourceState, int]] = {one: {} for one in ids}
    sizes: dict[PoolId, dict[ResourceState, int]] = {one: {} for one in ids}
    for row in await tx.fetch(
        "SELECT pool_id, state, count(*) AS found, sum(coalesce(last_number - number + 1, 1)) AS size "
        "FROM inventory.resource WHERE tenant_id = $1 AND pool_id = ANY($2::uuid[]) GROUP BY pool_id, state",
        *(tx.tenant_id, ids),
    ):
        states[row["pool_id"]][ResourceState(row["state"])] = row["found"]
        sizes[row["pool_id"]][ResourceState(row["state"])] = int(row["size"])
    free = await tx.fetch(
        "SELECT pool_id, sum(last_number - first_number + 1) AS size FROM inventory.pool_free "
        "WHERE tenant_id = $1 AND pool_id = ANY($2::uuid[]) GROUP BY pool_id",
        *(tx.tenant_id, ids),
    )
    unit = {pool.id: block_size(pool.kind, pool.prefix_length) for pool in found if pool.kind in PREFIXES}
    for row in free:
        for counted, size in (
            (states, int(row["size"]) // unit.get(row["pool_id"], 1)),
            (sizes, int(row["size"])),
        ):
            of_pool = counted[row["pool_id"]]
            of_pool[ResourceState.AVAILABLE] = of_pool.get(ResourceState.AVAILABLE, 0) + size
    return [PoolCount(pool, states[pool.id], sizes[pool.id]) for pool in found]


async def known_values(tx: Tx, pool: Pool, values: Sequence[str]) -> dict[str, PoolId]:
    """Return those of the values that some pool of the kind and scope has, as a resource or in a range."""
    numbers = [number_of(pool.kind, value) for value in values]
    rows = await tx.fetch(
        "SELECT wanted.value, r.pool_id FROM unnest($4::text[], $5::numeric[]) AS wanted (value, number) "
        "CROSS JOIN LATERAL (SELECT pool_id FROM inventory.resource WHERE tenant_id = $1 AND kind = $2 "
        "AND scope = $3 AND number = wanted.number AND value = wanted.value OFFSET 0) AS r "
        "UNION ALL SELECT wanted.value, r.pool_id FROM unnest($4::text[], $5::numeric[]) AS wanted (value, number) "
        "CROSS JOIN LATERAL (SELECT pool_id, first_number FROM inventory.pool_range WHERE tenant_id = $1 "
        "AND kind = $2 AND scope = $3 AND last_number >= wanted.number ORDER BY last_number LIMIT 1) AS r "
        "WHERE r.first_number <= wanted.number",
        *(tx.tenant_id, pool.kind, pool.scope, list(values), numbers),
    )
    return {row["value"]: PoolId(row["pool_id"]) for row in rows}


async def add_resources(tx: Tx, pool: Pool, new: Iterable[NewResource]) -> int:
    """Insert available resources, streamed. Violates ``resource_value`` or ``resource_imsi`` for a known one."""
    return await tx.copy_records(
        "inventory.resource",
        columns=(
            "tenant_id",
            "resource_id",
            "pool_id",
            "kind",
            "scope",
            "number",
            "value",
            "attributes",
            "state",
        ),
        records=(
            (
                *(tx.tenant_id, uuid7(pool.created_at), pool.id, pool.kind.value, pool.scope),
                *(number_of(pool.kind, one.value), one.value),
                *(json.dumps(dict(one.attributes)), ResourceState.AVAILABLE.value),
            )
            for one in new
        ),
    )


async def resources(tx: Tx, resource_ids: Sequence[ResourceId]) -> dict[ResourceId, Resource]:
    """Return those of the resources that exist."""
    rows = await tx.fetch(
        f"{_RESOURCES} AND r.resource_id = ANY($2::uuid[])", tx.tenant_id, list(resource_ids)
    )
    return {ResourceId(row["resource_id"]): resource_of(row, row["pool"]) for row in rows}


async def resource_valued(tx: Tx, kind: ResourceKind, value: str, scope: str, number: int) -> Resource | None:
    """Return the resource with that value, which is ``number`` if it is counted, in the scope."""
    row = await tx.fetchrow(
        f"{_RESOURCES} AND r.kind = $2 AND r.scope = $3 AND r.number = $4 AND r.value = $5",
        *(tx.tenant_id, kind, scope, number, value),
    )
    return None if row is None else resource_of(row, row["pool"])


async def resources_of_products(tx: Tx, product_ids: Sequence[ProductId]) -> list[Resource]:
    """Return what these products have, by kind and value."""
    rows = await tx.fetch(
        f"{_RESOURCES} AND r.product_id = ANY($2::uuid[]) ORDER BY r.kind, r.number, r.value",
        *(tx.tenant_id, list(product_ids)),
    )
    return [resource_of(row, row["pool"]) for row in rows]


async def last_values(
    tx: Tx, kind: ResourceKind, product_ids: Sequence[ProductId], before: datetime
) -> dict[ProductId, str]:
    """Return the last value of a kind that each product got before a time, whether it has it still or not."""
    rows = await tx.fetch(
        "SELECT DISTINCT ON (u.product_id) u.product_id, r.value FROM unnest($2::uuid[]) AS p (product_id) "
        "CROSS JOIN LATERAL (SELECT * FROM inventory.resource_use "
        "WHERE tenant_id = $1 AND product_id = p.product_id OFFSET 0) AS u "
        "JOIN inventory.resource r ON r.tenant_id = $1 AND r.resource_id = u.resource_id AND r.kind = $3 "
        "WHERE u.valid_from < $4 AND (u.valid_to IS NULL OR u.valid_to > u.valid_from) "
        "ORDER BY u.product_id, u.valid_from DESC, r.value",
        *(tx.tenant_id, list(product_ids), kind, before),
    )
    return {ProductId(row["product_id"]): row["value"] for row in rows}


async def list_resources(
    tx: Tx,
    *,
    pool: str | None,
    state: ResourceState | None,
    product_id: ProductId | None,
    kind: ResourceKind | None,
    limit: int,
    offset: int,
) -> tuple[list[Resource], int]:
    """Return resources by kind, scope and value, and how many there are."""
    where = (
        "AND ($2::text IS NULL OR p.name = $2) AND ($3::text IS NULL OR r.state = $3) "
        "AND ($4::uuid IS NULL OR r.product_id = $4) AND ($5::text IS NULL OR r.kind = $5)"
    )
    given = (tx.tenant_id, pool, state, product_id, kind)
    rows = await tx.fetch(
        f"{_RESOURCES} {where} ORDER BY r.kind, r.scope, r.number, r.value LIMIT $6 OFFSET $7",
        *given,
        limit,
        offset,
    )
    total = await tx.fetchval(f"SELECT count(*) FROM ({_RESOURCES} {where}) AS found", *given)
    return [resource_of(row, row["pool"]) for row in rows], total


async def free_resources(
    tx: Tx, pool: Pool, like: str, limit: int, offset: int
) -> tuple[list[Resource], int]:
    """Return available resources of the pool whose value is LIKE the pattern, by value, and how many there are."""
    where = "FROM inventory.resource WHERE tenant_id = $1 AND pool_id = $2 AND state = 'available' AND value LIKE $3"
    given = (tx.tenant_id, pool.id, like)
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} {where} ORDER BY number, value LIMIT $4 OFFSET $5", *given, limit, offset
    )
    total = await tx.fetchval(f"SELECT count(*) {where}", *given)
    return [resource_of(row, pool.name) for row in rows], total


async def lock_resource(tx: Tx, resource_id: ResourceId) -> None:
    """Wait for others that change the resource, and keep them waiting until the transaction ends."""
    await tx.execute(
        "SELECT 1 FROM inventory.resource WHERE tenant_id = $1 AND resource_id = $2 FOR NO KEY UPDATE",
        *(tx.tenant_id, resource_id),
    )


async def set_assigned(
    tx: Tx, given: Sequence[tuple[ResourceId, ProductId, ServiceId | None, datetime]]
) -> None:
    """Give reserved resources to products, each from a time on."""
    columns = [list(column) for column in zip(*given, strict=True)]
    await tx.execute(
        "UPDATE inventory.resource r SET state = 'assigned', until = NULL, product_id = g.product_id, "
        "service_id = g.service_id FROM unnest($2::uuid[], $3::uuid[], $4::uuid[]) "
        "AS g (resource_id, product_id, service_id) WHERE r.tenant_id = $1 AND r.resource_id = g.resource_id",
        *(tx.tenant_id, *columns[:3]),
    )
    await tx.execute(
        "INSERT INTO inventory.resource_use "
        "(tenant_id, resource_id, number, product_id, service_id, valid_from) "
        "SELECT $1, g.resource_id, (SELECT coalesce(max(number) + 1, 0) FROM inventory.resource_use u "
        "WHERE u.tenant_id = $1 AND u.resource_id = g.resource_id), g.product_id, g.service_id, g.valid_from "
        "FROM unnest($2::uuid[], $3::uuid[], $4::uuid[], $5::timestamptz[]) "
        "AS g (resource_id, product_id, service_id, valid_from)",
        *(tx.tenant_id, *columns),
    )


async def given_back_at(tx: Tx, ids: Sequence[ResourceId]) -> dict[ResourceId, datetime]:
    """Return when the last holder of each resource gave it back, of those that had one who did."""
    rows = await tx.fetch(
        "SELECT u.* FROM unnest($2::uuid[]) AS wanted (resource_id) CROSS JOIN LATERAL ("
        "SELECT resource_id, valid_to FROM inventory.resource_use "
        "WHERE tenant_id = $1 AND resource_id = wanted.resource_id ORDER BY number DESC LIMIT 1 OFFSET 0) AS u "
        "WHERE u.valid_to IS NOT NULL",
        *(tx.tenant_id, list(ids)),
    )
    return {ResourceId(row["resource_id"]): row["valid_to"] for row in rows}


async def set_returned(tx: Tx, resource_id: ResourceId, at: datetime, until: datetime | None) -> None:
    """Take a resource from its product at ``at``; it rests until ``until``, or is free at once."""
    await tx.execute(
        "UPDATE inventory.resource SET state = CASE WHEN $3::timestamptz IS NULL THEN 'available' "
        "ELSE 'quarantined' END, until = $3, product_id = NULL, service_id = NULL, reservation_key = NULL "
        "WHERE tenant_id = $1 AND resource_id = $2",
        *(tx.tenant_id, resource_id, until),
    )
    await tx.execute(
        "UPDATE inventory.resource_use SET valid_to = $3 "
        "WHERE tenant_id = $1 AND resource_id = $2 AND valid_to IS NULL",
        *(tx.tenant_id, resource_id, at),
    )


async def set_retired(tx: Tx, resource_id: ResourceId) -> bool:
    """Take an available or resting resource out of its pool for good; return whether it could be."""
    done = await tx.fetchval(
        "UPDATE inventory.resource SET state = 'retired', until = NULL WHERE tenant_id = $1 "
        "AND resource_id = $2 AND state IN ('available', 'quarantined') RETURNING 1",
        *(tx.tenant_id, resource_id),
    )
    return done is not None


async def uses(tx: Tx, resource_id: ResourceId) -> list[ResourceUse]:
    """Return who had the resource, oldest first."""
    rows = await tx.fetch(
        "SELECT resource_id, product_id, service_id, valid_from, valid_to FROM inventory.resource_use "
        "WHERE tenant_id = $1 AND resource_id = $2 ORDER BY number",
        *(tx.tenant_id, resource_id),
    )
    return [
        ResourceUse(
            ResourceId(row["resource_id"]),
            ProductId(row["product_id"]),
            ServiceId(row["service_id"]) if row["service_id"] else None,
            row["valid_from"],
            row["valid_to"],
        )
        for row in rows
    ]


async def forget_uses(tx: Tx, identifiers: Sequence[str], product_ids: Sequence[ProductId]) -> None:
    """Delete which of these products had the numbers and SIMs: what remains names nobody."""
    await tx.execute(
        "DELETE FROM inventory.resource_use WHERE tenant_id = $1 AND product_id = ANY($3::uuid[]) "
        "AND valid_to IS NOT NULL AND resource_id IN (SELECT resource_id FROM inventory.resource "
        "WHERE tenant_id = $1 AND (value = ANY($2::text[]) OR attributes ->> 'imsi' = ANY($2::text[])))",
        *(tx.tenant_id, list(identifiers), list(product_ids)),
    )
