"""SQL of documents: one table for every resource that has no behaviour yet."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from farwire.base.canonical import from_text, to_text
from farwire.base.storage import Tx
from farwire.base.tmf.descriptor import Target
from farwire.base.tmf.resource import Document
from farwire.kernel.errors import Invalid

COUNTED: Final = 10_000
"""Matches up to which a total is exact without being asked for."""


async def insert(tx: Tx, target: Target, document: Document, now: datetime) -> bool:
    """Keep a new document; return False if its id is taken."""
    tag = await tx.execute(
        "INSERT INTO base.tmf_resource (tenant_id, api, type, id, document, created_at, changed_at)"
        " VALUES ($1, $2, $3, $4, $5::jsonb, $6, $6) ON CONFLICT (tenant_id, api, type, id) DO NOTHING",
        *(tx.tenant_id, target.api, target.type, document["id"], to_text(document), now),
    )
    return tag == "INSERT 0 1"


async def load(tx: Tx, target: Target, key: str, *, lock: bool = False) -> Document | None:
    """Return one document, locked until the transaction ends if ``lock``."""
    text = await tx.fetchval(
        "SELECT document::text FROM base.tmf_resource WHERE tenant_id = $1 AND api = $2 AND type = $3 AND id = $4"
        + (" FOR UPDATE" if lock else ""),
        *(tx.tenant_id, target.api, target.type, key),
    )
    return None if text is None else from_text(text)


async def update(tx: Tx, target: Target, document: Document, now: datetime) -> None:
    """Keep the new content of a document that is locked."""
    await tx.execute(
        "UPDATE base.tmf_resource SET document = $5::jsonb, changed_at = $6, version = version + 1"
        " WHERE tenant_id = $1 AND api = $2 AND type = $3 AND id = $4",
        *(tx.tenant_id, target.api, target.type, document["id"], to_text(document), now),
    )


async def delete(tx: Tx, target: Target, key: str) -> None:
    """Remove a document."""
    await tx.execute(
        "DELETE FROM base.tmf_resource WHERE tenant_id = $1 AND api = $2 AND type = $3 AND id = $4",
        *(tx.tenant_id, target.api, target.type, key),
    )


async def known_ids(tx: Tx, target: Target, keys: Sequence[str]) -> set[str]:
    """Return which of ``keys`` are there."""
    rows = await tx.fetch(
        "SELECT id FROM base.tmf_resource"
        " WHERE tenant_id = $1 AND api = $2 AND type = $3 AND id = ANY($4::text[])",
        *(tx.tenant_id, target.api, target.type, list(keys)),
    )
    return {row["id"] for row in rows}


async def by_ids(tx: Tx, target: Target, keys: Sequence[str]) -> dict[str, Document]:
    """Return those of the documents that are there, by id."""
    rows = await tx.fetch(
        "SELECT id, document::text AS text FROM base.tmf_resource"
        " WHERE tenant_id = $1 AND api = $2 AND type = $3 AND id = ANY($4::text[])",
        *(tx.tenant_id, target.api, target.type, list(keys)),
    )
    return {row["id"]: from_text(row["text"]) for row in rows}


async def matching(
    tx: Tx, target: Target, predicate: str, most: int, *, after: int = 0, offset: int = 0, limit: int = 0
) -> tuple[int, list[tuple[int, Document]]]:
    """Return how many documents fit, counting no further than ``most``, and a page of them with their positions.

    The page begins behind position ``after``; it is empty where more than ``COUNTED`` fit. ``base.tmf_matching`` looks
    in the index of values.
    """
    try:
        rows = await tx.fetch(
            "WITH fits AS MATERIALIZED (SELECT found FROM base.tmf_matching(tenant_id => $1, p_api => $2, p_type => $3,"
            " p_predicate => $4::text::jsonpath, p_limit => $5)), counted AS (SELECT count(*) AS total FROM fits),"
            " page AS (SELECT found FROM fits WHERE found > $6 AND (SELECT total FROM counted) <= $9"
            " ORDER BY found OFFSET $7 LIMIT $8)"
            " SELECT total, found, (SELECT document::text FROM base.tmf_resource"
            " WHERE tenant_id = $1 AND api = $2 AND type = $3 AND position = found) AS text"
            " FROM counted LEFT JOIN page ON true ORDER BY found",
            *(tx.tenant_id, target.api, target.type, predicate, most, after, offset, limit, COUNTED),
        )
    except (asyncpg.SyntaxOrAccessError, asyncpg.DataError) as error:
        raise refused(error) from error
    return rows[0]["total"], [
        (row["found"], from_text(row["text"])) for row in rows if row["found"] is not None
    ]


def refused(error: asyncpg.PostgresError) -> Invalid:
    """Return the refusal of a predicate that PostgreSQL cannot read: a pattern that only Python knows."""
    return Invalid("a filter cannot be evaluated", code="tmf.query", field="filter", value=str(error)[:200])


async def count(tx: Tx, target: Target, limit: int) -> int:
    """Return how many documents there are, counting no further than ``limit``."""
    found: int = await tx.fetchval(
        "SELECT count(*) FROM (SELECT FROM base.tmf_resource"
        " WHERE tenant_id = $1 AND api = $2 AND type = $3 LIMIT $4) AS counted",
        *(tx.tenant_id, target.api, target.type, limit),
    )
    return found


async def walk(
    tx: Tx, target: Target, predicate: str, *, after: int, offset: int, limit: int
) -> list[tuple[int, Document]]:
    """Return a page in the order of creation, from the row after position ``after``."""
    rows = await tx.fetch(
        "SELECT position, document::text AS text FROM base.tmf_resource"
        " WHERE tenant_id = $1 AND api = $2 AND type = $3 AND position > $4"
        " AND ($5::text = '' OR document @@ nullif($5, '')::jsonpath) ORDER BY position OFFSET $6 LIMIT $7",
        *(tx.tenant_id, target.api, target.type, after, predicate, offset, limit),
    )
    return [(row["position"], from_text(row["text"])) for row in rows]


async def fitting(tx: Tx, documents: Sequence[Document], predicate: str) -> list[Document]:
    """Return those of ``documents`` that fit, by the same evaluation as stored ones."""
    try:
        rows = await tx.fetch(
            "SELECT n FROM unnest($1::text[]) WITH ORDINALITY AS given (text, n)"
            " WHERE text::jsonb @@ $2::text::jsonpath ORDER BY n",
            [to_text(document) for document in documents],
            predicate,
        )
    except (asyncpg.SyntaxOrAccessError, asyncpg.DataError) as error:
        raise refused(error) from error
    return [documents[row["n"] - 1] for row in rows]


async def lenient(tx: Tx, api: str) -> bool:
    """Return whether the tenant lets references of ``api`` lead nowhere."""
    mode = await tx.fetchval(
        "SELECT mode FROM base.tmf_setting WHERE tenant_id = $1 AND api = $2", tx.tenant_id, api
    )
    return bool(mode == "lenient")


async def references(tx: Tx) -> dict[str, str]:
    """Return the mode of each API for which one is set."""
    rows = await tx.fetch(
        "SELECT api, mode FROM base.tmf_setting WHERE tenant_id = $1 ORDER BY api", tx.tenant_id
    )
    return {row["api"]: row["mode"] for row in rows}


async def set_references(tx: Tx, api: str, mode: str) -> None:
    """Set whether the tenant's references of ``api`` are checked: ``strict`` or ``lenient``."""
    await tx.execute(
        "INSERT INTO base.tmf_setting (tenant_id, api, mode) VALUES ($1, $2, $3)"
        " ON CONFLICT (tenant_id, api) DO UPDATE SET mode = excluded.mode",
        *(tx.tenant_id, api, mode),
    )
