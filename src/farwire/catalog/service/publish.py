"""Publish a catalogue file: all of its documents in one transaction, or none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from farwire.base import audit
from farwire.base.clock import Clock
from farwire.base.eventbus import publish
from farwire.base.storage import Tx
from farwire.catalog.events import OFFERING_CHANGED, OFFERING_CREATED, catalogue_published, offering_told
from farwire.catalog.model import (
    Catalogue,
    Document,
    DocumentVersion,
    Entry,
    Kind,
    Lifecycle,
    Offering,
    check_references,
    digest,
    kind_of,
)
from farwire.catalog.model.catalogue_check import check_catalogue
from farwire.catalog.model.references import check_overlap, references
from farwire.catalog.service.plans import OPERATOR
from farwire.catalog.store import catalogue as store
from farwire.kernel.ids import uuid7
from farwire.kernel.tenancy import Actor


@dataclass(frozen=True, slots=True)
class PublishedItem:
    """The outcome for one document: its version, and whether it is ``new`` or was there with the same content."""

    version: DocumentVersion
    new: bool


@dataclass(frozen=True, slots=True)
class PublishedCatalogue:
    """The outcome of publishing a file. ``publication_id`` is None where nothing was new."""

    publication_id: UUID | None
    items: tuple[PublishedItem, ...]

    @property
    def new(self) -> bool:
        """Return whether anything was new."""
        return self.publication_id is not None


async def publish_catalogue(
    *, tx: Tx, clock: Clock, file: Catalogue, name: str = "", actor: Actor = OPERATOR
) -> PublishedCatalogue:
    """Publish the documents of ``file`` as next versions, all or none; what has the same content stays as it is.

    Publishing is one at a time in a tenant. Raises ``Invalid`` (see ``check_catalogue`` and ``check_references``) and
    ``Conflict`` (``catalog.version_overlap``) where a document changed without another start.
    """
    file = check_catalogue(file)
    now = clock.now()
    await store.lock(tx)
    published = _by_name(await store.all_versions(tx))
    named = {code for _, document in file.documents() for _, (_, code) in references(document)}
    offerings = await store.offering_codes(tx, sorted(named))
    check_references(
        file, {key: [one.document for one in versions] for key, versions in published.items()}, offerings
    )
    items = [await _item(tx, path, document, published, now) for path, document in file.documents()]
    fresh = [item.version for item in items if item.new]
    if not fresh:
        return PublishedCatalogue(None, tuple(items))
    publication_id = uuid7(now)
    facts = [
        {"kind": one.entry.kind.value, "code": one.entry.code, "number": one.number, "digest": one.digest}
        for one in fresh
    ]
    file_digest = digest(file)
    await store.add_publication(
        tx, publication_id=publication_id, digest=file_digest, name=name, items=facts, at=now
    )
    await store.add_versions(tx, publication_id, fresh)
    await publish(tx, catalogue_published(tx.tenant_id, publication_id, fresh, now))
    for one in fresh:
        if one.entry.kind is Kind.OFFERING and one.number > 1:
            await publish(tx, offering_told(tx.tenant_id, OFFERING_CHANGED, one.entry.id, now))
    await audit.record(
        tx,
        actor=actor,
        action="catalog.document_publish",
        subject=str(publication_id),
        at=now,
        detail={"digest": file_digest, "documents": len(fresh)},
    )
    return PublishedCatalogue(publication_id, tuple(items))


def _by_name(versions: Sequence[DocumentVersion]) -> Mapping[tuple[Kind, str], list[DocumentVersion]]:
    found: dict[tuple[Kind, str], list[DocumentVersion]] = {}
    for version in versions:
        found.setdefault((version.entry.kind, version.entry.code), []).append(version)
    return found


async def _item(
    tx: Tx,
    path: str,
    document: Document,
    published: Mapping[tuple[Kind, str], Sequence[DocumentVersion]],
    now: datetime,
) -> PublishedItem:
    """Return the version that the document becomes or is; the entry of a new code is written."""
    kind = kind_of(document)
    versions, content = published.get((kind, document.code), ()), digest(document)
    for version in versions:
        if version.digest == content:
            return PublishedItem(version, new=False)
    check_overlap(path, document, [(version.number, version.document) for version in versions])
    state = document.starts_as if isinstance(document, Offering) else Lifecycle.ACTIVE
    wanted = Entry(uuid7(now), kind, document.code, document.name, state)
    entry = await store.add_entry(tx, wanted, now)
    if entry.id == wanted.id and kind is Kind.OFFERING:
        await publish(tx, offering_told(tx.tenant_id, OFFERING_CREATED, entry.id, now))
    if entry.name != document.name:
        entry = replace(entry, name=document.name)
        await store.set_entry(tx, entry)
    number = max((version.number for version in versions), default=0) + 1
    return PublishedItem(DocumentVersion(entry, number, content, document, now), new=True)
