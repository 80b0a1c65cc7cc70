"""SQL of the snapshot of a network, and of the lists that are read from it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from farwire.base.storage import Tx
from farwire.inventory.model import Element, ElementId, Layer, LinkKind
from farwire.inventory.model.topology import CODES, Edge, Topology, topology_of
from farwire.inventory.store.arrays import columns_of
from farwire.inventory.store.network import STANDING, element_of
from farwire.kernel.ids import ProductId

_CODE: Final = "CASE kind " + " ".join(f"WHEN '{kind}' THEN {code}" for kind, code in CODES.items()) + " END"
_NOW: Final = ("ended_at IS NULL", "valid_to = 'infinity'")
_THEN: Final = (
    "started_at <= $2 AND (ended_at IS NULL OR $2 < ended_at)",
    "valid_from <= $2 AND $2 < valid_to",
)
"""Which elements and links there are, and were at $2. What there is, is no question of a clock."""


async def topology_at(tx: Tx, sequence: int, at: datetime | None) -> Topology:
    """Return the network as it is, or was at a time: each table is read once, through."""
    there, held = _NOW if at is None else _THEN
    given = (tx.tenant_id,) if at is None else (tx.tenant_id, at)
    (elements,) = await columns_of(
        tx,
        1,
        f"SELECT element_id FROM inventory.element WHERE tenant_id = $1 AND {there} ORDER BY element_id",
        *given,
    )
    links = f"FROM inventory.link WHERE tenant_id = $1 AND {held}"
    starts, ends, kinds = await columns_of(
        tx, 3, f"SELECT from_id, to_id, ({_CODE})::bigint {links} AND protection = ''", *given
    )
    rows = await tx.fetch(
        f"SELECT from_id, to_id, kind, protection {links} AND protection <> ''",
        *given,
    )
    protected = [Edge(row["from_id"], row["to_id"], LinkKind(row["kind"]), row["protection"]) for row in rows]
    # Sorting millions takes seconds, in which the process has others to answer.
    return await asyncio.to_thread(topology_of, sequence, elements, starts, ends, kinds, protected)


async def elements_of(
    tx: Tx, ids: Sequence[int], *, at: datetime, layer: Layer | None, limit: int, offset: int
) -> tuple[list[tuple[Element, ProductId | None]], int]:
    """Return those of the elements that are of a layer, by name, with the products whose services they are."""
    where = f"{STANDING} AND e.element_id = ANY($3::bigint[]) AND ($4::text IS NULL OR e.layer = $4)"
    rows = await tx.fetch(
        f"SELECT found.*, s.product_id FROM ({where} ORDER BY e.name LIMIT $5 OFFSET $6) AS found "
        "LEFT JOIN inventory.service_instance s ON s.tenant_id = $1 AND s.service_id = found.service_id "
        "ORDER BY found.name",
        *(tx.tenant_id, at, list(ids), layer, limit, offset),
    )
    total = await tx.fetchval(
        "SELECT count(*) FROM inventory.element WHERE tenant_id = $1 AND element_id = ANY($2::bigint[]) "
        "AND ($3::text IS NULL OR layer = $3)",
        *(tx.tenant_id, list(ids), layer),
    )
    found = [(element_of(row), ProductId(row["product_id"]) if row["product_id"] else None) for row in rows]
    return found, total


async def layers_of(tx: Tx, ids: Sequence[int]) -> dict[Layer, int]:
    """Return how many of the elements are of each layer."""
    rows = await tx.fetch(
        "SELECT layer, count(*) AS found FROM inventory.element "
        "WHERE tenant_id = $1 AND element_id = ANY($2::bigint[]) GROUP BY layer",
        *(tx.tenant_id, list(ids)),
    )
    return {Layer(row["layer"]): row["found"] for row in rows}


async def in_order(tx: Tx, ids: Sequence[int], at: datetime) -> list[Element]:
    """Return the elements in the order of their ids given."""
    rows = await tx.fetch(f"{STANDING} AND e.element_id = ANY($3::bigint[])", tx.tenant_id, at, list(ids))
    found = {row["element_id"]: element_of(row) for row in rows}
    return [found[one] for one in ids]


async def elements_of_kind(tx: Tx, kind: str, at: datetime, limit: int) -> list[ElementId]:
    """Return the ids of elements of a kind that were there at a time. Reads the elements through."""
    rows = await tx.fetch(
        "SELECT element_id FROM inventory.element WHERE tenant_id = $1 AND kind = $3 AND started_at <= $2 "
        "AND (ended_at IS NULL OR $2 < ended_at) LIMIT $4",
        *(tx.tenant_id, at, kind, limit),
    )
    return [ElementId(row["element_id"]) for row in rows]
