"""SQL of the network: elements, links, how they stood before."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Final

from farwire.base.storage import Tx
from farwire.inventory.model import (
    Element,
    ElementId,
    ElementStanding,
    ElementState,
    Layer,
    Link,
    LinkKind,
    NewElement,
)
from farwire.kernel.ids import ResourceId, ServiceId

if TYPE_CHECKING:
    from asyncpg import Record

STANDING: Final = (
    "SELECT e.element_id, e.name, e.layer, e.kind, coalesce(p.state, e.state) AS state, "
    "coalesce(p.place, e.place) AS place, coalesce(p.valid_from, e.since) AS since, e.started_at, e.ended_at, "
    "e.resource_id, e.service_id FROM inventory.element e LEFT JOIN inventory.element_past p "
    "ON p.tenant_id = e.tenant_id AND p.element_id = e.element_id AND p.valid_from <= $2 AND $2 < p.valid_to "
    "WHERE e.tenant_id = $1"
)
"""How elements stood at $2."""
_THERE: Final = "AND e.started_at <= $2 AND (e.ended_at IS NULL OR $2 < e.ended_at)"
_HELD: Final = "l.valid_from <= $2 AND $2 < l.valid_to"
_LINKS: Final = (
    "SELECT l.from_id, f.name AS from_name, l.to_id, t.name AS to_name, l.kind, l.protection, l.valid_from, "
    "nullif(l.valid_to, 'infinity') AS valid_to FROM inventory.link l "
    "JOIN inventory.element f ON f.tenant_id = l.tenant_id AND f.element_id = l.from_id "
    "JOIN inventory.element t ON t.tenant_id = l.tenant_id AND t.element_id = l.to_id WHERE l.tenant_id = $1"
)


def element_of(row: Record) -> Element:
    """Return the element of a row of ``STANDING``."""
    return Element(
        ElementId(row["element_id"]),
        row["name"],
        Layer(row["layer"]),
        row["kind"],
        ElementState(row["state"]),
        row["place"],
        row["since"],
        row["started_at"],
        row["ended_at"],
        ResourceId(row["resource_id"]) if row["resource_id"] else None,
        ServiceId(row["service_id"]) if row["service_id"] else None,
    )


def _link(row: Record) -> Link:
    return Link(
        ElementId(row["from_id"]),
        row["from_name"],
        ElementId(row["to_id"]),
        row["to_name"],
        LinkKind(row["kind"]),
        row["protection"],
        row["valid_from"],
        row["valid_to"],
    )


async def lock_network(tx: Tx) -> int:
    """Return how many changes of the network there were; others who change it wait until the transaction ends."""
    sequence: int = await tx.fetchval(
        "INSERT INTO inventory.network AS n (tenant_id, sequence) VALUES ($1, 0) "
        "ON CONFLICT (tenant_id) DO UPDATE SET sequence = n.sequence RETURNING sequence",
        tx.tenant_id,
    )
    return sequence


async def next_sequence(tx: Tx) -> int:
    """Return the number of a change that is to be told; the network is locked."""
    sequence: int = await tx.fetchval(
        "UPDATE inventory.network SET sequence = sequence + 1 WHERE tenant_id = $1 RETURNING sequence",
        tx.tenant_id,
    )
    return sequence


async def last_sequence(tx: Tx) -> int:
    """Return how many changes of the network there were."""
    found = await tx.fetchval("SELECT sequence FROM inventory.network WHERE tenant_id = $1", tx.tenant_id)
    return int(found or 0)


async def add_element(tx: Tx, new: NewElement, at: datetime) -> ElementId:
    """Insert an element. Violates ``element_name``, ``element_of_resource``, ``element_of_service``."""
    return ElementId(
        await tx.fetchval(
            "INSERT INTO inventory.element "
            "(tenant_id, name, layer, kind, state, place, since, started_at, resource_id, service_id) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7, $7, $8, $9) RETURNING element_id",
            *(tx.tenant_id, new.name, new.layer, new.kind, new.state, new.place, at),
            *(new.resource_id, new.service_id),
        )
    )


async def elements(tx: Tx, ids: Sequence[ElementId], at: datetime) -> dict[ElementId, Element]:
    """Return those of the elements that exist, ended or not, as they stood at a time."""
    rows = await tx.fetch(f"{STANDING} AND e.element_id = ANY($3::bigint[])", tx.tenant_id, at, list(ids))
    return {ElementId(row["element_id"]): element_of(row) for row in rows}


async def elements_named(tx: Tx, names: Sequence[str], at: datetime) -> dict[str, Element]:
    """Return those of the elements that exist, ended or not, as they stood at a time."""
    rows = await tx.fetch(f"{STANDING} AND e.name = ANY($3::text[])", tx.tenant_id, at, list(names))
    return {row["name"]: element_of(row) for row in rows}


async def list_elements(
    tx: Tx,
    *,
    at: datetime,
    layer: Layer | None,
    kind: str | None,
    prefix: str,
    limit: int,
    offset: int,
) -> tuple[list[Element], int]:
    """Return the elements that are there at a time, by name, and how many there are."""
    where = (
        f"{STANDING} {_THERE} AND ($3::text IS NULL OR e.layer = $3) AND ($4::text IS NULL OR e.kind = $4) "
        "AND starts_with(e.name, $5)"
    )
    given = (tx.tenant_id, at, layer, kind, prefix)
    rows = await tx.fetch(f"{where} ORDER BY e.name LIMIT $6 OFFSET $7", *given, limit, offset)
    total = await tx.fetchval(f"SELECT count(*) FROM ({where}) AS found", *given)
    return [element_of(row) for row in rows], total


async def resource_elements(
    tx: Tx,
    *,
    at: datetime,
    kinds: Sequence[str] | None,
    states: Sequence[ElementState] | None,
    limit: int,
    offset: int,
) -> tuple[list[Element], int]:
    """Return elements that are no services and are there at a time, by id, and how many there are."""
    where = (
        f"{STANDING} {_THERE} AND e.layer <> 'service' AND ($3::text[] IS NULL OR e.kind = ANY($3)) "
        "AND ($4::text[] IS NULL OR coalesce(p.state, e.state) = ANY($4))"
    )
    given = (
        *(tx.tenant_id, at, None if kinds is None else list(kinds)),
        None if states is None else [one.value for one in states],
    )
    rows = await tx.fetch(f"{where} ORDER BY e.element_id LIMIT $5 OFFSET $6", *given, limit, offset)
    total = await tx.fetchval(f"SELECT count(*) FROM ({where}) AS found", *given)
    return [element_of(row) for row in rows], total


async def change_element(tx: Tx, before: Element, *, state: ElementState, place: str, at: datetime) -> None:
    """Let an element stand otherwise from ``at`` on, and keep how it stood."""
    if at > before.since:
        await tx.execute(
            "INSERT INTO inventory.element_past (tenant_id, element_id, valid_from, valid_to, state, place) "
            "VALUES ($1, $2, $3, $4, $5, $6)",
            *(tx.tenant_id, before.id, before.since, at, before.state, before.place),
        )
    await tx.execute(
        "UPDATE inventory.element SET state = $3, place = $4, since = $5 WHERE tenant_id = $1 AND element_id = $2",
        *(tx.tenant_id, before.id, state, place, at),
    )


async def past(tx: Tx, element_id: ElementId) -> list[ElementStanding]:
    """Return how the element stood before, oldest first."""
    rows = await tx.fetch(
        "SELECT valid_from, valid_to, state, place FROM inventory.element_past "
        "WHERE tenant_id = $1 AND element_id = $2 ORDER BY valid_from",
        *(tx.tenant_id, element_id),
    )
    return [
        ElementStanding(row["valid_from"], row["valid_to"], ElementState(row["state"]), row["place"])
        for row in rows
    ]


async def end_element(tx: Tx, element_id: ElementId, at: datetime) -> None:
    """End an element."""
    await tx.execute(
        "UPDATE inventory.element SET ended_at = $3 WHERE tenant_id = $1 AND element_id = $2",
        *(tx.tenant_id, element_id, at),
    )


async def end_links_of(tx: Tx, element_id: ElementId, at: datetime) -> int:
    """End every link of an element that holds; return how many."""
    rows = await tx.fetch(
        "UPDATE inventory.link SET valid_to = $3 WHERE tenant_id = $1 AND (from_id = $2 OR to_id = $2) "
        "AND valid_to = 'infinity' RETURNING 1",
        *(tx.tenant_id, element_id, at),
    )
    return len(rows)


async def latest_links_of(tx: Tx, element_id: ElementId) -> tuple[datetime | None, datetime | None]:
    """Return when the youngest link of the element that holds began, and when the last one that does not ended."""
    row = await tx.fetchrow(
        "SELECT max(valid_from) FILTER (WHERE valid_to = 'infinity') AS began, "
        "max(valid_to) FILTER (WHERE valid_to <> 'infinity') AS ended FROM inventory.link "
        "WHERE tenant_id = $1 AND (from_id = $2 OR to_id = $2)",
        *(tx.tenant_id, element_id),
    )
    return (None, None) if row is None else (row["began"], row["ended"])


async def add_link(
    tx: Tx, start: ElementId, end: ElementId, kind: LinkKind, protection: str, at: datetime
) -> None:
    """Insert a link that holds from ``at`` on. Violates ``link_pkey`` or ``link_container``."""
    await tx.execute(
        "INSERT INTO inventory.link (tenant_id, from_id, to_id, kind, protection, valid_from) "
        "VALUES ($1, $2, $3, $4, $5, $6)",
        *(tx.tenant_id, start, end, kind, protection, at),
    )


async def end_link(tx: Tx, link: Link, at: datetime) -> None:
    """End a link that holds."""
    await tx.execute(
        "UPDATE inventory.link SET valid_to = $5 WHERE tenant_id = $1 AND from_id = $2 AND to_id = $3 "
        "AND kind = $4 AND valid_to = 'infinity'",
        *(tx.tenant_id, link.start, link.end, link.kind, at),
    )


async def last_link(tx: Tx, start: ElementId, end: ElementId, kind: LinkKind) -> Link | None:
    """Return the link between two elements, or the last one that there was."""
    row = await tx.fetchrow(
        f"{_LINKS} AND l.from_id = $2 AND l.to_id = $3 AND l.kind = $4 ORDER BY l.valid_to DESC LIMIT 1",
        *(tx.tenant_id, start, end, kind),
    )
    return None if row is None else _link(row)


async def links_of(tx: Tx, ids: Sequence[ElementId], at: datetime) -> list[Link]:
    """Return the links of the elements that hold at a time, by kind and names."""
    rows = await tx.fetch(
        f"{_LINKS} AND {_HELD} AND (l.from_id = ANY($3::bigint[]) OR l.to_id = ANY($3::bigint[])) "
        "ORDER BY l.kind, f.name, t.name",
        *(tx.tenant_id, at, list(ids)),
    )
    return [_link(row) for row in rows]


async def list_links(
    tx: Tx, *, at: datetime, element_id: ElementId, kind: LinkKind | None, limit: int, offset: int
) -> tuple[list[Link], int]:
    """Return links of one element that hold at a time, by kind and names, and how many there are."""
    where = f"{_LINKS} AND {_HELD} AND (l.from_id = $3 OR l.to_id = $3) AND ($4::text IS NULL OR l.kind = $4)"
    given = (tx.tenant_id, at, element_id, kind)
    rows = await tx.fetch(
        f"{where} ORDER BY l.kind, f.name, t.name LIMIT $5 OFFSET $6", *given, limit, offset
    )
    total = await tx.fetchval(f"SELECT count(*) FROM ({where}) AS found", *given)
    return [_link(row) for row in rows], total


async def containers_of(tx: Tx, element_id: ElementId, since: datetime) -> list[ElementId]:
    """Return what contains the element now or did after ``since``, what contains that, and so on; its own first."""
    rows = await tx.fetch(
        "WITH RECURSIVE up (element_id) AS (SELECT l.from_id FROM inventory.link l "
        "WHERE l.tenant_id = $1 AND l.to_id = $2 AND l.kind = 'contains' AND l.valid_to > $3 "
        "UNION SELECT l.from_id FROM up JOIN inventory.link l ON l.tenant_id = $1 "
        "AND l.to_id = up.element_id AND l.kind = 'contains' AND l.valid_to > $3) "
        "SELECT up.element_id FROM up ORDER BY NOT EXISTS (SELECT FROM inventory.link l WHERE l.tenant_id = $1 "
        "AND l.from_id = up.element_id AND l.to_id = $2 AND l.kind = 'contains' AND l.valid_to > $3)",
        *(tx.tenant_id, element_id, since),
    )
    return [ElementId(row["element_id"]) for row in rows]
