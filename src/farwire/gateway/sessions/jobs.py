"""Sessions that nobody has heard of for days are forgotten: their elements have lost them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from farwire.base.clock import Clock
from farwire.base.jobs import Handler, Job, Schedule
from farwire.base.storage import Database
from farwire.gateway.sessions import store
from farwire.kernel.ids import TenantId

PURGE: Final = "gateway.purge_sessions"
SCHEDULES: Final = (
    Schedule("gateway-sessions", PURGE, datetime(2026, 1, 1, tzinfo=UTC), every=timedelta(hours=1)),
)
UNSEEN_FOR: Final = timedelta(days=7)
"""Longer than any quota is valid: who is live has asked since. A PCRF that has not asks for its session anew."""
STALE: Final = timedelta(hours=1)
"""Of wishes. Whoever has not been told by then has asked by itself."""
_BATCH: Final = 1_000


def handlers(*, db: Database, clock: Clock) -> Mapping[str, Handler]:  # noqa: ARG001 - times are the database's
    """Return what to run for each kind of job. Running it again finds less to do."""

    async def purge(job: Job) -> None:
        await purge_sessions(db=db, tenant_id=job.tenant_id)

    return {PURGE: purge}


async def purge_sessions(*, db: Database, tenant_id: TenantId) -> None:
    """Delete the tenant's sessions that were not seen for days, and wishes whose tries are used up."""
    removed = _BATCH
    while removed == _BATCH:
        async with db.transaction(tenant_id) as tx:
            removed = await store.purge(tx, unseen_for=UNSEEN_FOR, limit=_BATCH)
    async with db.transaction(tenant_id) as tx:
        await store.drop_wishes(tx, older_than=STALE)
