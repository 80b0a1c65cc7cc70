"""SQL of documents that name a person. It reads every document of the tenant: for exports and erasures only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from farwire.base.canonical import from_text
from farwire.base.storage import Tx
from farwire.base.tmf.resource import Document


class Kept(NamedTuple):
    """A stored document with what it is of."""

    api: str
    type: str
    document: Document


async def holding(tx: Tx, names: Sequence[str]) -> list[Kept]:
    """Return the documents in whose text one of ``names`` occurs, oldest first, locked."""
    rows = await tx.fetch(
        "SELECT api, type, document::text AS text FROM base.tmf_resource WHERE tenant_id = $1"
        " AND EXISTS (SELECT FROM unnest($2::text[]) AS named (name) WHERE position(named.name IN document::text) > 0)"
        " ORDER BY position FOR UPDATE",
        *(tx.tenant_id, list(names)),
    )
    return [Kept(row["api"], row["type"], from_text(row["text"])) for row in rows]
