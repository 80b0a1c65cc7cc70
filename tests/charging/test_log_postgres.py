"""What only the log in PostgreSQL does: leases, fences, promises that the server must be able to keep."""

from __future__ import annotations

import asyncio
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import numpy as np
import pytest

from farwire.base.config import Settings
from farwire.base.storage import Database
from farwire.base.storage.database import UntenantedTx, open_pool
from farwire.base.storage.endpoints import connect
from farwire.charging.log import Batch, Durability, Fenced, LogDamaged, LogFailed, Records
from farwire.charging.log.lease import Lease, renew_lease, take_lease
from farwire.charging.log.postgres import PostgresLog
from farwire.charging.log.snapshot import CHUNK_RECORDS
from farwire.kernel.errors import Invalid

SHARD = 5


def arena() -> Records:
    return np.zeros((100, 8), np.int64)


def batch(log: PostgresLog, slot: int = 1) -> Batch:
    first = log.last + 1
    return Batch(
        log.epoch, first, first, np.array([slot]).tobytes(), np.full(8, first).tobytes(), b"fact" * 2
    )


async def opened(db: Database, durability: Durability = Durability.HOST) -> PostgresLog:
    lease = await take_lease(db=db, shard=SHARD, holder="a", seconds=60)
    log = PostgresLog(db, shard=SHARD, epoch=lease.epoch, durability=durability)
    await log.recover(arena())
    return log


async def test_a_lease_is_taken_by_one_until_its_time_is_over_or_by_force(db: Database):
    assert await take_lease(db=db, shard=SHARD, holder="a", seconds=60) == Lease(SHARD, 1)
    with pytest.raises(Fenced, match="shard 5 is held") as raised:
        await take_lease(db=db, shard=SHARD, holder="b", seconds=60)
    assert (raised.value.code, raised.value.value) == ("charging.shard_held", "a")
    assert await take_lease(db=db, shard=SHARD, holder="a", seconds=60) == Lease(SHARD, 2)  # restarted
    taken = await take_lease(db=db, shard=SHARD, holder="b", seconds=60, force=True)
    assert taken.epoch == 3
    with pytest.raises(Fenced) as raised:
        await renew_lease(db=db, lease=Lease(SHARD, 2), seconds=60)
    assert raised.value.code == "charging.log_fenced"
    await renew_lease(db=db, lease=taken, seconds=0)  # given up
    assert await take_lease(db=db, shard=SHARD, holder="a", seconds=60) == Lease(SHARD, 4)
    assert (await take_lease(db=db, shard=SHARD + 1, holder="c", seconds=60)).epoch == 1


async def test_every_durability_writes_and_zone_needs_a_standby(db: Database):
    for durability in (Durability.PROCESS, Durability.HOST):
        log = await opened(db, durability)
        await log.append(batch(log))
        await log.close()
    with pytest.raises(Invalid, match="synchronous_standby_names") as raised:
        await opened(db, Durability.ZONE)
    assert raised.value.code == "charging.durability_unsupported"


async def test_what_waits_when_the_shard_is_taken_is_not_acknowledged(db: Database):
    log = await opened(db)
    await log.append(batch(log))
    await take_lease(db=db, shard=SHARD, holder="b", seconds=60, force=True)
    tickets = [log.append(batch(log)) for _ in range(3)]
    for ticket in tickets:
        with pytest.raises(Fenced):
            await ticket
    with pytest.raises(Fenced):
        log.snapshot(arena(), 10)
    assert [found.last async for found in log.batches(0)] == [1]


async def test_a_database_that_is_gone_stops_the_log(db: Database, settings: Settings):
    log = await opened(db)
    await log.append(batch(log))
    await db.close()
    with pytest.raises(LogFailed, match="the batch of sequence 2") as raised:
        await log.append(batch(log))
    assert raised.value.code == "charging.log_failed"
    with pytest.raises(LogFailed):
        log.append(batch(log))
    again = await open_pool(str(settings.database_url))
    assert (await opened(again)).last == 1
    await again.close()


@pytest.mark.parametrize(
    ("damage", "text"),
    [
        (
            "UPDATE charging.log_batch SET body = set_byte(body, 130, 77) WHERE last = 2",
            "checksum of its row",
        ),
        ("DELETE FROM charging.log_batch WHERE last = 2", "sequence 3 follows"),
        ("DELETE FROM charging.log_batch WHERE last = 3", "the lease says that 3 was durable"),
        ("UPDATE charging.log_batch SET body = substr(body, 1, 140) WHERE last = 3", "checksum of its row"),
    ],
)
async def test_damaged_and_missing_rows_are_named(db: Database, settings: Settings, damage: str, text: str):
    log = await opened(db)
    for _ in range(3):
        await log.append(batch(log))
    async with connect(str(settings.database_owner_url)) as owner:
        await owner.execute(damage)
    with pytest.raises(LogDamaged, match=text) as raised:
        await opened(db)
    assert "the batch of sequence" in str(raised.value)


async def test_an_unfinished_snapshot_is_passed_over_and_removed(db: Database):
    log = await opened(db)
    await log.append(batch(log))
    unfinished = log.snapshot(np.full((100, 8), 9, np.int64), 100)
    unfinished.copy_chunk()
    await log.close()
    assert unfinished._task
    await unfinished._task
    again = await opened(db)
    assert again.last == 1
    snapshot = again.snapshot(arena(), 100)
    snapshot.copy_chunk()
    assert await snapshot.finish() == 1
    await again.recycle(books=0)
    async with db.untenanted() as tx:
        found = await tx.fetch("SELECT epoch, part FROM charging.log_snapshot ORDER BY part")
    assert [tuple(row) for row in found] == [(2, 0), (2, 1)]


async def test_a_snapshot_of_a_shard_that_was_taken_ends(db: Database):
    log = await opened(db)
    await log.append(batch(log))
    records = np.zeros((20 * CHUNK_RECORDS, 8), np.int64)
    snapshot = log.snapshot(records, len(records))
    await take_lease(db=db, shard=SHARD, holder="b", seconds=60, force=True)
    chunks = 1
    while snapshot.copy_chunk():
        chunks += 1
        await asyncio.sleep(0.01)
    assert chunks < 20
    with pytest.raises(Fenced):
        await snapshot.finish()


class Broken(Database):
    """A database of which something happens that nobody has thought of."""

    def __init__(self) -> None:
        pass

    @asynccontextmanager
    async def untenanted(self, **_: object) -> AsyncIterator[UntenantedTx]:
        raise ZeroDivisionError
        yield


async def test_whatever_breaks_a_write_fails_all_that_waits(db: Database):
    log = await opened(db)
    await log.append(batch(log))
    log.db = Broken()
    tickets = [log.append(batch(log)) for _ in range(2)]
    for ticket in tickets:
        with pytest.raises(LogFailed, match="ZeroDivisionError"):
            await asyncio.wait_for(ticket.future, 60)


WRITER = """
import asyncio, sys
import numpy as np
from farwire.base.storage.database import open_pool
from farwire.charging.log.lease import take_lease
from farwire.charging.log.port import Batch
from farwire.charging.log.postgres import PostgresLog

async def main(url):
    db = await open_pool(url)
    lease = await take_lease(db=db, shard=5, holder="a", seconds=60)
    log = PostgresLog(db, shard=5, epoch=lease.epoch)
    await log.recover(np.zeros((100, 8), np.int64))
    while True:
        first = log.last + 1
        slots, images = np.array([first % 99 + 1]), np.full(8, first)
        print(await log.append(Batch(log.epoch, first, first, slots.tobytes(), images.tobytes())), flush=True)

asyncio.run(main(sys.argv[1]))
"""


@pytest.mark.crash
async def test_a_killed_process_has_kept_all_that_it_acknowledged(
    db: Database, settings: Settings, seed: int
):
    heard = 0
    for life in range(2):
        command = [sys.executable, "-c", WRITER, str(settings.database_url)]
        process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: ASYNC220
        assert process.stdout
        for _ in range(random.Random(seed * 10 + life).randint(1, 100)):
            heard = int(process.stdout.readline())
        process.send_signal(signal.SIGKILL)
        heard = max([heard, *map(int, process.stdout.read().split()[-1:])])
        process.wait()
        process.stdout.close()
    lease = await take_lease(db=db, shard=SHARD, holder="b", seconds=60, force=True)
    log, records = PostgresLog(db, shard=SHARD, epoch=lease.epoch), arena()
    found = await log.recover(records)
    assert found.last >= heard
    assert records[1:, 0].max() == found.last
