"""A standby: follows the batches of a shard into an arena of its own, and takes over with a higher epoch.

What it has followed it need not read again, so a take-over costs only the tail. The epoch is given by whoever gives the
lease (``log.lease``); the old owner can make nothing durable from then on, and so answers nothing more.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np

from farwire.base.clock import Clock
from farwire.charging.log import Batch, Log, LogDamaged
from farwire.charging.model import Tariffs
from farwire.charging.shard.arena import WORDS, Arena
from farwire.charging.shard.shard import Settings, Shard
from farwire.kernel.errors import check


class Standby:
    """A copy of a shard's arena, as new as the last batch that it has read."""

    def __init__(self, records: int) -> None:
        self._records = records
        self._begin()

    def _begin(self) -> None:
        self.arena = Arena(self._records + 1)
        self.last = 0
        """The last sequence that the copy holds."""
        self._used = 1

    async def follow(self, log: Log) -> int:
        """Read what is new in ``log``; return the last sequence.

        A copy that has nothing yet, or whose next batch is no longer kept, begins with the newest snapshot.
        """
        if not self.last:
            self.last, self._used = await log.load_newest(self.arena.matrix)
        try:
            async for batch in log.batches(self.last):
                self._apply(batch)
        except LogDamaged as error:
            if error.code != "charging.log_gone":
                raise
            self._begin()
        return self.last

    def _apply(self, batch: Batch) -> None:
        check(batch.first == self.last + 1, "charging.standby_sequence")
        slots = np.frombuffer(batch.slots, np.int64)
        if len(slots):
            self.arena.matrix[slots] = np.frombuffer(batch.images, np.int64).reshape(-1, WORDS)
            self._used = max(self._used, int(slots.max()) + 1)
        self.last = batch.last

    async def take_over(
        self,
        log: Log,
        *,
        tariffs: Tariffs,
        clock: Clock,
        settings: Settings | None = None,
        timer: Callable[[], int] = time.perf_counter_ns,
    ) -> Shard:
        """Return the working shard of ``log``, whose epoch is new. Raises what ``Log.recover`` raises."""
        found = await log.recover(self.arena.matrix, after=self.last, used=self._used)
        self.arena.adopt(found.used)
        return Shard(arena=self.arena, log=log, tariffs=tariffs, clock=clock, settings=settings, timer=timer)
