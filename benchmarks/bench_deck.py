"""``python -m benchmarks.bench_deck``: seconds to import a deck beside reading its file with ``csv``."""

from __future__ import annotations

import asyncio
import csv
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.decks import FORMAT, deck_file
from farwire.base.clock import SystemClock
from farwire.base.config import Settings
from farwire.base.storage import Database, open_database
from farwire.base.storage.embedded import DatabaseRole
from farwire.base.storage.ephemeral import Run, clone_template, ephemeral_server, remove
from farwire.catalog.model import read_plan
from farwire.catalog.service import publish_plan
from farwire.kernel.ids import TenantId
from farwire.rating.service import import_deck, tariff_for
from farwire.tenant.service import create_tenant

DATABASE = "farwire_bench_deck"
PLAN = """
offering = "{name}"
name = "Bench"
valid_from = 2026-01-01T00:00:00Z
currency = "USD"
zone = "UTC"
prices_include_tax = false
[[usage]]
id = "voice"
kind = "voice"
deck = "{name}"
"""


def read_bare(path: Path) -> tuple[int, float]:
    """Rows of the file, and the seconds to read them and nothing more."""
    started = time.perf_counter()
    with path.open(encoding="utf-8", newline="") as file:
        rows = sum(1 for _ in csv.reader(file)) - 1
    return rows, time.perf_counter() - started


async def import_seconds(db: Database, tenant_id: TenantId, path: Path, name: str) -> tuple[float, float]:
    """Seconds to import the deck, and then to load and compile the first tariff over it."""
    clock = SystemClock()
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=1)
    started = time.perf_counter()
    report = await import_deck(
        db=db,
        tenant_id=tenant_id,
        clock=clock,
        path=path,
        name=name,
        currency="USD",
        valid_from=start,
        deck_format=FORMAT,
    )
    imported = time.perf_counter() - started
    if report.deck is None:
        raise SystemExit(f"the deck has bad rows: {report.problems[:3]}")
    async with db.transaction(tenant_id) as tx:
        plan = await publish_plan(tx=tx, clock=clock, plan=read_plan(PLAN.format(name=name)))
        started = time.perf_counter()
        await tariff_for(tx=tx, plan_version_id=plan.version.id)
        return imported, time.perf_counter() - started


async def measure(run: Run) -> None:
    """Import into a throw-away database and print the table."""
    path, source = deck_file()
    server = await asyncio.to_thread(ephemeral_server, run)
    await asyncio.to_thread(clone_template, server, DATABASE)
    url = server.url(DatabaseRole.APP, DATABASE)
    db = await open_database(Settings(data_dir=path.parent, database_url=url))
    try:
        tenant = await create_tenant(db=db, clock=SystemClock(), name="bench")
        imported, compiled = await import_seconds(db, tenant.id, path, "bench")
    finally:
        await db.close()
    rows, bare = read_bare(path)
    print(f"deck of {rows:,} prefixes ({source})")
    print(f"{'step':<28}{'seconds':>9}{'rows/s':>12}{'ratio':>8}")
    for step, seconds in (("read with csv", bare), ("import", imported), ("load and compile", compiled)):
        print(f"{step:<28}{seconds:>9.3f}{rows / seconds:>12,.0f}{seconds / bare:>8.1f}")


def main() -> None:
    """Run the measurement."""
    run = Run.of(os.getpid())
    try:
        asyncio.run(measure(run))
    finally:
        remove(run)


if __name__ == "__main__":
    main()
