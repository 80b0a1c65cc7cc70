"""Durability ``zone``: two servers. No answer leaves that the second one has not; without it none leaves at all."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from farwire.base.clock import SystemClock
from farwire.base.storage import Database
from farwire.base.storage.database import open_pool
from farwire.base.storage.embedded import PORT, DatabaseRole, EmbeddedServer, kill_server
from farwire.base.storage.endpoints import connect, start_embedded
from farwire.base.storage.ephemeral import Run, more_room
from farwire.charging.log import Durability
from farwire.charging.log.lease import take_lease
from farwire.charging.log.postgres import PostgresLog
from farwire.charging.model import ResultCode
from farwire.charging.shard.runner import Runner
from farwire.charging.shard.shard import Open, recover
from farwire.kernel.errors import Unavailable
from tests.charging.shard_world import FlatTariffs, an_account, top_up

pytestmark = [pytest.mark.full, pytest.mark.timeout(600)]
WAIT_MS = 1_000


class Pair:
    """A server and its synchronous standby, each in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.first, self.second = EmbeddedServer(folder / "a"), EmbeddedServer(folder / "b")

    async def start(self) -> None:
        first, second = self.first.folder, self.second.folder
        for server in (first, second):
            server.data_dir.mkdir(mode=0o755)
        await start_embedded(self.first)
        self.first.stop()
        shutil.copytree(first.home, second.home, symlinks=True)
        for path in (second.home, *second.home.rglob("*")):
            there = (first.home / path.relative_to(second.home)).lstat()
            os.chown(path, there.st_uid, there.st_gid, follow_symlinks=False)
        (first.home / "local.conf").write_text("wal_level = 'replica'\n", encoding="utf-8")
        source = f"host={first.socket_dir} port={PORT} user={DatabaseRole.ADMIN.value}"
        (second.home / "local.conf").write_text(
            f"hot_standby = on\nwal_level = 'replica'\nprimary_conninfo = '{source}'\n",
            encoding="utf-8",
        )
        (second.data / "standby.signal").touch()
        for path in (first.home / "local.conf", second.home / "local.conf", second.data / "standby.signal"):
            os.chown(path, first.data.stat().st_uid, first.data.stat().st_gid)
        self.first.start()
        with (first.home / "pg_hba.conf").open("a", encoding="utf-8") as file:
            file.write("local replication all peer map=farwire\n")
        with (first.home / "local.conf").open("a", encoding="utf-8") as file:
            file.write("synchronous_standby_names = '*'\n")
        await self.admin("SELECT pg_reload_conf()")
        await self.start_standby()

    async def admin(self, sql: str, server: EmbeddedServer | None = None) -> object:
        async with connect((server or self.first).url(DatabaseRole.ADMIN)) as admin:
            return await admin.fetchval(sql)

    async def start_standby(self) -> None:
        await asyncio.to_thread(self.second.start)
        for _ in range(600):
            if await self.admin("SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'"):
                return
            await asyncio.sleep(0.1)
        raise AssertionError("the standby does not follow")

    def stop(self) -> None:
        for server in (self.second, self.first):
            server.stop(immediate=True)


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that the servers' user can reach."""
    found = Path(tempfile.mkdtemp(prefix="z", dir=more_room(Run.parse(os.environ["FARWIRE_TEST_RUN"]))))
    found.chmod(0o755)
    yield found
    shutil.rmtree(found)


@pytest.fixture
async def pair(folder: Path) -> AsyncIterator[Pair]:
    """Two servers that end with the test."""
    found = Pair(folder)
    try:
        await found.start()
        yield found
    finally:
        found.stop()


async def shard_on(db: Database, durability: Durability = Durability.ZONE) -> Runner:
    lease = await take_lease(db=db, shard=1, holder="test", seconds=60, force=True)
    log = PostgresLog(db, shard=1, epoch=lease.epoch, durability=durability, standby_wait_ms=WAIT_MS)
    return Runner(await recover(log=log, records=1_000, tariffs=FlatTariffs(), clock=SystemClock()))


async def pay_in(runner: Runner, key: int, told: set[int]) -> None:
    """Pay in 1 again and again until the shard ends; ``told`` gets the keys that were answered."""
    while True:
        try:
            answer = await runner.ask(1, top_up(7, key, 1))
        except Unavailable:
            return
        assert answer.result == ResultCode.SUCCESS
        told.add(key)
        key += 1


async def paying(runner: Runner, first: int, told: set[int], count: int) -> list[asyncio.Future[None]]:
    """Let four pay in; return them once ``count`` payments more have been answered."""
    until = len(told) + count
    tasks = [asyncio.ensure_future(pay_in(runner, (first + one) << 20, told)) for one in range(4)]
    while len(told) < until:  # noqa: ASYNC110 - a poll is simple
        await asyncio.sleep(0.01)
    return tasks


async def test_no_answer_leaves_without_the_standby_and_a_fail_over_has_them_all(pair: Pair) -> None:
    told: set[int] = set()
    db = await open_pool(pair.first.url())
    runner = await shard_on(db)
    await runner.ask(1, Open(an_account(7)))
    payers = await paying(runner, 1, told, 100)

    pair.second.stop(immediate=True)  # the standby is gone: within the bound the shard says so, and ends
    await asyncio.wait_for(runner.ended.wait(), 60)
    await asyncio.gather(*payers)
    assert runner.shard.failure.code == "charging.standby_gone"
    with pytest.raises(Unavailable, match="ended"):
        await runner.ask(1, top_up(7, 1, 1))

    await pair.start_standby()
    runner = await shard_on(db)
    for key in sorted(told)[-5:]:
        assert (await runner.ask(1, top_up(7, key, 1))).result == ResultCode.SUCCESS  # a repeat moves nothing
    payers = await paying(runner, 11, told, 100)
    kill_server(pair.first)  # the zone is gone, in the middle of it
    await asyncio.wait_for(asyncio.gather(*payers), 60)

    await pair.admin("SELECT pg_promote()", pair.second)
    other = await open_pool(pair.second.url())
    taken = await shard_on(other, Durability.HOST)
    account = taken.shard.accounts.find(1, 7)
    assert {key.key_lo for key in account.keys} >= told
    assert account.balances[0].amount >= len(told)
    await taken.drain()
    await other.close()
    await db.close()
