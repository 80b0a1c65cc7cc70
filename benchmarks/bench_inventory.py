"""The network of an operator: import of 1,000,000 elements and 3,000,000 links, impact, paths, next address.

`python -m benchmarks.bench_inventory --elements 20000` is a small one. The import stands beside a bare COPY of the same
files, CPU beside wall time, so that it also tells on a busy machine. Impact, path and trace are the best of five, from
a snapshot in memory, beside one look at as many links in NumPy, and a recursive query of the same run. The next free
address of a /8 of which 1,000,000 are given stands beside an UPDATE by primary key, each with its COMMIT;
`--given 20000` gives fewer.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TypeVar

import asyncpg
import numpy as np

from benchmarks.measured import Cost, costs, in_fresh_process, postmaster
from farwire.base.clock import SystemClock
from farwire.base.config import Settings
from farwire.base.storage import Database, open_database
from farwire.base.storage.embedded import DatabaseRole
from farwire.base.storage.ephemeral import Run, clone_template, ephemeral_server, remove
from farwire.inventory import service
from farwire.inventory.model import LinkKind, ResourceKind
from farwire.inventory.model.topology import Topology, Whole
from farwire.inventory.service.network_import import NetworkReport, import_network
from farwire.inventory.service.topology import Snapshots
from farwire.kernel.errors import check
from farwire.kernel.ids import TenantId
from farwire.tenant import service as tenants

ELEMENTS = 1_000_000
GIVEN = 1_000_000
TAKEN = 1_000
"""Addresses and subnets that are taken one by one, each in a transaction of its own."""
WIDE = 18
"""Parts of each element: what one of the eighteen regions contains is some 55,000 of 1,000,000."""
DATABASE = "farwire_bench_inventory"
RECURSIVE = (
    "WITH RECURSIVE hit (element_id) AS (SELECT $2::bigint UNION SELECT l.to_id FROM hit JOIN inventory.link l "
    "ON l.tenant_id = $1 AND l.from_id = hit.element_id AND l.kind <> 'connects' AND l.valid_to = 'infinity') "
    "SELECT count(*) FROM hit"
)
T = TypeVar("T")
KINDS = ("region", "site", "shelf", "card", "port")


def name(number: int) -> str:
    return f"e{number:07d}"


def write_network(folder: Path, count: int) -> tuple[Path, Path]:
    """Write a tree of ``count`` elements; each is contained, served by what is above that, and joined to the next."""
    resources, links = folder / "resources.csv", folder / "links.csv"
    with resources.open("w") as stream:
        stream.write("name,layer,kind,state,place\n")
        stream.writelines(
            f"{name(n)},physical,{KINDS[n % 5]},in_service,site {n % 997}\n" for n in range(count)
        )
    with links.open("w") as stream:
        stream.write("from,to,kind,protection\n")
        for n in range(1, count):
            above = (n - 1) // WIDE
            stream.write(
                f"{name(above)},{name(n)},contains,\n{name(max(above - 1, 0) // WIDE)},{name(n)},serves,\n"
            )
            stream.write(f"{name(n - 1)},{name(n)},connects,\n")
    return resources, links


def imported(
    settings: Settings, tenant_id: TenantId, resources: Path, links: Path, pid: int
) -> tuple[int, int, Cost]:
    """Return the rows that were added and left out, and what it cost."""

    async def run() -> tuple[int, int, Cost]:
        db = await open_database(settings)
        try:
            with costs(pid) as cost:
                report: NetworkReport = await import_network(
                    db=db, tenant_id=tenant_id, clock=SystemClock(), resources=resources, links=links
                )
            return report.resources.added + report.links.added, report.refused, cost
        finally:
            await db.close()

    return asyncio.run(run())


async def bare_copy(url: str, resources: Path, links: Path, pid: int) -> Cost:
    """The limit: COPY of both files into tables without index, key or policy."""
    conn = await asyncpg.connect(url)
    try:
        with costs(pid) as cost:
            await conn.execute(
                "CREATE TEMPORARY TABLE a (name text, layer text, kind text, state text, place text); "
                "CREATE TEMPORARY TABLE b (start text, finish text, kind text, protection text)"
            )
            await conn.copy_to_table("a", source=str(resources), format="csv", header=True)
            await conn.copy_to_table("b", source=str(links), format="csv", header=True)
        return cost
    finally:
        await conn.close()


def show_import(what: str, rows: int, cost: Cost, mib: float | None = None) -> None:
    memory = "" if mib is None else f"  +{mib:,.0f} MiB at the peak"
    print(
        f"{what:<26}{rows:>10,} rows{cost.wall_s:>7.1f} s{rows / cost.wall_s:>10,.0f} rows/s{cost.client_s:>7.1f} s "
        f"CPU here{cost.server_s:>7.1f} s in PostgreSQL{memory}",
        flush=True,
    )


async def tenant(settings: Settings) -> TenantId:
    db: Database = await open_database(settings)
    try:
        return (await tenants.create_tenant(db=db, clock=SystemClock(), name="bench")).id
    finally:
        await db.close()


def measure(run: Run, folder: Path, count: int, given: int) -> None:
    """Import, again, bare; addresses, bare."""
    resources, links = write_network(folder, count)
    server = ephemeral_server(run)
    clone_template(server, DATABASE)
    url = server.url(DatabaseRole.APP, DATABASE)
    settings = Settings(data_dir=folder, database_url=url)
    tenant_id = asyncio.run(tenant(settings))
    rows = count + 3 * (count - 1)
    pid = postmaster(server)
    (added, refused, cost), mib = in_fresh_process(imported, settings, tenant_id, resources, links, pid)
    check(refused == 0, "bench.refused", str(refused))
    show_import("import of a network", added, cost, mib)
    asyncio.run(ask(settings, tenant_id))
    (added, refused, cost), mib = in_fresh_process(imported, settings, tenant_id, resources, links, pid)
    check((added, refused) == (0, 0), "bench.again", f"{added} {refused}")
    show_import("the same files again", rows, cost, mib)
    show_import("bare COPY of both files", rows, asyncio.run(bare_copy(url, resources, links, pid)))
    asyncio.run(next_address(settings, tenant_id, given))
    asyncio.run(bare_updates(url, tenant_id))


async def ask(settings: Settings, tenant_id: TenantId) -> None:
    """Read the snapshot, ask it, and ask the recursive query."""
    db = await open_database(settings)
    try:
        async with db.transaction(tenant_id, statement_timeout_s=600) as tx:
            start = time.perf_counter()
            found = await Snapshots().current(tx)
            print(f"read the snapshot: {time.perf_counter() - start:.1f} s, {len(found.elements):,} elements")
            region = await service.element_named(tx, name=name(5), at=SystemClock().now())
            hit = show_graph(found, region.id)
            start = time.perf_counter()
            counted = await tx.fetchval(RECURSIVE, tenant_id, region.id)
            took = time.perf_counter() - start
            check(counted == len(hit), "bench.impact", f"{counted} {len(hit)}")
            print(f"the same by a recursive query: {counted:,} hit in {1000 * took:.1f} ms", flush=True)
    finally:
        await db.close()


def show_graph(found: Topology, region: int) -> Whole:
    """Ask the snapshot, and return what the region's end hits.

    The limit of each question is one look at every link that it has to look at.
    """
    first, last = int(found.elements[0]), int(found.elements[-1])
    seen = np.zeros(len(found.elements), bool)
    hit, took = best(lambda: found.impact([region]).hit)
    links = found.down.of(found.places(hit.tolist()))
    _, bare = best(lambda: seen[found.down.ends[links]])
    print(
        f"impact of one region: {len(hit):,} hit in {1000 * took:.1f} ms; their links bare: {1000 * bare:.1f} ms"
    )
    _, bare = best(lambda: seen[found.down.ends])
    way, took = best(lambda: found.path(first, last, over=(LinkKind.CONTAINS,)))
    print(
        f"path over containment: {len(way) - 1} links in {1000 * took:.1f} ms; all links bare: {1000 * bare:.1f} ms"
    )
    ways, took = best(lambda: found.trace(last, [first]))
    check(len(ways[1]) > 0, "bench.trace")
    steps = " and ".join(str(len(one) - 1) for one in ways)
    print(
        f"trace with its second way: {steps} links in {1000 * took:.1f} ms; all links bare: {1000 * bare:.1f} ms"
    )


async def next_address(settings: Settings, tenant_id: TenantId, given: int) -> None:
    """Give out a part of a /8, then take addresses and subnets one by one; the same number of bare UPDATEs."""
    db = await open_database(settings)
    now = SystemClock().now()
    try:
        async with db.transaction(tenant_id) as tx:
            ipv4, nets = ResourceKind.IPV4, ResourceKind.IPV4_PREFIX
            cpe = await service.create_pool(tx, name="cpe", kind=ipv4, quarantine_days=0, now=now)
            await service.add_range(tx, pool=cpe, text="10.0.0.0/8", gateway="10.0.0.1")
            terms = {"quarantine_days": 0, "prefix_length": 29}
            sub = await service.create_pool(tx, name="nets", kind=nets, now=now, **terms)
            await service.add_range(tx, pool=sub, text="10.0.0.0/16")
        start = time.perf_counter()
        for number in range(given // 1000):
            async with db.transaction(tenant_id) as tx:
                await service.reserve(tx, pool="cpe", key=f"many-{number}", count=1000, now=now)
        took = time.perf_counter() - start
        print(f"{given:,} addresses of a /8, 1,000 a transaction: {took:.1f} s")

        async def take(pool: str, number: int) -> None:
            async with db.transaction(tenant_id) as tx:
                await service.reserve(tx, pool=pool, key=f"{pool}-{number}", now=now)

        await show_each("next free address of the /8", lambda number: take("cpe", number))
        await show_each("next free /29 of a /16", lambda number: take("nets", number))
    finally:
        await db.close()


async def bare_updates(url: str, tenant_id: TenantId) -> None:
    """The limit: one row by its primary key, and COMMIT."""
    conn = await asyncpg.connect(url)
    try:
        await conn.execute("SELECT set_config('farwire.tenant_id', $1, false)", str(tenant_id))
        known = (
            "SELECT resource_id FROM inventory.resource WHERE tenant_id = $1 AND state = 'reserved' LIMIT $2"
        )
        rows = await conn.fetch(known, tenant_id, TAKEN)
        change = (
            "UPDATE inventory.resource SET until = until + interval '1 second' "
            "WHERE tenant_id = $1 AND resource_id = $2"
        )
        await show_each(
            "bare UPDATE by primary key",
            lambda number: conn.execute(change, tenant_id, rows[number % len(rows)][0]),
        )
    finally:
        await conn.close()


async def show_each(what: str, act: Callable[[int], Awaitable[object]]) -> None:
    """Do it ``TAKEN`` times, one after the other; print the median and the 99th percentile."""
    times = []
    for number in range(TAKEN):
        start = time.perf_counter()
        await act(number)
        times.append(1000 * (time.perf_counter() - start))
    print(
        f"{what:<30}{statistics.median(times):>8.2f} ms median{sorted(times)[-TAKEN // 100]:>8.2f} ms p99",
        flush=True,
    )


def best(ask_once: Callable[[], T]) -> tuple[T, float]:
    """Return the answer, and the shortest of five times."""
    times = []
    answer = ask_once()
    for _ in range(5):
        start = time.perf_counter()
        answer = ask_once()
        times.append(time.perf_counter() - start)
    return answer, min(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--elements", type=int, default=ELEMENTS, help="three times as many links")
    parser.add_argument("--given", type=int, default=GIVEN, help="addresses of the /8 that are given")
    options = parser.parse_args()
    run = Run.of(os.getpid())
    try:
        with tempfile.TemporaryDirectory() as folder:
            measure(run, Path(folder), options.elements, options.given)
    finally:
        remove(run)


if __name__ == "__main__":
    main()
