"""Drafts: things that begin as documents of the engine, until a context publishes them and has them itself.

A published one keeps its document, for what the context has no place for. The document then stands at the id that the
context gave, and remembers what its client calls it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farwire.base.storage import Tx
from farwire.base.tmf import Act, Document, Target
from farwire.base.tmf import documents as store
from farwire.base.tmf.query import Query
from farwire.base.tmf.writing import publish_change
from farwire.base.tmf_work import served
from farwire.kernel.errors import Conflict
from farwire.kernel.page import Page

KEY, PUBLISHED = "@key", "@published"
"""Attributes that are never shown: what a client calls it, whether the context has it."""
_IS_DRAFT = f'!exists($."{PUBLISHED}")'


@dataclass(frozen=True, slots=True)
class Drafts:
    """The documents of ``target`` that the context keeps at ids of its own (texts)."""

    target: Target

    async def of(self, tx: Tx, ids: Sequence[str]) -> dict[str, Document]:
        """Return those of the documents that are there, by the context's ids, as their clients know them."""
        found = await store.by_ids(tx, self.target, ids)
        return {key: _shown(document) for key, document in found.items()}

    async def page(self, tx: Tx, offset: int, limit: int) -> Page[Document]:
        """Return a page of what is not published, in the order in which it was made."""
        query = Query(expression=_IS_DRAFT, offset=offset, limit=limit, count_all=True)
        found = await store.documents(tx, self.target, query)
        return Page(tuple(_shown(one) for one in found.items), found.total, offset, limit)

    async def add(self, tx: Tx, own_id: str, document: Document, act: Act, *, published: bool) -> None:
        """Keep a new document. Raises ``Conflict`` (``tmf.exists``) where it is there."""
        if not await store.insert(tx, self.target, _kept(own_id, document, published=published), act.now):
            raise Conflict("this id is taken", code="tmf.exists", field="id", value=document["id"])

    async def put(self, tx: Tx, own_id: str, document: Document, act: Act, *, published: bool) -> None:
        """Keep the new content of a document, or the first one of a published thing."""
        kept = _kept(own_id, document, published=published)
        if not await store.insert(tx, self.target, kept, act.now):
            await store.update(tx, self.target, kept, act.now)

    async def remove(self, tx: Tx, own_id: str) -> None:
        """Remove a document."""
        await store.delete(tx, self.target, own_id)

    async def lock(self, tx: Tx, own_id: str) -> bool:
        """Return whether the document is there, and a draft; nobody else changes it until the transaction ends."""
        found = await store.load(tx, self.target, own_id, lock=True)
        return found is not None and PUBLISHED not in found

    async def tell(self, tx: Tx, before: Document | None, after: Document | None, act: Act) -> None:
        """Publish what happened to a thing, and write it into the audit log, as the engine does for documents."""
        await publish_change(tx, *served(self.target), before, after, act)


def _kept(own_id: str, document: Document, *, published: bool) -> Document:
    kept = {name: value for name, value in document.items() if name not in (KEY, PUBLISHED)}
    return {**kept, "id": own_id, KEY: document["id"], **({PUBLISHED: True} if published else {})}


def _shown(document: Document) -> Document:
    shown = {name: value for name, value in document.items() if name not in (KEY, PUBLISHED)}
    return {**shown, "id": document.get(KEY, document["id"])}
