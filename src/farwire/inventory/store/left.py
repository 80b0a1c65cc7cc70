"""SQL of what pools have left, counted no further than somebody wants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from farwire.base.storage import Tx


async def left_in(tx: Tx, pools: Sequence[str], at_most: int) -> Mapping[str, int]:
    """Return how many can be had of each pool that there is, at most ``at_most``; of prefixes the addresses."""
    rows = await tx.fetch(
        "SELECT p.name, least($3, single.count + coalesce(free.size, 0)) AS count FROM inventory.pool p "
        "CROSS JOIN LATERAL (SELECT count(*) FROM (SELECT 1 FROM inventory.resource r WHERE r.tenant_id = $1 "
        "AND r.pool_id = p.pool_id AND r.state = 'available' LIMIT $3) AS there) AS single "
        "CROSS JOIN LATERAL (SELECT sum(f.last_number - f.first_number + 1) AS size FROM (SELECT first_number, "
        "last_number FROM inventory.pool_free WHERE tenant_id = $1 AND pool_id = p.pool_id LIMIT $3) AS f) AS free "
        "WHERE p.tenant_id = $1 AND p.name = ANY($2::text[])",
        *(tx.tenant_id, list(pools), at_most),
    )
    return {row["name"]: int(row["count"]) for row in rows}
