"""SQL of the import of a network: rows are staged by COPY, then judged and inserted by a few statements."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from farwire.base.storage import Tx
from farwire.inventory.store.arrays import Whole, columns_of

_STAGED_ELEMENTS: Final = (
    "CREATE TEMPORARY TABLE staged_element "
    '(row bigint, name text COLLATE "C", layer text, kind text, state text, place text) ON COMMIT DROP'
)
_STAGED_LINKS: Final = (
    "CREATE TEMPORARY TABLE staged_link "
    '(row bigint, start text COLLATE "C", finish text COLLATE "C", kind text, protection text) ON COMMIT DROP; '
    "CREATE TEMPORARY TABLE staged_pair "
    "(row bigint, from_id bigint, to_id bigint, kind text, protection text) ON COMMIT DROP"
)


async def stage_elements(tx: Tx, text: bytes) -> None:
    """Put rows (row, name, layer, kind, state, place) where the statements below find them."""
    await tx.execute(_STAGED_ELEMENTS)
    columns = ("row", "name", "layer", "kind", "state", "place")
    await tx.copy_text("staged_element", columns=columns, text=text)
    await tx.execute("ANALYZE pg_temp.staged_element")


async def insert_elements(tx: Tx, at: datetime) -> int:
    """Insert the staged elements whose names are new, of several with one name the first; return how many."""
    tag = await tx.execute(
        "INSERT INTO inventory.element (tenant_id, name, layer, kind, state, place, since, started_at) "
        "SELECT DISTINCT ON (name) $1::uuid, name, layer, kind, state, place, $2::timestamptz, $2 "
        "FROM pg_temp.staged_element ORDER BY name, row ON CONFLICT (tenant_id, name) DO NOTHING",
        *(tx.tenant_id, at),
    )
    return int(tag.rpartition(" ")[2])


async def differing_elements(tx: Tx) -> list[tuple[int, str, str]]:
    """Return (row, field, what the inventory says) of staged rows that say something else of a known element."""
    rows = await tx.fetch(
        "SELECT s.row, CASE WHEN e.ended_at IS NOT NULL THEN 'name' WHEN e.layer <> s.layer THEN 'layer' "
        "WHEN e.kind <> s.kind THEN 'kind' WHEN e.state <> s.state THEN 'state' ELSE 'place' END AS field, "
        "CASE WHEN e.ended_at IS NOT NULL THEN 'ended' WHEN e.layer <> s.layer THEN e.layer "
        "WHEN e.kind <> s.kind THEN e.kind WHEN e.state <> s.state THEN e.state ELSE e.place END AS said "
        "FROM pg_temp.staged_element s CROSS JOIN LATERAL (SELECT layer, kind, state, place, ended_at "
        "FROM inventory.element WHERE tenant_id = $1 AND name = s.name OFFSET 0) AS e "
        "WHERE (e.layer, e.kind, e.state, e.place) <> (s.layer, s.kind, s.state, s.place) "
        "OR e.ended_at IS NOT NULL",
        tx.tenant_id,
    )
    return [(row["row"], row["field"], row["said"]) for row in rows]


async def stage_links(tx: Tx, text: bytes) -> list[tuple[int, str]]:
    """Stage rows (row, from, to, kind, protection); return (row, field) of those with an end that is not there."""
    await tx.execute(_STAGED_LINKS)
    columns = ("row", "start", "finish", "kind", "protection")
    await tx.copy_text("staged_link", columns=columns, text=text)
    await tx.execute("ANALYZE pg_temp.staged_link")
    await tx.execute(
        "INSERT INTO pg_temp.staged_pair SELECT s.row, "
        "CASE WHEN s.kind = 'connects' THEN least(f.element_id, t.element_id) ELSE f.element_id END, "
        "CASE WHEN s.kind = 'connects' THEN greatest(f.element_id, t.element_id) ELSE t.element_id END, "
        "s.kind, s.protection FROM pg_temp.staged_link s "
        "JOIN inventory.element f ON f.tenant_id = $1 AND f.name = s.start AND f.ended_at IS NULL "
        "JOIN inventory.element t ON t.tenant_id = $1 AND t.name = s.finish AND t.ended_at IS NULL",
        tx.tenant_id,
    )
    missing = await tx.fetchval(
        "SELECT (SELECT count(*) FROM pg_temp.staged_link) - (SELECT count(*) FROM pg_temp.staged_pair)"
    )
    return await _loose_ends(tx) if missing else []


async def _loose_ends(tx: Tx) -> list[tuple[int, str]]:
    rows = await tx.fetch(
        "SELECT s.row, EXISTS (SELECT FROM inventory.element e WHERE e.tenant_id = $1 AND e.name = s.start "
        "AND e.ended_at IS NULL) AS starts FROM pg_temp.staged_link s "
        "WHERE NOT EXISTS (SELECT FROM pg_temp.staged_pair p WHERE p.row = s.row)",
        tx.tenant_id,
    )
    return [(row["row"], "to" if row["starts"] else "from") for row in rows]


async def staged_containments(tx: Tx) -> tuple[Whole, Whole, Whole]:
    """Return the rows, containers and parts of the staged containments, in the order of their rows."""
    row, container, part = await columns_of(
        tx, 3, "SELECT row, from_id, to_id FROM pg_temp.staged_pair WHERE kind = 'contains' ORDER BY row"
    )
    return row, container, part


async def drop_staged(tx: Tx, rows: Sequence[int]) -> None:
    """Leave out staged links."""
    await tx.execute("DELETE FROM pg_temp.staged_pair WHERE row = ANY($1::bigint[])", list(rows))


async def insert_links(tx: Tx, at: datetime) -> int:
    """Insert the staged links that do not hold yet; return how many."""
    tag = await tx.execute(
        "INSERT INTO inventory.link (tenant_id, from_id, to_id, kind, protection, valid_from) "
        "SELECT $1::uuid, from_id, to_id, kind, protection, $2::timestamptz FROM pg_temp.staged_pair "
        "ORDER BY from_id, to_id, row ON CONFLICT (tenant_id, from_id, to_id, kind, valid_to) DO NOTHING",
        *(tx.tenant_id, at),
    )
    return int(tag.rpartition(" ")[2])


async def differing_links(tx: Tx) -> list[tuple[int, str]]:
    """Return (row, protection of the one that holds) of staged links that hold in another protection group."""
    rows = await tx.fetch(
        "SELECT p.row, l.protection FROM pg_temp.staged_pair p CROSS JOIN LATERAL ("
        "SELECT protection FROM inventory.link WHERE tenant_id = $1 AND from_id = p.from_id "
        "AND to_id = p.to_id AND kind = p.kind AND valid_to = 'infinity' OFFSET 0) AS l "
        "WHERE l.protection <> p.protection",
        tx.tenant_id,
    )
    return [(row["row"], row["protection"]) for row in rows]


async def element_ids(tx: Tx) -> Whole:
    """Return the ids of all elements, ended ones too, ascending."""
    (ids,) = await columns_of(
        tx,
        1,
        "SELECT element_id FROM inventory.element WHERE tenant_id = $1 ORDER BY element_id",
        tx.tenant_id,
    )
    return ids


async def containments(tx: Tx) -> tuple[Whole, Whole]:
    """Return what contains what: containers and parts."""
    container, part = await columns_of(
        tx,
        2,
        "SELECT from_id, to_id FROM inventory.link "
        "WHERE tenant_id = $1 AND kind = 'contains' AND valid_to = 'infinity'",
        tx.tenant_id,
    )
    return container, part
