"""What fails with what, and how to get from here to there: asked of snapshots of the network in memory.

A process keeps the snapshots of some tenants. Before each question it looks at the tenant's number of changes: where
it is behind, it applies the events of the changes that it missed, and where one is missing, or there are many, it reads
the network anew. So an answer is never older than the transaction that asks, which must not have changed the network
itself: what is rolled back would stay in memory.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from farwire.base import eventbus
from farwire.base.eventbus import Event
from farwire.base.storage import Tx
from farwire.inventory import events
from farwire.inventory.model import Element, ElementId, Layer, LinkKind
from farwire.inventory.model.topology import MANY, Edge, Topology
from farwire.inventory.service.network import element_unknown
from farwire.inventory.store import network, topology
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import ProductId, TenantId
from farwire.kernel.page import Page, PageRequest

MAX_FAILED: Final = 1_000
MAX_ENDS: Final = 1_000
"""Elements of a kind of which a trace looks for the nearest."""
TENANTS: Final = 8
"""Networks kept in memory: one of 1,000,000 elements and 3,000,000 links is some 100 MB."""


@dataclass(frozen=True, slots=True)
class Hit:
    """An element of an answer, with the product whose service it is, if it is one."""

    element: Element
    product_id: ProductId | None


@dataclass(frozen=True, slots=True)
class Impact:
    """A page of what was asked for, and how many of all of it there are in each layer."""

    page: Page[Hit]
    layers: Mapping[Layer, int]


@dataclass(frozen=True, slots=True)
class Trace:
    """How an element gets to another one, and the way that is left when the first one fails, if there is one."""

    first: tuple[Element, ...]
    second: tuple[Element, ...]

    @property
    def shared(self) -> frozenset[ElementId]:
        """Return what both ways pass, the beginning apart: when it fails, neither is left."""
        return frozenset(one.id for one in self.first[1:]) & frozenset(one.id for one in self.second[1:])


@dataclass(slots=True)
class _Kept:
    position: int
    """Of the last event that the snapshot knows."""
    topology: Topology


class Snapshots:
    """The networks of some tenants in memory, those used last."""

    def __init__(self, tenants: int = TENANTS) -> None:
        self._kept: OrderedDict[TenantId, _Kept] = OrderedDict()
        self._tenants = tenants
        self._busy: dict[TenantId, asyncio.Lock] = {}
        self.reads = 0
        """How often a network was read whole."""

    def _one_at_a_time(self, tenant_id: TenantId) -> asyncio.Lock:
        return self._busy.setdefault(tenant_id, asyncio.Lock())

    async def past(self, tx: Tx, at: datetime) -> Topology:
        """Return the network as it was at a time; it is read whole, of each tenant one at a time."""
        async with self._one_at_a_time(tx.tenant_id):
            return await topology.topology_at(tx, 0, at)

    async def current(self, tx: Tx) -> Topology:
        """Return the network as the transaction sees it."""
        async with self._one_at_a_time(tx.tenant_id):
            kept = self._kept.get(tx.tenant_id)
            wanted = await network.last_sequence(tx)
            if kept is not None and kept.topology.sequence != wanted:
                kept = await _caught_up(tx, kept, wanted)
            if kept is None:
                self.reads += 1
                kept = await _read(tx)
            self._kept[tx.tenant_id] = kept
            self._kept.move_to_end(tx.tenant_id)
            while len(self._kept) > self._tenants:
                self._kept.popitem(last=False)
            return kept.topology


SNAPSHOTS: Final = Snapshots()
"""Those of this process."""


async def _read(tx: Tx) -> _Kept:
    """Read the network whole; where it changes meanwhile, again, with those who change it waiting."""
    for last in (False, True):
        if last:
            await network.lock_network(tx)
        position = await eventbus.last_position(tx)
        sequence = await network.last_sequence(tx)
        found = await topology.topology_at(tx, sequence, None)
        if last or sequence == await network.last_sequence(tx):
            return _Kept(position, found)
    raise AssertionError


async def _caught_up(tx: Tx, kept: _Kept, wanted: int) -> _Kept | None:
    """Return the snapshot with the changes that it missed; None where it must be read anew."""
    if not 0 < wanted - kept.topology.sequence <= MANY:
        return None
    told = await eventbus.list_events(tx=tx, after=kept.position, type_prefix=events.NETWORK)
    # Each copies the arrays: of a large network, milliseconds in which the process has others to answer.
    return await asyncio.to_thread(_followed, kept, told, wanted)


def _followed(kept: _Kept, told: Sequence[tuple[int, Event]], wanted: int) -> _Kept | None:
    now, position = kept.topology, kept.position
    for at, event in told:
        sequence = int(str(event.data["sequence"]))
        if sequence <= now.sequence:
            continue
        changed = applied(now, event) if sequence == now.sequence + 1 else None
        if changed is None:
            return None
        now, position = changed.at(sequence), at
    return _Kept(position, now) if now.sequence >= wanted else None


def applied(before: Topology, event: Event) -> Topology | None:
    """Return the network after the change that the event tells; None where it does not tell enough."""
    if event.type == events.ELEMENT_CHANGED:
        return before
    if event.type in (events.ELEMENT_ADDED, events.ELEMENT_ENDED):
        element = int(str(event.data["element_id"]))
        added = event.type == events.ELEMENT_ADDED
        return before.with_element(element) if added else before.without_element(element)
    if event.type in (events.LINK_ADDED, events.LINK_ENDED):
        edge = Edge(
            int(str(event.data["from_id"])),
            int(str(event.data["to_id"])),
            LinkKind(str(event.data["kind"])),
            str(event.data["protection"]),
        )
        return before.with_link(edge) if event.type == events.LINK_ADDED else before.without_link(edge)
    return None


async def _network(tx: Tx, at: datetime | None, now: datetime) -> Topology:
    """Return the network as of ``at``: the present one from memory, a past one read whole."""
    if at is None:
        return await SNAPSHOTS.current(tx)
    if at > now:
        raise Invalid("the network holds what is and was", code="inventory.time_ahead", field="at", value=at)
    return await SNAPSHOTS.past(tx, at)


async def _ids(tx: Tx, names: Sequence[str], at: datetime) -> list[ElementId]:
    if not 1 <= len(names) <= MAX_FAILED:
        raise Invalid(f"name 1 to {MAX_FAILED} elements", code="inventory.elements", field="element")
    known = await network.elements_named(tx, names, at)
    missing = next((name for name in names if name not in known), None)
    if missing is not None:
        raise element_unknown("element", missing)
    found = [known[name] for name in names]
    for one in found:
        if not one.exists_at(at):
            raise Conflict(
                "the element is not there then",
                code="inventory.element_ended",
                field="element",
                value=one.name,
            )
    return [one.id for one in found]


async def impact(
    tx: Tx,
    *,
    failed: Sequence[str],
    page: PageRequest,
    now: datetime,
    at: datetime | None = None,
    layer: Layer | None = None,
    unprotected: bool = False,
) -> Impact:
    """Return what is hit when these elements fail, themselves included, by name; see ``model.topology``.

    With ``unprotected``, what is not hit and has lost some of its protection. Raises ``NotFound``
    (``inventory.element_unknown``), ``Invalid`` (``inventory.elements``, ``inventory.time_ahead``), ``Conflict``
    (``inventory.element_ended``).
    """
    then = at or now
    ids = await _ids(tx, failed, then)
    affected = (await _network(tx, at, now)).impact(ids)
    found = affected.unprotected if unprotected else affected.hit
    return await _answer(tx, found.tolist(), then, layer, page)


async def needs(
    tx: Tx,
    *,
    names: Sequence[str],
    page: PageRequest,
    now: datetime,
    at: datetime | None = None,
    layer: Layer | None = None,
) -> Impact:
    """Return all that these elements depend on, working path and protection alike, by name. Raises as ``impact``."""
    then = at or now
    ids = await _ids(tx, names, then)
    return await _answer(tx, (await _network(tx, at, now)).needs(ids).tolist(), then, layer, page)


async def _answer(tx: Tx, ids: Sequence[int], at: datetime, layer: Layer | None, page: PageRequest) -> Impact:
    items, total = await topology.elements_of(
        tx, ids, at=at, layer=layer, limit=page.limit, offset=page.offset
    )
    hits = tuple(Hit(element, product_id) for element, product_id in items)
    return Impact(Page(hits, total, page.offset, page.limit), await topology.layers_of(tx, ids))


async def path(
    tx: Tx,
    *,
    start: str,
    end: str,
    now: datetime,
    at: datetime | None = None,
    over: Sequence[LinkKind] = (LinkKind.CONNECTS,),
    without: Sequence[str] = (),
) -> tuple[Element, ...]:
    """Return a shortest path between two elements, both included, over links of these kinds, past those ``without``.

    Raises ``NotFound`` (``inventory.element_unknown``, ``inventory.no_path``), and otherwise as ``impact``.
    """
    then = at or now
    ids = await _ids(tx, (start, end), then)
    closed = await _ids(tx, without, then) if without else []
    found = (await _network(tx, at, now)).path(ids[0], ids[-1], over=over, without=closed)
    if not found:
        raise NotFound(
            f"no path leads from {start} to {end}",
            code="inventory.no_path",
            field="to",
            value=end,
            fix=f"over {', '.join(over)} none does; name other kinds of links",
        )
    return tuple(await topology.in_order(tx, [ElementId(one) for one in found], then))


async def trace(
    tx: Tx,
    *,
    start: str,
    end: str = "",
    kind: str = "",
    now: datetime,
    at: datetime | None = None,
    without: Sequence[str] = (),
) -> Trace:
    """Return how ``start`` gets to the element ``end``, or to the nearest one of a ``kind``, and its second way.

    From a service over what it needs, and over what is contained and connected; see ``model.topology``. Raises
    ``Invalid`` (``inventory.trace``: not one of both, or more than 1,000 of the kind), ``NotFound``
    (``inventory.element_unknown``, ``inventory.no_path``), and otherwise as ``impact``.
    """
    then = at or now
    (begin,) = await _ids(tx, (start,), then)
    closed = await _ids(tx, without, then) if without else []
    ends = await _ends(tx, end, kind, then)
    first, second = (await _network(tx, at, now)).trace(begin, ends, without=closed)
    if not first:
        raise NotFound(
            f"no path leads from {start} to {end or f'any {kind}'}",
            code="inventory.no_path",
            field="to",
            value=end or kind,
            fix="a trace goes from what needs something to what it needs",
        )
    found = {one.id: one for one in await topology.in_order(tx, sorted({*first, *second}), then)}
    return Trace(*(tuple(found[ElementId(one)] for one in way) for way in (first, second)))


async def _ends(tx: Tx, end: str, kind: str, at: datetime) -> Sequence[ElementId]:
    if bool(end) == bool(kind):
        raise Invalid("name an element, or a kind of elements", code="inventory.trace", field="to")
    if end:
        return await _ids(tx, (end,), at)
    found = await topology.elements_of_kind(tx, kind, at, MAX_ENDS + 1)
    if len(found) > MAX_ENDS:
        raise Invalid(
            f"there are more than {MAX_ENDS} of this kind",
            code="inventory.trace",
            field="kind",
            value=kind,
            fix="name one of them",
        )
    return found
