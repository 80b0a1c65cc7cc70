"""What billing does in the background: take a run as far as it goes, after it was started or decided over the API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from farwire.base.clock import Clock
from farwire.base.jobs import Handler, Job, Schedule, enqueue
from farwire.base.storage import Database, Tx
from farwire.billing.model import Run
from farwire.billing.service import advance_run
from farwire.kernel.ids import BillRunId, parse_id

ADVANCE: Final = "billing.advance_run"
SCHEDULES: Final[tuple[Schedule, ...]] = ()


async def enqueue_advance(tx: Tx, run: Run) -> None:
    """Queue the work of a run in the state in which it is now; once per state."""
    at = run.decided_at or run.started_at
    await enqueue(
        tx=tx,
        kind=ADVANCE,
        key=f"{run.id}:{run.state.value}:{run.cancel_requested}",
        payload={"run": str(run.id)},
        run_at=at,
        now=at,
    )


def handlers(*, db: Database, clock: Clock) -> Mapping[str, Handler]:
    """Return what to run for each kind of job. It is idempotent: a run that was interrupted goes on."""

    async def advance(job: Job) -> None:
        run_id = BillRunId(parse_id(str(job.payload["run"]), field="run"))
        await advance_run(db=db, tenant_id=job.tenant_id, clock=clock, run_id=run_id)

    return {ADVANCE: advance}
