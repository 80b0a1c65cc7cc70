"""A shard that crashes at any byte comes back as it was after the last acknowledged batch or a later one."""

from __future__ import annotations

import asyncio
import random

import numpy as np
import pytest

from farwire.charging.log.file import FileLog, highest_epoch
from farwire.charging.log.file_snapshot import FileSnapshot
from farwire.charging.log.port import Batch, Durability, LogFailed, Records
from farwire.charging.log.segments import SegmentWriter
from farwire.kernel.errors import FarwireError
from tests.charging.inline import Inline
from tests.charging.virtual_disk import PowerCut, VirtualDisk

SLOTS = 40
SEGMENT = 16 * 4096


class Shard:
    """What a shard does, without charging: it changes records, appends them, remembers what was acknowledged."""

    def __init__(self, seed: int, durability: Durability = Durability.HOST) -> None:
        self.random = random.Random(seed)
        self.disk = VirtualDisk(seed)
        self.durability = durability
        self.states: dict[int, Records] = {0: np.zeros((SLOTS, 8), np.int64)}
        self.facts: dict[int, bytes] = {}
        self.acknowledged = 0
        self.books = 0
        self.lives = 0

    async def start(self) -> None:
        """Recover, and check that nothing acknowledged is missing and nothing was invented."""
        self.lives += 1
        self.log = FileLog(
            self.disk,
            shard=3,
            epoch=highest_epoch(self.disk, 3) + 1,
            durability=self.durability,
            segment_bytes=SEGMENT,
            chunk_records=8,
            writer=Inline(),
            background=Inline(),
        )
        self.records = np.zeros((SLOTS, 8), np.int64)
        found = await self.log.recover(self.records)
        assert found.last >= self.acknowledged, "an acknowledged batch is lost"
        assert found.last in self.states, "a batch came back that was not written"
        assert np.array_equal(self.records, self.states[found.last]), "a record is not as it was"
        assert found.used <= SLOTS
        if self.durability is Durability.PROCESS:
            self.books = min(self.books, found.last)  # a power cut may take back what the books have read
        self.states = {found.last: self.states[found.last]}
        self.facts = {last: facts for last, facts in self.facts.items() if last <= found.last}
        self.acknowledged = found.last
        await self.read_books()

    async def read_books(self) -> None:
        found = {facts.last: facts.facts async for facts in self.log.facts(self.books)}
        assert found == {last: facts for last, facts in self.facts.items() if last > self.books}
        self.books = self.random.choice([self.books, self.log.durable])

    def batch(self) -> Batch:
        some = self.random.sample(range(1, SLOTS), self.random.randint(0, 12))
        slots = np.array(some, np.int64)
        images = np.array([[self.random.getrandbits(62) for _ in range(8)] for _ in some], np.int64)
        self.records[slots] = images.reshape(-1, 8)
        first = self.log.last + 1
        last = first + self.random.randint(0, 5)
        facts = self.random.randbytes(8 * self.random.choice([0, 1, 30, 1500]))
        self.states[last] = self.records.copy()
        self.facts[last] = facts
        return Batch(self.log.epoch, first, last, slots.tobytes(), images.tobytes(), facts)

    async def work(self, steps: int) -> None:
        """Append; sometimes snapshot, read and recycle between two batches."""
        snapshot = None
        for _ in range(steps):
            self.acknowledged = await self.log.append(self.batch())
            if snapshot is None and self.random.random() < 0.2:
                snapshot = self.log.snapshot(self.records, SLOTS)
            if snapshot is not None and not snapshot.copy_chunk():
                await snapshot.finish()
                snapshot = None
            if self.random.random() < 0.2:
                await self.read_books()
            if self.random.random() < 0.2:
                await self.log.recycle(self.books)


async def play(seed: int, lives: int, durability: Durability = Durability.HOST) -> Shard:
    """Live, crash at any byte, live again."""
    shard = Shard(seed, durability)
    for _ in range(lives):
        shard.disk.budget = shard.random.choice([None, shard.random.randint(0, 400_000)])
        try:
            await shard.start()
            await shard.work(shard.random.randint(1, 25))
        except PowerCut:
            pass
        if shard.random.random() < 0.3 and durability is Durability.HOST:
            shard.disk.kill()
        elif durability is Durability.HOST:
            shard.disk.crash()
        else:
            shard.disk.kill()
    shard.disk.budget = None
    await shard.start()
    return shard


@pytest.mark.sim
def test_a_crash_at_any_byte_loses_nothing_that_was_acknowledged(seed: int):
    assert asyncio.run(play(seed, lives=40)).log.last > 0


@pytest.mark.sim
def test_the_end_of_the_process_loses_nothing_with_durability_process(seed: int):
    assert asyncio.run(play(seed, lives=20, durability=Durability.PROCESS)).log.last > 0


@pytest.mark.sim
def test_a_power_cut_with_durability_process_leaves_a_state_that_was_once_true(seed: int):
    """Acknowledged batches may be gone, but no hole, nothing invented, and the log goes on."""

    async def run() -> None:
        shard = Shard(seed, Durability.PROCESS)
        for _ in range(10):
            await shard.start()
            await shard.work(20)
            shard.disk.crash()
            shard.acknowledged = 0

    asyncio.run(run())


def _found(monkeypatch: pytest.MonkeyPatch, **planted: object) -> bool:
    """Return whether some of 20 seeds finds the planted bug."""
    for name, value in planted.items():
        monkeypatch.setattr(SegmentWriter, name, value)
    for seed in range(1, 21):
        try:
            asyncio.run(play(seed, lives=15))
        except (AssertionError, FarwireError, KeyError):
            return True
    return False


def test_a_skipped_sync_is_found(monkeypatch: pytest.MonkeyPatch):
    true_sync = SegmentWriter.sync
    calls = 0

    def sometimes(self: SegmentWriter) -> None:
        nonlocal calls
        calls += 1
        if calls % 7:
            true_sync(self)

    assert _found(monkeypatch, sync=sometimes)


def test_an_acknowledgement_before_the_write_is_found(monkeypatch: pytest.MonkeyPatch):
    late: list[Batch] = []
    true_write = SegmentWriter.write

    def one_behind(self: SegmentWriter, batch: Batch) -> None:
        late.append(batch)
        if len(late) > 1 and late[-2].epoch == batch.epoch:
            true_write(self, late[-2])

    assert _found(monkeypatch, write=one_behind)


def test_a_snapshot_that_claims_the_sequence_of_its_last_chunk_is_found(monkeypatch: pytest.MonkeyPatch):
    true_name = FileSnapshot._name

    def too_new(self: FileSnapshot) -> None:
        self._sequence = self._through
        true_name(self)

    monkeypatch.setattr(FileSnapshot, "_name", too_new)
    assert _found(monkeypatch)


def test_a_segment_that_is_recycled_before_the_books_have_read_it_is_found(monkeypatch: pytest.MonkeyPatch):
    true_recycle = FileLog._recycle
    monkeypatch.setattr(FileLog, "_recycle", lambda self, _books: true_recycle(self, self.durable))
    assert _found(monkeypatch)


def test_without_a_planted_bug_nothing_is_found(monkeypatch: pytest.MonkeyPatch):
    assert not _found(monkeypatch)


async def test_after_a_failed_sync_nothing_is_acknowledged_any_more():
    shard = Shard(1)
    await shard.start()
    await shard.work(3)
    before = shard.acknowledged
    shard.disk.fail_sync_at = shard.disk.syncs + 1
    with pytest.raises(
        LogFailed, match=r"virtual/segment-\d+\.log, offset \d+: Input/output error.*Fix: "
    ) as raised:
        await shard.log.append(shard.batch())
    assert raised.value.code == "charging.log_failed"
    with pytest.raises(LogFailed):
        shard.log.append(shard.batch())
    assert shard.log.durable == before
    with pytest.raises(LogFailed):
        shard.log.snapshot(shard.records, SLOTS)


async def test_a_full_disk_is_met_when_a_spare_segment_is_made_and_stops_the_shard_at_the_next_one():
    shard = Shard(1)
    shard.disk.capacity = 3 * SEGMENT
    await shard.start()
    with pytest.raises(LogFailed, match="No space left on device"):
        await shard.work(1000)
    shard.disk.crash()
    shard.disk.capacity *= 4
    await shard.start()


async def test_restarts_without_work_do_not_fill_the_disk():
    shard = Shard(1)
    for _ in range(20):
        await shard.start()
        shard.disk.kill()
    assert len(shard.disk.names()) <= 4
