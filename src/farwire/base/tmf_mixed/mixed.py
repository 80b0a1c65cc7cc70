"""A context's things together with what it has no place for.

*Kept*: what a client writes of a thing and the context does not hold is a document beside the thing, joined to all that
is read of it; what the context says wins. *Recorded*: a thing that is not the context's (a service of no product) is a
document in the same list. Both are rows of ``base.tmf_resource``: the same tenancy, the same erasure, the same index.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Final

from farwire.base import audit, eventbus
from farwire.base.storage import Tx
from farwire.base.tmf import KNOWN, Act, Behaviour, Document, Target, Wanted
from farwire.base.tmf import documents as store
from farwire.base.tmf.engine import offered
from farwire.base.tmf.writing import snake
from farwire.base.tmf_mixed import lists
from farwire.base.tmf_mixed.merging import Rule, covers, merged, refuse_reserved, remainder, without
from farwire.kernel.errors import Conflict, Invalid
from farwire.kernel.page import Page

RECORDED: Final = "~recorded"
"""After the type of a thing: the type of documents in its list that are no thing of the context."""
_FACTS: Final = {
    "Create": "created",
    "AttributeValueChange": "changed",
    "StateChange": "state_changed",
    "Delete": "deleted",
}


@dataclass(frozen=True, slots=True)
class Mixed:
    """What is kept of the things of ``target``, and what is recorded in their list.

    ``takes``: attributes that ``own.create`` and ``own.patch`` judge; of any other one ``own`` never hears.
    """

    target: Target
    context: str
    own: Behaviour
    takes: frozenset[str]
    shares: frozenset[str] = frozenset()
    """Those of ``takes`` to whose lists elements may be added that mean nothing to the context."""
    fixed: frozenset[str] = frozenset()
    """What only the context says, to the last element: a client may repeat it."""
    yields: frozenset[str] = frozenset({"@type"})
    """What the context only guesses: what is kept wins."""
    never: frozenset[str] = frozenset()
    """Names, however deep, under which nothing is ever kept: secrets that the context takes and does not show."""
    state: str = ""
    """The attribute of the state, where recorded things have one."""
    records: Callable[[Tx, Document], Awaitable[bool]] | None = None
    """Whether a document that is to be created is no thing of ours; None where nothing is recorded."""
    suffix: str = ""
    """After the type, for the rows of what is kept, where the context has rows under the type itself."""
    words: frozenset[str] = field(default_factory=lambda: frozenset(_FACTS))
    """The events that are told, of those of ``_FACTS``."""

    @property
    def kept(self) -> Target:
        """Return where attributes are kept."""
        return Target(self.target.api, self.target.type + self.suffix)

    @property
    def recorded(self) -> Target:
        """Return where things of others are."""
        return Target(self.target.api, self.target.type + RECORDED)

    @property
    def events(self) -> dict[str, str]:
        """Return the event types of kept attributes and recorded things, each with the word of its TMF event."""
        words = _FACTS if self.records is not None else {"AttributeValueChange": "changed"}
        return {self._event(word): word for word in words if word in self.words}

    def behaviour(self) -> Behaviour:
        """Return the functions for the engine."""
        return replace(
            self.own,
            find=self.find,
            page=self._page,
            create=None if self.own.create is None else self._create,
            patch=None if self.own.patch is None else self._patch,
            delete=None if self.own.delete is None and self.records is None else self._delete,
            lists=None if self.records is None else lists.listed(self.recorded),
            beside=(self.kept.type, *(() if self.records is None else (self.recorded.type,))),
        )

    async def find(self, tx: Tx, key: str, now: datetime) -> Document | None:
        """Return one thing, own or recorded."""
        own = await self.own.find(tx, key, now)
        if own is not None:
            return (await self._joined(tx, [own]))[0]
        return None if self.records is None else await store.load(tx, self.recorded, key)

    async def _page(self, tx: Tx, wanted: Wanted) -> Page[Document]:
        page = await self.own.page(tx, wanted)
        return replace(page, items=tuple(await self._joined(tx, page.items)))

    async def _joined(self, tx: Tx, items: Sequence[Document]) -> list[Document]:
        kept = await store.by_ids(tx, self.kept, [one["id"] for one in items])
        return [merged(one, kept.get(one["id"], {}), self.yields) for one in items]

    async def _create(self, tx: Tx, document: Document, act: Act) -> Document:
        refuse_reserved(document)
        if self.records is not None and await self.records(tx, document):
            return await self._record(tx, document, act)
        asked = {"id", "@type", *self.takes}
        made = await offered(self.own.create)(
            tx, {name: one for name, one in document.items() if name in asked}, act
        )
        if made.get(KNOWN):
            return (await self._joined(tx, [made]))[0]
        rest = self._rest(document, made, document.keys() - {"id"})
        await self._keep(tx, made["id"], rest, act)
        return merged(made, rest, self.yields)

    def _rest(self, given: Document, own: Document, names: set[str]) -> Document:
        """Return what ``given`` says beyond ``own``. Raises ``Invalid`` where it says something else."""
        found: Document = {}
        for name in sorted(names):
            value = without(given.get(name), self.never)
            if value is None or name in self.never:
                continue
            if name not in own or (name in self.yields and value != own[name]):
                found[name] = value
                continue
            rest = remainder(value, own[name], f"$.{name}", self._rule(name, Rule.JUDGED))
            if rest is not None:
                found[name] = rest
        return found

    def _rule(self, name: str, taken: Rule) -> Rule:
        if name in self.fixed:
            return Rule.SAME
        return taken if name in self.takes - self.shares else Rule.SHARED

    async def _keep(self, tx: Tx, key: str, rest: Document, act: Act) -> None:
        if not rest:
            await store.delete(tx, self.kept, key)
        elif not await store.insert(tx, self.kept, {**rest, "id": key}, act.now):
            await store.update(tx, self.kept, {**rest, "id": key}, act.now)

    async def _record(self, tx: Tx, document: Document, act: Act) -> Document:
        key = document["id"]
        taken = await self.own.find(tx, key, act.now) is not None
        if taken or not await store.insert(tx, self.recorded, document, act.now):
            raise Conflict("this id is taken", code="tmf.exists", field="id", value=key)
        await self._tell(tx, key, ("Create",), "create", act)
        return document

    async def _patch(self, tx: Tx, before: Document, after: Document, act: Act) -> Document:
        refuse_reserved(after)
        key = before["id"]
        own = await self.own.find(tx, key, act.now)
        if own is None:
            return await self._patch_recorded(tx, before, after, act)
        names = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        kept = await store.load(tx, self.kept, key, lock=True) or {}
        made = await self._patch_own(tx, own, after, names, act)
        rest = {name: value for name, value in kept.items() if name not in names and name != "id"}
        rest |= self._rest(after, made, names)
        if rest != {name: value for name, value in kept.items() if name != "id"}:
            await self._keep(tx, key, rest, act)
            await self._tell(tx, key, ("AttributeValueChange",), "change", act)
        return merged(made, rest, self.yields)

    async def _patch_own(self, tx: Tx, own: Document, after: Document, names: set[str], act: Act) -> Document:
        """Let the context change what it holds; a part of it that nobody may change is refused by its path."""
        changed = dict(own)
        for name in sorted(names):
            if self._only_kept(name, own, after.get(name)):
                continue
            if name not in self.takes:
                fix = "it follows from what the operator's systems do; leave it as it is"
                raise Invalid(f"{name} cannot be changed", code="tmf.contradicts", field=f"$.{name}", fix=fix)
            changed[name] = after.get(name)
            if changed[name] is None:
                del changed[name]
        if changed == own:
            return own
        return await offered(self.own.patch)(tx, own, changed, act)

    def _only_kept(self, name: str, own: Document, value: object) -> bool:
        """Return whether ``value`` says all that ``own`` says, and the rest of it can be kept."""
        if name not in own:
            return name not in self.takes
        if name in self.yields and name not in self.takes:
            return True
        try:
            remainder(value, own[name], "$", self._rule(name, Rule.SAME))
        except Invalid:
            return False
        return covers(value, own[name])

    async def _patch_recorded(self, tx: Tx, before: Document, after: Document, act: Act) -> Document:
        stands = await store.load(tx, self.recorded, before["id"], lock=True) or {}
        hidden = {name: value for name, value in stands.items() if name not in before}
        if {**hidden, **before} != stands:
            why, fix = "somebody else has just changed it", "read it again, and repeat the change"
            raise Conflict(why, code="tmf.changed_meanwhile", field="id", value=before["id"], fix=fix)
        whole = {**hidden, **after}
        await store.update(tx, self.recorded, whole, act.now)
        names = {name for name in whole.keys() | stands.keys() if whole.get(name) != stands.get(name)}
        words = ["StateChange"] if self.state in names else []
        words += ["AttributeValueChange"] if names - {self.state} else []
        await self._tell(tx, before["id"], words, "change", act)
        return whole

    async def _delete(self, tx: Tx, key: str, act: Act) -> None:
        if self.records is not None and await store.load(tx, self.recorded, key, lock=True) is not None:
            await store.delete(tx, self.recorded, key)
            await self._tell(tx, key, ("Delete",), "delete", act)
            return
        if self.own.delete is None:
            raise Conflict(
                "a thing of the operator's own is history: it is not deleted",
                code="tmf.own_thing",
                field="id",
                value=key,
                fix="end it by its state",
            )
        await self.own.delete(tx, key, act)
        await store.delete(tx, self.kept, key)

    def _event(self, word: str) -> str:
        return f"farwire.{self.context}.{snake(self.target.type)}_{_FACTS[word]}.v1"

    async def _tell(self, tx: Tx, key: str, words: Sequence[str], verb: str, act: Act) -> None:
        """Publish what happened, with ids only, and write it into the audit log."""
        about = {"api": self.target.api, "type": self.target.type}
        for word in words:
            if word in self.words:
                event = eventbus.new_event(
                    tenant_id=tx.tenant_id,
                    type=self._event(word),
                    subject=key,
                    occurred_at=act.now,
                    recorded_at=act.now,
                    data={**about, "id": key},
                )
                await eventbus.publish(tx, event)
        action = f"{self.context}.{verb}_{snake(self.target.type)}"
        api = {"api": self.target.api}
        await audit.record(tx, actor=act.actor, action=action, subject=key, at=act.now, detail=api)
