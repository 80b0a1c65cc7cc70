"""A disk that is really full: a small file system of its own."""

import asyncio
import os
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from farwire.base.config import Settings
from farwire.base.storage import open_database
from farwire.base.storage.embedded import DatabaseRole, EmbeddedServer
from farwire.base.storage.endpoints import connect, start_embedded
from farwire.base.storage.errors import DiskFull
from farwire.kernel.errors import Unavailable

pytestmark = [
    pytest.mark.full,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk"),
]
FILL = "INSERT INTO base.bulk SELECT n, repeat('x', 500) FROM generate_series(1, 20000) n"


def mount(*options: str, on: Path) -> bool:
    return subprocess.run(["/bin/mount", *options, str(on)], capture_output=True, check=False).returncode == 0


def enlarge(place: Path) -> None:
    assert mount("-o", "remount,size=400m", on=place)


async def patiently(server: EmbeddedServer, ask: Callable[[], Awaitable[int]]) -> int:
    """Ask as a client does that heeds Retry-After: without room for its log, PostgreSQL restarts or stops itself."""
    for _ in range(240):
        try:
            await start_embedded(server)
            return await ask()
        except Unavailable:
            await asyncio.sleep(0.5)
    raise AssertionError("the database did not come back")


@pytest.fixture(params=["120m"])
def small_disk(place: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    if not mount("-t", "tmpfs", "-o", f"size={request.param},mode=755", "tmpfs", on=place):
        pytest.skip("this system lets nobody mount a small disk")
    yield place
    EmbeddedServer(place).stop(immediate=True)
    subprocess.run(["/bin/umount", str(place)], check=True)


async def test_a_full_disk_keeps_nothing_half_and_ends_when_there_is_space(small_disk: Path) -> None:
    server = EmbeddedServer(small_disk)
    await start_embedded(server)
    async with connect(server.url(DatabaseRole.OWNER)) as owner:
        await owner.execute("CREATE TABLE base.bulk (n int, t text); GRANT ALL ON base.bulk TO farwire_app")
    db = await open_database(Settings(data_dir=small_disk))

    async def fill() -> None:
        async with db.untenanted() as tx:
            await tx.execute(FILL)

    async def count() -> int:
        async with db.untenanted() as tx:
            return await tx.fetchval("SELECT count(*) FROM base.bulk")

    # Which statement or server process finds the disk full is chance; in a commit nobody knows whether it was kept.
    with pytest.raises((DiskFull, Unavailable)) as caught:
        for _ in range(20):
            await fill()
    assert caught.value.fix
    enlarge(small_disk)
    assert await patiently(server, count) % 20000 == 0
    await fill()
    await db.close()


@pytest.mark.parametrize("small_disk", ["20m"], indirect=True)
def test_a_disk_too_small_for_the_first_start_says_so_and_space_mends_it(small_disk: Path) -> None:
    server = EmbeddedServer(small_disk)
    with pytest.raises(DiskFull):
        server.start()
    enlarge(small_disk)
    assert server.start() is True
