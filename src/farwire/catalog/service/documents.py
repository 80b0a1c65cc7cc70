"""Specifications and offerings as documents: their versions, their life, the publications that made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from farwire.base import audit
from farwire.base.clock import Clock
from farwire.base.eventbus import publish
from farwire.base.storage import Tx
from farwire.catalog.events import lifecycle_changed
from farwire.catalog.model import DocumentVersion, Entry, Kind, Lifecycle, move
from farwire.catalog.service.plans import FIRST_PAGE, OPERATOR
from farwire.catalog.store import catalogue as store
from farwire.catalog.store import listing
from farwire.catalog.store.listing import Publication
from farwire.kernel.errors import NotFound
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import Actor


async def change_lifecycle(
    *, tx: Tx, clock: Clock, code: str, to: Lifecycle, kind: Kind = Kind.OFFERING, actor: Actor = OPERATOR
) -> Entry:
    """Move a specification or an offering to another state of its life; where it is there already nothing happens.

    Retiring stops sales; products that customers have go on as they are. Raises ``NotFound``
    (``catalog.offering_unknown``, ``catalog.specification_unknown``) and ``Conflict`` (``catalog.lifecycle``).
    """
    now = clock.now()
    entry = _known(await store.entry(tx, kind, code, locked=True), kind, code)
    if not move(code, entry.lifecycle, to):
        return entry
    changed = replace(entry, lifecycle=to)
    await store.set_entry(tx, changed)
    await publish(tx, lifecycle_changed(tx.tenant_id, entry, to, now))
    await audit.record(
        tx,
        actor=actor,
        action="catalog.lifecycle_change",
        subject=str(entry.id),
        at=now,
        detail={"kind": kind.value, "code": code, "from": entry.lifecycle.value, "to": to.value},
    )
    return changed


async def entry(*, tx: Tx, code: str, kind: Kind = Kind.OFFERING) -> Entry:
    """Return the specification or offering ``code``. Raises ``NotFound`` as ``change_lifecycle`` does."""
    return _known(await store.entry(tx, kind, code), kind, code)


async def document_versions(tx: Tx, *, kind: Kind, codes: Sequence[str]) -> tuple[DocumentVersion, ...]:
    """Return the published versions of the documents ``codes``, by code, the oldest first."""
    return tuple(await store.versions_of(tx, kind, codes))


async def list_entries(
    tx: Tx, *, kind: Kind, lifecycle: Lifecycle | None = None, page: PageRequest = FIRST_PAGE
) -> Page[Entry]:
    """Return one page of the specifications (or offerings) of a kind, in a state or in any, by code."""
    items, total = await listing.entries(tx, kind, lifecycle, offset=page.offset, limit=page.limit)
    return Page(items, total, page.offset, page.limit)


async def publications(tx: Tx, *, page: PageRequest = FIRST_PAGE) -> Page[Publication]:
    """Return one page of the catalogue files that were published, the newest first."""
    items, total = await listing.publications(tx, offset=page.offset, limit=page.limit)
    return Page(items, total, page.offset, page.limit)


def _known(found: Entry | None, kind: Kind, code: str) -> Entry:
    if found is not None:
        return found
    name = "offering" if kind is Kind.OFFERING else "specification"
    raise NotFound(
        f"there is no such {kind.value.replace('_', ' ')}",
        code=f"catalog.{name}_unknown",
        field=name,
        value=code,
        fix="farwire catalog list",
    )
