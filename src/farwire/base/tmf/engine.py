"""The operations of a resource, for one version on one base path: list, get, create, patch, delete."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar
from urllib.parse import urlencode

import msgspec

from farwire.base.canonical import stored_time
from farwire.base.json_patch import PatchKind, apply
from farwire.base.storage import Tx
from farwire.base.tmf import documents
from farwire.base.tmf.descriptor import PARENT, Fill, Target, Version
from farwire.base.tmf.fields import Tree, select, wanted
from farwire.base.tmf.query import Condition, Query, check_text, parse
from farwire.base.tmf.references import check_references, check_unreferenced, there
from farwire.base.tmf.resource import KNOWN, Act, Api, Document, Resource
from farwire.base.tmf.shape import PATTERNS, checked, wrong
from farwire.base.tmf.states import check_transition, starting_state
from farwire.base.tmf.store import documents as store
from farwire.base.tmf.versions import changed_by, from_wire, to_wire
from farwire.base.tmf.writing import publish_change
from farwire.base.web import AnyQuery, Call, Nothing, Reply
from farwire.kernel.errors import Conflict, Defect, NotFound
from farwire.kernel.ids import uuid7


class ByKey(msgspec.Struct, frozen=True):
    """The path of one resource, whose id may be anything short."""

    id: Annotated[str, msgspec.Meta(pattern=f"^{PATTERNS['id']}$")]


class ByOuterAndKey(ByKey, frozen=True):
    """The path of a nested resource, after that of the one that it is in."""

    inner: Annotated[str, msgspec.Meta(pattern=f"^{PATTERNS['id']}$")]


ListCall = Call[Nothing, AnyQuery, None]
GetCall = Call[ByKey, AnyQuery, None]
CreateCall = Call[Nothing, AnyQuery, dict[str, Any]]
PatchCall = Call[ByKey, AnyQuery, Any]
_Function = TypeVar("_Function")


@dataclass(frozen=True, slots=True)
class Operations:
    """What the routes of one resource call."""

    api: Api
    resource: Resource
    version: Version
    base: str

    @property
    def target(self) -> Target:
        """Return what it is in references."""
        return Target(self.api.number, self.resource.descriptor.type)

    async def list(self, call: ListCall) -> Reply:
        """Return a part of the collection."""
        query = parse(self.resource.descriptor, call.query.pairs, self.version)
        tree = wanted(self.resource.descriptor, query.fields, self.version)
        async with call.transaction() as tx:
            tie = await self._parent(tx, call)
            inside = (Condition((name,), "eq", (key,)) for name, key in tie.items())
            query = replace(query, conditions=(*query.conditions, *inside))
            if self.resource.behaviour is None:
                found = await documents.documents(tx, self.target, query)
                found = replace(found, items=await self._current(tx, found.items))
            else:
                own = self.resource.behaviour
                found = await (own.lists or documents.served)(tx, own, query, call.now(), call.principal)
        counts = {"x-total-count": str(found.total), "x-result-count": str(len(found.items))}
        headers = {**counts, "link": self._links(call, query, found)}
        if found.more:
            headers["x-total-count-lower-bound"] = "true"
        return Reply([self._shown(call, item, tree) for item in found.items], headers=headers)

    async def get(self, call: GetCall) -> Reply:
        """Return one resource."""
        tree = self._fields(call)
        async with call.transaction() as tx:
            document = await self._find(tx, call)
        return Reply(self._shown(call, document, tree))

    async def create(self, call: CreateCall) -> Reply:
        """Make a resource: what the server gives is filled, references and the first state are checked."""
        tree, act = self._fields(call), Act(call.principal.actor, call.clock, call.principal, call.key)
        async with call.transaction() as tx:
            tie = await self._parent(tx, call)
            given = from_wire(self.resource.descriptor, call.body, self.version)
            document = {**self._filled(checked(self.resource.descriptor, given, self.version), act), **tie}
            document.pop("href", None)
            await self._check(tx, document, None, act)
            made = await self._create(tx, document, act)
        status = 200 if made.pop(KNOWN, False) else 201
        shown = self._shown(call, made, None)
        return Reply(select(shown, tree), status=status, headers={"location": shown["href"]})

    async def patch(self, call: PatchCall) -> Reply:
        """Change a resource by a patch of any kind."""
        return await self._changed(call, PatchKind(call.media_type))

    async def put(self, call: PatchCall) -> Reply:
        """Replace a resource: what is not sent is removed, apart from what only the server sets."""
        return await self._changed(call, None)

    async def _changed(self, call: PatchCall, kind: PatchKind | None) -> Reply:
        tree, act = self._fields(call), Act(call.principal.actor, call.clock, call.principal)
        async with call.transaction() as tx:
            before = await self._find(tx, call, lock=True)
            after = self._patched(call, before, kind)
            if after != before:
                await self._check(tx, after, before, act)
                after = await self._change(tx, before, after, act)
        return Reply(self._shown(call, after, tree))

    async def delete(self, call: GetCall) -> Reply:
        """Remove a resource that nothing refers to."""
        act = Act(call.principal.actor, call.clock, call.principal)
        async with call.transaction() as tx:
            document = await self._find(tx, call, lock=True)
            if not await store.lenient(tx, self.api.number):
                await check_unreferenced(tx, self.target, document["id"])
            if self.resource.removed is not None:
                await self.resource.removed(tx, document, act)
            behaviour = self.resource.behaviour
            if behaviour is not None and behaviour.delete is not None:
                await behaviour.delete(tx, document["id"], act)
            else:
                await store.delete(tx, self.target, document["id"])
                await publish_change(tx, self.api, self.resource, document, None, act)
        return Reply()

    def _fields(self, call: Call[Any, AnyQuery, Any]) -> Tree | None:
        names = ",".join(value for name, value in call.query.pairs if name == "fields")
        for name, _ in call.query.pairs:
            if name != "fields":
                raise wrong(name, "the parameter is unknown here", fix="known parameters: fields")
        check_text("fields", names)
        return wanted(self.resource.descriptor, filter(None, names.split(",")), self.version)

    async def _find(self, tx: Tx, call: Call[ByKey, AnyQuery, Any], *, lock: bool = False) -> Document:
        key, behaviour = getattr(call.path, "inner", call.path.id), self.resource.behaviour
        if behaviour is None:
            loaded = await store.load(tx, self.target, key, lock=lock)
            found = None if loaded is None else (await self._current(tx, [loaded]))[0]
        else:
            outer = self._outer(call)
            found = await behaviour.find(tx, f"{outer}/{key}" if outer else key, call.now())
        if found is None or found.get(PARENT.name, "") != self._outer(call):
            raise unknown(key)
        return found if behaviour is None else behaviour.shown_to(found, call.principal)

    async def _current(self, tx: Tx, items: Sequence[Document]) -> Sequence[Document]:
        return items if self.resource.current is None else await self.resource.current(tx, items)

    def _shown(self, call: Call[Any, Any, Any], document: Document, tree: Tree | None) -> Document:
        shown = to_wire(self.resource.descriptor, document, self.version)
        path = self.resource.descriptor.collection(self.version, document.get(PARENT.name, ""))
        shown["href"] = f"{call.settings.public_url or ''}{self.base}/{path}/{document['id']}"
        return select(shown, tree)

    def _outer(self, call: Call[Any, Any, Any]) -> str:
        return "" if self.resource.descriptor.inside is None else call.path.id

    async def _parent(self, tx: Tx, call: Call[Any, Any, Any]) -> Document:
        """Return what ties a nested resource to the one that it is in, which must be there."""
        inside = self.resource.descriptor.inside
        if inside is None:
            return {}
        key = self._outer(call)
        if not await there(tx, Target(self.api.number, inside.type), [key], call.now()):
            raise unknown(key)
        return {PARENT.name: key}

    def _filled(self, document: Document, act: Act) -> Document:
        """Return a new document with what the server gives: id, type, times, defaults, the first state."""
        descriptor = self.resource.descriptor
        now = stored_time(act.now)
        filled: Document = {"id": str(uuid7(act.now)), "@type": descriptor.type}
        for one in descriptor.attributes.values():
            if one.fill is Fill.CREATED:
                filled[one.name] = now
            elif one.default is not None:
                filled[one.name] = one.default
        kept = {
            name: value
            for name, value in document.items()
            if name not in descriptor.attributes or descriptor.attributes[name].writable
        }
        changed = {one.name: now for one in descriptor.attributes.values() if one.fill is Fill.CHANGED}
        state = starting_state(descriptor, document)
        return {**filled, **kept, **changed, **state}

    def _patched(self, call: PatchCall, before: Document, kind: PatchKind | None) -> Document:
        """Return what ``before`` becomes, its shape checked. What only the server sets may be repeated, not changed."""
        descriptor = self.resource.descriptor
        view = self._shown(call, before, None)
        many = frozenset(one.name_in(self.version) for one in descriptor.of(self.version) if one.many)
        own = [one for one in descriptor.of(self.version) if not (one.patchable and one.writable)]
        fixed = [one.name_in(self.version) for one in own]
        if kind is None:
            patched = {**{name: view[name] for name in fixed if name in view}, **call.body}
        else:
            patched = apply(kind, view, call.body, many)
        for name in fixed:
            if patched.get(name) != view.get(name):
                raise wrong(f"$.{name}", f"{name} cannot be changed by a patch")
        patched.pop("href", None)
        after = changed_by(descriptor, before, patched, self.version)
        return checked(descriptor, after, self.version)

    async def _check(self, tx: Tx, after: Document, before: Document | None, act: Act) -> None:
        descriptor = self.resource.descriptor
        check_transition(descriptor, after, before)
        await check_references(tx, self.api, self.resource, after, before, self.version, act.now)
        if self.resource.check is not None:
            await self.resource.check(tx, after)

    async def _create(self, tx: Tx, document: Document, act: Act) -> Document:
        behaviour = self.resource.behaviour
        if behaviour is not None:
            made = await offered(behaviour.create)(tx, document, act)
            return behaviour.shown_to(made, act.principal)
        if self.resource.work is not None:
            document = await self.resource.work(tx, document, act)
        if not await store.insert(tx, self.target, document, act.now):
            raise Conflict("this id is taken", code="tmf.exists", field="id", value=document["id"])
        await publish_change(tx, self.api, self.resource, None, document, act)
        return document

    async def _change(self, tx: Tx, before: Document, after: Document, act: Act) -> Document:
        behaviour = self.resource.behaviour
        if behaviour is not None:
            changed = await offered(behaviour.patch)(tx, before, after, act)
            return behaviour.shown_to(changed, act.principal)
        if self.resource.changed is not None:
            after = await self.resource.changed(tx, before, after, act)
        now = stored_time(act.now)
        after |= {
            one.name: now for one in self.resource.descriptor.attributes.values() if one.fill is Fill.CHANGED
        }
        await store.update(tx, self.target, after, act.now)
        await publish_change(tx, self.api, self.resource, before, after, act)
        return after

    def _links(self, call: ListCall, query: Query, found: documents.Found) -> str:
        kept = [
            (name, value) for name, value in call.query.pairs if name not in ("offset", "limit", "cursor")
        ]
        parent = self._outer(call)
        path = f"{self.base}/{self.resource.descriptor.collection(self.version, parent)}"

        def link(relation: str, **more: int) -> str:
            query_string = urlencode([*kept, *((name, str(value)) for name, value in more.items())])
            return f'<{path}?{query_string}>; rel="{relation}"'

        links = [link("first", limit=query.limit)]
        if found.next is not None:
            links.append(link("next", cursor=found.next, limit=query.limit))
        elif query.sort and query.offset + len(found.items) < found.total:
            links.append(link("next", offset=query.offset + query.limit, limit=query.limit))
        return ", ".join(links)


def unknown(key: str) -> NotFound:
    """Return the refusal (404) of an id."""
    return NotFound("there is nothing with this id", code="tmf.id_unknown", field="id", value=key)


def offered(function: _Function | None) -> _Function:
    """Return a function of a context for which there is a route."""
    if function is None:
        raise Defect("the operation is declared but not served", code="tmf.not_served")
    return function
