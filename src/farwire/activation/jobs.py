"""What activation does by itself: look for drift and mend it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from farwire.activation.service import look
from farwire.base.clock import Clock
from farwire.base.jobs import Handler, Job, Schedule
from farwire.base.storage import Database

LOOK: Final = "activation.look"
SCHEDULES: Final = (
    Schedule(
        "activation-look", LOOK, datetime(2026, 1, 1, tzinfo=UTC), every=timedelta(minutes=1), max_attempts=1
    ),
)


def handlers(*, db: Database, clock: Clock) -> Mapping[str, Handler]:
    """Return what to run for each kind of job. Running it again finds less to do."""

    async def find(job: Job) -> None:
        await look(db=db, tenant_id=job.tenant_id, clock=clock)

    return {LOOK: find}
