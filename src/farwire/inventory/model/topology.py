"""A snapshot of a network as arrays: what fails with what, and how to get from one element to another.

Links are kept in compressed sparse rows (CSR): those of element ``i`` are ``ends[first[i]:first[i + 1]]``. A snapshot
never changes; a change makes another one by copying arrays, which takes milliseconds. Pure: no I/O, no clock.

Meaning of dependence. Of every link but ``connects``, the second end needs the first. An element depends on **all** of
its groups, and on **any** member of a group: links without a protection group are groups of one; those to one element
with one name of a group are one group, whatever their kinds. So an element is *hit* when it failed itself, or when all
members of one of its groups are hit. It has *lost protection* when it is not hit and some, not all, of a group's are.
The hit are the least such set: nothing is hit that does not follow from what failed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from farwire.inventory.model.network import LinkKind

Whole = NDArray[np.int64]
Small = NDArray[np.int32]
ALONE: Final = -1
"""The group of a link that is in none: it is needed by itself."""
MANY: Final = 50
"""Changes from which on it is quicker to read a network anew than to copy its arrays for each."""
KINDS: Final = tuple(LinkKind)
CODES: Final = {kind: code for code, kind in enumerate(KINDS)}
Way = tuple[int, ...]
"""Elements by their ids, both ends included; empty where there is no way."""
_ACROSS: Final = (LinkKind.CONNECTS, LinkKind.CONTAINS)
_WORKING: Final = (LinkKind.CONTAINS, LinkKind.CARRIES, LinkKind.SERVES)
_NEEDED: Final = (*_WORKING, LinkKind.PROTECTS)


@dataclass(frozen=True, slots=True)
class Rows:
    """Compressed sparse rows: of each link its other end, its kind and its group, in the order of the first ends."""

    first: Whole
    ends: Small
    kinds: NDArray[np.int8]
    groups: Small

    def of(self, places: Whole) -> Whole:
        """Return the positions of all links that begin at the places."""
        begin, count = self.first[places], self.first[places + 1] - self.first[places]
        total = int(count.sum())
        if not total:
            return np.empty(0, np.int64)
        before = np.cumsum(count) - count
        return np.repeat(begin - before, count) + np.arange(total)


@dataclass(frozen=True, slots=True)
class Edge:
    """A link between two elements by their ids, ``group`` its name of a protection group or empty."""

    start: int
    end: int
    kind: LinkKind
    group: str = ""


@dataclass(frozen=True, slots=True)
class Affected:
    """Ids, ascending: what is hit, what failed included, and what has lost its protection."""

    hit: Whole
    unprotected: Whole


@dataclass(frozen=True, slots=True)
class Topology:
    """The elements of a network and their links, as of the change ``sequence``.

    ``elements``: ids, ascending. ``down`` has the links by their first ends, ``up`` by their second ones; what connects
    is in both, both ways. ``members``: of each group how many links it has.
    """

    sequence: int
    elements: Whole
    down: Rows
    up: Rows
    members: Small
    owners: Whole = field(default_factory=lambda: np.empty(0, np.int64))
    """Of each group the id of the element that it protects."""
    names: Mapping[tuple[int, str], int] = field(default_factory=dict)
    """The number of each group, by that id and its name."""

    def places(self, ids: Sequence[int]) -> Whole:
        """Return where the elements stand in the arrays; those that are not there are left out."""
        wanted = np.unique(np.asarray(ids, np.int64))
        places = np.searchsorted(self.elements, wanted)
        there = places < len(self.elements)
        there[there] = self.elements[places[there]] == wanted[there]
        return places[there].astype(np.int64)

    def impact(self, failed: Sequence[int]) -> Affected:
        """Return what is hit when the elements fail. Costs what the links of the hit ones cost."""
        hit = np.zeros(len(self.elements), bool)
        left = self.members.copy()
        touched: list[Small] = []
        front = self.places(failed)
        hit[front] = True
        while len(front):
            links = self.down.of(front)
            links = links[self.down.kinds[links] != CODES[LinkKind.CONNECTS]]
            ends, groups = self.down.ends[links], self.down.groups[links]
            grouped = groups != ALONE
            falls = ~grouped
            if grouped.any():
                mine = groups[grouped]
                np.subtract.at(left, mine, 1)
                touched.append(mine)
                falls[grouped] = left[mine] == 0
            new = ends[falls]
            front = _once(new[~hit[new]], len(hit))
            hit[front] = True
        return Affected(self.elements[hit], self.elements[self._unprotected(hit, left, touched)])

    def _unprotected(self, hit: NDArray[np.bool_], left: Small, touched: list[Small]) -> Whole:
        if not touched:
            return np.empty(0, np.int64)
        groups = np.unique(np.concatenate(touched))
        weakened = groups[left[groups] > 0]
        if not len(weakened):
            return np.empty(0, np.int64)
        places = self.places(self.owners[weakened].tolist())
        return places[~hit[places]]

    def needs(self, ids: Sequence[int]) -> Whole:
        """Return the ids of all that the elements depend on, directly or not, working path or protection."""
        found = np.zeros(len(self.elements), bool)
        start = front = self.places(ids)
        while len(front):
            links = self.up.of(front)
            links = links[self.up.kinds[links] != CODES[LinkKind.CONNECTS]]
            ends = self.up.ends[links]
            front = _once(ends[~found[ends]], len(found))
            found[front] = True
        found[start] = False
        return self.elements[found]

    def path(
        self,
        start: int,
        end: int,
        *,
        over: Sequence[LinkKind] = (LinkKind.CONNECTS,),
        without: Sequence[int] = (),
    ) -> Way:
        """Return a shortest path of ids over links of these kinds, both ends included; empty where there is none.

        What connects is walked both ways, and so is what contains; the others from their first end to their second.
        """
        back = (LinkKind.CONTAINS,) if LinkKind.CONTAINS in over else ()
        return self._search(
            self.places([start]), self.places([end]), (over, back), closed=self.places(without)
        )

    def trace(self, start: int, ends: Sequence[int], *, without: Sequence[int] = ()) -> tuple[Way, Way]:
        """Return how an element gets to the nearest of ``ends`` over what it needs, and a second way, if there are.

        Walked are links of dependence from the second end to the first, what contains and what connects both ways. The
        first way is a shortest one that uses no standby (``protects``) where there is one. The second way has as few
        elements of the first as can be, and is a shortest one of those; the ends count only where there are several.
        """
        goals, closed = self.places(ends), self.places(without)
        begin = self.places([start])
        first = self._search(begin, goals, (_ACROSS, _WORKING), closed=closed)
        first = first or self._search(begin, goals, (_ACROSS, _NEEDED), closed=closed)
        used = self.places(first[1:] if len(goals) > 1 else first[1:-1])
        second = self._search(begin, goals, (_ACROSS, _NEEDED), closed=closed, avoided=used)
        return first, () if second == first else second

    def _search(
        self,
        begin: Whole,
        goals: Whole,
        walked: tuple[Sequence[LinkKind], Sequence[LinkKind]],
        *,
        closed: Whole,
        avoided: Whole | None = None,
    ) -> Way:
        """Return a way to one of the goals with the fewest ``avoided`` places, and of those a shortest one."""
        came = np.full(len(self.elements), -1, np.int64)
        came[closed] = closed
        if not (len(begin) and len(goals)) or came[begin[0]] >= 0 or (came[goals] >= 0).all():
            return ()
        is_goal, costs = (
            _marked(goals, len(came)),
            _marked(closed[:0] if avoided is None else avoided, len(came)),
        )
        came[begin] = begin
        codes = [np.array([CODES[kind] for kind in each], np.int64) for each in walked]
        kinds = [
            (rows, _marked(one, len(KINDS))) for rows, one in zip((self.down, self.up), codes, strict=True)
        ]
        entered: dict[int, list[Whole]] = {
            0: [begin]
        }  # by how long the way to them is; then with one more avoided
        while entered:
            later: dict[int, list[Whole]] = {}
            front, length = begin[:0], 0
            while len(front) or entered:
                length = length if len(front) else min(entered)
                front = np.concatenate([front, *entered.pop(length, [])])
                found = front[is_goal[front]]
                if len(found):
                    return self._way(came, int(begin[0]), int(found[0]))
                front, length = self._next(front, kinds, came), length + 1
                if (dear := costs[front]).any():
                    later.setdefault(length, []).append(front[dear])
                    front = front[~dear]
            entered = later
        return ()

    def _next(self, front: Whole, kinds: Sequence[tuple[Rows, NDArray[np.bool_]]], came: Whole) -> Whole:
        """Return the places that are reached from the front for the first time, and write down from where."""
        steps = [self._step(rows, taken, front) for rows, taken in kinds]
        reached, origin = (np.concatenate(one) for one in zip(*steps, strict=True))
        new = came[reached] < 0
        came[reached[new]] = origin[new]
        return _once(reached[new], len(came))

    def _step(self, rows: Rows, kinds: NDArray[np.bool_], front: Whole) -> tuple[Whole, Whole]:
        if not kinds.any():
            return front[:0], front[:0]
        links = rows.of(front)
        origin = np.repeat(front, rows.first[front + 1] - rows.first[front])
        taken = kinds[rows.kinds[links]]
        return rows.ends[links[taken]].astype(np.int64), origin[taken]

    def _way(self, came: Whole, begin: int, goal: int) -> Way:
        way = [goal]
        while way[-1] != begin:
            way.append(int(came[way[-1]]))
        return tuple(int(self.elements[place]) for place in reversed(way))

    # Changes, each to another snapshot.

    def at(self, sequence: int) -> Topology:
        """Return the same network as of a later change that moved nothing in it."""
        return replace(self, sequence=sequence)

    def with_element(self, element: int) -> Topology | None:
        """Return the network with one more element; None where its id is not the greatest: it must be read anew."""
        if len(self.elements) and element <= self.elements[-1]:
            return None
        rows = [replace(one, first=np.append(one.first, one.first[-1])) for one in (self.down, self.up)]
        return replace(self, elements=np.append(self.elements, element), down=rows[0], up=rows[1])

    def with_link(self, edge: Edge) -> Topology | None:
        """Return the network with one more link; None where an end is not there."""
        places = self._ends(edge)
        if places is None:
            return None
        group, names, members, owners = ALONE, self.names, self.members, self.owners
        if edge.group:
            key = (edge.end, edge.group)
            group = names.get(key, len(members))
            if group == len(members):
                names, owners = {**names, key: group}, np.append(owners, edge.end)
                members = np.append(members, np.int32(0))
            members = members.copy()
            members[group] += 1
        start, end = places
        code = CODES[edge.kind]
        down, up = _with(self.down, start, end, code, group), _with(self.up, end, start, code, group)
        if not edge.kind.directed:
            down, up = _with(down, end, start, code, group), _with(up, start, end, code, group)
        return replace(self, down=down, up=up, members=members, owners=owners, names=names)

    def without_link(self, edge: Edge) -> Topology | None:
        """Return the network without a link; None where it is not there."""
        places = self._ends(edge)
        if places is None:
            return None
        start, end = places
        code = CODES[edge.kind]
        group = self.names.get((edge.end, edge.group), ALONE) if edge.group else ALONE
        ways = [(start, end)] if edge.kind.directed else [(start, end), (end, start)]
        down: Rows | None = self.down
        up: Rows | None = self.up
        for one, other in ways:
            down = None if down is None else _without(down, one, other, code)
            up = None if up is None else _without(up, other, one, code)
        if down is None or up is None:
            return None
        members = self.members.copy()
        if group != ALONE:
            members[group] -= 1
        return replace(self, down=down, up=up, members=members)

    def without_element(self, element: int) -> Topology | None:
        """Return the network with no link of the element; None where it has more than ``MANY``."""
        named = {number: name for (_, name), number in self.names.items()}
        found: list[Edge] = []
        here = self.places([element])
        for rows, begins in ((self.down, True), (self.up, False)):
            for link in rows.of(here).tolist():
                kind, group = KINDS[int(rows.kinds[link])], int(rows.groups[link])
                other = int(self.elements[rows.ends[link]])
                if begins or kind.directed:  # what connects stands in both
                    ends = (element, other) if begins else (other, element)
                    found.append(Edge(*ends, kind, named.get(group, "")))
        rest: Topology | None = self if len(found) <= MANY else None
        for edge in found:
            rest = None if rest is None else rest.without_link(edge)
        return rest

    def _ends(self, edge: Edge) -> tuple[int, int] | None:
        start, end = self.places([edge.start]), self.places([edge.end])
        return (int(start[0]), int(end[0])) if len(start) and len(end) else None


def _once(places: Whole | Small, count: int) -> Whole:
    """Return the places, each once, ascending. Many of ``count`` are marked rather than sorted."""
    if 16 * len(places) < count:
        return np.unique(places).astype(np.int64)
    return np.flatnonzero(_marked(places, count)).astype(np.int64)


def _marked(places: Whole | Small, count: int) -> NDArray[np.bool_]:
    marked = np.zeros(count, bool)
    marked[places] = True
    return marked


def _with(rows: Rows, start: int, end: int, code: int, group: int) -> Rows:
    at = int(rows.first[start + 1])
    first = rows.first.copy()
    first[start + 1 :] += 1
    return Rows(
        first,
        np.insert(rows.ends, at, end),
        np.insert(rows.kinds, at, code),
        np.insert(rows.groups, at, group),
    )


def _without(rows: Rows, start: int, end: int, code: int) -> Rows | None:
    begin, stop = int(rows.first[start]), int(rows.first[start + 1])
    found = np.flatnonzero((rows.ends[begin:stop] == end) & (rows.kinds[begin:stop] == code))
    if not len(found):
        return None
    at = begin + int(found[0])
    first = rows.first.copy()
    first[start + 1 :] -= 1
    return Rows(first, np.delete(rows.ends, at), np.delete(rows.kinds, at), np.delete(rows.groups, at))


def topology_of(
    sequence: int, elements: Whole, starts: Whole, ends: Whole, kinds: Whole, protected: Sequence[Edge] = ()
) -> Topology:
    """Return a snapshot. ``elements``: ids, ascending; the columns are links in no group, ``protected`` the others.

    A link to an element that is not among them is left out: it came after they were read.
    """
    known = _among(elements, starts) & _among(elements, ends)
    whole = _among(elements, np.array([(one.start, one.end) for one in protected], np.int64)).reshape(-1, 2)
    grouped = [one for one, ends_there in zip(protected, whole.tolist(), strict=True) if all(ends_there)]
    names: dict[tuple[int, str], int] = {}
    groups = np.array([names.setdefault((one.end, one.group), len(names)) for one in grouped], np.int32)
    members = np.bincount(groups, minlength=len(names)).astype(np.int32)
    all_starts = np.concatenate([starts[known], np.array([one.start for one in grouped], np.int64)])
    all_ends = np.concatenate([ends[known], np.array([one.end for one in grouped], np.int64)])
    all_kinds = np.concatenate([kinds[known], np.array([CODES[one.kind] for one in grouped], np.int64)])
    all_groups = np.concatenate([np.full(int(known.sum()), ALONE, np.int32), groups])
    start = np.searchsorted(elements, all_starts).astype(np.int32)
    end = np.searchsorted(elements, all_ends).astype(np.int32)
    both = np.flatnonzero(all_kinds == CODES[LinkKind.CONNECTS])
    codes = np.concatenate([all_kinds, all_kinds[both]]).astype(np.int8)
    numbers = np.concatenate([all_groups, all_groups[both]])
    one_way = np.concatenate([start, end[both]]), np.concatenate([end, start[both]])
    down = _rows(len(elements), one_way[0], one_way[1], codes, numbers)
    up = _rows(len(elements), one_way[1], one_way[0], codes, numbers)
    owners = np.fromiter((owner for owner, _ in names), np.int64, len(names))
    return Topology(sequence, elements, down, up, members, owners, names)


def _among(elements: Whole, ids: Whole) -> NDArray[np.bool_]:
    """Return which of the ids are those of elements."""
    if not len(elements):
        return np.zeros(ids.shape, bool)
    places = np.minimum(np.searchsorted(elements, ids), len(elements) - 1)
    found: NDArray[np.bool_] = elements[places] == ids
    return found


def _rows(count: int, starts: Small, ends: Small, kinds: NDArray[np.int8], groups: Small) -> Rows:
    order = np.argsort(starts, kind="stable")
    first = np.zeros(count + 1, np.int64)
    np.cumsum(np.bincount(starts, minlength=count), out=first[1:])
    return Rows(first, ends[order], kinds[order], groups[order])
