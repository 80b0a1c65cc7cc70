"""SQL of documents that name a person. It reads every document of the tenant: for exports and erasures only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from farwire.base.canonical import from_text, to_text
from farwire.base.storage import Tx
from farwire.base.tmf.resource import Document


class Kept(NamedTuple):
    """A stored document with where it is."""

    position: int
    api: str
    type: str
    document: Document


async def holding(tx: Tx, names: Sequence[str]) -> list[Kept]:
    """Return the documents in whose text one of ``names`` occurs, oldest first, locked."""
    rows = await tx.fetch(
        "SELECT position, api, type, document::text AS text FROM base.tmf_resource WHERE tenant_id = $1"
        " AND EXISTS (SELECT FROM unnest($2::text[]) AS named (name) WHERE position(named.name IN document::text) > 0)"
        " ORDER BY position FOR UPDATE",
        *(tx.tenant_id, list(names)),
    )
    return [Kept(row["position"], row["api"], row["type"], from_text(row["text"])) for row in rows]


async def rewrite(tx: Tx, position: int, document: Document, now: datetime) -> None:
    """Keep the new content of a document that is locked."""
    await tx.execute(
        "UPDATE base.tmf_resource SET document = $3::jsonb, changed_at = $4, version = version + 1"
        " WHERE tenant_id = $1 AND position = $2",
        *(tx.tenant_id, position, to_text(document), now),
    )
