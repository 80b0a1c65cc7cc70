"""Meters of sessions that nobody has heard of for months are forgotten: no NAS repeats a report for so long."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from farwire.base.clock import Clock
from farwire.base.jobs import Handler, Job, Schedule
from farwire.base.storage import Database
from farwire.gateway.radius import store

PURGE: Final = "gateway.purge_radius_sessions"
SCHEDULES: Final = (
    Schedule("gateway-radius-sessions", PURGE, datetime(2026, 1, 1, tzinfo=UTC), every=timedelta(days=1)),
)
UNSEEN_FOR: Final = timedelta(days=90)
_BATCH: Final = 1_000


def handlers(*, db: Database, clock: Clock) -> Mapping[str, Handler]:
    """Return what to run for each kind of job. Running it again finds less to do."""

    async def purge(job: Job) -> None:
        removed = _BATCH
        while removed == _BATCH:
            async with db.transaction(job.tenant_id) as tx:
                removed = await store.purge(tx, clock.now() - UNSEEN_FOR, _BATCH)

    return {PURGE: purge}
