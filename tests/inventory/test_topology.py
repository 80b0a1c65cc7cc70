"""What fails with what, and the way from here to there: against a slow reference and a recursive query."""

from __future__ import annotations

import asyncio
import heapq
from collections import defaultdict
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.base.storage import Database
from farwire.inventory import service
from farwire.inventory.model import Layer, LinkKind, NewElement, NewLink
from farwire.inventory.model.topology import CODES, Edge, Topology, topology_of
from farwire.inventory.service import topology
from farwire.inventory.service.topology import Snapshots
from farwire.kernel.errors import Conflict, FarwireError, NotFound
from farwire.kernel.ids import TenantId
from farwire.kernel.page import PageRequest

from .products import AUGUST, JULY, JUNE

NOW = datetime(2026, 11, 1, tzinfo=UTC)
SIZE = 8
IDS = [10 * number + 3 for number in range(SIZE)]


def made(edges: list[Edge], ids: list[int] = IDS) -> Topology:
    plain = [edge for edge in edges if not edge.group]
    return topology_of(
        1,
        np.array(ids, np.int64),
        np.array([edge.start for edge in plain], np.int64),
        np.array([edge.end for edge in plain], np.int64),
        np.array([CODES[edge.kind] for edge in plain], np.int64),
        [edge for edge in edges if edge.group],
    )


def slow_impact(edges: list[Edge], failed: list[int]) -> tuple[list[int], list[int]]:
    """Let things fall until nothing falls any more: the reference."""
    groups: dict[tuple[int, object], set[int]] = defaultdict(set)
    for number, edge in enumerate(edges):
        if edge.kind is not LinkKind.CONNECTS:
            groups[edge.end, edge.group or number].add(number)
    hit = set(failed)
    while True:
        more = {
            end
            for (end, _), members in groups.items()
            if end not in hit and all(edges[one].start in hit for one in members)
        }
        if not more:
            break
        hit |= more
    weak = {
        end
        for (end, _), members in groups.items()
        if end not in hit and any(edges[one].start in hit for one in members)
    }
    return sorted(hit), sorted(weak)


def slow_path(edges: list[Edge], start: int, end: int, over: set[LinkKind], without: set[int]) -> int | None:
    """Return the number of steps, one ring after the other."""
    if {start, end} & without:
        return None
    ring, seen, steps = {start}, {start} | without, 0
    while ring:
        if end in ring:
            return steps
        following = set()
        for edge in edges:
            if edge.kind in over:
                following |= {edge.end} if edge.start in ring else set()
                if edge.kind in (LinkKind.CONNECTS, LinkKind.CONTAINS):
                    following |= {edge.start} if edge.end in ring else set()
        ring = following - seen
        seen |= ring
        steps += 1
    return None


def an_edge(draw: st.DrawFn) -> Edge:
    start, end = draw(st.lists(st.sampled_from(IDS), min_size=2, max_size=2, unique=True))
    kind = draw(st.sampled_from(LinkKind))
    group = draw(st.sampled_from(["", "a", "b"])) if kind in (LinkKind.CARRIES, LinkKind.SERVES) else ""
    return Edge(start, end, kind, "a" if kind is LinkKind.PROTECTS else group)


@st.composite
def networks(draw: st.DrawFn) -> list[Edge]:
    edges = [an_edge(draw) for _ in range(draw(st.integers(0, 14)))]
    return list({(min(e.start, e.end), max(e.start, e.end), e.kind): e for e in edges}.values())


@given(networks(), st.lists(st.sampled_from(IDS), min_size=1, max_size=2))
def test_what_is_hit_is_what_falls_in_the_reference(edges: list[Edge], failed: list[int]) -> None:
    found = made(edges).impact(failed)
    assert (found.hit.tolist(), found.unprotected.tolist()) == slow_impact(edges, failed)


@given(
    networks(),
    st.sampled_from(IDS),
    st.sampled_from(IDS),
    st.sets(st.sampled_from(LinkKind), min_size=1),
    st.sets(st.sampled_from(IDS), max_size=2),
)
def test_a_path_is_as_short_as_in_the_reference_and_made_of_links(
    edges: list[Edge], start: int, end: int, over: set[LinkKind], without: set[int]
) -> None:
    found = made(edges).path(start, end, over=list(over), without=list(without))
    steps = slow_path(edges, start, end, over, without)
    assert (len(found) - 1 if found else None) == steps
    for one, other in pairwise(found):
        assert slow_path(edges, one, other, over, set()) == 1


@given(networks(), networks(), st.sampled_from(IDS))
def test_a_snapshot_that_is_changed_step_by_step_is_the_one_that_is_read_anew(
    edges: list[Edge], gone: list[Edge], ended: int
) -> None:
    now: Topology | None = made([], IDS[:-1])
    assert now is not None
    now = now.with_element(IDS[-1])
    everything = list({(e.start, e.end, e.kind): e for e in [*edges, *gone]}.values())
    for edge in everything:
        assert now is not None
        now = now.with_link(edge)
    left = [edge for edge in everything if edge not in gone]
    for edge in everything:
        if edge in gone:
            assert now is not None
            now = now.without_link(edge)
    assert now is not None
    for wanted in (left, [edge for edge in left if ended not in (edge.start, edge.end)]):
        for failed in IDS:
            found = now.impact([failed])
            assert (found.hit.tolist(), found.unprotected.tolist()) == slow_impact(wanted, [failed])
            for goal in IDS[:3]:
                assert len(now.path(failed, goal)) == len(made(wanted).path(failed, goal))
        now = now.without_element(ended)
        assert now is not None


@given(networks(), st.lists(st.sampled_from(IDS), unique=True))
def test_a_link_to_an_element_that_is_not_there_is_left_out(edges: list[Edge], ids: list[int]) -> None:
    there = [edge for edge in edges if edge.start in ids and edge.end in ids]
    for failed in ids:
        found, wanted = made(edges, sorted(ids)).impact([failed]), made(there, sorted(ids)).impact([failed])
        assert (found.hit.tolist(), found.unprotected.tolist()) == (
            wanted.hit.tolist(),
            wanted.unprotected.tolist(),
        )


async def build(db: Database, tenant_id: TenantId, links: list[str], at: datetime = JUNE) -> None:
    """Add links, "a carries b" or "a carries b in ring", and the elements that they name; s… are services."""
    async with db.transaction(tenant_id) as tx:
        there = {one.name for one in (await service.list_elements(tx, page=PageRequest(), at=NOW)).items}
        for words in (link.split() for link in links):
            for name in (words[0], words[2]):
                if name not in there:
                    layer = Layer.SERVICE if name.startswith("s") else Layer.PHYSICAL
                    new = NewElement(name, layer, "thing")
                    await service.add_element(tx, new=new, at=JUNE, now=NOW)
                    there.add(name)
            new_link = NewLink(words[0], words[2], LinkKind(words[1]), words[4] if len(words) > 3 else "")
            await service.add_link(tx, new=new_link, at=at, now=NOW)


async def hit(db: Database, tenant_id: TenantId, *failed: str, **asked: object) -> list[str]:
    async with db.transaction(tenant_id) as tx:
        found = await topology.impact(tx, failed=failed, page=PageRequest(0, 1000), now=NOW, **asked)  # type: ignore[arg-type]
    assert found.page.total == len(found.page.items)
    return [one.element.name for one in found.page.items]


RING = [
    "duct contains west",
    "west carries circuit in ring",
    "east protects circuit in ring",
    "circuit serves s1",
    "west serves s2",
    "power serves circuit",
]


async def test_a_service_with_a_working_second_path_is_not_hit(db: Database, tenant_id: TenantId) -> None:
    await build(db, tenant_id, RING)
    assert await hit(db, tenant_id, "duct") == ["duct", "s2", "west"]
    assert await hit(db, tenant_id, "duct", unprotected=True) == ["circuit"]
    assert await hit(db, tenant_id, "east") == ["east"]
    assert await hit(db, tenant_id, "duct", "east") == ["circuit", "duct", "east", "s1", "s2", "west"]
    assert await hit(db, tenant_id, "power") == ["circuit", "power", "s1"]
    assert await hit(db, tenant_id, "duct", "east", layer=Layer.SERVICE) == ["s1", "s2"]
    async with db.transaction(tenant_id) as tx:
        found = await topology.impact(tx, failed=["duct", "east"], page=PageRequest(1, 2), now=NOW)
        upward = await topology.needs(tx, names=["s1"], page=PageRequest(), now=NOW)
    assert ([one.element.name for one in found.page.items], found.page.total) == (["duct", "east"], 6)
    assert found.layers == {Layer.PHYSICAL: 4, Layer.SERVICE: 2}
    assert [one.element.name for one in upward.page.items] == ["circuit", "duct", "east", "power", "west"]


async def test_impact_is_told_as_of_any_time(db: Database, tenant_id: TenantId) -> None:
    await build(db, tenant_id, ["a carries b"])
    await build(db, tenant_id, ["b carries s1"], JULY)
    async with db.transaction(tenant_id) as tx:
        await service.end_link(tx, link=NewLink("a", "b", LinkKind.CARRIES), at=AUGUST, now=NOW)
    assert [await hit(db, tenant_id, "a", at=at) for at in (JUNE, JULY, AUGUST)] == [
        ["a", "b"],
        ["a", "b", "s1"],
        ["a"],
    ]
    assert await hit(db, tenant_id, "a") == ["a"]


async def test_a_path_goes_over_the_kinds_of_links_that_are_named_and_past_what_is_left_out(
    db: Database, tenant_id: TenantId
) -> None:
    await build(
        db, tenant_id, ["a connects b", "b connects c", "a connects d", "d connects e", "e connects c"]
    )
    await build(db, tenant_id, ["shelf contains c", "shelf contains f"])

    async def way(
        *without: str, end: str = "c", over: tuple[LinkKind, ...] = (LinkKind.CONNECTS,)
    ) -> list[str]:
        async with db.transaction(tenant_id) as tx:
            found = await topology.path(tx, start="a", end=end, without=without, over=over, now=NOW)
        return [one.name for one in found]

    assert await way() == ["a", "b", "c"]
    assert await way("b") == ["a", "d", "e", "c"]
    assert await way(end="a") == ["a"]
    with pytest.raises(NotFound, match="no path"):
        await way("b", "e")
    with pytest.raises(NotFound, match="no path"):
        await way(end="f")
    both = (LinkKind.CONNECTS, LinkKind.CONTAINS)
    assert await way(end="f", over=both) == ["a", "b", "c", "shelf", "f"]


async def test_a_snapshot_follows_the_events_and_is_read_anew_after_a_gap(
    db: Database, tenant_id: TenantId
) -> None:
    kept = Snapshots()

    async def hit_ids() -> int:
        async with db.transaction(tenant_id) as tx:
            first = await service.element_named(tx, name="a", at=NOW)
            return len((await kept.current(tx)).impact([first.id]).hit)

    await build(db, tenant_id, ["a carries b"])
    assert (await hit_ids(), kept.reads) == (2, 1)
    await build(db, tenant_id, ["b carries c", "c carries s1 in ring"])
    async with db.transaction(tenant_id) as tx:
        await service.change_element(tx, name="a", place="Kiel", at=JULY, now=NOW)
    assert (await hit_ids(), kept.reads) == (4, 1)
    async with db.transaction(tenant_id) as tx:
        await service.end_element(tx, name="c", at=AUGUST, now=NOW)
    assert (await hit_ids(), kept.reads) == (2, 1)
    async with db.transaction(tenant_id) as tx:
        await tx.execute(
            "UPDATE inventory.network SET sequence = sequence + 1 WHERE tenant_id = $1", tenant_id
        )
    await build(db, tenant_id, ["b carries d"])
    assert (await hit_ids(), kept.reads) == (3, 2)
    assert (await hit_ids(), kept.reads) == (3, 2)


async def test_who_asks_while_others_change_the_network_sees_what_was_committed(
    db: Database, tenant_id: TenantId
) -> None:
    kept = Snapshots()
    await build(db, tenant_id, [f"a carries b{number}" for number in range(6)])

    async def ask() -> bool:
        async with db.transaction(tenant_id) as tx:
            first = await service.element_named(tx, name="a", at=NOW)
            found = (await kept.current(tx)).impact([first.id]).hit
            counted = await tx.fetchval(
                "SELECT count(*) + 1 FROM inventory.link WHERE tenant_id = $1 AND from_id = $2 "
                "AND valid_to = 'infinity'",
                *(tenant_id, first.id),
            )
        return bool(len(found) <= counted)

    async def change(number: int) -> bool:
        await build(db, tenant_id, [f"a carries c{number}"])
        return True

    done = await asyncio.gather(*(one for number in range(6) for one in (ask(), change(number))))
    assert all(done)
    async with db.transaction(tenant_id) as tx:
        first = await service.element_named(tx, name="a", at=NOW)
        assert len((await kept.current(tx)).impact([first.id]).hit) == 13


async def test_a_recursive_query_finds_what_the_snapshot_finds(db: Database, tenant_id: TenantId) -> None:
    generator = np.random.default_rng(5)
    names = [f"n{number}" for number in range(60)]
    kinds = ("contains", "carries", "serves")
    links = [
        f"{names[generator.integers(0, number)]} {kinds[number % 3]} {names[number]}"
        for number in range(1, 60)
    ]
    links += [f"{names[number]} carries {names[(number * 7) % 60]}" for number in range(1, 40, 4)]
    await build(db, tenant_id, links)
    for name in names[::6]:
        async with db.transaction(tenant_id) as tx:
            rows = await tx.fetch(
                "WITH RECURSIVE hit (element_id) AS (SELECT element_id FROM inventory.element "
                "WHERE tenant_id = $1 AND name = $2 UNION SELECT l.to_id FROM hit JOIN inventory.link l "
                "ON l.tenant_id = $1 AND l.from_id = hit.element_id AND l.kind <> 'connects' "
                "AND l.valid_to = 'infinity') "
                "SELECT e.name FROM hit JOIN inventory.element e ON e.tenant_id = $1 "
                "AND e.element_id = hit.element_id ORDER BY 1",
                *(tenant_id, name),
            )
        assert await hit(db, tenant_id, name) == [row["name"] for row in rows]


@pytest.mark.parametrize(
    ("failed", "code"),
    [
        ((), "inventory.elements"),
        (("x",), "inventory.element_unknown"),
        (("gone",), "inventory.element_ended"),
    ],
)
async def test_what_is_not_there_cannot_fail(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId, failed: tuple[str, ...], code: str
) -> None:
    await build(db, other_tenant_id, ["x carries y"])
    await build(db, tenant_id, ["a carries gone"])
    async with db.transaction(tenant_id) as tx:
        await service.end_element(tx, name="gone", at=AUGUST, now=NOW)
    with pytest.raises(FarwireError) as refused:
        await hit(db, tenant_id, *failed)
    assert refused.value.code == code
    assert isinstance(refused.value, (Conflict, NotFound)) or not failed


STEPS_UP = {LinkKind.CARRIES, LinkKind.SERVES, LinkKind.PROTECTS, LinkKind.CONTAINS}
BOTH_WAYS = {LinkKind.CONNECTS, LinkKind.CONTAINS}


def slow_way(
    edges: list[Edge], start: int, ends: set[int], up: set[LinkKind], avoided: set[int]
) -> tuple[int, int] | None:
    """Return (avoided elements passed, steps) of the best way, walking them in the order of what they cost."""
    open_ways, done = [((0, 0), start)], set[int]()
    while open_ways:
        (shared, steps), at = heapq.heappop(open_ways)
        if at in ends:
            return shared, steps
        if at in done:
            continue
        done.add(at)
        for edge in edges:
            for one, other, kinds in ((edge.end, edge.start, up), (edge.start, edge.end, BOTH_WAYS)):
                walks = edge.kind in kinds or edge.kind is LinkKind.CONNECTS
                if one == at and walks:
                    heapq.heappush(open_ways, ((shared + (other in avoided), steps + 1), other))
    return None


@given(
    networks(),
    st.sampled_from(IDS),
    st.sets(st.sampled_from(IDS), min_size=1, max_size=3),
)
def test_a_second_way_shares_as_little_with_the_first_as_can_be(
    edges: list[Edge], start: int, ends: set[int]
) -> None:
    first, second = made(edges).trace(start, sorted(ends))
    working = slow_way(edges, start, ends, STEPS_UP - {LinkKind.PROTECTS}, set())
    any_way = working or slow_way(edges, start, ends, STEPS_UP, set())
    assert (len(first) - 1 if first else None) == (any_way[1] if any_way else None)
    for one, other in pairwise(first):
        assert slow_way(edges, one, {other}, STEPS_UP, set()) == (0, 1)
    if not second:
        return
    avoided = set(first[1:] if len(ends) > 1 else first[1:-1])
    wanted = slow_way(edges, start, ends, STEPS_UP, avoided)
    assert (len(avoided & set(second)), len(second) - 1) == wanted
    for one, other in pairwise(second):
        assert slow_way(edges, one, {other}, STEPS_UP, set()) == (0, 1)


def test_a_protected_line_has_a_second_way_to_another_core_and_shares_its_circuit_only() -> None:
    line, circuit, west, east, west_router, east_router, far = 3, 13, 23, 33, 43, 53, 63
    edges = [
        Edge(circuit, line, LinkKind.SERVES),
        Edge(west, circuit, LinkKind.CARRIES, "ring"),
        Edge(east, circuit, LinkKind.PROTECTS, "ring"),
        Edge(west, west_router, LinkKind.CONNECTS),
        Edge(east, far, LinkKind.CONNECTS),
        Edge(far, east_router, LinkKind.CONNECTS),
    ]
    ways = made(edges).trace(line, [west_router, east_router])
    assert ways == ((line, circuit, west, west_router), (line, circuit, east, far, east_router))
    assert made(edges[:2]).trace(line, [west]) == ((line, circuit, west), ())
    assert made(edges).trace(line, [west_router], without=[circuit]) == ((), ())
