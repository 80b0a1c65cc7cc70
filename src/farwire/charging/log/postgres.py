"""The log in PostgreSQL: one row per batch. Replication is the second copy, the row of the lease is the fence."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

import structlog

from farwire.base.storage import Database
from farwire.charging.log import store
from farwire.charging.log.codec import Entry, Place, decode, encode
from farwire.charging.log.lease import fenced
from farwire.charging.log.port import (
    Batch,
    Durability,
    Facts,
    Fenced,
    LogBusy,
    LogDamaged,
    LogFailed,
    Records,
    Recovered,
    Ticket,
)
from farwire.charging.log.postgres_snapshot import PostgresSnapshot, load
from farwire.charging.log.replay import replay
from farwire.charging.log.snapshot import Mark, Present, decode_mark, too_short
from farwire.kernel.errors import FarwireError, Invalid, check

QUEUE: Final = 4
"""Batches that wait for the server before ``append`` refuses more."""
KEEP: Final = 2
"""Snapshots that are kept."""
STANDBY_WAIT_MS: Final = 5_000
"""How long a batch waits for the synchronous standby before the log ends: longer than one is restarted in."""
_COMMIT: Final = {Durability.PROCESS: "off", Durability.HOST: "local", Durability.ZONE: "on"}
_WHERE: Final = "charging.log_batch"
_log = structlog.get_logger(__name__)


class PostgresLog:
    """A ``Log`` in the schema ``charging``. A standby makes one too, and reads ``batches`` without recovering."""

    def __init__(
        self,
        db: Database,
        *,
        shard: int,
        epoch: int,
        durability: Durability = Durability.HOST,
        standby_wait_ms: int = STANDBY_WAIT_MS,
    ) -> None:
        """``standby_wait_ms`` bounds the wait of durability ``zone``; the log then ends, and nothing is answered."""
        self.shard = shard
        self.epoch = epoch
        self.last = 0
        self.durable = 0
        self.snapshotted = 0
        """The sequence of the newest whole snapshot."""
        self._copying: PostgresSnapshot | None = None
        self._passed_over: tuple[int, ...] = ()
        self.db = db
        self._commit = _COMMIT[durability]
        self._durability = durability
        self._wait_s = standby_wait_ms / 1_000 if durability is Durability.ZONE else None
        self._crc = 0
        self._ready = False
        self._failure: FarwireError | None = None
        self._waiting: deque[tuple[Batch, asyncio.Future[int]]] = deque()
        self._task: asyncio.Task[None] | None = None

    # ---- recovery

    async def recover(self, records: Records, *, after: int = 0, used: int = 1) -> Recovered:
        """Fill ``records`` from the newest whole snapshot and the rows after it."""
        check(not self._ready, "charging.log_recovered_twice")
        expected = await self._checked()
        mark = None if after else await self._load(records)
        start, used = (mark.sequence, mark.used) if mark else (after, used)
        batches = images = 0
        self.last = start
        self.snapshotted = mark.sequence if mark else 0
        async for entries in self._pages(start):
            done = replay(entries, records, used)
            used, batches, images = done.used, batches + done.batches, images + done.images
            self.last, self._crc = entries[-1].last, entries[-1].crc
        if mark and self.last < mark.through:
            raise too_short(self.last, mark, _WHERE)
        if self.last != expected:
            raise _damaged(self.last + 1, f"the lease says that {expected} was durable")
        if not batches:
            self._crc = await self._crc_of(self.last)
        self.durable = self.last
        self._ready = True
        return Recovered(self.epoch, self.last, used, start, batches, images, self._passed_over)

    async def load_newest(self, records: Records) -> tuple[int, int]:
        """Fill ``records`` with the newest whole snapshot only: a standby begins with it."""
        mark = await self._load(records)
        return (mark.sequence, mark.used) if mark else (0, 1)

    async def _checked(self) -> int:
        """Return the last durable sequence, after checking that this epoch owns the shard and keeps its promise."""
        async with self.db.untenanted(read_only=True) as tx:
            row = await store.lease(tx, self.shard)
            if row is None or row["epoch"] != self.epoch:
                raise fenced(self.shard, self.epoch)
            if self._durability is Durability.ZONE and not await store.has_synchronous_standby(tx):
                raise Invalid(
                    "the server waits for no other one when it commits",
                    code="charging.durability_unsupported",
                    field="durability",
                    value=self._durability,
                    fix="name a standby in synchronous_standby_names, or choose durability host",
                )
        return int(row["last"])

    async def _load(self, records: Records) -> Mark | None:
        async with self.db.untenanted(read_only=True) as tx:
            found = await store.marks(tx, self.shard)
        for sequence, epoch, body in found:
            mark = decode_mark(body)
            if mark and await load(self.db, mark, records, sequence=sequence, epoch=epoch):
                return mark
            self._passed_over += (sequence,)
        return None

    async def _crc_of(self, sequence: int) -> int:
        """Return the checksum of the batch that ends with a sequence; 0 if it is no longer kept."""
        async with self.db.untenanted(read_only=True) as tx:
            bodies = await store.bodies(tx, self.shard, sequence - 1)
        entry = decode(memoryview(bodies[0]), 0) if bodies else None
        return entry.crc if entry and entry.last == sequence else 0

    async def _pages(self, after: int) -> AsyncIterator[list[Entry]]:
        """Yield the batches after a sequence, page by page, each checked against the one before."""
        crc: int | None = None
        while True:
            async with self.db.untenanted(read_only=True) as tx:
                lease = await store.lease(
                    tx, self.shard
                )  # before the rows: it may only be older than they are
                bodies = await store.bodies(tx, self.shard, after)
            if not bodies:
                if lease is None or lease["last"] <= after:
                    return
                if crc is None:
                    raise _gone(after)
                raise _damaged(after + 1, f"the lease says that {lease['last']} was durable")
            entries = []
            for body in bodies:
                entry = decode(memoryview(body), 0)
                if entry is None or entry.shard != self.shard:
                    raise _damaged(after + 1, "the checksum of its row is wrong")
                if entry.first > after + 1 and crc is None:
                    raise _gone(after)
                if entry.first != after + 1 or crc not in (None, entry.previous):
                    raise _damaged(after + 1, f"sequence {entry.first} follows")
                after, crc = entry.last, entry.crc
                entries.append(entry)
            yield entries

    # ---- writing

    def append(self, batch: Batch) -> Ticket:
        """Queue a batch for the task that writes."""
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        check(self._ready, "charging.log_not_recovered")
        check(batch.first == self.last + 1 and batch.epoch == self.epoch, "charging.batch_sequence")
        if len(self._waiting) >= QUEUE:
            raise LogBusy(
                f"{QUEUE} batches wait for the database", fix="await the oldest ticket", retry_after_s=1
            )
        self.last = batch.last
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((batch, future))
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._write())
        return Ticket(batch.last, future)

    async def _write(self) -> None:
        """Write what waits, one transaction each, in order. After the first failure all that waits fails."""
        while self._waiting:
            batch, future = self._waiting[0]
            if self._failure is None:
                await self._write_one(batch)
            self._waiting.popleft()
            if future.cancelled():
                continue
            if self._failure is None:
                future.set_result(batch.last)
            else:
                future.set_exception(self._failure.with_traceback(None))
                future.exception()  # somebody may never await it; that is no error of its own

    async def _write_one(self, batch: Batch) -> None:
        body, crc = encode(
            batch, shard=self.shard, place=Place(0, 0), synced=self.durable, previous=self._crc
        )
        try:
            async with asyncio.timeout(self._wait_s), self.db.untenanted() as tx:
                added = await store.append(
                    tx, self.shard, self.epoch, batch.first, batch.last, body=body, commit=self._commit
                )
        except TimeoutError:
            self._failure = _standby_gone(batch.first)
            return
        except (FarwireError, OSError) as error:
            self._failure = LogFailed(
                f"PostgreSQL did not take the batch of sequence {batch.first}: {error}",
                fix="start the shard again when the database answers: it recovers what it acknowledged",
            )
            return
        except Exception as error:  # noqa: BLE001
            # Whatever it is, nobody may wait for ever for what this task does not write any more.
            _log.exception("charging log defect", shard=self.shard, sequence=batch.first)
            self._failure = LogFailed(
                f"the batch of sequence {batch.first} was not written: {error!r}",
                fix="report this defect; start the shard again: it recovers what it acknowledged",
            )
            return
        if not added:
            self._failure = fenced(self.shard, self.epoch)
            return
        self._crc, self.durable = crc, batch.last

    async def settle(self, through: int) -> None:
        """Wait until everything up to ``through`` is committed. Raises ``LogFailed``, ``Fenced``."""
        if self._task is not None:
            await asyncio.shield(self._task)
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        check(self.durable >= through, "charging.log_settled")

    # ---- reading

    async def batches(self, after: int) -> AsyncIterator[Batch]:
        """Yield committed batches above ``after``: also those of another owner, for a standby."""
        async for entries in self._pages(after):
            for entry in entries:
                yield entry.batch()

    async def facts(self, after: int) -> AsyncIterator[Facts]:
        """Yield the facts of committed batches above ``after``."""
        async for entries in self._pages(after):
            for entry in entries:
                yield Facts(entry.first, entry.last, entry.epoch, entry.facts)

    # ---- snapshots and recycling

    def snapshot(self, records: Records, used: int) -> PostgresSnapshot | Present:
        """Begin a snapshot; its chunks are rows."""
        if self._failure is not None:
            raise self._failure.with_traceback(None)
        check(self._copying is None or self._copying.over, "charging.snapshot_running")
        if 0 < self.last == self.snapshotted:
            return Present(self.last)
        self._copying = PostgresSnapshot(self, records, used)
        return self._copying

    async def recycle(self, books: int) -> int:
        """Delete rows that neither a kept snapshot nor the books need, and older snapshots."""
        async with self.db.untenanted() as tx:
            found = await store.marks(tx, self.shard)
            if found:
                oldest = found[:KEEP][-1][0]
                await store.remove_snapshots(tx, self.shard, self.epoch, oldest)
                await store.remove_batches(tx, self.shard, min(oldest, books))
            kept = await store.first_kept(tx, self.shard)
        return self.durable + 1 if kept is None else kept

    async def close(self) -> None:
        """Wait for what was appended. The lease is given up by whoever took it."""
        with suppress(LogFailed, Fenced):
            await self.settle(0)


def _standby_gone(sequence: int) -> LogFailed:
    return LogFailed(
        f"no standby has taken the batch of sequence {sequence}: nothing more is answered",
        code="charging.standby_gone",
        field="durability",
        value=Durability.ZONE,
        fix="start the standby, then the shard; to go on without one, start the shard with durability host",
    )


def _damaged(sequence: int, why: str) -> LogDamaged:
    return LogDamaged(
        f"{_WHERE}: the batch of sequence {sequence} is damaged or missing: {why}",
        field="sequence",
        value=sequence,
        fix="take over from a replica of the database, or restore it from a backup",
    )


def _gone(after: int) -> LogDamaged:
    return LogDamaged(
        f"{_WHERE}: sequence {after + 1} is no longer in the log",
        code="charging.log_gone",
        field="after",
        value=after,
        fix="begin with a newer snapshot",
    )
