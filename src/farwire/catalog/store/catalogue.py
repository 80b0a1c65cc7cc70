"""SQL of the documents: specifications and offerings with their versions."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from typing import TYPE_CHECKING
from uuid import UUID

import msgspec

from farwire.base.storage import Tx
from farwire.catalog.model import Document, DocumentVersion, Entry, Kind, Lifecycle, Offering, to_document
from farwire.catalog.model.document import stored

if TYPE_CHECKING:
    from asyncpg import Record

_SPECIFICATIONS = (
    "SELECT s.specification_id AS id, s.kind, s.code, s.name, s.lifecycle, v.number, v.digest, v.document, "
    "v.published_at FROM catalog.specification s JOIN catalog.specification_version v "
    "ON v.tenant_id = s.tenant_id AND v.specification_id = s.specification_id WHERE s.tenant_id = $1"
)
_OFFERINGS = (
    "SELECT o.offering_id AS id, 'offering' AS kind, o.code, o.name, o.lifecycle, v.number, v.digest, v.document, "
    "v.published_at FROM catalog.offering o JOIN catalog.offering_version v "
    "ON v.tenant_id = o.tenant_id AND v.offering_id = o.offering_id WHERE o.tenant_id = $1"
)


@lru_cache(maxsize=4096)
def document_of(kind: Kind, text: str) -> Document:
    """Return the document that ``text``, a column of the database, holds. Published ones never change."""
    return stored(kind, msgspec.json.decode(text))


def entry_from_row(row: Record) -> Entry:
    """Return the specification or offering of a row."""
    return Entry(row["id"], Kind(row["kind"]), row["code"], row["name"], Lifecycle(row["lifecycle"]))


def _version_from_row(row: Record) -> DocumentVersion:
    entry = entry_from_row(row)
    document = document_of(entry.kind, row["document"])
    return DocumentVersion(entry, row["number"], row["digest"], document, row["published_at"])


async def lock(tx: Tx) -> None:
    """Let one publication of catalogue files run at a time, until the transaction ends."""
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtextextended($1, 7003))", f"catalog.publish {tx.tenant_id}"
    )


async def all_versions(tx: Tx) -> list[DocumentVersion]:
    """Return every version of every document of the tenant, by kind and code, the oldest first."""
    rows = await tx.fetch(
        f"{_SPECIFICATIONS} UNION ALL {_OFFERINGS} ORDER BY 2, 3, 6",
        tx.tenant_id,
    )
    return [_version_from_row(row) for row in rows]


async def versions_of(tx: Tx, kind: Kind, codes: Sequence[str]) -> list[DocumentVersion]:
    """Return the versions of the documents ``codes`` of one kind, by code, the oldest first."""
    if kind is Kind.OFFERING:
        rows = await tx.fetch(
            f"{_OFFERINGS} AND o.code = ANY($2::text[]) ORDER BY o.code, v.number", tx.tenant_id, list(codes)
        )
    else:
        rows = await tx.fetch(
            f"{_SPECIFICATIONS} AND s.kind = $3 AND s.code = ANY($2::text[]) ORDER BY s.code, v.number",
            tx.tenant_id,
            list(codes),
            kind.value,
        )
    return [_version_from_row(row) for row in rows]


async def specifications_at(tx: Tx, kind: Kind, codes: Sequence[str], at: datetime) -> list[DocumentVersion]:
    """Return the version in force at ``at`` of each specification of ``codes``."""
    rows = await tx.fetch(
        "SELECT DISTINCT ON (s.code) s.specification_id AS id, s.kind, s.code, s.name, s.lifecycle, v.number, "
        "v.digest, v.document, v.published_at FROM catalog.specification s JOIN catalog.specification_version v "
        "ON v.tenant_id = s.tenant_id AND v.specification_id = s.specification_id WHERE s.tenant_id = $1 "
        "AND s.kind = $2 AND s.code = ANY($3::text[]) AND v.valid_from <= $4 ORDER BY s.code, v.valid_from DESC",
        tx.tenant_id,
        kind.value,
        list(codes),
        at,
    )
    return [_version_from_row(row) for row in rows]


async def entry(tx: Tx, kind: Kind, code: str, *, locked: bool = False) -> Entry | None:
    """Return the specification or offering ``code``, ``locked`` until the transaction ends."""
    suffix = "FOR UPDATE" if locked else ""
    if kind is Kind.OFFERING:
        row = await tx.fetchrow(
            "SELECT offering_id AS id, 'offering' AS kind, code, name, lifecycle FROM catalog.offering "
            f"WHERE tenant_id = $1 AND code = $2 {suffix}",
            tx.tenant_id,
            code,
        )
    else:
        row = await tx.fetchrow(
            "SELECT specification_id AS id, kind, code, name, lifecycle FROM catalog.specification "
            f"WHERE tenant_id = $1 AND code = $2 AND kind = $3 {suffix}",
            tx.tenant_id,
            code,
            kind.value,
        )
    return entry_from_row(row) if row else None


async def offering_codes(tx: Tx, codes: Sequence[str]) -> frozenset[str]:
    """Return which of ``codes`` are offerings, with a document or with only a price plan."""
    rows = await tx.fetch(
        "SELECT code FROM catalog.offering WHERE tenant_id = $1 AND code = ANY($2::text[])",
        tx.tenant_id,
        list(codes),
    )
    return frozenset(row["code"] for row in rows)


async def add_entry(tx: Tx, new: Entry, created_at: datetime) -> Entry:
    """Insert the entry where its code is new, and return the one of that code, locked."""
    if new.kind is Kind.OFFERING:
        await tx.execute(
            "INSERT INTO catalog.offering (tenant_id, offering_id, code, name, lifecycle, created_at) "
            "VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (tenant_id, code) DO NOTHING",
            tx.tenant_id,
            new.id,
            new.code,
            new.name,
            new.lifecycle.value,
            created_at,
        )
    else:
        await tx.execute(
            "INSERT INTO catalog.specification (tenant_id, specification_id, kind, code, name, lifecycle, created_at) "
            "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT (tenant_id, kind, code) DO NOTHING",
            tx.tenant_id,
            new.id,
            new.kind.value,
            new.code,
            new.name,
            new.lifecycle.value,
            created_at,
        )
    return await entry(tx, new.kind, new.code, locked=True) or new


async def set_entry(tx: Tx, changed: Entry) -> None:
    """Write the name and the lifecycle of an entry."""
    table, key = ("offering", "offering_id")
    if changed.kind is not Kind.OFFERING:
        table, key = ("specification", "specification_id")
    await tx.execute(
        f"UPDATE catalog.{table} SET name = $3, lifecycle = $4 WHERE tenant_id = $1 AND {key} = $2",
        tx.tenant_id,
        changed.id,
        changed.name,
        changed.lifecycle.value,
    )


async def add_publication(
    tx: Tx, *, publication_id: UUID, digest: str, name: str, items: Sequence[object], at: datetime
) -> None:
    """Insert a publication, before its versions."""
    await tx.execute(
        "INSERT INTO catalog.publication (tenant_id, publication_id, digest, name, items, published_at) "
        "VALUES ($1, $2, $3, $4, $5::jsonb, $6)",
        tx.tenant_id,
        publication_id,
        digest,
        name,
        msgspec.json.encode(items).decode(),
        at,
    )


async def add_versions(tx: Tx, publication_id: UUID, versions: Sequence[DocumentVersion]) -> None:
    """Insert versions of documents, all in two statements."""
    offerings = [v for v in versions if isinstance(v.document, Offering)]
    others = [v for v in versions if not isinstance(v.document, Offering)]
    await tx.executemany(
        "INSERT INTO catalog.specification_version (tenant_id, specification_id, number, publication_id, digest, "
        "valid_from, document, published_at) VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8)",
        [(*_columns(tx, publication_id, v), _json(v), v.published_at) for v in others],
    )
    await tx.executemany(
        "INSERT INTO catalog.offering_version (tenant_id, offering_id, number, publication_id, digest, valid_from, "
        "document, published_at, valid_to, regions, segments, channels, specification) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7::jsonb, $8, $9, $10, $11, $12, $13)",
        [
            (*_columns(tx, publication_id, v), _json(v), v.published_at, *_offering_columns(v.document))
            for v in offerings
        ],
    )


def _columns(tx: Tx, publication_id: UUID, version: DocumentVersion) -> tuple[object, ...]:
    start = version.document.valid_from
    return tx.tenant_id, version.entry.id, version.number, publication_id, version.digest, start


def _offering_columns(document: Document) -> tuple[object, ...]:
    if not isinstance(document, Offering):
        return ()
    sold = document.eligibility
    lists = list(sold.regions), list(sold.segments), list(sold.channels)
    return (document.valid_to, *lists, document.product_specification or None)


def _json(version: DocumentVersion) -> str:
    return msgspec.json.encode(to_document(version.document)).decode()
