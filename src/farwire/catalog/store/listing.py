"""SQL of lists: entries of a kind and publications, by the page."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import msgspec

from farwire.base.storage import Tx
from farwire.catalog.model import Entry, Kind, Lifecycle
from farwire.catalog.store.catalogue import entry_from_row


class PublicationItem(msgspec.Struct, frozen=True):
    """A version that a publication made."""

    kind: Kind
    code: str
    number: int
    digest: str


@dataclass(frozen=True, slots=True)
class Publication:
    """A catalogue file that was published: the digest of the whole file, and what was new in it."""

    id: UUID
    digest: str
    name: str
    items: tuple[PublicationItem, ...]
    published_at: datetime


async def entries(
    tx: Tx, kind: Kind, lifecycle: Lifecycle | None, *, offset: int, limit: int
) -> tuple[tuple[Entry, ...], int]:
    """Return one page of the specifications or offerings of a kind, by code, and how many there are."""
    if kind is Kind.OFFERING:
        source, key = "catalog.offering WHERE tenant_id = $1 AND $2 = 'offering'", "offering_id"
    else:
        source, key = "catalog.specification WHERE tenant_id = $1 AND kind = $2", "specification_id"
    source += " AND ($3::text IS NULL OR lifecycle = $3)"
    state = None if lifecycle is None else lifecycle.value
    total: int = await tx.fetchval(f"SELECT count(*) FROM {source}", tx.tenant_id, kind.value, state)
    rows = await tx.fetch(
        f"SELECT {key} AS id, $2 AS kind, code, name, lifecycle FROM {source} ORDER BY code OFFSET $4 LIMIT $5",
        tx.tenant_id,
        kind.value,
        state,
        offset,
        limit,
    )
    return tuple(entry_from_row(row) for row in rows), total


async def publications(tx: Tx, *, offset: int, limit: int) -> tuple[tuple[Publication, ...], int]:
    """Return one page of publications, the newest first, and how many there are."""
    total: int = await tx.fetchval(
        "SELECT count(*) FROM catalog.publication WHERE tenant_id = $1", tx.tenant_id
    )
    rows = await tx.fetch(
        "SELECT publication_id, digest, name, items, published_at FROM catalog.publication WHERE tenant_id = $1 "
        "ORDER BY published_at DESC, publication_id DESC OFFSET $2 LIMIT $3",
        tx.tenant_id,
        offset,
        limit,
    )
    found = tuple(
        Publication(
            row["publication_id"],
            row["digest"],
            row["name"],
            msgspec.json.decode(row["items"], type=tuple[PublicationItem, ...]),
            row["published_at"],
        )
        for row in rows
    )
    return found, total
