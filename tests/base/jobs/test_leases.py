"""Leases: one holder at a time, taken over from the dead, given up on request."""

from __future__ import annotations

import asyncio
import sys
from datetime import timedelta

import pytest

from farwire.base.config import Settings
from farwire.base.jobs import (
    Job,
    JobState,
    LeaseLost,
    Worker,
    WorkerSettings,
    complete,
    hold,
    service,
)
from farwire.kernel.errors import Conflict
from farwire.kernel.ids import JobId

from .conftest import FAST, KIND, Queue, Recorder


async def test_a_killed_workers_job_is_taken_by_another_when_its_lease_ends(queue: Queue) -> None:
    job_id = await queue.add()
    first, second = Recorder(), Recorder()
    dead = queue.worker(first)
    leased = await dead._lease()
    assert leased is not None
    queue.clock.advance(FAST.lease - timedelta(seconds=1))
    assert not await queue.worker(second).run_once(), "the lease still runs"
    queue.clock.advance(timedelta(seconds=1))
    assert await queue.worker(second).run_once()
    assert second.jobs[0].fence == leased.fence + 1
    job = await queue.job(job_id)
    assert (job.state, job.attempts) == (JobState.DONE, 2)


async def test_a_job_whose_workers_keep_vanishing_fails_in_the_end(queue: Queue) -> None:
    job_id = await queue.add(max_attempts=2)
    for _ in range(2):
        assert await queue.worker(Recorder())._lease() is not None
        queue.clock.advance(FAST.lease)
    assert await queue.worker(Recorder())._lease() is None
    job = await queue.job(job_id)
    assert (job.state, job.error) == (JobState.FAILED, "the worker vanished in the last attempt")


async def test_a_worker_that_lost_its_lease_can_write_nothing(queue: Queue) -> None:
    await queue.add()
    stale = await queue.worker(Recorder())._lease()
    assert stale is not None
    queue.clock.advance(FAST.lease)
    fresh = await queue.worker(Recorder())._lease()
    assert fresh is not None
    for act in (
        lambda tx: hold(tx=tx, job=stale),
        lambda tx: complete(tx=tx, job=stale, now=queue.clock.now()),
    ):
        with pytest.raises(LeaseLost):
            async with queue.db.transaction(queue.tenant_id) as tx:
                await act(tx)
    async with queue.db.transaction(queue.tenant_id) as tx:
        await hold(tx=tx, job=fresh)


async def test_nobody_leases_a_job_while_its_holder_writes(queue: Queue) -> None:
    """The lease ends in the middle of the transaction; the row lock keeps the others off until it commits."""
    job_id = await queue.add()
    job = await queue.worker(Recorder())._lease()
    assert job is not None
    async with queue.db.transaction(queue.tenant_id) as tx:
        await hold(tx=tx, job=job)
        queue.clock.advance(FAST.lease * 2)
        assert await queue.worker(Recorder())._lease() is None
        await complete(tx=tx, job=job, now=queue.clock.now())
    assert await queue.worker(Recorder())._lease() is None
    assert (await queue.job(job_id)).state is JobState.DONE


async def test_a_handler_may_end_its_job_in_its_own_transaction(queue: Queue) -> None:
    async def handle(job: Job) -> None:
        async with queue.db.transaction(queue.tenant_id) as tx:
            await hold(tx=tx, job=job)
            await complete(tx=tx, job=job, now=queue.clock.now())

    job_id = await queue.add()
    await queue.worker(handle).run_once()
    assert (await queue.job(job_id)).state is JobState.DONE


async def test_a_heartbeat_keeps_the_job(queue: Queue) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def handle(_: Job) -> None:
        started.set()
        await go_on.wait()

    job_id = await queue.add()
    task = asyncio.create_task(queue.worker(handle).run_once())
    async with asyncio.timeout(60):
        await started.wait()
        for _ in range(3):
            queue.clock.advance(FAST.lease - timedelta(seconds=1))
            await renewed(queue, job_id)
        assert not await queue.worker(Recorder()).run_once()
        go_on.set()
        await task
    job = await queue.job(job_id)
    assert (job.state, job.attempts) == (JobState.DONE, 1)


async def renewed(queue: Queue, job_id: JobId) -> None:
    """Return when a heartbeat has come through since the clock was moved."""
    for _ in range(6000):
        if (await queue.job(job_id)).lease_until == queue.clock.now() + FAST.lease:
            return
        await asyncio.sleep(0.01)
    pytest.fail("no heartbeat came through")


async def test_a_queued_job_is_cancelled_at_once(queue: Queue) -> None:
    job_id = await queue.add()
    async with queue.db.transaction(queue.tenant_id) as tx:
        assert await service.cancel(tx=tx, job_id=job_id, now=queue.clock.now()) is JobState.CANCELLED
    assert not await queue.worker(Recorder()).run_once()


async def test_a_running_job_is_stopped_at_its_next_heartbeat(queue: Queue) -> None:
    started, ended = asyncio.Event(), []

    async def handle(_: Job) -> None:
        started.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            ended.append("cleaned up")
            raise

    job_id = await queue.add()
    task = asyncio.create_task(queue.worker(handle).run_once())
    async with asyncio.timeout(60):
        await started.wait()
        async with queue.db.transaction(queue.tenant_id) as tx:
            assert await service.cancel(tx=tx, job_id=job_id, now=queue.clock.now()) is JobState.RUNNING
        await task
    assert ended == ["cleaned up"]
    assert (await queue.job(job_id)).state is JobState.CANCELLED


async def test_a_job_that_was_cancelled_while_its_worker_died_does_not_come_back(queue: Queue) -> None:
    job_id = await queue.add()
    assert await queue.worker(Recorder())._lease() is not None
    async with queue.db.transaction(queue.tenant_id) as tx:
        await service.cancel(tx=tx, job_id=job_id, now=queue.clock.now())
    queue.clock.advance(FAST.lease)
    assert not await queue.worker(Recorder()).run_once()
    assert (await queue.job(job_id)).state is JobState.CANCELLED


async def test_what_has_ended_cannot_be_cancelled(queue: Queue) -> None:
    job_id = await queue.add()
    await queue.worker(Recorder()).run_once()
    with pytest.raises(Conflict) as raised:
        async with queue.db.transaction(queue.tenant_id) as tx:
            await service.cancel(tx=tx, job_id=job_id, now=queue.clock.now())
    assert raised.value.code == "jobs.finished"


async def test_a_stopped_worker_gives_its_job_back_at_once(queue: Queue) -> None:
    started = asyncio.Event()

    async def handle(_: Job) -> None:
        started.set()
        await asyncio.sleep(60)

    job_id = await queue.add()
    stop = asyncio.Event()
    settings = WorkerSettings(poll=FAST.poll, grace=timedelta(milliseconds=20))
    worker = Worker(db=queue.db, clock=queue.clock, handlers={KIND: handle}, settings=settings)
    task = asyncio.create_task(worker.run(stop))
    async with asyncio.timeout(60):
        await started.wait()
        stop.set()
        await task
    job = await queue.job(job_id)
    assert (job.state, job.error) == (JobState.QUEUED, "the worker was stopped")
    recorder = Recorder()
    await queue.worker(recorder).run_once()
    assert recorder.keys == ["k"]


VICTIM = """
import asyncio, os, sys
from pathlib import Path
from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.config import Settings
from farwire.base.jobs import Worker, WorkerSettings
from farwire.base.storage import open_database
from farwire.kernel.time import instant

async def handle(job):
    print("running", flush=True)
    await asyncio.sleep(60)

async def main():
    settings = Settings(data_dir=Path("/nonexistent"), database_url=sys.argv[1])
    worker = Worker(
        db=await open_database(settings), clock=MovableClock(instant(sys.argv[2])), handlers={"bill.run": handle}
    )
    await worker.run_once()

asyncio.run(main())
"""


@pytest.mark.crash
async def test_the_job_of_a_process_that_was_killed_runs_elsewhere(queue: Queue, settings: Settings) -> None:
    job_id = await queue.add()
    victim = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", VICTIM, str(settings.database_url), queue.clock.now().isoformat()),
        stdout=asyncio.subprocess.PIPE,
    )
    assert victim.stdout is not None
    async with asyncio.timeout(60):
        assert await victim.stdout.readline() == b"running\n"
        victim.kill()
        await victim.wait()
    assert (await queue.job(job_id)).state is JobState.RUNNING
    queue.clock.advance(WorkerSettings().lease)
    recorder = Recorder()
    await queue.worker(recorder).run_once()
    assert [(job.key, job.fence) for job in recorder.jobs] == [("k", 2)]
    assert (await queue.job(job_id)).state is JobState.DONE
