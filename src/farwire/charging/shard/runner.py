"""Drives a shard on an event loop: a turn when something arrives or has become durable, a tick for what is due.

All of it is one thread. So code between two awaits runs between two batches, which is when a snapshot may be copied.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from farwire.charging.log import LogFailed, Ticket
from farwire.charging.model import Answer
from farwire.charging.shard.admission import Moved
from farwire.charging.shard.shard import Ask, Reply, Shard
from farwire.kernel.errors import FarwireError, Unavailable

_PAUSE_MS: Final = 1
_YOUNG: Final = 50_000
"""Objects that are made before the collector looks for cycles among them. A request makes none."""
_log = structlog.get_logger(__name__)


def spare_the_collector() -> None:
    """Let the collector pass over what a process has made to serve, and look seldom at what it makes since.

    Call it once, before serving: else each full collection walks over all modules and accounts, and everybody waits.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG, 20, 100)


@dataclass(frozen=True, slots=True)
class Policy:
    """When the copy of the arena is renewed: it bounds how long a recovery takes, and what of the log is kept."""

    requests: int = 2_000_000
    seconds: int = 600
    tick_ms: int = 50


class Runner:
    """One shard on the running event loop."""

    def __init__(
        self, shard: Shard, *, policy: Policy | None = None, books: Callable[[], int] | None = None
    ) -> None:
        """``books`` tells up to which sequence the facts have been read; without it nobody needs them."""
        self.shard = shard
        self.ended = asyncio.Event()
        """Set when the shard has failed or is drained."""
        self._policy = policy or Policy()
        self._books = books or (lambda: shard.log.durable)
        self._loop = asyncio.get_running_loop()
        self._woken = False
        self._snapshot_last = shard.log.last
        self._snapshot_at = self._loop.time()
        self._snapshotting: asyncio.Task[None] | None = None
        self._one_snapshot = asyncio.Lock()
        shard.on_ticket = self._watch
        self._ticks = self._loop.call_later(self._policy.tick_ms / 1_000, self._tick)

    # ---- requests

    def submit(self, tenant: int, request: Ask, reply: Reply) -> None:
        """Hand a request to the shard. Those that arrive together are decided together."""
        self.shard.submit(tenant, request, reply)
        self.wake()

    async def ask(self, tenant: int, request: Ask) -> Answer | Moved:
        """Return the answer to a request, once it is durable.

        Raises ``Unavailable`` (``charging.no_answer``): nobody knows what became of it; ask again with the same key.
        """
        future: asyncio.Future[Answer | Moved | None] = self._loop.create_future()
        self.submit(tenant, request, lambda answer: None if future.done() else future.set_result(answer))
        answer = await future
        if answer is None:
            raise Unavailable(
                "the shard has ended before its answer was durable",
                code="charging.no_answer",
                fix="ask again with the same key: it is charged once",
                retry_after_s=1,
            )
        return answer

    # ---- turns

    def wake(self) -> None:
        """Let the shard work as soon as what else is ready has run."""
        if not self._woken:
            self._woken = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._woken = False
        shard = self.shard
        shard.settle()
        if shard.step():
            self.wake()
        if shard.failure is not None:
            self._end()

    def _watch(self, ticket: Ticket) -> None:
        """Be woken when a batch is durable; another thread may say so."""

        def durable(_: object) -> None:
            with suppress(RuntimeError):  # the event loop has ended: nobody waits any more
                self._loop.call_soon_threadsafe(self.wake)

        ticket.future.add_done_callback(durable)

    def _tick(self) -> None:
        self._ticks = self._loop.call_later(self._policy.tick_ms / 1_000, self._tick)
        if self.shard.due.next_at() <= self.shard.now():
            self.wake()
        idle = self._snapshotting is None or self._snapshotting.done()
        if idle and self._snapshot_due() and not self.shard.admission.closed:
            self._snapshotting = self._loop.create_task(self._renew())

    def _end(self) -> None:
        self._ticks.cancel()
        self.ended.set()

    # ---- snapshots

    def _snapshot_due(self) -> bool:
        news = self.shard.log.last - self._snapshot_last
        old = self._loop.time() - self._snapshot_at >= self._policy.seconds
        return news >= self._policy.requests or (old and news > 0)

    async def _renew(self) -> None:
        try:
            await self.snapshot()
        except FarwireError as error:
            # The log is whole without it; it only grows, and the next tick tries again.
            _log.warning("snapshot failed", shard=self.shard.log.shard, reason=str(error))

    async def snapshot(self) -> int:
        """Copy the arena chunk by chunk between batches, and give back what of the log nobody needs any more.

        Return the snapshot's sequence. Raises ``LogFailed``.
        """
        async with self._one_snapshot:
            return await self._snapshot()

    async def _snapshot(self) -> int:
        self._snapshot_last, self._snapshot_at = self.shard.log.last, self._loop.time()
        await self._between_batches()
        copying = self.shard.log.snapshot(self.shard.arena.matrix, self.shard.arena.used)
        while copying.copy_chunk():
            await asyncio.sleep(_PAUSE_MS / 1_000)
            await self._between_batches()
        sequence = await copying.finish()
        await self.shard.log.recycle(self._books())
        return sequence

    async def _between_batches(self) -> None:
        """Wait until every change of the arena stands in an appended batch."""
        while not self.shard.all_appended:
            if self.shard.failure is not None:
                raise LogFailed("the shard has ended")
            await asyncio.sleep(_PAUSE_MS / 1_000)

    # ---- the end

    async def drain(self) -> None:
        """Let nothing more in, answer what is in, close the log."""
        self.shard.admission.closed = True
        while not self.shard.idle and self.shard.failure is None:
            self.wake()
            await asyncio.sleep(_PAUSE_MS / 1_000)
        if self._snapshotting is not None:
            await asyncio.gather(self._snapshotting, return_exceptions=True)
        self._end()
        await self.shard.log.close()
