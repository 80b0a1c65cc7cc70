"""SQL of the import of a network: rows come as columns, and go in by one statement for thousands of them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import numpy as np

from farwire.base.storage import Tx
from farwire.inventory.model.naming import Texts
from farwire.inventory.store.arrays import Whole, columns_of, texts_of

Column = Sequence[str]
_ELEMENTS: Final = (
    "unnest({0}::text[], {1}::text[], {2}::text[], {3}::text[], {4}::text[]) WITH ORDINALITY "
    "AS s (name, layer, kind, state, place, n)"
)
_LINKS: Final = (
    "unnest({0}::bigint[], {1}::bigint[], {2}::text[], {3}::text[]) WITH ORDINALITY "
    "AS s (from_id, to_id, kind, protection, n)"
)


async def insert_elements(tx: Tx, columns: Sequence[Column], at: datetime) -> int:
    """Insert the elements whose names are new, of several with one name the first; return how many.

    Columns: name, layer, kind, state, place.
    """
    tag = await tx.execute(
        "INSERT INTO inventory.element (tenant_id, name, layer, kind, state, place, since, started_at) "
        "SELECT $1::uuid, s.name, s.layer, s.kind, s.state, s.place, $2::timestamptz, $2 "
        f"FROM {_ELEMENTS.format('$3', '$4', '$5', '$6', '$7')} ON CONFLICT (tenant_id, name) DO NOTHING",
        *(tx.tenant_id, at, *columns),
    )
    return int(tag.rpartition(" ")[2])


async def differing_elements(tx: Tx, columns: Sequence[Column]) -> list[tuple[int, str, str]]:
    """Return (position, field, what the inventory says) of rows that say something else of a known element."""
    rows = await tx.fetch(
        "SELECT s.n, CASE WHEN e.ended_at IS NOT NULL THEN 'name' WHEN e.layer <> s.layer THEN 'layer' "
        "WHEN e.kind <> s.kind THEN 'kind' WHEN e.state <> s.state THEN 'state' ELSE 'place' END AS field, "
        "CASE WHEN e.ended_at IS NOT NULL THEN 'ended' WHEN e.layer <> s.layer THEN e.layer "
        "WHEN e.kind <> s.kind THEN e.kind WHEN e.state <> s.state THEN e.state ELSE e.place END AS said "
        f"FROM {_ELEMENTS.format('$2', '$3', '$4', '$5', '$6')} "
        "CROSS JOIN LATERAL (SELECT layer, kind, state, place, ended_at "
        "FROM inventory.element WHERE tenant_id = $1 AND name = s.name OFFSET 0) AS e "
        "WHERE (e.layer, e.kind, e.state, e.place) <> (s.layer, s.kind, s.state, s.place) "
        "OR e.ended_at IS NOT NULL",
        *(tx.tenant_id, *columns),
    )
    return [(row["n"] - 1, row["field"], row["said"]) for row in rows]


async def insert_links(
    tx: Tx, starts: Whole, ends: Whole, kinds: Column, protections: Column, at: datetime
) -> int:
    """Insert the links that do not hold yet, of several alike the first; return how many."""
    tag = await tx.execute(
        "INSERT INTO inventory.link (tenant_id, from_id, to_id, kind, protection, valid_from) "
        "SELECT $1::uuid, s.from_id, s.to_id, s.kind, s.protection, $2::timestamptz "
        f"FROM {_LINKS.format('$3', '$4', '$5', '$6')} "
        "ON CONFLICT (tenant_id, from_id, to_id, kind, valid_to) DO NOTHING",
        *(tx.tenant_id, at, starts.tolist(), ends.tolist(), kinds, protections),
    )
    return int(tag.rpartition(" ")[2])


async def differing_links(
    tx: Tx, starts: Whole, ends: Whole, kinds: Column, protections: Column
) -> list[tuple[int, str]]:
    """Return (position, protection of the one that holds) of links that hold in another protection group."""
    rows = await tx.fetch(
        f"SELECT s.n, l.protection FROM {_LINKS.format('$2', '$3', '$4', '$5')} CROSS JOIN LATERAL ("
        "SELECT protection FROM inventory.link WHERE tenant_id = $1 AND from_id = s.from_id "
        "AND to_id = s.to_id AND kind = s.kind AND valid_to = 'infinity' OFFSET 0) AS l "
        "WHERE l.protection <> s.protection",
        *(tx.tenant_id, starts.tolist(), ends.tolist(), kinds, protections),
    )
    return [(row["n"] - 1, row["protection"]) for row in rows]


async def elements_by_name(tx: Tx) -> tuple[Whole, Texts]:
    """Return the ids and names of all elements that have not ended, by id."""
    width = await tx.fetchval(
        "SELECT coalesce(max(length(name)), 0) FROM inventory.element WHERE tenant_id = $1", tx.tenant_id
    )
    if not width:
        return np.empty(0, np.int64), np.empty(0, "S1")
    return await texts_of(
        tx,
        width,
        "SELECT element_id, rpad(name, $2) FROM inventory.element "
        "WHERE tenant_id = $1 AND ended_at IS NULL ORDER BY element_id",
        *(tx.tenant_id, width),
    )


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
