"""The port ``Log``: batches in, durable when awaited; back come the arena's records and the facts for the books."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Generator
from concurrent.futures import Future
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from farwire.kernel.errors import Conflict, Defect, Unavailable, check

Records = NDArray[np.int64]
"""A matrix of records: one row per slot, eight words."""
SLOT_BYTES = 8
RECORD_BYTES = 64


class Durability(StrEnum):
    """What an acknowledged batch survives."""

    PROCESS = "process"
    """the end of the process (``kill -9``), not that of the machine"""
    HOST = "host"
    """a power cut of the machine"""
    ZONE = "zone"
    """the loss of the machine: a second one has it"""


class LogFailed(Unavailable):
    """The log cannot make anything durable any more: the shard must stop to answer and be recovered."""

    default_code = "charging.log_failed"


class LogBusy(Unavailable):
    """As many batches wait for the disk as may. Nothing was taken."""

    default_code = "charging.log_busy"


class Fenced(Conflict):
    """Another process has taken over the shard: its epoch is higher."""

    default_code = "charging.log_fenced"


class LogDamaged(Defect):
    """What was durable cannot be read back: a hole, a wrong checksum before the end, an unknown format."""

    default_code = "charging.log_damaged"


@dataclass(frozen=True, slots=True)
class Batch:
    """What the requests ``first`` … ``last`` changed: images of records, and facts for the books.

    ``slots`` are int64, little-endian; ``images`` 64 bytes for each; each slot stands once. ``facts`` are opaque here,
    a whole number of 8-byte words.
    """

    epoch: int
    first: int
    last: int
    slots: bytes = b""
    images: bytes = b""
    facts: bytes = b""

    def __post_init__(self) -> None:
        check(self.epoch > 0 and 0 < self.first <= self.last, "charging.batch_sequence")
        check(len(self.slots) * (RECORD_BYTES // SLOT_BYTES) == len(self.images), "charging.batch_images")
        check(len(self.slots) % SLOT_BYTES == 0 and len(self.facts) % 8 == 0, "charging.batch_words")

    @property
    def requests(self) -> int:
        """Return how many requests the batch holds."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Facts:
    """What a batch tells the books. A consumer saves ``last`` with what it makes of them, in one transaction."""

    first: int
    last: int
    epoch: int
    facts: bytes


@dataclass(frozen=True, slots=True)
class Recovered:
    """What a recovery found: the last sequence, slots used from the front, and what it read."""

    epoch: int
    last: int
    used: int
    snapshot: int
    """The sequence of the snapshot that it began with; 0 without one."""
    batches: int
    images: int
    passed_over: tuple[int, ...] = ()
    """Sequences of newer snapshots that are damaged: recovery took an older one and a longer way."""


class Ticket:
    """The promise of an appended batch. ``await`` it: it returns the batch's last sequence once it is durable.

    Raises ``LogFailed`` and ``Fenced``: the batch is then not acknowledged, and may or may not come back.
    """

    __slots__ = ("future", "last")

    def __init__(self, last: int, future: Future[int] | asyncio.Future[int]) -> None:
        self.last = last
        self.future = future

    def done(self) -> bool:
        """Return whether it is known how the batch ended."""
        return self.future.done()

    def __await__(self) -> Generator[None, None, int]:
        if isinstance(self.future, Future):
            # Shielded: cancelling who waits would else cancel the batch, and leave a gap behind it.
            return (yield from asyncio.shield(asyncio.wrap_future(self.future)).__await__())
        return (yield from asyncio.shield(self.future).__await__())


class Snapshot(Protocol):
    """A copy of the arena that is being made, chunk by chunk, while the shard works on."""

    def copy_chunk(self) -> bool:
        """Copy the next chunk; return whether more are left. Call it between batches only.

        No slot may be changed that is not yet in an appended batch: what is copied is then redone by the log, and a
        chunk that is newer than the snapshot's sequence is brought level with the rest.
        """

    async def finish(self) -> int:
        """Return the snapshot's sequence once it is durable and named. It counts from then on, not before."""


class Log(Protocol):
    """The log of one shard, owned by one process for one epoch.

    Order of use: ``recover`` once, ``append`` in the order of sequences, ``close``.
    """

    @property
    def shard(self) -> int:
        """Return the number of the shard."""

    @property
    def epoch(self) -> int:
        """Return the epoch that this process owns the shard for."""

    @property
    def last(self) -> int:
        """Return the last sequence that was appended or recovered."""

    @property
    def durable(self) -> int:
        """Return the last sequence that is durable."""

    async def recover(self, records: Records, *, after: int = 0, used: int = 1) -> Recovered:
        """Fill ``records`` (zeros before) with the newest snapshot and everything after it, and make ready to append.

        A standby that has followed ``batches`` says ``after``, the last sequence that its records hold, and ``used``,
        how many it uses from the front: then only what is newer is read.

        Raises ``LogDamaged`` (``charging.log_damaged``), ``Fenced`` (``charging.log_fenced``), ``Exhausted``
        (``charging.arena_full``), ``LogFailed`` (``charging.log_failed``).
        """

    async def load_newest(self, records: Records) -> tuple[int, int]:
        """Fill ``records`` (zeros before) with the newest snapshot, also of another owner, and nothing else.

        Return its sequence and the slots used from the front; (0, 1) without one. Its chunks are level with each other
        once the batches that follow are applied.
        """

    def append(self, batch: Batch) -> Ticket:
        """Hand over a batch; it is written and synced while the next one fills. Never waits.

        Raises ``LogBusy`` (``charging.log_busy``) when the bounded queue is full: await the oldest ticket first.
        Raises ``LogFailed`` and ``Fenced`` once the log has ended.
        """

    def facts(self, after: int) -> AsyncIterator[Facts]:
        """Yield the facts of durable batches with sequences above ``after``, in order, up to the durable end.

        Raises ``LogDamaged`` (``charging.log_gone``) if the first of them is no longer kept.
        """

    def batches(self, after: int) -> AsyncIterator[Batch]:
        """Yield durable batches with sequences above ``after``, in order: what a standby follows."""

    def snapshot(self, records: Records, used: int) -> Snapshot:
        """Begin a copy of the first ``used`` records, at the sequence ``last``. Call it between batches.

        One at a time (``Defect``, ``charging.snapshot_running``). When nothing was appended since the newest one
        there is nothing to copy, and ``finish`` returns that one's sequence.
        """

    async def recycle(self, books: int) -> int:
        """Give back what nobody needs: older than the oldest kept snapshot, and read by the books up to ``books``.

        Return the first sequence that is still kept.
        """

    async def close(self) -> None:
        """Wait for what was appended, and let go of the shard."""
