"""The worker enqueues what is due once, runs it, and stops when it is told to."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import time
from datetime import timedelta
from pathlib import Path

from farwire.base.clock import MovableClock
from farwire.base.jobs import Job, JobState, Schedule, Worker, service
from farwire.base.storage import Database
from farwire.cli.worker import _keep_enqueueing, enqueue_for_all
from farwire.kernel.ids import TenantId
from farwire.kernel.page import PageRequest
from farwire.usage import jobs
from farwire.usage.service import import_usage, load_profile, totals


async def jobs_of(db: Database, tenant_id: TenantId) -> list[Job]:
    async with db.transaction(tenant_id) as tx:
        return list((await service.list_jobs(tx=tx, page=PageRequest())).items)


async def test_a_schedule_is_enqueued_once_for_every_tenant_however_often_it_is_looked_at(
    db: Database, clock: MovableClock, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    for _ in range(3):
        await enqueue_for_all(db=db, clock=clock, schedules=jobs.SCHEDULES)
    for tenant in (tenant_id, other_tenant_id):
        assert len(await jobs_of(db, tenant)) == len(jobs.SCHEDULES)
    clock.advance(timedelta(hours=1))
    await enqueue_for_all(db=db, clock=clock, schedules=jobs.SCHEDULES)
    assert len(await jobs_of(db, tenant_id)) == len(jobs.SCHEDULES) + 1


async def test_raw_rows_are_destroyed_when_their_time_is_over(
    db: Database, clock: MovableClock, tenant_id: TenantId, tmp_path: Path
) -> None:
    file = tmp_path / "calls.csv"
    file.write_text("nothing,that,a,profile,reads\n" * 2)
    await import_usage(
        db=db, tenant_id=tenant_id, clock=clock, path=file, profile=load_profile("kamailio-flatstore")
    )
    assert (await totals(db=db, tenant_id=tenant_id)).rows_suspended == 1
    clock.advance(timedelta(days=91))
    await enqueue_for_all(db=db, clock=clock, schedules=jobs.SCHEDULES)
    worker = Worker(db=db, clock=clock, handlers=jobs.handlers(db=db, clock=clock))
    while await worker.run_once():
        pass
    after = await totals(db=db, tenant_id=tenant_id)
    assert (after.rows_suspended, after.rows_filtered) == (0, 1)
    assert {job.state for job in await jobs_of(db, tenant_id)} == {JobState.DONE}


async def test_a_schedule_that_cannot_be_enqueued_does_not_end_the_worker(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    wrong = Schedule(name="wrong", kind="no kind", starts_at=clock.now(), every=timedelta(hours=1))
    stop = asyncio.Event()
    looking = asyncio.create_task(_keep_enqueueing(db, clock, [wrong], stop))
    await asyncio.wait((looking,), timeout=0.5)
    stop.set()
    await looking


def test_a_worker_stops_cleanly_when_it_is_terminated(
    database_env: dict[str, str], tenant_id: TenantId
) -> None:
    command = [str(Path(sys.executable).parent / "farwire"), "worker"]
    process = subprocess.Popen(command, env=os.environ | database_env, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    assert "Stop with Ctrl-C" in process.stderr.readline()
    time.sleep(0.5)
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=30) == 0, process.stderr.read()
    process.stderr.close()
