"""Workers: lease a job, run its handler with a heartbeat, end it or queue it again.

A worker that is killed stops its heartbeat; when its lease ends another one takes the job with a higher fence. What
the first one still tries to write afterwards is refused (``service.hold``): never two at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum, auto
from typing import Final

from farwire.base.clock import Clock
from farwire.base.jobs import store
from farwire.base.jobs.model import Job, JobState, delay_after
from farwire.base.storage import Database
from farwire.base.telemetry import counter, error_text, get_logger, log_context, span
from farwire.kernel.errors import FarwireError, Invalid, Unavailable
from farwire.kernel.ids import uuid7

log = get_logger(__name__)

Handler = Callable[[Job], Awaitable[None]]
"""Does the work of one kind. It may run again after a crash, so it calls ``service.hold`` in its transactions."""

_ENDED: Final = counter("farwire_jobs_total", "Attempts of jobs by kind and outcome.", ("kind", "outcome"))


@dataclass(frozen=True, slots=True)
class WorkerSettings:
    """The bounds of a worker."""

    concurrency: int = 2
    lease: timedelta = timedelta(seconds=60)
    heartbeat: timedelta = timedelta(seconds=15)
    """Shorter than a third of the lease, so that two heartbeats may be lost."""
    poll: timedelta = timedelta(seconds=1)
    grace: timedelta = timedelta(seconds=20)
    """How long running handlers may go on after a stop, before they are cancelled and their jobs queued again."""


class _Stop(Enum):
    """Why the heartbeat ended a handler."""

    CANCEL_REQUESTED = auto()
    LEASE_LOST = auto()


class Worker:
    """Runs jobs of the kinds in ``handlers``, of every tenant."""

    def __init__(
        self,
        *,
        db: Database,
        clock: Clock,
        handlers: Mapping[str, Handler],
        settings: WorkerSettings | None = None,
        name: str | None = None,
    ) -> None:
        self._db = db
        self._clock = clock
        self._handlers = dict(handlers)
        self._settings = settings or WorkerSettings()
        # The random part keeps two workers apart that a supervisor started with the same process id.
        self.name = name or f"{socket.gethostname()}:{os.getpid()}:{uuid7().hex[-6:]}"

    async def run(self, stop: asyncio.Event) -> None:
        """Work until ``stop`` is set; running handlers then have ``grace`` to end."""
        slots = [asyncio.create_task(self._slot(stop)) for _ in range(self._settings.concurrency)]
        try:
            await stop.wait()
            await asyncio.wait(slots, timeout=self._settings.grace.total_seconds())
        finally:
            for slot in slots:
                slot.cancel()
            await asyncio.gather(*slots, return_exceptions=True)

    async def run_once(self) -> bool:
        """Lease one due job and run it; return whether there was one. Raises ``Unavailable``."""
        job = await self._lease()
        if job is None:
            return False
        with log_context(tenant_id=job.tenant_id, job_id=job.id), span("jobs.run", kind=job.kind):
            await self._run(job)
        return True

    async def _slot(self, stop: asyncio.Event) -> None:
        while not stop.is_set():
            pause = self._settings.poll.total_seconds()
            try:
                if await self.run_once():
                    continue
            except Unavailable as error:
                log.warning("worker waits", code=error.code)
                pause = float(error.retry_after_s)
            except Exception:
                # The edge of the process: the lease ends by itself and the job comes again.
                log.exception("worker failed")
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), timeout=pause)

    async def _lease(self) -> Job | None:
        now = self._clock.now()
        kinds = list(self._handlers)
        async with self._db.untenanted() as tx:
            await store.bury_expired(tx, kinds=kinds, now=now)
            jobs = await store.lease(
                tx, kinds=kinds, worker=self.name, now=now, until=now + self._settings.lease, limit=1
            )
        return jobs[0] if jobs else None

    async def _run(self, job: Job) -> None:
        work = asyncio.ensure_future(self._handlers[job.kind](job))
        beat = asyncio.create_task(self._beat(job, work))
        try:
            await asyncio.wait((work, beat), return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                await self._stopped(job, work, beat.result())
            else:
                await self._ended(job, work)
        except asyncio.CancelledError:
            # The worker itself stops: give the job to somebody else now instead of at the end of the lease.
            await _cancel(work)
            async with self._db.untenanted() as tx:
                await store.requeue(tx, job, run_at=self._clock.now(), error="the worker was stopped")
            raise
        finally:
            await _cancel(beat)
            await _cancel(work)

    async def _stopped(self, job: Job, work: asyncio.Future[None], why: _Stop) -> None:
        await _cancel(work)
        if why is _Stop.CANCEL_REQUESTED:
            await self._finish(job, JobState.CANCELLED, "")
        else:
            _ENDED.inc(kind=job.kind, outcome="lease_lost")
            log.warning("job lost to another worker", kind=job.kind, fence=job.fence)

    async def _ended(self, job: Job, work: asyncio.Future[None]) -> None:
        error = asyncio.CancelledError() if work.cancelled() else work.exception()
        if error is None:
            await self._finish(job, JobState.DONE, "")
            return
        text = error_text(error)
        # What is Invalid fails again unchanged, so it is not tried again.
        if job.attempts >= job.max_attempts or isinstance(error, Invalid):
            log.error("job failed", kind=job.kind, attempts=job.attempts, error=text)
            await self._finish(job, JobState.FAILED, text)
            return
        run_at = self._clock.now() + delay_after(job.attempts)
        _ENDED.inc(kind=job.kind, outcome="retry")
        log.warning(
            "job will be tried again", kind=job.kind, attempts=job.attempts, run_at=run_at, error=text
        )
        async with self._db.untenanted() as tx:
            await store.requeue(tx, job, run_at=run_at, error=text)

    async def _finish(self, job: Job, state: JobState, error: str) -> None:
        _ENDED.inc(kind=job.kind, outcome=state.value)
        async with self._db.untenanted() as tx:
            # False also when the handler completed the job in its own transaction: then there is nothing to do.
            await store.finish(tx, job, state=state, error=error, now=self._clock.now())

    async def _beat(self, job: Job, work: asyncio.Future[None]) -> _Stop:
        """Extend the lease while the handler runs; return why it must stop."""
        while True:
            await asyncio.sleep(self._settings.heartbeat.total_seconds())
            until = self._clock.now() + self._settings.lease
            try:
                async with self._db.untenanted() as tx:
                    cancel_requested = await store.heartbeat(tx, job, until=until)
            except FarwireError:
                continue  # The fence protects what the handler writes; the next heartbeat may come through.
            if cancel_requested:
                return _Stop.CANCEL_REQUESTED
            if cancel_requested is None and not work.done():
                return _Stop.LEASE_LOST


async def _cancel(task: asyncio.Future[None] | asyncio.Future[_Stop]) -> None:
    task.cancel()
    await asyncio.wait((task,))
