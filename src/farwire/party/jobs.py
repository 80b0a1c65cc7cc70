"""What parties do by themselves: proofs of identity end with their documents."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from farwire.base.clock import Clock
from farwire.base.jobs import Handler, Job, Schedule
from farwire.base.storage import Database
from farwire.party.service import expire_kyc

SCHEDULES: Final = (
    # Days end at different hours in different zones; a SIM that is sold in between would be given on a dead document.
    Schedule(
        "party-expire-kyc", "party.expire_kyc", datetime(2026, 1, 1, tzinfo=UTC), every=timedelta(hours=1)
    ),
)


def handlers(*, db: Database, clock: Clock) -> Mapping[str, Handler]:
    """Return what to run for each kind of job. Each is idempotent."""

    async def expire(job: Job) -> None:
        await expire_kyc(db=db, tenant_id=job.tenant_id, clock=clock)

    return {"party.expire_kyc": expire}
