"""What a context has no place for: attributes of its things that mean nothing to it, kept beside them as documents."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from farwire.base.storage import Tx
from farwire.base.tmf.descriptor import Target
from farwire.base.tmf.resource import Document
from farwire.base.tmf.store import documents as store
from farwire.kernel.errors import Invalid


@dataclass(frozen=True, slots=True)
class Beside:
    """Attributes (``names``) of the things of ``target``. None may be personal: an erasure looks elsewhere."""

    target: Target
    names: frozenset[str]

    async def keep(self, tx: Tx, document: Document, now: datetime) -> None:
        """Keep those attributes of ``document`` in place of the ones that are kept."""
        kept = {name: document[name] for name in self.names if document.get(name) is not None}
        if kept:
            kept["id"] = document["id"]
            if not await store.insert(tx, self.target, kept, now):
                await store.update(tx, self.target, kept, now)
        else:
            await store.delete(tx, self.target, document["id"])

    async def joined(self, tx: Tx, items: Sequence[Document]) -> list[Document]:
        """Return ``items`` with what is kept beside each."""
        kept = await store.by_ids(tx, self.target, [one["id"] for one in items])
        return [{**kept.get(one["id"], {}), **one} for one in items]

    def refuse_others(self, document: Document, known: Iterable[str]) -> None:
        """Raise ``Invalid`` (``tmf.not_kept``) for the first attribute that is neither ``known`` nor kept beside."""
        allowed = {"id", "href", "@type", "@baseType", *known, *self.names}
        for name in document.keys() - allowed:
            raise Invalid(
                f"{name} is not kept here",
                code="tmf.not_kept",
                field=f"$.{name}",
                fix="leave it out; kept are: " + ", ".join(sorted(allowed)),
            )
