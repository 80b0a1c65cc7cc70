"""A snapshot as rows of PostgreSQL: chunks first, the mark last."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, Protocol
from zlib import crc32

from farwire.base.storage import Database
from farwire.charging.log import store
from farwire.charging.log.lease import fenced
from farwire.charging.log.port import LogFailed, Records
from farwire.charging.log.snapshot import Chunks, Mark, load_chunk

AHEAD: Final = 8
"""Chunks that may wait to be written; then ``copy_chunk`` copies none, and says that more are left."""


class Settling(Protocol):
    """What a snapshot needs to know of its log."""

    shard: int
    epoch: int
    last: int
    snapshotted: int
    db: Database

    async def settle(self, through: int) -> None:
        """Wait until everything up to ``through`` is committed."""


class PostgresSnapshot:
    """See ``port.Snapshot``."""

    def __init__(self, log: Settling, records: Records, used: int) -> None:
        self._log = log
        self._chunks = Chunks(records, used)
        self._sequence = self._through = log.last
        self._waiting: deque[tuple[int, bytes]] = deque()
        self._checksums: list[int] = []
        self._task: asyncio.Task[None] | None = None
        self.over = False
        """Whether it has ended, well or badly, and another one may begin."""

    def copy_chunk(self) -> bool:
        """Copy the next chunk and let a task insert it. After a failed one none is left: ``finish`` raises it."""
        if self._task is not None and self._task.done() and self._task.exception() is not None:
            return False
        if self._chunks.left and len(self._waiting) < AHEAD:
            self._waiting.append((self._chunks.next + 1, self._chunks.take()))
            self._through = self._log.last
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._write())
        return self._chunks.left

    async def _write(self) -> None:
        while self._waiting:
            part, chunk = self._waiting[0]
            self._checksums.append(crc32(chunk))
            await self._insert(part, chunk)
            self._waiting.popleft()

    async def _insert(self, part: int, body: bytes) -> None:
        log = self._log
        async with log.db.untenanted() as tx:
            if not await store.add_part(tx, log.shard, self._sequence, log.epoch, part, body):
                raise fenced(log.shard, log.epoch)

    async def finish(self) -> int:
        """Insert what waits, then the mark. Raises ``LogFailed`` (``charging.snapshot_failed``), ``Fenced``."""
        try:
            if self._task is not None:
                await self._task
            await self._log.settle(self._through)
            mark = Mark(
                *(self._log.shard, self._log.epoch, self._sequence, self._through),
                *(self._chunks.used, tuple(self._checksums), self._chunks.size),
            )
            await self._insert(0, mark.encode())
        except OSError as error:
            raise LogFailed(str(error), code="charging.snapshot_failed") from error
        finally:
            self.over = True
        self._log.snapshotted = self._sequence
        return self._sequence


async def load(db: Database, mark: Mark, records: Records, *, sequence: int, epoch: int) -> bool:
    """Copy a snapshot's rows into ``records``; return False, and leave zeros, if one is damaged or missing."""
    for number in range(len(mark.checksums)):
        async with db.untenanted(read_only=True) as tx:
            body = await store.part(tx, mark.shard, sequence, epoch, number + 1)
        if not load_chunk(mark, number, body, records):
            return False
    return True
