"""Import of usage rows: rows/s beside merely reading the file, and peak memory.

`python -m benchmarks.bench_import --gigabytes 2` reads and understands a file of 2 GB.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import resource
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from farwire.base.clock import SystemClock
from farwire.base.config import Settings
from farwire.base.storage import open_database
from farwire.base.storage.embedded import DatabaseRole
from farwire.base.storage.ephemeral import Run, clone_template, ephemeral_server, remove
from farwire.kernel.ids import TenantId, uuid7
from farwire.usage import service
from farwire.usage.model import mapper
from farwire.usage.readers import open_rows

ROWS = 300_000
SUBSCRIBERS = 20_000
DATABASE = "farwire_bench_import"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="rows to import")
    parser.add_argument(
        "--gigabytes", type=float, default=0.25, help="size of the file that is read, not imported"
    )
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large = write_calls(folder / "large.csv", octets=int(options.gigabytes * 10**9))
        read_only(large)
        mapped(large)
        large.unlink()
        calls = write_calls(folder / "calls.csv", rows=options.rows)
        run = Run.of(os.getpid())
        try:
            asyncio.run(imported(calls, options.rows, run, folder))
        finally:
            remove(run)


def write_calls(path: Path, *, rows: int = 0, octets: int = 0) -> Path:
    """Write ``rows`` calls, or as many as fill ``octets``."""
    written, number = 0, 0
    with path.open("w") as stream:
        stream.write("id,caller,called,started_at,seconds\n")
        while number < rows or written < octets:
            lines = [
                f"{n},49151{n % SUBSCRIBERS:07d},3314{n % 9_999_991:07d},"
                f"2026-06-{1 + n % 28:02d}T{n % 24:02d}:{n % 60:02d}:{n % 59:02d}Z,{n % 600}\n"
                for n in range(number, number + (min(rows - number, 10_000) if rows else 10_000))
            ]
            number += len(lines)
            written += stream.write("".join(lines))
    return path


@contextmanager
def figures(what: str, rows: list[int]) -> Iterator[None]:
    """Print rows/s and the growth of peak memory of the block."""
    before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.perf_counter()
    yield
    seconds = time.perf_counter() - start
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    print(f"{what:34} {rows[0]:>11,} rows  {rows[0] / seconds:>11,.0f} rows/s  +{grown:,.1f} MiB at the peak")


def read_only(path: Path) -> None:
    """The limit: lines of the file, nothing done with them."""
    count = [0]
    with figures("read the file, do nothing", count), path.open("rb") as stream:
        for _ in stream:
            count[0] += 1


def mapped(path: Path) -> None:
    """Read and understand every row; nothing stored."""
    profile = service.load_profile("generic-csv")
    count = [0]
    with (
        figures(f"cut and map {path.stat().st_size / 1e9:.2f} GB", count),
        open_rows(path, profile) as (header, rows),
    ):
        compiled = mapper(profile, TenantId(uuid7()), header)
        for row in rows:
            compiled.map(row.raw)
            count[0] += 1


async def imported(path: Path, rows: int, run: Run, folder: Path) -> None:
    """Read, map, find duplicates, pseudonymise, store, count."""
    server = await asyncio.to_thread(ephemeral_server, run)
    await asyncio.to_thread(clone_template, server, DATABASE)
    url = {role: server.url(role, DATABASE) for role in DatabaseRole}
    settings = Settings(data_dir=folder, database_url=url[DatabaseRole.APP])
    db = await open_database(settings)
    try:
        clock, tenant_id = SystemClock(), TenantId(uuid7())
        async with db.untenanted() as tx:
            await tx.execute(
                "INSERT INTO tenant.tenant (tenant_id, name, display_name, country, zone, state, created_at) "
                "VALUES ($1, 'bench', 'bench', 'DE', 'Europe/Berlin', 'active', $2)",
                tenant_id,
                clock.now(),
            )
        profile = service.load_profile("generic-csv")
        for what, again in (("import, all new", False), ("import again, all duplicates", True)):
            with figures(what, [rows]):
                await service.import_usage(
                    db=db, tenant_id=tenant_id, clock=clock, path=path, profile=profile, again=again
                )
        with figures("verify the totals from the rows", [2 * rows]):
            proof = await service.verify_totals(db=db, tenant_id=tenant_id)
        print(f"totals proven: {proof.ok}; rows in {proof.kept.rows_in:,}, usages {proof.kept.usages:,}")
    finally:
        await db.close()


if __name__ == "__main__":
    main()
