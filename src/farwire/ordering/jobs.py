"""What ordering does by itself: carry out what is due, and watch the due dates."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from farwire.base.clock import Clock
from farwire.base.jobs import Handler, Job, Schedule, enqueue
from farwire.base.storage import Database, Tx
from farwire.ordering.service import watch_due, work

WORK: Final = "ordering.work"
WATCH: Final = "ordering.watch_due"
SCHEDULES: Final = (
    Schedule("ordering-work", WORK, datetime(2026, 1, 1, tzinfo=UTC), every=timedelta(minutes=1)),
    Schedule("ordering-watch-due", WATCH, datetime(2026, 1, 1, tzinfo=UTC), every=timedelta(minutes=5)),
)


async def enqueue_work(tx: Tx, *, key: str, now: datetime) -> None:
    """Let a worker look at once, not at the next minute. The same ``key`` again changes nothing."""
    await enqueue(tx=tx, kind=WORK, key=key, payload={}, run_at=now, now=now)


def handlers(*, db: Database, clock: Clock) -> Mapping[str, Handler]:
    """Return what to run for each kind of job. It is idempotent: running it again finds less to do."""

    async def act(job: Job) -> None:
        await work(db=db, tenant_id=job.tenant_id, clock=clock)

    async def watch(job: Job) -> None:
        await watch_due(db=db, tenant_id=job.tenant_id, clock=clock)

    return {WORK: act, WATCH: watch}
