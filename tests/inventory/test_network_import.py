"""Import of a network: every fault is named by its row, a killed import goes on, memory is bounded."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.base import eventbus
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.inventory import events, service
from farwire.inventory.model.containment import Containment, Refused, Why
from farwire.inventory.service.network_import import NetworkReport, import_network
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import TenantId
from farwire.kernel.page import PageRequest

IMPORTER = Path(__file__).with_name("network_importer.py")
RESOURCES = "name,layer,kind,state,place"
LATER = datetime(2026, 12, 1, tzinfo=UTC)
LINKS = "from,to,kind,protection"


def written(folder: Path, name: str, header: str, rows: list[str]) -> Path:
    path = folder / name
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


def tree(count: int) -> tuple[list[str], list[str]]:
    """Return the rows of a tree of elements and, for each but the first, three links."""
    resources = [f"e{n},physical,node,in_service,site {n % 7}" for n in range(count)]
    links = []
    for n in range(1, count):
        above = (n - 1) // 18
        links += [
            f"e{above},e{n},contains,",
            f"e{above},e{n},serves,ring" if n % 3 else f"e{above},e{n},protects,ring",
            f"e{n},e{n - 1},connects,",
        ]
    return resources, links


@pytest.fixture
def send(db: Database, clock: MovableClock, tenant_id: TenantId, tmp_path: Path):  # type: ignore[no-untyped-def]
    async def call(
        resources: list[str], links: list[str], batch: int = 100_000, header: str = RESOURCES
    ) -> NetworkReport:
        return await import_network(
            db=db,
            tenant_id=tenant_id,
            clock=clock,
            resources=written(tmp_path, "resources.csv", header, resources),
            links=written(tmp_path, "links.csv", LINKS, links),
            batch=batch,
        )

    return call


def planted(resources: list[str], links: list[str]) -> tuple[dict[int, str], dict[int, str]]:
    """Put 50 faults of every sort over rows of both files; return the field of each by its row."""
    bad_resources = {
        3: ("e2,physical,node,in_service", "row"),
        57: (" e56,physical,node,in_service,", "name"),
        101: ("e100,optical,node,in_service,", "layer"),
        157: ("e156,physical,No De,in_service,", "kind"),
        202: ("e201,physical,node,broken,", "state"),
        254: ("e253,physical,node,in_service," + "x" * 201, "place"),
        301: ("e5,physical,node,in_service,elsewhere", "place"),
        350: ("e6,logical,node,in_service,site 6", "layer"),
        401: (",physical,node,in_service,", "name"),
        455: ("e454,physical,node,in_service,a,b", "row"),
    }
    sorts = [
        ("e7,e7,connects,", "to"),
        ("nowhere,e8,serves,", "from"),
        ("e8,nowhere,serves,", "to"),
        ("e9,e10,feeds,", "kind"),
        ("e9,e10,protects,", "protection"),
        ("e9,e10,connects,ring", "protection"),
        ("e20,e0,contains,", "to"),
        ("e30,e20,contains,", "to"),
    ]
    for row, (line, _) in bad_resources.items():
        resources.insert(row - 1, line)
    found = {}
    for number in range(40):
        line, name = sorts[number % len(sorts)]
        row = 200 + 23 * number
        links.insert(row - 1, line)
        found[row] = name
    return {row: name for row, (_, name) in bad_resources.items()}, found


@pytest.mark.parametrize("batch", [100_000, 97])
async def test_each_of_50_planted_faults_is_named_and_all_else_goes_in(
    send, db: Database, tenant_id: TenantId, batch: int
) -> None:
    resources, links = tree(500)
    right = (len(resources), len(links))
    in_resources, in_links = planted(resources, links)
    report: NetworkReport = await send(resources, links, batch)
    assert {one.row: one.field for one in report.resources.errors} == in_resources
    assert {one.row: one.field for one in report.links.errors} == in_links
    assert len(in_resources) + len(in_links) == 50
    assert all(one.code.startswith("inventory.") and one.message for one in report.links.errors)
    assert (report.resources.added, report.links.added) == right
    again: NetworkReport = await send(resources, links, batch)
    assert (again.resources.added, again.links.added, again.refused) == (0, 0, report.refused)
    async with db.transaction(tenant_id) as tx:
        one = await service.element_named(tx, name="e20", at=LATER)
        page = await service.list_links(tx, page=PageRequest(), element=one, at=LATER)
        told = await eventbus.list_events(tx=tx, type_prefix=events.NETWORK)
    assert [f"{each.start_name} {each.kind} {each.end_name}" for each in page.items][:3] == [
        "e19 connects e20",
        "e20 connects e21",
        "e1 contains e20",
    ]
    assert [event.data["sequence"] for _, event in told] == list(range(1, len(told) + 1))


async def test_columns_may_stand_in_any_order_and_optional_ones_may_be_missing(send) -> None:
    report: NetworkReport = await send(["router,r\\1,physical"], [], header="kind,name,layer")
    assert (report.resources.added, report.refused) == (1, 0)
    again: NetworkReport = await send(["r\\1,physical,router"], [], header="name,layer,kind")
    assert (again.resources.unchanged, again.refused) == (1, 0)


@pytest.mark.parametrize("header", ["name,kind", "name,layer,kind,colour", "name,name,layer,kind"])
async def test_a_file_without_the_right_columns_is_refused_whole(send, header: str) -> None:
    with pytest.raises(Invalid) as refused:
        await send(["a,b,c"], [], header=header)
    assert refused.value.code == "inventory.import_header"


async def test_two_who_import_at_once_let_nothing_contain_itself(
    db: Database, clock: MovableClock, tenant_id: TenantId, tmp_path: Path, send
) -> None:
    count = 60
    await send([f"e{n},physical,node,in_service," for n in range(count)], [])
    down = written(tmp_path, "down.csv", LINKS, [f"e{n},e{n + 1},contains," for n in range(count - 1)])
    up = written(tmp_path, "up.csv", LINKS, [f"e{n + 1},e{n},contains," for n in reversed(range(count - 1))])
    reports = await asyncio.gather(
        *(
            import_network(db=db, tenant_id=tenant_id, clock=clock, resources=None, links=path, batch=7)
            for path in (down, up)
        )
    )
    async with db.transaction(tenant_id) as tx:
        loops = await tx.fetchval(
            "WITH RECURSIVE way (start, at, steps) AS (SELECT from_id, to_id, 1 FROM inventory.link "
            "WHERE tenant_id = $1 AND kind = 'contains' UNION ALL SELECT way.start, l.to_id, way.steps + 1 FROM way "
            "JOIN inventory.link l ON l.tenant_id = $1 AND l.kind = 'contains' AND l.from_id = way.at "
            "WHERE way.steps < 100) SELECT count(*) FROM way WHERE start = at",
            tenant_id,
        )
    assert loops == 0
    assert sum(one.links.added for one in reports) + sum(one.refused for one in reports) == 2 * (count - 1)
    assert sum(one.links.added for one in reports) >= count // 2


@pytest.mark.full
async def test_a_killed_import_goes_on_where_it_was(
    db: Database, clock: MovableClock, tenant_id: TenantId, tmp_path: Path, send, database_env: dict[str, str]
) -> None:
    resources, links = tree(2_000)
    paths = (
        written(tmp_path, "resources.csv", RESOURCES, resources),
        written(tmp_path, "links.csv", LINKS, links),
    )
    total = len(resources) + len(links)
    generator = random.Random(7)
    for _ in range(3):
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            str(IMPORTER),
            *(database_env["FARWIRE_DATABASE_URL"], str(tenant_id), *map(str, paths), "500"),
            stdout=subprocess.PIPE,
        )
        assert process.stdout is not None
        wanted = generator.randrange(1, 8)
        for _ in range(wanted):
            if not await asyncio.wait_for(process.stdout.readline(), 60):
                break
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()
    report: NetworkReport = await send(resources, links, 500)
    assert report.refused == 0
    async with db.transaction(tenant_id) as tx:
        elements = await tx.fetchval("SELECT count(*) FROM inventory.element WHERE tenant_id = $1", tenant_id)
        held = await tx.fetchval("SELECT count(*) FROM inventory.link WHERE tenant_id = $1", tenant_id)
    assert elements + held == total


@pytest.mark.full
async def test_the_memory_of_an_import_does_not_follow_the_size_of_the_files(
    tenant_id: TenantId, tmp_path: Path, database_env: dict[str, str]
) -> None:
    resources, links = tree(20_000)
    paths = (
        written(tmp_path, "resources.csv", RESOURCES, resources),
        written(tmp_path, "links.csv", LINKS, links),
    )
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, str(IMPORTER), database_env["FARWIRE_DATABASE_URL"], str(tenant_id), *paths, "2000"],
        capture_output=True,
        text=True,
        check=True,
    )
    rows, kib = done.stdout.split()[-2:]
    assert int(rows) == len(resources) + len(links)
    assert int(kib) < 32 * 1024


def slowly(count: int, holds: list[tuple[int, int]], new: list[tuple[int, int]]) -> list[Refused]:
    """Judge containments one by one, by walking: the reference."""
    container = {part: outer for outer, part in holds}
    refused = []
    for position, (outer, part) in enumerate(new):
        above, steps = outer, 0
        while above != part and above in container and steps <= count:
            above, steps = container[above], steps + 1
        if container.get(part, outer) != outer:
            refused.append(Refused(position, Why.CONTAINED))
        elif part not in container and above == part:
            refused.append(Refused(position, Why.LOOPS))
        else:
            container[part] = outer
    return refused


PAIRS = st.lists(
    st.tuples(st.integers(0, 11), st.integers(0, 11)).filter(lambda one: one[0] != one[1]), max_size=24
)


@given(PAIRS, PAIRS)
def test_containments_are_judged_as_if_one_by_one(
    earlier: list[tuple[int, int]], new: list[tuple[int, int]]
) -> None:
    wrong = {one.position for one in slowly(12, [], earlier)}
    holds = [pair for position, pair in enumerate(earlier) if position not in wrong]

    def column(pairs: list[tuple[int, int]], which: int) -> np.ndarray:
        return np.array([100 + 3 * pair[which] for pair in pairs], np.int64)

    ids = np.arange(100, 136, 3, dtype=np.int64)
    found = Containment(ids, column(holds, 0), column(holds, 1)).add(column(new, 0), column(new, 1))
    assert found == slowly(12, holds, new)


def test_a_chain_that_is_very_deep_is_judged_too() -> None:
    ids = np.arange(1000, dtype=np.int64)
    chain = Containment(ids, ids[:0], ids[:0])
    assert chain.add(ids[:-1], ids[1:]) == []
    assert chain.add(ids[-1:], ids[:1]) == [Refused(0, Why.LOOPS)]
