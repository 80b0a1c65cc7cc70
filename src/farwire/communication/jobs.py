"""What communication does by itself: hand over what is due, blank what is kept too long."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Final

from farwire.base.clock import Clock
from farwire.base.jobs import Handler, Job, Schedule
from farwire.base.storage import Database
from farwire.communication.service import deliver_due, expire_messages
from farwire.communication.service.send import DELIVER

_SINCE: Final = datetime(2026, 1, 1, tzinfo=UTC)

SCHEDULES: Final = (
    # Each message brings its own job; this one finds what a crash or a late commit left behind.
    Schedule("communication-sweep", DELIVER, _SINCE, every=timedelta(minutes=15)),
    Schedule("communication-expire", "communication.expire", _SINCE, daily_at=time(3, 30)),
)


def handlers(*, db: Database, clock: Clock) -> Mapping[str, Handler]:
    """Return what to run for each kind of job. Each is idempotent: running it again finds less to do."""

    async def deliver(job: Job) -> None:
        await deliver_due(db=db, tenant_id=job.tenant_id, clock=clock)

    async def expire(job: Job) -> None:
        await expire_messages(db=db, tenant_id=job.tenant_id, clock=clock)

    return {DELIVER: deliver, "communication.expire": expire}
