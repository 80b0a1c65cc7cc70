"""SQL of ports: which of those in an element nobody has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from farwire.base.storage import Tx
from farwire.inventory.model import ElementId

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
