"""Publish what a file holds, a price plan or a catalogue file: checked against rating before anything is written."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from farwire.base.clock import Clock
from farwire.base.storage import Tx
from farwire.catalog import service as catalog
from farwire.catalog.model import Catalogue, PricePlan
from farwire.catalog.service import OPERATOR
from farwire.kernel.tenancy import Actor
from farwire.rating import service as rating


@dataclass(frozen=True, slots=True)
class PublishedVersion:
    """A version that is there now: ``new``, or published before with the same content."""

    kind: str
    code: str
    number: int
    digest: str
    new: bool


@dataclass(frozen=True, slots=True)
class PublishedDocument:
    """The outcome of publishing a file.

    ``publication_id`` is that of a catalogue file that had something new, ``plan_version_id`` that of a price plan.
    ``missing_decks`` are the decks that a plan waits for.
    """

    versions: tuple[PublishedVersion, ...]
    publication_id: UUID | None = None
    plan_version_id: UUID | None = None
    missing_decks: tuple[str, ...] = ()

    @property
    def new(self) -> bool:
        """Return whether anything was new."""
        return any(version.new for version in self.versions)


async def publish_document(
    *, tx: Tx, clock: Clock, document: PricePlan | Catalogue, name: str = "", actor: Actor = OPERATOR
) -> PublishedDocument:
    """Publish a price plan or a catalogue file, all of it or nothing; the same content again changes nothing.

    Raises what ``catalog.publish_plan``, ``catalog.publish_catalogue`` and compiling a plan raise.
    """
    if isinstance(document, Catalogue):
        done = await catalog.publish_catalogue(tx=tx, clock=clock, file=document, name=name, actor=actor)
        versions = tuple(
            PublishedVersion(
                item.version.entry.kind.value,
                item.version.entry.code,
                item.version.number,
                item.version.digest,
                item.new,
            )
            for item in done.items
        )
        return PublishedDocument(versions, publication_id=done.publication_id)
    rating.check_compiles(document)
    missing = await rating.missing_decks(tx=tx, plan=document)
    published = await catalog.publish_plan(tx=tx, clock=clock, plan=document, actor=actor)
    version = published.version
    one = PublishedVersion("price_plan", document.offering, version.number, version.digest, published.new)
    return PublishedDocument((one,), plan_version_id=version.id, missing_decks=tuple(missing))
