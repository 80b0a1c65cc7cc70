"""What every log does, shown on each adapter: files of a folder, rows of PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest

from farwire.base.storage import Database
from farwire.charging.log import Batch, Fenced, Log, LogBusy, LogDamaged, Records
from farwire.charging.log.disk import RealDisk
from farwire.charging.log.file import FileLog
from farwire.charging.log.lease import take_lease
from farwire.charging.log.postgres import PostgresLog
from farwire.kernel.errors import Defect, Exhausted

SHARD = 2
SLOTS = 40_000
"""More than two chunks of a snapshot."""
Opener = Callable[[], "Opening"]


class Opening:
    """A log that is opened again and again, each time in the next epoch."""

    def __init__(self, kind: str, folder: Path, db: Database) -> None:
        self.kind = kind
        self.db = db
        self.folder = folder
        self.epochs = count(1)

    async def new(self) -> Log:
        lease = await take_lease(db=self.db, shard=SHARD, holder="a test", seconds=60)
        assert lease.epoch == next(self.epochs)
        if self.kind == "postgres":
            return PostgresLog(self.db, shard=SHARD, epoch=lease.epoch)
        return FileLog(RealDisk(self.folder), shard=SHARD, epoch=lease.epoch, segment_bytes=1 << 20)

    async def recovered(self) -> tuple[Log, Records]:
        log, records = await self.new(), arena()
        await log.recover(records)
        return log, records


@pytest.fixture(params=["file", "postgres"])
def opening(request: pytest.FixtureRequest, tmp_path: Path, db: Database) -> Opening:
    return Opening(request.param, tmp_path / "log", db)


def arena() -> Records:
    return np.zeros((SLOTS, 8), np.int64)


def batch(log: Log, slots: dict[int, int], facts: bytes = b"", requests: int = 1) -> Batch:
    """Return the next batch: each slot gets eight words of one value."""
    images = np.array([[value] * 8 for value in slots.values()], np.int64)
    first = log.last + 1
    return Batch(
        log.epoch,
        first,
        first + requests - 1,
        np.array([*slots], np.int64).tobytes(),
        images.tobytes(),
        facts,
    )


async def test_a_new_log_is_empty(opening: Opening):
    log, records = await opening.recovered()
    assert (log.last, log.durable) == (0, 0)
    assert [facts async for facts in log.facts(0)] == []
    assert not records.any()
    await log.close()


async def test_what_was_acknowledged_comes_back_and_the_last_image_of_a_slot_wins(opening: Opening):
    log, _ = await opening.recovered()
    await log.append(batch(log, {1: 10, 2: 20}))
    await log.append(batch(log, {2: 21, 7: 70}, requests=5))
    assert await log.append(batch(log, {2: 22})) == 7
    assert log.durable == 7
    await log.close()
    again = await opening.new()
    records = arena()
    found = await again.recover(records)
    assert (found.last, found.used, found.batches, found.images, found.epoch) == (7, 8, 3, 5, 2)
    assert records[[1, 2, 7], 0].tolist() == [10, 22, 70]
    await again.append(batch(again, {1: 11}))
    await again.close()
    last, records = await opening.recovered()
    assert (last.last, int(records[1, 7])) == (8, 11)
    await last.close()


async def test_a_batch_that_holds_a_slot_twice_leaves_the_last_image(opening: Opening):
    log, _ = await opening.recovered()
    one, two = batch(log, {5: 50, 6: 60}), batch(log, {5: 51})
    twice = Batch(log.epoch, one.first, one.last, one.slots + two.slots, one.images + two.images)
    await log.append(twice)
    await log.close()
    again, records = await opening.recovered()
    assert records[[5, 6], 0].tolist() == [51, 60]
    await again.close()


async def test_tickets_end_in_the_order_of_their_batches_and_the_queue_is_bounded(opening: Opening):
    log, _ = await opening.recovered()
    tickets = []
    with pytest.raises(LogBusy) as raised:
        while len(tickets) < 10_000:
            tickets += [log.append(batch(log, {1: 1}, bytes(200_000)))]
    assert raised.value.code == "charging.log_busy"
    assert [await ticket for ticket in tickets] == list(range(1, len(tickets) + 1))
    assert log.last == log.durable == len(tickets)
    await log.append(batch(log, {1: 1}))
    await log.close()


async def test_a_gap_a_repetition_and_a_wrong_epoch_are_refused(opening: Opening):
    log, _ = await opening.recovered()
    await log.append(batch(log, {1: 1}))
    for epoch, first, last in ((1, 3, 3), (1, 1, 1), (2, 2, 2)):
        with pytest.raises(Defect) as raised:
            log.append(Batch(epoch, first, last))
        assert raised.value.code == "charging.batch_sequence"
    assert await log.append(batch(log, {1: 2})) == 2
    await log.close()


async def test_the_books_read_facts_from_their_own_position(opening: Opening):
    log, _ = await opening.recovered()
    await log.append(batch(log, {1: 1}, b"a" * 64, requests=3))
    await log.append(batch(log, {1: 2}))
    await log.append(batch(log, {}, b"c" * 8))
    read = [(facts.first, facts.last, facts.facts) async for facts in log.facts(0)]
    assert read == [(1, 3, b"a" * 64), (4, 4, b""), (5, 5, b"c" * 8)]
    assert [facts.last async for facts in log.facts(4)] == [5]
    assert [facts async for facts in log.facts(5)] == []
    await log.append(batch(log, {}, b"d" * 8))
    assert [facts.facts async for facts in log.facts(5)] == [b"d" * 8]
    assert [facts.last async for facts in log.facts(3)] == [4, 5, 6]
    await log.close()


async def test_a_standby_follows_batches_and_has_the_same_records(opening: Opening):
    log, _ = await opening.recovered()
    await log.append(batch(log, {1: 1, 2: 2}))
    await log.append(batch(log, {2: 3}, b"x" * 8))
    found = [found async for found in log.batches(0)]
    assert [one.last for one in found] == [1, 2]
    assert found[1] == Batch(1, 2, 2, np.array([2]).tobytes(), np.full(8, 3).tobytes(), b"x" * 8)
    await log.close()


async def test_a_snapshot_that_is_made_while_records_change_is_consistent_with_the_log(opening: Opening):
    log, records = await opening.recovered()

    async def change(values: dict[int, int]) -> None:
        for slot, value in values.items():
            records[slot] = value
        await log.append(batch(log, values))

    await change({1: 1, SLOTS - 1: 1})
    snapshot = log.snapshot(records, SLOTS)
    assert snapshot.copy_chunk()
    await change({1: 2, 20_000: 2})  # the first chunk is old, the second will be new
    while snapshot.copy_chunk():
        await change({1: 3, 39_000: 3})
    assert await snapshot.finish() == 1
    await change({2: 4})
    await log.close()
    again = await opening.new()
    copy = arena()
    found = await again.recover(copy)
    assert found.snapshot == 1
    assert np.array_equal(copy, records)
    await again.close()


async def test_recycling_waits_for_a_snapshot_and_for_the_books(opening: Opening):
    log, records = await opening.recovered()
    for _ in range(12):
        await log.append(batch(log, {1: log.last}, bytes(300_000)))
    assert await log.recycle(books=12) == 1  # no snapshot yet
    snapshot = log.snapshot(records, 10)
    assert not snapshot.copy_chunk()
    await snapshot.finish()
    assert await log.recycle(books=0) == 1
    kept = await log.recycle(books=8)
    assert 1 < kept <= 9
    assert [facts.last async for facts in log.facts(8)] == [9, 10, 11, 12]
    with pytest.raises(LogDamaged) as raised:
        _ = [facts async for facts in log.facts(0)]
    assert raised.value.code == "charging.log_gone"
    for _ in range(12):
        await log.append(batch(log, {1: log.last}, bytes(300_000)))
    await log.close()
    again, records = await opening.recovered()
    assert (again.last, int(records[1, 0])) == (24, 23)
    await again.close()


async def test_one_snapshot_is_made_at_a_time_and_none_when_nothing_was_appended(opening: Opening):
    log, records = await opening.recovered()
    await log.append(batch(log, {1: 1}))
    first = log.snapshot(records, 10)
    with pytest.raises(Defect) as raised:
        log.snapshot(records, 10)
    assert raised.value.code == "charging.snapshot_running"
    assert not first.copy_chunk()
    await first.finish()
    again = log.snapshot(records, 10)
    assert not again.copy_chunk()
    assert await again.finish() == 1
    await log.close()
    log, records = await opening.recovered()
    assert await log.snapshot(records, 10).finish() == 1
    await log.close()


async def test_old_snapshots_are_removed_and_two_are_kept(opening: Opening):
    log, records = await opening.recovered()
    for _ in range(4):
        await log.append(batch(log, {1: 1}))
        snapshot = log.snapshot(records, 10)
        while snapshot.copy_chunk():
            pass
        await snapshot.finish()
        await log.recycle(books=log.last)
    if isinstance(log, PostgresLog):
        async with log.db.untenanted() as tx:
            found = await tx.fetch("SELECT DISTINCT sequence FROM charging.log_snapshot ORDER BY 1")
        assert [row["sequence"] for row in found] == [3, 4]
    else:
        names = [path.name for path in opening.folder.iterdir() if path.name.startswith("snapshot")]
        assert len(names) == 2
    await log.close()


async def test_an_arena_that_is_too_small_says_so(opening: Opening):
    log, _ = await opening.recovered()
    await log.append(batch(log, {50: 1}))
    await log.close()
    small = await opening.new()
    with pytest.raises(Exhausted) as raised:
        await small.recover(np.zeros((50, 8), np.int64))
    assert raised.value.code == "charging.arena_full"
    await small.close()


async def test_who_has_lost_the_shard_acknowledges_nothing(opening: Opening):
    old, _ = await opening.recovered()
    await old.append(batch(old, {1: 1}))
    if opening.kind == "file":  # on one machine the folder is locked while the process lives
        with pytest.raises(Fenced) as raised:
            await (await opening.new()).recover(arena())
        assert raised.value.code == "charging.log_locked"
        await old.append(batch(old, {1: 2}))
        await old.close()
        with pytest.raises(Fenced):
            await FileLog(RealDisk(opening.folder), shard=SHARD, epoch=1).recover(arena())
        return
    new, _ = await opening.recovered()
    with pytest.raises(Fenced):
        await old.append(batch(old, {1: 2}))
    with pytest.raises(Fenced):
        old.append(batch(old, {1: 3}))
    assert await new.append(batch(new, {1: 4})) == 2
    assert [found.epoch async for found in new.batches(0)] == [1, 2]
    with pytest.raises(Fenced):
        await PostgresLog(opening.db, shard=SHARD, epoch=1).recover(arena())
