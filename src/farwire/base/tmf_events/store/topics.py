"""SQL of the topics that clients make, and of what is posted to them."""

from __future__ import annotations

from datetime import datetime

from farwire.base.canonical import from_text, to_text
from farwire.base.storage import Tx
from farwire.base.tmf.resource import Document


async def insert(tx: Tx, document: Document, now: datetime) -> bool:
    """Keep a new topic; return False if its id is taken."""
    tag = await tx.execute(
        "INSERT INTO base.tmf_topic (tenant_id, id, document, created_at) VALUES ($1, $2, $3::jsonb, $4)"
        " ON CONFLICT (tenant_id, id) DO NOTHING",
        *(tx.tenant_id, document["id"], to_text(document), now),
    )
    return tag == "INSERT 0 1"


async def load(tx: Tx, key: str) -> Document | None:
    """Return one topic."""
    text = await tx.fetchval(
        "SELECT document::text FROM base.tmf_topic WHERE tenant_id = $1 AND id = $2", tx.tenant_id, key
    )
    return None if text is None else from_text(text)


async def every(tx: Tx, limit: int) -> list[Document]:
    """Return the tenant's topics, the oldest first."""
    rows = await tx.fetch(
        "SELECT document::text AS text FROM base.tmf_topic WHERE tenant_id = $1 ORDER BY created_at, id LIMIT $2",
        *(tx.tenant_id, limit),
    )
    return [from_text(row["text"]) for row in rows]


async def delete(tx: Tx, key: str) -> None:
    """Remove a topic with its listeners and what was posted to it."""
    await tx.execute(
        "DELETE FROM base.tmf_hub WHERE tenant_id = $1 AND api = '688' AND topic = $2", tx.tenant_id, key
    )
    await tx.execute(
        "DELETE FROM base.tmf_resource WHERE tenant_id = $1 AND api = '688' AND type = 'Event'"
        " AND document->>'@parent' = $2",
        *(tx.tenant_id, key),
    )
    await tx.execute("DELETE FROM base.tmf_topic WHERE tenant_id = $1 AND id = $2", tx.tenant_id, key)


async def forget_old(tx: Tx, before: datetime, limit: int) -> None:
    """Remove some of what was posted before then, the oldest first."""
    await tx.execute(
        "DELETE FROM base.tmf_resource WHERE tenant_id = $1 AND api = '688' AND type = 'Event' AND created_at < $2"
        " AND position IN (SELECT position FROM base.tmf_resource"
        " WHERE tenant_id = $1 AND api = '688' AND type = 'Event' ORDER BY position LIMIT $3)",
        *(tx.tenant_id, before, limit),
    )
