"""What mediation does by itself: close sessions that never end, destroy raw rows that are kept too long."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Final

from farwire.base.clock import Clock
from farwire.base.jobs import Handler, Job, Schedule
from farwire.base.storage import Database
from farwire.usage.service import close_stale_sessions, expire_suspended_rows

_SINCE: Final = datetime(2026, 1, 1, tzinfo=UTC)

SCHEDULES: Final = (
    Schedule("usage-close-stale", "usage.close_stale", _SINCE, every=timedelta(hours=1)),
    Schedule("usage-expire-rows", "usage.expire_rows", _SINCE, daily_at=time(3, 0)),
)


def handlers(*, db: Database, clock: Clock) -> Mapping[str, Handler]:
    """Return what to run for each kind of job. Each is idempotent: running it again finds less to do."""

    async def close_stale(job: Job) -> None:
        await close_stale_sessions(db=db, tenant_id=job.tenant_id, clock=clock)

    async def expire_rows(job: Job) -> None:
        await expire_suspended_rows(db=db, tenant_id=job.tenant_id, clock=clock)

    return {"usage.close_stale": close_stale, "usage.expire_rows": expire_rows}
