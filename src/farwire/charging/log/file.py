"""The log in files of one folder: the fastest on one machine. A thread writes and syncs while the next batch fills."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from itertools import islice
from typing import Final, TypeVar

import structlog

from farwire.charging.log.codec import Entry
from farwire.charging.log.disk import Disk
from farwire.charging.log.file_snapshot import FileSnapshot
from farwire.charging.log.port import (
    Batch,
    Durability,
    Facts,
    Fenced,
    LogBusy,
    LogFailed,
    Records,
    Recovered,
    Ticket,
)
from farwire.charging.log.replay import replay
from farwire.charging.log.scan import Bookmark, Scan
from farwire.charging.log.segments import SEGMENT_BYTES, SegmentWriter, check_fits, headers
from farwire.charging.log.snapshot import (
    CHUNK_RECORDS,
    TEMPORARY,
    Chunks,
    Mark,
    Present,
    load_file,
    read_mark,
    snapshot_name,
    snapshots,
    too_short,
)
from farwire.kernel.errors import FarwireError, Invalid, check

QUEUE: Final = 4
"""Batches that wait for the disk before ``append`` refuses more."""
KEEP: Final = 2
"""Snapshots that are kept."""
LOCK: Final = "lock"
_READ_PIECE: Final = 1 << 20
_READ_TOGETHER: Final = 64
T = TypeVar("T")
_log = structlog.get_logger(__name__)


def highest_epoch(disk: Disk, shard: int) -> int:
    """Return the highest epoch that ever wrote here; a shard without a lease takes the next one."""
    return max((header.epoch for header in headers(disk, shard)), default=0)


class FileLog:
    """A ``Log`` in a folder. See ``port.Log``; what is only here: ``sync`` of the disk happens in ``writer``."""

    def __init__(
        self,
        disk: Disk,
        *,
        shard: int,
        epoch: int,
        durability: Durability = Durability.HOST,
        segment_bytes: int = SEGMENT_BYTES,
        spares: int = 1,
        chunk_records: int = CHUNK_RECORDS,
        writer: Executor | None = None,
        background: Executor | None = None,
    ) -> None:
        """``spares`` segments are made ready ahead of need; recycled ones come on top.

        ``writer`` and ``background`` are threads of the log's own unless a simulator gives others.

        Raises ``Invalid`` (``charging.durability_unsupported``) for ``zone``: a folder is one machine.
        """
        if durability is Durability.ZONE:
            raise Invalid(
                "a log in files is on one machine and cannot survive its loss",
                code="charging.durability_unsupported",
                field="durability",
                value=durability,
                fix="use the postgres log with a synchronous standby, or durability host",
            )
        self.shard = shard
        self.epoch = epoch
        self.last = 0
        self.durable = 0
        self.snapshotted = 0
        """The sequence of the newest whole snapshot."""
        self._copying: FileSnapshot | None = None
        self._disk = disk
        self._durability = durability
        self._segment_bytes = segment_bytes
        self._spares = spares
        self._chunk_records = chunk_records
        self._threads = writer or ThreadPoolExecutor(1, f"charging-log-{shard}")
        self._background = background or ThreadPoolExecutor(1, f"charging-spare-{shard}")
        self._waiting: deque[Future[int]] = deque()
        self._writer: SegmentWriter | None = None
        self._bookmark: Bookmark | None = None
        self._failure: FarwireError | None = None

    # ---- recovery

    async def recover(self, records: Records, *, after: int = 0, used: int = 1) -> Recovered:
        """Fill ``records`` from the newest whole snapshot and the segments after it; then begin a new segment."""
        return await asyncio.wrap_future(
            self._threads.submit(self._guarded, lambda: self._recover(records, after, used))
        )

    def _recover(self, records: Records, after: int, used: int) -> Recovered:
        check(self._writer is None, "charging.log_recovered_twice")
        self._disk.lock(LOCK)
        if TEMPORARY in self._disk.names():
            self._disk.remove(TEMPORARY)
        segments = headers(self._disk, self.shard)
        mark = None if after else self._load(records)
        start = mark.sequence if mark else after
        self.snapshotted = mark.sequence if mark else 0
        scan = Scan(self._disk, segments, after=start)
        done = replay(scan, records, mark.used if mark else used)
        if mark and scan.end.last < mark.through:
            raise too_short(scan.end.last, mark, self._disk.label(snapshot_name(start)))
        highest = max(scan.epoch, mark.epoch if mark else 0, *(header.epoch for header in segments), 0)
        if self.epoch <= highest:
            raise Fenced(
                f"the log was written in epoch {highest}, this process was given {self.epoch}",
                field="epoch",
                value=self.epoch,
                fix="take the lease of the shard anew",
            )
        self.last = self.durable = scan.end.last
        self._begin(scan)
        passed_over = tuple(sequence for sequence in snapshots(self._disk) if sequence > start)
        return Recovered(self.epoch, self.last, done.used, start, done.batches, done.images, passed_over)

    async def load_newest(self, records: Records) -> tuple[int, int]:
        """Fill ``records`` with the newest whole snapshot only."""
        mark = await asyncio.to_thread(self._load, records)
        return (mark.sequence, mark.used) if mark else (0, 1)

    def _load(self, records: Records) -> Mark | None:
        """Load the newest snapshot that is whole."""
        for sequence in snapshots(self._disk):
            mark = read_mark(self._disk, sequence)
            if mark and mark.shard == self.shard and load_file(self._disk, mark, records):
                return mark
        return None

    def _begin(self, scan: Scan) -> None:
        """Begin a new segment behind what was found; what was found is made durable first.

        The last batch may be known to the kernel only: the process died between writing and syncing it. It is written
        again: after a sync that failed the kernel takes pages for clean that never reached the disk.
        """
        for header in scan.chosen:
            file = self._disk.open(header.name)
            if header is scan.chosen[-1]:
                for offset in range(0, scan.bookmark.offset, _READ_PIECE):
                    size = min(_READ_PIECE, scan.bookmark.offset - offset)
                    file.pwrite(file.pread(size, offset), offset)
            file.sync()
            file.close()
        self._writer = SegmentWriter(
            self._disk,
            shard=self.shard,
            epoch=self.epoch,
            segment_bytes=self._segment_bytes,
            end=scan.end,
            sync=self._durability is Durability.HOST,
        )
        self._writer.roll()
        self._give_back_empty(scan)
        self._prepare()

    def _give_back_empty(self, scan: Scan) -> None:
        """Recycle segments in which nothing was written before a crash, or restarts would fill the disk."""
        assert self._writer is not None  # noqa: S101 - _begin() has made it
        for header in scan.chosen:
            if header.first > self.last:
                self._writer.give_back(header)

    # ---- writing

    def append(self, batch: Batch) -> Ticket:
        """Queue a batch for the thread. Also raises ``Exhausted`` (``charging.batch_too_large``)."""
        self._check_alive()
        check(self._writer is not None, "charging.log_not_recovered")
        check(batch.first == self.last + 1 and batch.epoch == self.epoch, "charging.batch_sequence")
        while self._waiting and self._waiting[0].done():
            self._waiting.popleft()
        if len(self._waiting) >= QUEUE:
            raise LogBusy(
                f"{QUEUE} batches wait for the disk", fix="await the oldest ticket", retry_after_s=1
            )
        check_fits(batch, self._segment_bytes)
        self.last = batch.last
        future = self._threads.submit(self._write, batch)
        self._waiting.append(future)
        return Ticket(batch.last, future)

    def _write(self, batch: Batch) -> int:
        self._check_alive()
        writer = self._opened()
        before = writer.place.segment
        self._guarded(lambda: writer.write(batch))
        self.durable = batch.last
        if writer.place.segment != before:
            self._prepare()
        return batch.last

    def _prepare(self) -> None:
        """Make the next spare in the background. If that fails, the next roll tries again, and may stop the shard."""
        self._background.submit(self._opened().prepare, self._spares).add_done_callback(self._warn)

    def _warn(self, prepared: Future[None]) -> None:
        if error := prepared.exception():
            _log.warning("no room for the next segment", folder=self._disk.label(""), reason=str(error))

    def _opened(self) -> SegmentWriter:
        check(self._writer is not None, "charging.log_not_recovered")
        assert self._writer is not None  # noqa: S101 - for the type checker
        return self._writer

    def _check_alive(self) -> None:
        if self._failure is not None:
            raise self._failure.with_traceback(None)

    def _guarded(self, act: Callable[[], T]) -> T:
        """Do something with the disk. After the first error nothing is ever acknowledged again.

        A failed sync may have dropped what was written; a second sync that succeeds would prove nothing.
        """
        try:
            return act()
        except OSError as error:
            where = self._writer.label if self._writer else self._disk.label("")
            self._failure = LogFailed(
                f"{where}: {error.strerror or error}",
                field="errno",
                value=error.errno,
                fix="make room or replace the disk, then start the shard again: it recovers what it acknowledged",
            )
            raise self._failure from error
        except FarwireError as error:
            self._failure = error
            raise

    # ---- reading

    async def _read(self, after: int) -> AsyncIterator[Entry]:
        until = self.durable
        if after >= until:
            return
        segments = self._opened().kept
        scan = Scan(
            self._disk, segments, after=after, until=until, piece=_READ_PIECE, bookmark=self._bookmark
        )
        entries = iter(scan)
        while some := await asyncio.to_thread(lambda: tuple(islice(entries, _READ_TOGETHER))):
            for entry in some:
                yield entry
        self._bookmark = scan.bookmark

    async def facts(self, after: int) -> AsyncIterator[Facts]:
        """Yield the facts of durable batches above ``after``."""
        async for entry in self._read(after):
            yield Facts(entry.first, entry.last, entry.epoch, entry.facts)

    async def batches(self, after: int) -> AsyncIterator[Batch]:
        """Yield durable batches above ``after``."""
        async for entry in self._read(after):
            yield entry.batch()

    # ---- snapshots and recycling

    def snapshot(self, records: Records, used: int) -> FileSnapshot | Present:
        """Begin a snapshot; it is written by the background thread."""
        self._check_alive()
        check(self._copying is None or self._copying.over, "charging.snapshot_running")
        if 0 < self.last == self.snapshotted:
            return Present(self.last)
        chunks = Chunks(records, used, self._chunk_records)
        self._copying = FileSnapshot(self, self._disk, self._background, chunks)
        return self._copying

    async def settle(self, through: int) -> None:
        """Wait until everything up to ``through`` is on the disk, whatever the durability."""

        def sync() -> None:
            self._check_alive()
            self._guarded(self._opened().sync)

        await asyncio.wrap_future(self._threads.submit(sync))
        check(self.durable >= through, "charging.log_settled")

    async def recycle(self, books: int) -> int:
        """Turn segments into spares that neither a kept snapshot nor the books need; remove older snapshots."""
        return await asyncio.wrap_future(self._threads.submit(self._guarded, lambda: self._recycle(books)))

    def _recycle(self, books: int) -> int:
        found = snapshots(self._disk)
        for sequence in found[KEEP:]:
            self._disk.remove(snapshot_name(sequence))
        oldest = found[:KEEP][-1] if found else 0
        needed = min(oldest, books) + 1
        kept = self._opened().kept
        while len(kept) > 1 and kept[1].first <= needed:
            self._opened().give_back(kept[0])
            kept = kept[1:]
        return kept[0].first

    async def close(self) -> None:
        """Write what is queued, sync, close."""
        try:
            if self._writer is not None and self._failure is None:
                await self.settle(self.last)
        finally:
            await asyncio.to_thread(self._background.shutdown)
            await asyncio.to_thread(self._threads.shutdown)
            if self._writer is not None:
                self._writer.close()
            self._disk.unlock()
