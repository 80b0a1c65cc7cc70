"""A snapshot as a file: written beside, synced, then named."""

from __future__ import annotations

import asyncio
from collections import deque
from concurrent.futures import Executor, Future
from typing import Final, Protocol
from zlib import crc32

from farwire.charging.log.disk import Disk
from farwire.charging.log.port import RECORD_BYTES, LogFailed
from farwire.charging.log.snapshot import TEMPORARY, Chunks, Mark, mark_space, snapshot_name

AHEAD: Final = 8
"""Chunks that may wait to be written; then ``copy_chunk`` copies none, and says that more are left."""


class Settling(Protocol):
    """What a snapshot needs to know of its log."""

    shard: int
    epoch: int
    last: int
    snapshotted: int

    async def settle(self, through: int) -> None:
        """Wait until everything up to ``through`` is on the disk."""


class FileSnapshot:
    """See ``port.Snapshot``."""

    def __init__(self, log: Settling, disk: Disk, thread: Executor, chunks: Chunks) -> None:
        self._log = log
        self._disk = disk
        self._thread = thread
        self._chunks = chunks
        self._sequence = self._through = log.last
        self._writing: deque[Future[int]] = deque()
        self._checksums: list[int] = []
        self.over = False
        """Whether it has ended, well or badly, and another one may begin."""
        self._file = disk.open(TEMPORARY, create=True)

    def copy_chunk(self) -> bool:
        """Copy the next chunk and let the thread write it. After a failed write none is left: ``finish`` raises it."""
        while self._writing and self._writing[0].done():
            if self._writing[0].exception() is not None:
                return False
            self._checksums.append(self._writing.popleft().result())
        if self._chunks.left and len(self._writing) < AHEAD:
            number = self._chunks.next
            self._writing.append(self._thread.submit(self._write, number, self._chunks.take()))
            self._through = self._log.last
        return self._chunks.left

    def _write(self, number: int, chunk: bytes) -> int:
        offset = mark_space(self._chunks.count) + number * self._chunks.size * RECORD_BYTES
        self._file.pwrite(chunk, offset)
        return crc32(chunk)

    async def finish(self) -> int:
        """Sync the chunks, write the mark, sync, rename. Raises ``LogFailed`` (``charging.snapshot_failed``)."""
        try:
            self._checksums += [await asyncio.wrap_future(future) for future in self._writing]
            await self._log.settle(self._through)
            await asyncio.wrap_future(self._thread.submit(self._name))
        except OSError as error:
            raise LogFailed(
                f"{self._disk.label(TEMPORARY)}: {error.strerror or error}",
                code="charging.snapshot_failed",
                field="errno",
                value=error.errno,
                fix="make room on the disk; until then nothing of the log is recycled",
            ) from error
        finally:
            self.over = True
        self._log.snapshotted = self._sequence
        return self._sequence

    def _name(self) -> None:
        mark = Mark(
            *(self._log.shard, self._log.epoch, self._sequence, self._through),
            *(self._chunks.used, tuple(self._checksums), self._chunks.size),
        )
        self._file.sync()
        self._file.pwrite(mark.encode(), 0)
        self._file.sync()
        self._file.close()
        self._disk.rename(TEMPORARY, snapshot_name(self._sequence))
        self._disk.sync_names()
