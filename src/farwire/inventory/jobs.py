"""What the inventory does by itself: free reservations that nobody used in time and resources that have
rested, and tell of pools that run short.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from farwire.base.clock import Clock
from farwire.base.jobs import Handler, Job, Schedule
from farwire.base.storage import Database
from farwire.inventory.service import free_due, warn_of_use

_SINCE: Final = datetime(2026, 1, 1, tzinfo=UTC)

SCHEDULES: Final = (
    Schedule("inventory-free-due", "inventory.free_due", _SINCE, every=timedelta(minutes=15)),
    Schedule("inventory-pool-use", "inventory.pool_use", _SINCE, every=timedelta(hours=1)),
)


def handlers(*, db: Database, clock: Clock) -> Mapping[str, Handler]:
    """Return what to run for each kind of job. Running it again finds less to do."""

    async def free(job: Job) -> None:
        await free_due(db=db, tenant_id=job.tenant_id, now=clock.now())

    async def warn(job: Job) -> None:
        await warn_of_use(db=db, tenant_id=job.tenant_id, now=clock.now())

    return {"inventory.free_due": free, "inventory.pool_use": warn}
