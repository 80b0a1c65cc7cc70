"""What charging does by itself outside of its shards: carry on transfers whose beginner has gone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from farwire.base.clock import Clock
from farwire.base.jobs import Handler, Job, Schedule
from farwire.base.storage import Database
from farwire.charging.service.reach import REACH
from farwire.charging.service.transfers import finish_transfers

FINISH: Final = "charging.finish_transfers"
SCHEDULES: Final = (
    Schedule("charging-transfers", FINISH, datetime(2026, 1, 1, tzinfo=UTC), every=timedelta(seconds=10)),
)


def handlers(*, db: Database, clock: Clock) -> Mapping[str, Handler]:
    """Return what to run for each kind of job. Running it again finds less to do."""

    async def finish(job: Job) -> None:
        await finish_transfers(REACH.client(), db=db, tenant_id=job.tenant_id, now=clock.now())

    return {FINISH: finish}
