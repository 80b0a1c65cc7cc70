"""A log that several machines reach, as the one in PostgreSQL: rows, an epoch that fences, answers that get lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from random import Random

import numpy as np

from farwire.charging.log import Batch, Facts, Fenced, LogDamaged, LogFailed, Recovered, Ticket
from farwire.charging.log.port import LogBusy, Records
from tests.charging.sim.machine import VirtualLoop

CHUNK = 16


@dataclass
class Store:
    """What all machines share. It never forgets what it has taken."""

    rows: list[Batch] = field(default_factory=list)
    epoch: int = 0
    last: int = 0
    copy: tuple[int, int, Records] | None = None
    recycled: int = 0
    calm: bool = False
    """Whether nothing goes wrong any more."""


class StoreLog:
    """The log of one process. ``cut_until``: it does not reach the store before that time."""

    def __init__(self, store: Store, loop: VirtualLoop, random: Random, epoch: int) -> None:
        self.shard = 1
        self.epoch = epoch
        self.last = self.durable = 0
        self.cut_until = 0.0
        self.alive = True
        self._store = store
        self._loop = loop
        self._random = random
        self._waiting: list[tuple[Batch, asyncio.Future[int]]] = []
        self._failure: LogFailed | Fenced | None = None

    async def recover(self, records: Records, *, after: int = 0, used: int = 1) -> Recovered:
        await asyncio.sleep(self._random.uniform(0.001, 0.05))
        self._check_fence()
        start = after
        if not after and self._store.copy is not None:
            start, used, copied = self._store.copy
            records[:used] = copied
        async for batch in self.batches(start):
            slots = np.frombuffer(batch.slots, np.int64)
            if len(slots):
                records[slots] = np.frombuffer(batch.images, np.int64).reshape(-1, 8)
                used = max(used, int(slots.max()) + 1)
        self._check_fence()
        self.last = self.durable = self._store.last
        return Recovered(self.epoch, self.last, used, start, 0, 0)

    async def load_newest(self, records: Records) -> tuple[int, int]:
        if self._store.copy is None:
            return 0, 1
        sequence, used, copied = self._store.copy
        records[:used] = copied
        return sequence, used

    def _check_fence(self) -> None:
        if self._store.epoch != self.epoch:
            raise Fenced("another process has taken the shard")

    def append(self, batch: Batch) -> Ticket:
        if self._failure is not None:
            raise self._failure
        assert batch.first == self.last + 1
        if len(self._waiting) >= 4:
            raise LogBusy("wait")
        self.last = batch.last
        future = self._loop.create_future()
        self._waiting.append((batch, future))
        if len(self._waiting) == 1:
            self._loop.call_later(self._random.expovariate(500), self._commit)
        return Ticket(batch.last, future)

    def _commit(self) -> None:
        if not self.alive:
            return
        if self._loop.virtual < self.cut_until:
            self._loop.call_later(0.05, self._commit)
            return
        batch, future = self._waiting.pop(0)
        if self._failure is None:
            self._write(batch)
        if self._failure is None:
            self.durable = batch.last
            future.set_result(batch.last)
        else:
            future.set_exception(self._failure)
            future.exception()
        if self._waiting:
            self._loop.call_later(self._random.expovariate(500), self._commit)

    def _write(self, batch: Batch) -> None:
        try:
            self._check_fence()
        except Fenced as error:
            self._failure = error
            return
        assert batch.first == self._store.last + 1, "two processes write one log"
        self._store.rows.append(batch)
        self._store.last = batch.last
        if not self._store.calm and self._random.random() < 0.002:
            self._failure = LogFailed("the answer of the store was lost")

    async def batches(self, after: int) -> AsyncIterator[Batch]:
        if after < self._store.recycled:
            raise LogDamaged("recycled", code="charging.log_gone")
        for batch in tuple(self._store.rows):
            if batch.last > after:
                yield batch

    async def facts(self, after: int) -> AsyncIterator[Facts]:
        async for batch in self.batches(after):
            yield Facts(batch.first, batch.last, batch.epoch, batch.facts)

    def snapshot(self, records: Records, used: int) -> StoreSnapshot:
        return StoreSnapshot(self, self._store, records, used)

    async def recycle(self, books: int) -> int:
        until = min(books, self._store.copy[0] if self._store.copy else 0)
        gone = [batch for batch in self._store.rows if batch.last <= until]
        if gone:
            self._store.recycled = gone[-1].last
            self._store.rows = [batch for batch in self._store.rows if batch.last > until]
        return self._store.recycled + 1

    async def close(self) -> None:
        while self._waiting and self.alive:  # noqa: ASYNC110 - a poll is simple, and time costs nothing here
            await asyncio.sleep(0.01)


class StoreSnapshot:
    """Copied a few records at a time, so that chunks differ in age."""

    def __init__(self, log: StoreLog, store: Store, records: Records, used: int) -> None:
        self._log, self._store, self._records = log, store, records
        self._sequence = self._through = log.last
        self._copy = np.zeros((used, 8), np.int64)
        self._next = 0

    def copy_chunk(self) -> bool:
        part = slice(self._next, self._next + CHUNK)
        self._copy[part] = self._records[: len(self._copy)][part]
        self._next += CHUNK
        self._through = self._log.last
        return self._next < len(self._copy)

    async def finish(self) -> int:
        while self._log.durable < self._through:
            if self._log._failure is not None or not self._log.alive:
                raise LogFailed("the log has ended")
            await asyncio.sleep(0.01)
        if self._store.epoch == self._log.epoch:
            self._store.copy = (self._sequence, len(self._copy), self._copy)
        return self._sequence
