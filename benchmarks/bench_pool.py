"""``python -m benchmarks.bench_pool``: reservations/s from a small and a large pool, beside the bare UPDATE."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path

import asyncpg

from benchmarks.measured import costs, peak_kib, postmaster
from farwire.base.clock import SystemClock
from farwire.base.config import Settings
from farwire.base.storage import Database, open_database
from farwire.base.storage.embedded import DatabaseRole
from farwire.base.storage.ephemeral import Run, clone_template, ephemeral_server, remove
from farwire.inventory import service
from farwire.inventory.model import ResourceKind, number_range
from farwire.kernel.ids import TenantId
from farwire.kernel.page import PageRequest
from farwire.tenant.service import create_tenant

DATABASE = "farwire_bench_pool"
NOW = datetime(2026, 6, 1, tzinfo=UTC)
CLIENTS = 4
RESERVATIONS = 2_000
AFTER = 50_000
"""Numbers that are taken from the large pool before it is measured again."""
BARE = (
    "UPDATE inventory.resource SET state = 'reserved', reservation_key = $3, until = $4 "
    "WHERE tenant_id = $1 AND resource_id = (SELECT resource_id FROM inventory.resource "
    "WHERE tenant_id = $1 AND pool_id = $2 AND state = 'available' ORDER BY value LIMIT 1 "
    "FOR NO KEY UPDATE SKIP LOCKED) RETURNING value"
)


async def fill(db: Database, tenant_id: TenantId, name: str, first: int, count: int) -> float:
    """Make a pool of ``count`` numbers; return the seconds that filling took."""
    async with db.transaction(tenant_id) as tx:
        await service.create_pool(tx, name=name, kind=ResourceKind.MSISDN, quarantine_days=0, now=NOW)
        started = time.perf_counter()
        await service.fill_pool(tx, pool=name, values=number_range(str(first), str(first + count - 1)))
    return time.perf_counter() - started


async def per_second(act: Callable[[int, int], Awaitable[object]], count: int = RESERVATIONS) -> float:
    """Return how often ``act(client, number)`` was done per second, by ``CLIENTS`` at once."""

    async def client(which: int) -> None:
        for number in range(count // CLIENTS):
            await act(which, number)

    started = time.perf_counter()
    await asyncio.gather(*(client(which) for which in range(CLIENTS)))
    return count / (time.perf_counter() - started)


async def reserving(db: Database, tenant_id: TenantId, pool: str, label: str) -> float:
    """Reservations per second, each with its key and its own transaction."""

    async def act(client: int, number: int) -> None:
        async with db.transaction(tenant_id) as tx:
            await service.reserve(tx, pool=pool, key=f"{label}-{client}-{number}", now=NOW)

    return await per_second(act)


async def bare(url: str, db: Database, tenant_id: TenantId, pool: str) -> float:
    """The UPDATE alone, each in its own transaction, on connections that do nothing else."""
    async with db.transaction(tenant_id) as tx:
        found = await service.pool_named(tx, pool)
    conns = [await asyncpg.connect(url) for _ in range(CLIENTS)]
    for conn in conns:
        await conn.execute("SELECT set_config('farwire.tenant_id', $1, false)", str(tenant_id))

    async def act(client: int, number: int) -> None:
        key = f"bare-{client}-{number}"
        assert await conns[client].fetchval(BARE, tenant_id, found.id, key, datetime(2027, 1, 1, tzinfo=UTC))

    rate = await per_second(act)
    for conn in conns:
        await conn.close()
    return rate


async def take_many(db: Database, tenant_id: TenantId, pool: str) -> None:
    """Take ``AFTER`` numbers, so that the front of the pool is used up."""
    for number in range(AFTER // 1000):
        async with db.transaction(tenant_id) as tx:
            await service.reserve(tx, pool=pool, key=f"many-{number}", count=1000, now=NOW)


async def shown(pid: int, what: str, rate: Awaitable[float]) -> None:
    """Print a row: how many per second, and what each costs here and in PostgreSQL."""
    with costs(pid) as cost:
        per_s = await rate
    here, there = (1000 * seconds / RESERVATIONS for seconds in (cost.client_s, cost.server_s))
    print(f"{what:<44}{per_s:>12,.0f}{here:>13.2f}{there:>12.2f}")


async def measure(run: Run) -> None:
    """Fill, reserve, print the table."""
    server = await asyncio.to_thread(ephemeral_server, run)
    await asyncio.to_thread(clone_template, server, DATABASE)
    url = server.url(DatabaseRole.APP, DATABASE)
    db = await open_database(Settings(data_dir=Path.cwd(), database_url=url))
    try:
        tenant = await create_tenant(db=db, clock=SystemClock(), name="bench")
        await fill(db, tenant.id, "small", 4915100000000, 10_000)
        before = peak_kib()
        with costs(postmaster(server)) as cost:
            await fill(db, tenant.id, "large", 4915200000000, 1_000_000)
        print(
            f"fill 1,000,000 numbers: {cost.wall_s:.1f} s ({cost.client_s:.1f} s CPU here, {cost.server_s:.1f} s "
            f"in PostgreSQL), memory +{(peak_kib() - before) / 1024:.0f} MiB"
        )
        print(
            f"{'reserve one, ' + str(CLIENTS) + ' clients':<44}{'per second':>12}{'CPU ms each':>13}{'PostgreSQL':>12}"
        )
        pid = postmaster(server)
        await shown(pid, "10,000 numbers", reserving(db, tenant.id, "small", "s"))
        await shown(pid, "1,000,000 numbers", reserving(db, tenant.id, "large", "l"))
        await take_many(db, tenant.id, "large")
        await shown(pid, f"1,000,000 numbers, {AFTER:,} taken", reserving(db, tenant.id, "large", "a"))
        await shown(pid, "bare UPDATE, SKIP LOCKED, 1,000,000 numbers", bare(url, db, tenant.id, "large"))
        started = time.perf_counter()
        async with db.transaction(tenant.id, read_only=True) as tx:
            page = await service.free_resources(tx, pool="large", pattern="*77777", page=PageRequest(0, 10))
        print(
            f"search '*77777' of 1,000,000: {1000 * (time.perf_counter() - started):.0f} ms, {page.total} found"
        )
    finally:
        await db.close()


def main() -> None:
    """Run the measurement."""
    run = Run.of(os.getpid())
    try:
        asyncio.run(measure(run))
    finally:
        remove(run)


if __name__ == "__main__":
    main()
