"""The database stops, or its disk is full, in the middle of an import: the totals stay true, the same command goes on.

Each has a server of its own, since nobody may stop the one that the other tests use.
"""

import asyncio
import os
import shutil
import subprocess
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from usage_cases import profile

from farwire.base.clock import Clock
from farwire.base.config import Settings
from farwire.base.storage import Database, open_database
from farwire.base.storage.embedded import EmbeddedServer
from farwire.base.storage.endpoints import start_embedded
from farwire.base.storage.ephemeral import Run, more_room
from farwire.base.storage.errors import DiskFull
from farwire.kernel.errors import Unavailable
from farwire.kernel.ids import TenantId
from farwire.tenant import service as tenants
from farwire.usage import service
from farwire.usage.model import Totals

BATCH_ROWS = 500
TRIES = 240


@pytest.fixture
def place() -> Iterator[Path]:
    """A fresh data folder that the server's user can reach and that ends with the run."""
    folder = Path(tempfile.mkdtemp(prefix="o", dir=more_room(Run.parse(os.environ["FARWIRE_TEST_RUN"]))))
    folder.chmod(0o755)
    yield folder
    EmbeddedServer(folder).stop(immediate=True)
    shutil.rmtree(folder)


def mounted(place: Path, *options: str) -> bool:
    return (
        subprocess.run(["/bin/mount", *options, str(place)], capture_output=True, check=False).returncode == 0
    )


@pytest.fixture
def small_disk(place: Path) -> Iterator[Path]:
    """The data folder on a file system of 120 MB."""
    if not mounted(place, "-t", "tmpfs", "-o", "size=120m,mode=755", "tmpfs"):
        pytest.skip("this system lets nobody mount a small disk")
    yield place
    EmbeddedServer(place).stop(immediate=True)
    subprocess.run(["/bin/umount", str(place)], check=True)


def calls(folder: Path, count: int) -> Path:
    """Write calls with some duplicates and rubbish in between."""
    path = folder / "calls.csv"
    with path.open("w") as file:
        for n in range(count):
            file.write(f"{n},4915{n % 97},4930{n},2026-05-01T00:{n // 60 % 60:02d}:{n % 60:02d}Z,{n % 600}\n")
            if n % 50 == 0:
                file.write(f"{n},4915,4930,never,{n}\n" * 2)
    return path


async def patiently(server: EmbeddedServer, ask: Callable[[], Awaitable[Any]]) -> Any:
    """Ask as one does who gives the same command again until the database is back."""
    for _ in range(TRIES):
        try:
            await start_embedded(server)
            return await ask()
        except Unavailable:
            await asyncio.sleep(0.5)
    raise AssertionError("the database did not come back")


async def proven(db: Database, tenant_id: TenantId) -> Totals:
    found = await service.verify_totals(db=db, tenant_id=tenant_id)
    assert found.ok, found
    return found.kept


def totals_of_calls(count: int) -> Totals:
    rubbish = len(range(0, count, 50))
    return Totals(
        rows_in=count + 2 * rubbish,
        rows_assembled=count,
        rows_duplicate=rubbish,
        rows_suspended=rubbish,
        usages=count,
        usages_received=count,
        row_reasons={"suspended:time_malformed": rubbish},
    )


async def opened(server: EmbeddedServer, clock: Clock) -> tuple[Database, TenantId]:
    await start_embedded(server)
    db = await open_database(Settings(data_dir=server.folder.data_dir))
    return db, (await tenants.create_tenant(db=db, clock=clock, name="nordlicht")).id


async def test_a_stopped_database_loses_no_row_of_an_import_and_the_same_command_goes_on(
    place: Path, clock: Clock, tmp_path: Path
) -> None:
    server = EmbeddedServer(place)
    db, tenant_id = await opened(server, clock)
    path, told = calls(tmp_path, 5_000), []

    async def load(progress: Callable[[int], None] | None = None) -> service.ImportReport:
        return await service.import_usage(
            db=db,
            tenant_id=tenant_id,
            clock=clock,
            path=path,
            profile=profile(),
            progress=progress,
            batch_rows=BATCH_ROWS,
        )

    def stop_after_three(done: int) -> None:
        told.append(done)
        if len(told) == 3:
            server.stop(immediate=True)

    with pytest.raises(Unavailable):
        await load(stop_after_three)
    between = await patiently(server, lambda: proven(db, tenant_id))
    assert told[-1] <= between.rows_in < 5_200
    assert between.rows_in % BATCH_ROWS == 0
    report = await load()
    assert not report.repeated
    assert report.totals == await proven(db, tenant_id) == totals_of_calls(5_000)
    assert (await load()).repeated
    await db.close()


@pytest.mark.full
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
async def test_a_full_disk_loses_no_row_of_an_import_and_the_same_command_goes_on_once_there_is_space(
    small_disk: Path, clock: Clock, tmp_path: Path
) -> None:
    server = EmbeddedServer(small_disk)
    db, tenant_id = await opened(server, clock)
    path = calls(tmp_path, 150_000)

    async def load() -> service.ImportReport:
        return await service.import_usage(
            db=db, tenant_id=tenant_id, clock=clock, path=path, profile=profile()
        )

    # Without room for its log, PostgreSQL may stop instead of refusing a statement.
    with pytest.raises((DiskFull, Unavailable)):
        await load()
    assert mounted(small_disk, "-o", "remount,size=900m")
    between = await patiently(server, lambda: proven(db, tenant_id))
    assert 0 < between.rows_in < 156_000
    report = await patiently(server, load)
    assert report.totals == await proven(db, tenant_id) == totals_of_calls(150_000)
    await db.close()
