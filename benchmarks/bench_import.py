"""Import of usage rows beside merely reading the file, each in a process of its own so that its peak memory is its own.

`python -m benchmarks.bench_import --gigabytes 2` reads and understands a file of 2 GB; `--rows` says how many rows
are imported. Memory is what the peak of that process grew by: bounded, if it does not follow the size of the file.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.measured import in_fresh_process
from farwire.base.clock import SystemClock
from farwire.base.config import Settings
from farwire.base.storage import Database, open_database
from farwire.base.storage.embedded import DatabaseRole
from farwire.base.storage.ephemeral import Run, clone_template, ephemeral_server, remove
from farwire.kernel.errors import check
from farwire.kernel.ids import TenantId, uuid7
from farwire.tenant import service as tenants
from farwire.usage import service
from farwire.usage.model import mapper
from farwire.usage.readers import open_rows

ROWS = 300_000
GIGABYTES = 0.1
SUBSCRIBERS = 20_000
DATABASE = "farwire_bench_import"
PROFILE = "generic-csv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS, help="rows to import")
    parser.add_argument(
        "--gigabytes", type=float, default=GIGABYTES, help="size of the file that is read, not imported"
    )
    options = parser.parse_args()
    run = Run.of(os.getpid())
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        large = folder / "large.csv"
        write_calls(large, octets=int(options.gigabytes * 10**9))
        figure("read the file, do nothing", large, *in_fresh_process(read_only, large))
        figure("cut and map every row", large, *in_fresh_process(mapped, large))
        large.unlink()
        try:
            server = ephemeral_server(run)
            clone_template(server, DATABASE)
            settings = Settings(data_dir=folder, database_url=server.url(DatabaseRole.APP, DATABASE))
            tenant_id = asyncio.run(tenant(settings))
            # A sixth first: the peak of the second shows whether memory follows the file.
            for rows, again in ((options.rows // 6, False), (options.rows, False), (options.rows, True)):
                calls = folder / f"{rows}.csv"
                write_calls(calls, rows=rows, first=0 if rows == options.rows else options.rows)
                what = "import again, all duplicates" if again else "import, all new"
                figure(what, calls, *in_fresh_process(imported, settings, tenant_id, calls, again))
            figure("verify the totals from the rows", calls, *in_fresh_process(verified, settings, tenant_id))
        finally:
            remove(run)


def figure(what: str, file: Path, measured: tuple[int, float], mib: float) -> None:
    rows, seconds = measured
    print(
        f"{what:32} {file.stat().st_size / 1e6:>7,.0f} MB {rows:>11,} rows {rows / seconds:>11,.0f} rows/s  "
        f"+{mib:,.1f} MiB at the peak",
        flush=True,
    )


def write_calls(path: Path, *, rows: int = 0, octets: int = 0, first: int = 0) -> None:
    """Write ``rows`` calls, or as many as fill ``octets``, numbered from ``first``."""
    written, number = 0, first
    with path.open("w") as stream:
        stream.write("id,caller,called,started_at,seconds\n")
        while number < first + rows or written < octets:
            end = number + (min(first + rows - number, 10_000) if rows else 10_000)
            lines = [
                f"{n},49151{n % SUBSCRIBERS:07d},3314{n % 9_999_991:07d},"
                f"2026-06-{1 + n % 28:02d}T{n % 24:02d}:{n % 60:02d}:{n % 59:02d}Z,{n % 600}\n"
                for n in range(number, end)
            ]
            number = end
            written += stream.write("".join(lines))


def read_only(path: Path) -> tuple[int, float]:
    """The limit: lines of the file, nothing done with them."""
    start = time.perf_counter()
    with path.open("rb") as stream:
        count = sum(1 for _ in stream)
    return count, time.perf_counter() - start


def mapped(path: Path) -> tuple[int, float]:
    """Read and understand every row; nothing stored."""
    profile = service.load_profile(PROFILE)
    start, count = time.perf_counter(), 0
    with open_rows(path, profile) as (header, rows):
        compiled = mapper(profile, TenantId(uuid7()), header)
        for row in rows:
            compiled.map(row.raw)
            count += 1
    return count, time.perf_counter() - start


async def tenant(settings: Settings) -> TenantId:
    db = await open_database(settings)
    made = await tenants.create_tenant(db=db, clock=SystemClock(), name="bench")
    await db.close()
    return made.id


def imported(settings: Settings, tenant_id: TenantId, path: Path, again: bool) -> tuple[int, float]:
    """Read, map, find duplicates, pseudonymise, store, queue, count."""

    async def run(db: Database) -> tuple[int, float]:
        start = time.perf_counter()
        report = await service.import_usage(
            db=db,
            tenant_id=tenant_id,
            clock=SystemClock(),
            path=path,
            profile=service.load_profile(PROFILE),
            again=again,
        )
        return report.totals.rows_in, time.perf_counter() - start

    return asyncio.run(with_database(settings, run))


def verified(settings: Settings, tenant_id: TenantId) -> tuple[int, float]:
    """Count everything anew."""

    async def run(db: Database) -> tuple[int, float]:
        start = time.perf_counter()
        proof = await service.verify_totals(db=db, tenant_id=tenant_id)
        check(proof.ok, "bench.totals", str(proof))
        return proof.kept.rows_in, time.perf_counter() - start

    return asyncio.run(with_database(settings, run))


async def with_database(
    settings: Settings, run: Callable[[Database], Awaitable[tuple[int, float]]]
) -> tuple[int, float]:
    db = await open_database(settings)
    try:
        return await run(db)
    finally:
        await db.close()


if __name__ == "__main__":
    main()
