"""SQL of ports: which of those in an element nobody has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from farwire.base.storage import Tx
from farwire.inventory.model import ElementId, Pool
from farwire.kernel.ids import ResourceId

_INSIDE: Final = (
    "WITH RECURSIVE inside (root, element_id, works) AS ("
    "SELECT e.element_id, e.element_id, e.state = 'in_service' AND e.ended_at IS NULL FROM inventory.element e "
    "WHERE e.tenant_id = $1 AND e.element_id = ANY($2::bigint[]) "
    "UNION SELECT i.root, e.element_id, i.works AND e.state = 'in_service' FROM inside i CROSS JOIN LATERAL ("
    "SELECT l.to_id FROM inventory.link l WHERE l.tenant_id = $1 AND l.from_id = i.element_id "
    "AND l.kind = 'contains' AND l.valid_to = 'infinity' OFFSET 0) AS part CROSS JOIN LATERAL ("
    "SELECT p.element_id, p.state FROM inventory.element p WHERE p.tenant_id = $1 "
    "AND p.element_id = part.to_id AND p.ended_at IS NULL OFFSET 0) AS e)"
)
_USED: Final = (
    "EXISTS (SELECT FROM inventory.link u WHERE u.tenant_id = $1 AND u.from_id = e.element_id "
    "AND u.valid_to = 'infinity' AND (u.kind IN ('carries', 'serves', 'protects') "
    "OR (u.kind = 'connects' AND r.state IS NULL))) "
    "OR (r.state IS NULL AND EXISTS (SELECT FROM inventory.link u WHERE u.tenant_id = $1 "
    "AND u.to_id = e.element_id AND u.valid_to = 'infinity' AND u.kind = 'connects'))"
)
_PORTS: Final = (
    "SELECT i.root, e.element_id, e.name, i.works AND coalesce(r.state = 'available', true) "
    f"AND NOT ({_USED}) AS free FROM inside i CROSS JOIN LATERAL ("
    "SELECT p.element_id, p.name, p.resource_id FROM inventory.element p WHERE p.tenant_id = $1 "
    "AND p.element_id = i.element_id AND p.kind = $3 AND p.layer <> 'service' OFFSET 0) AS e "
    "LEFT JOIN LATERAL (SELECT state FROM inventory.resource q WHERE q.tenant_id = $1 "
    "AND q.resource_id = e.resource_id OFFSET 0) AS r ON true"
)


async def count_ports(
    tx: Tx, ids: Sequence[ElementId], kind: str, first: int
) -> dict[ElementId, tuple[int, int, list[ElementId]]]:
    """Return of each element how many of a kind it contains, itself included, how many are free, and the first ones.

    By name. One look-up for each element that is in one of them.
    """
    rows = await tx.fetch(
        f"{_INSIDE}, port AS MATERIALIZED ({_PORTS}), "
        "numbered AS (SELECT *, row_number() OVER (PARTITION BY root, free ORDER BY name) AS place FROM port) "
        "SELECT root, count(*) AS total, count(*) FILTER (WHERE free) AS free, "
        "coalesce(array_agg(element_id ORDER BY name) FILTER (WHERE free AND place <= $4), '{}') AS first "
        "FROM numbered GROUP BY root",
        *(tx.tenant_id, list(ids), kind, first),
    )
    return {ElementId(row["root"]): (row["total"], row["free"], row["first"]) for row in rows}


async def free_within(tx: Tx, element_id: ElementId, pool: Pool, limit: int) -> list[ResourceId]:
    """Return the first resources of the pool that are free ports in an element, by value."""
    rows = await tx.fetch(
        f"{_INSIDE} SELECT r.resource_id FROM inside i CROSS JOIN LATERAL ("
        "SELECT p.element_id, p.resource_id FROM inventory.element p WHERE p.tenant_id = $1 "
        "AND p.element_id = i.element_id AND p.resource_id IS NOT NULL OFFSET 0) AS e CROSS JOIN LATERAL ("
        "SELECT q.resource_id, q.value, q.state FROM inventory.resource q WHERE q.tenant_id = $1 "
        "AND q.resource_id = e.resource_id AND q.pool_id = $3 AND q.state = 'available' OFFSET 0) AS r "
        f"WHERE i.works AND NOT ({_USED}) ORDER BY r.value LIMIT $4",
        *(tx.tenant_id, [element_id], pool.id, limit),
    )
    return [ResourceId(row["resource_id"]) for row in rows]


async def elements_to_pool(tx: Tx, element_id: ElementId, kind: str) -> list[tuple[ElementId, str]]:
    """Return (id, name) of the elements of a kind in an element that are in no pool, by name."""
    rows = await tx.fetch(
        f"{_INSIDE} SELECT e.element_id, e.name FROM inside i CROSS JOIN LATERAL ("
        "SELECT p.element_id, p.name FROM inventory.element p WHERE p.tenant_id = $1 "
        "AND p.element_id = i.element_id AND p.kind = $3 AND p.layer <> 'service' AND p.ended_at IS NULL "
        "AND p.resource_id IS NULL OFFSET 0) AS e ORDER BY e.name",
        *(tx.tenant_id, [element_id], kind),
    )
    return [(ElementId(row["element_id"]), row["name"]) for row in rows]


async def tie(tx: Tx, pool: Pool, ids: Sequence[ElementId]) -> None:
    """Let each of the elements be the resource of the pool with its name."""
    await tx.execute(
        "UPDATE inventory.element e SET resource_id = r.resource_id FROM inventory.resource r "
        "WHERE e.tenant_id = $1 AND e.element_id = ANY($3::bigint[]) AND r.tenant_id = $1 AND r.kind = $4 "
        "AND r.scope = $5 AND r.number = 0 AND r.value = e.name AND r.pool_id = $2",
        *(tx.tenant_id, pool.id, list(ids), pool.kind, pool.scope),
    )
