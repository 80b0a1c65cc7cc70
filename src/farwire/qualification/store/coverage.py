"""SQL of coverage: what there is at which places."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from farwire.base.storage import Tx


async def facts_of(tx: Tx, places: Sequence[str]) -> Mapping[str, Mapping[str, str]]:
    """Return what is said of exactly these places."""
    rows = await tx.fetch(
        "SELECT place, facts FROM qualification.coverage WHERE tenant_id = $1 AND place = ANY($2::text[])",
        *(tx.tenant_id, list(places)),
    )
    return {row["place"]: json.loads(row["facts"]) for row in rows}


async def save(tx: Tx, facts: Mapping[str, Mapping[str, str]], at: datetime) -> int:
    """Let places have these facts instead of others; return how many changed."""
    rows = await tx.fetch(
        "INSERT INTO qualification.coverage (tenant_id, place, facts, at) "
        "SELECT $1, new.place, new.facts::jsonb, $4 FROM unnest($2::text[], $3::text[]) AS new (place, facts) "
        "ON CONFLICT (tenant_id, place) DO UPDATE SET facts = EXCLUDED.facts, at = EXCLUDED.at "
        "WHERE qualification.coverage.facts <> EXCLUDED.facts RETURNING 1",
        *(tx.tenant_id, list(facts), [json.dumps(dict(one), sort_keys=True) for one in facts.values()], at),
    )
    return len(rows)


async def remove(tx: Tx, places: Sequence[str]) -> int:
    """Forget what was said of places; return how many it was of."""
    rows = await tx.fetch(
        "DELETE FROM qualification.coverage WHERE tenant_id = $1 AND place = ANY($2::text[]) RETURNING 1",
        *(tx.tenant_id, list(places)),
    )
    return len(rows)


async def page(tx: Tx, begins: str, offset: int, limit: int) -> tuple[list[tuple[str, dict[str, str]]], int]:
    """Return places that begin with a text, by name, with what is said of them; and how many there are."""
    given = (tx.tenant_id, begins)
    where = "WHERE tenant_id = $1 AND starts_with(place, $2)"
    rows = await tx.fetch(
        f"SELECT place, facts FROM qualification.coverage {where} ORDER BY place LIMIT $3 OFFSET $4",
        *(*given, limit, offset),
    )
    total = await tx.fetchval(f"SELECT count(*) FROM qualification.coverage {where}", *given)
    return [(row["place"], json.loads(row["facts"])) for row in rows], total
