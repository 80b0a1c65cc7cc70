"""Resources: a descriptor bound to a context, kept as a document here or served by functions of the context."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeAlias

from farwire.base.authz import Permission, Principal
from farwire.base.clock import Clock
from farwire.base.storage import Tx
from farwire.base.tmf.descriptor import Descriptor, Target, Version
from farwire.kernel.errors import check
from farwire.kernel.page import Page
from farwire.kernel.tenancy import Actor

Document: TypeAlias = dict[str, Any]
"""One resource in its v5 shape: JSON with Decimal for numbers that are not whole."""
KNOWN = "@known"
"""An attribute that is never shown: ``create`` of a context found the thing instead of making it."""


@dataclass(frozen=True, slots=True)
class Act:
    """Who changes something, and when."""

    actor: Actor
    clock: Clock
    principal: Principal | None = None
    """The caller, where one of several acts of a resource needs a permission of its own."""
    key: str = ""
    """The idempotency key of the request, for what is done elsewhere."""

    @property
    def now(self) -> datetime:
        """Return the installation's time."""
        return self.clock.now()


@dataclass(frozen=True, slots=True)
class Wanted:
    """The part of a list that a context is asked for. ``equal``: any of these values, for its ``native`` filters."""

    offset: int
    limit: int
    now: datetime
    """The time at which one looks: what a thing is may follow from its dates."""
    equal: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Behaviour:
    """The functions of a context that serve a resource, all in documents of the v5 shape.

    ``find`` returns None for an unknown id, a malformed one included; of a nested resource it gets both ids, with a
    slash between, and ``page`` the outer one as ``equal["@parent"]``. ``page`` must keep its order while rows are
    added, and apply ``wanted.equal``, whose names are in ``native``; every other filter, ``fields`` and sort are the
    engine's. ``patch`` gets the document before and after: the engine has applied the patch and checked its shape,
    its references and its lifecycle. What is not there is not offered.
    """

    find: Callable[[Tx, str, datetime], Awaitable[Document | None]]
    page: Callable[[Tx, Wanted], Awaitable[Page[Document]]]
    create: Callable[[Tx, Document, Act], Awaitable[Document]] | None = None
    patch: Callable[[Tx, Document, Document, Act], Awaitable[Document]] | None = None
    delete: Callable[[Tx, str, Act], Awaitable[None]] | None = None
    native: frozenset[str] = frozenset()
    """Dotted paths of v5 attributes that ``page`` filters by equality itself, or with ``.gte`` and so on after them.

    None of what ``seen_by`` hides.
    """
    seen_by: Callable[[Document, Principal | None], Document] | None = None
    """What of a document a caller may see, or a listener (None); filters are applied to that only."""
    repeats: bool = False
    """Whether ``create`` may return a thing that was there, with ``KNOWN`` in it: the answer is then 200."""
    lists: Callable[..., Awaitable[Any]] | None = None
    """Answers a list request instead of ``page`` (``base/tmf_mixed``): called as ``documents.served`` is."""
    beside: tuple[str, ...] = ()
    """The types of the documents that are kept beside its things, or in its list: what they refer to stays."""

    def shown_to(self, document: Document, principal: Principal | None) -> Document:
        """Return what the caller may see of ``document``."""
        return document if self.seen_by is None else self.seen_by(document, principal)


@dataclass(frozen=True, slots=True)
class Resource:
    """One resource that is served. Without ``behaviour`` it is a document in ``base.tmf_resource``.

    ``events`` maps the context's own event types to names of TMF events (``Create``, ``StateChange``, …); the subject
    of such an event is the resource's id. Documents have events of their own.
    """

    descriptor: Descriptor
    context: str
    read: Permission
    write: Permission
    behaviour: Behaviour | None = None
    events: Mapping[str, str] = field(default_factory=dict)
    check: Callable[[Tx, Document], Awaitable[None]] | None = None
    """A rule of the context on a document that is about to be kept; it raises what is wrong."""
    work: Callable[[Tx, Document, Act], Awaitable[Document]] | None = None
    """For a task that is kept as a document: does its work when it is made, and returns what came of it."""
    task: object = None
    """For a task that no client makes: what a worker does for it (``base.tmf_tasks.Task``)."""
    changed: Callable[[Tx, Document, Document, Act], Awaitable[Document]] | None = None
    """For a document that is patched: does what goes with the change, and returns what is kept."""
    removed: Callable[[Tx, Document, Act], Awaitable[None]] | None = None
    """For a document that is deleted: does what goes with that, or raises why it must stay."""
    current: Callable[[Tx, Sequence[Document]], Awaitable[Sequence[Document]]] | None = None
    """For a task whose work goes on after it was made: returns the documents as they stand."""
    about: str = ""
    """Where the data of its events have its id, if some of them are about another thing too."""
    among: Callable[[Tx, Sequence[str]], Awaitable[Collection[str]]] | None = None
    """Which of some ids are of its things, where an event of the context tells of another resource of the API too."""
    told_as: str = ""
    """Its name in the types of its events, where another API of the context has a resource of the same name."""


@dataclass(frozen=True, slots=True)
class Api:
    """One Open API: its number, its name in paths, its resources. ``aliases`` are further base paths per version."""

    number: str
    title: str
    path: str
    resources: tuple[Resource, ...]
    versions: tuple[Version, ...] = tuple(Version)
    v4_path: str = ""
    """Where v4 calls it otherwise: ``partyManagement`` was ``party``."""
    aliases: Mapping[Version, tuple[str, ...]] = field(default_factory=dict)

    def base(self, version: Version) -> str:
        """Return the base path of ``version``."""
        return f"/tmf-api/{self.v4_path or self.path if version is Version.V4 else self.path}/{version}"

    def bases(self, version: Version) -> tuple[str, ...]:
        """Return every base path of ``version``, the documented one first, then the one without ``/tmf-api``."""
        base = self.base(version)
        return (base, base.removeprefix("/tmf-api"), *self.aliases.get(version, ()))


class Served:
    """What this process serves, so that a reference from one context can be looked up in another."""

    def __init__(self) -> None:
        self._by_target: dict[Target, tuple[Api, Resource]] = {}

    def add(self, api: Api) -> None:
        """Know the resources of ``api``. Adding the same one again changes nothing."""
        for resource in api.resources:
            target = Target(api.number, resource.descriptor.type)
            known = self._by_target.setdefault(target, (api, resource))
            check(known[1] is resource, "tmf.served_twice", f"{target} is bound twice")

    def get(self, target: Target) -> tuple[Api, Resource] | None:
        """Return who serves ``target``."""
        return self._by_target.get(target)

    def of_type(self, name: str) -> tuple[Target, ...]:
        """Return each target of that type, in whatever API; a nested one that needs two ids is none."""
        return tuple(
            target
            for target, (_, resource) in self._by_target.items()
            if name in (target.type, resource.descriptor.v4_type, *resource.descriptor.subtypes)
            and (resource.behaviour is None or resource.descriptor.inside is None)
        )

    def all(self) -> tuple[tuple[Api, Resource], ...]:
        """Return everything."""
        return tuple(self._by_target.values())


SERVED = Served()
"""Filled by ``tmf_routes``."""
