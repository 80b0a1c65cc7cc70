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

from farwire.base.canonical import JSON
from farwire.base.clock import MovableClock, SystemClock
from farwire.base.config import Settings
from farwire.base.eventbus import new_event, operations, publish
from farwire.base.jobs import Job, JobState, Schedule, Worker, service
from farwire.base.storage import Database, open_relay
from farwire.cli.worker import _keep_enqueueing, enqueue_for_all
from farwire.kernel.ids import TenantId, uuid7
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


def _start(env: dict[str, str]) -> subprocess.Popen[str]:
    command = [str(Path(sys.executable).parent / "farwire"), "worker"]
    process = subprocess.Popen(command, env=os.environ | env, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    said = process.stderr.readline()
    if "events for notices" not in said:  # a worker that is left behind disturbs all tests that follow
        process.kill()
        _stop(process)
    assert "events for notices" in said
    return process


def _stop(process: subprocess.Popen[str], name: signal.Signals = signal.SIGTERM) -> int:
    process.send_signal(name)
    code = process.wait(timeout=60)
    assert process.stderr is not None
    process.stderr.close()
    return code


def test_a_worker_stops_cleanly_when_it_is_terminated(
    database_env: dict[str, str], tenant_id: TenantId
) -> None:
    process = _start(database_env)
    time.sleep(0.5)
    assert _stop(process) == 0


async def _publish(db: Database, tenant_id: TenantId) -> None:
    """Publish something that a subscriber of the installation follows."""
    now = SystemClock().now()
    data: dict[str, JSON] = {"party_id": str(uuid7())}
    event = new_event(
        tenant_id=tenant_id,
        type="farwire.party.erased.v1",
        subject="p",
        occurred_at=now,
        recorded_at=now,
        data=data,
    )
    async with db.transaction(tenant_id) as tx:
        await publish(tx, event)


async def _behind(relay_db: Database) -> list[int]:
    return [one.behind for one in await operations.subscribers(relay_db=relay_db) if one.name == "notices"]


async def _until_delivered(relay_db: Database) -> None:
    async with asyncio.timeout(60):
        while await _behind(relay_db) != [0]:  # noqa: ASYNC110  # another process works
            await asyncio.sleep(0.05)


async def test_two_workers_deliver_events_and_the_next_goes_on_where_they_stopped(
    db: Database, settings: Settings, tenant_id: TenantId, database_env: dict[str, str]
) -> None:
    relay_db = await open_relay(settings)
    try:
        both = [await asyncio.to_thread(_start, database_env) for _ in range(2)]
        await _publish(db, tenant_id)
        await _until_delivered(relay_db)
        for process in both:
            assert await asyncio.to_thread(_stop, process) == 0
        await _publish(db, tenant_id)
        assert await _behind(relay_db) != [0]
        # The others gave the subscriber back, so this one need not wait for their lease to end.
        third = await asyncio.to_thread(_start, database_env)
        await _until_delivered(relay_db)
        assert await asyncio.to_thread(_stop, third) == 0
    finally:
        await relay_db.close()
