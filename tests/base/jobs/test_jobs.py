"""Jobs: enqueued with the change that wants them, run when due, tried again, ended for good."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import pytest

from farwire.base.jobs import (
    Job,
    JobState,
    enqueue,
    service,
)
from farwire.kernel.errors import Conflict, Defect, Invalid, NotFound, check
from farwire.kernel.ids import JobId, TenantId, uuid7
from farwire.kernel.page import PageRequest

from .conftest import KIND, Queue, Recorder


async def broken(job: Job) -> None:
    raise RuntimeError(f"no luck with 4915112345678 in {job.key}")


async def test_a_job_runs_once_and_is_done(queue: Queue) -> None:
    job_id = await queue.add()
    recorder = Recorder()
    worker = queue.worker(recorder)
    assert await worker.run_once()
    assert not await worker.run_once()
    assert recorder.keys == ["k"]
    assert recorder.jobs[0].payload == {"key": "k"}
    job = await queue.job(job_id)
    assert (job.state, job.attempts, job.error, job.finished_at) == (JobState.DONE, 1, "", queue.clock.now())


async def test_a_job_exists_only_with_its_transaction(queue: Queue) -> None:
    with contextlib.suppress(Defect):
        async with queue.db.transaction(queue.tenant_id) as tx:
            now = queue.clock.now()
            await enqueue(tx=tx, kind=KIND, key="k", payload={}, run_at=now, now=now)
            check(False, "test.undo")
    assert not await queue.worker(Recorder()).run_once()


async def test_enqueueing_a_key_again_changes_nothing_in_any_state(queue: Queue) -> None:
    first = await queue.add()
    assert await queue.add() == first
    recorder = Recorder()
    await queue.worker(recorder).run_once()
    assert await queue.add() == first
    assert not await queue.worker(recorder).run_once()
    assert await queue.add("another") != first
    assert len(recorder.jobs) == 1


async def test_concurrent_enqueueing_of_a_key_makes_one_job(queue: Queue) -> None:
    assert len(set(await asyncio.gather(*(queue.add() for _ in range(8))))) == 1


async def test_the_same_key_of_another_tenant_or_kind_is_another_job(
    queue: Queue, other_tenant_id: TenantId
) -> None:
    others = Queue(queue.db, other_tenant_id, queue.clock)
    assert len({await queue.add(), await others.add(), await queue.add(kind="usage.rate")}) == 3
    with pytest.raises(NotFound):
        await others.job(await queue.add())


async def test_jobs_run_when_they_are_due_the_longest_due_first(queue: Queue) -> None:
    await queue.add("later", in_s=20)
    await queue.add("soon", in_s=10)
    await queue.add("much later", in_s=1000)
    recorder = Recorder()
    worker = queue.worker(recorder)
    assert not await worker.run_once()
    queue.clock.advance(timedelta(seconds=20))
    while await worker.run_once():
        pass
    assert recorder.keys == ["soon", "later"]


async def test_a_worker_leaves_kinds_that_it_does_not_know(queue: Queue) -> None:
    await queue.add(kind="usage.rate")
    assert not await queue.worker(Recorder()).run_once()


async def test_a_failing_job_rests_longer_each_time_and_then_is_failed(queue: Queue) -> None:
    job_id = await queue.add(max_attempts=3)
    worker = queue.worker(broken)
    for attempt, rest_s in ((1, 5), (2, 10)):
        assert await worker.run_once()
        job = await queue.job(job_id)
        assert (job.state, job.attempts) == (JobState.QUEUED, attempt)
        assert job.run_at - queue.clock.now() == timedelta(seconds=rest_s)
        assert not await worker.run_once()
        queue.clock.advance(timedelta(seconds=rest_s))
    assert await worker.run_once()
    job = await queue.job(job_id)
    assert (job.state, job.attempts) == (JobState.FAILED, 3)
    assert job.error == "RuntimeError: no luck with [digits] in k"
    queue.clock.advance(timedelta(days=9))
    assert not await worker.run_once()


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])
async def test_a_failure_that_no_database_can_write_down_is_a_failure_like_others(
    queue: Queue, text: str
) -> None:
    job_id = await queue.add()

    async def handle(job: Job) -> None:
        raise ValueError(text)

    assert await queue.worker(handle).run_once()
    job = await queue.job(job_id)
    assert job.state is JobState.QUEUED
    assert job.error.startswith("ValueError: a")


async def test_failed_jobs_are_listed_and_can_be_tried_again(queue: Queue) -> None:
    job_id = await queue.add(max_attempts=1)
    await queue.add("good", in_s=9)
    await queue.worker(broken).run_once()
    async with queue.db.transaction(queue.tenant_id) as tx:
        page = await service.list_jobs(tx=tx, page=PageRequest(), state=JobState.FAILED)
        assert ([job.id for job in page.items], page.total) == ([job_id], 1)
        await service.retry(tx=tx, job_id=job_id, now=queue.clock.now())
    recorder = Recorder()
    await queue.worker(recorder).run_once()
    assert recorder.keys == ["k"]
    assert (await queue.job(job_id)).state is JobState.DONE


async def test_only_what_failed_is_tried_again(queue: Queue) -> None:
    job_id = await queue.add()
    with pytest.raises(Conflict) as raised:
        async with queue.db.transaction(queue.tenant_id) as tx:
            await service.retry(tx=tx, job_id=job_id, now=queue.clock.now())
    assert raised.value.code == "jobs.not_failed"
    with pytest.raises(NotFound):
        async with queue.db.transaction(queue.tenant_id) as tx:
            await service.retry(tx=tx, job_id=JobId(uuid7()), now=queue.clock.now())


async def test_what_is_invalid_is_not_tried_again(queue: Queue) -> None:
    async def refuse(_: Job) -> None:
        raise Invalid("no such cycle", code="bill.cycle")

    job_id = await queue.add()
    await queue.worker(refuse).run_once()
    assert (await queue.job(job_id)).state is JobState.FAILED


async def test_many_workers_run_every_job_exactly_once(queue: Queue) -> None:
    for n in range(30):
        await queue.add(f"k{n:02}")
    recorder = Recorder()

    async def work() -> None:
        worker = queue.worker(recorder)
        while await worker.run_once():
            pass

    await asyncio.gather(*(work() for _ in range(6)))
    assert sorted(recorder.keys) == [f"k{n:02}" for n in range(30)]


async def test_a_running_worker_takes_new_jobs_and_survives_bad_ones(queue: Queue) -> None:
    seen, all_seen, stop = [], asyncio.Event(), asyncio.Event()

    async def handle(job: Job) -> None:
        seen.append(job.key)
        if len(seen) == 3:
            all_seen.set()
        if job.key == "bad":
            raise RuntimeError

    task = asyncio.create_task(queue.worker(handle).run(stop))
    for key in ("bad", "good", "better"):
        await queue.add(key)
    async with asyncio.timeout(60):
        await all_seen.wait()
        stop.set()
        await task
    assert sorted(seen) == ["bad", "better", "good"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"kind": "Bill Run"}, "jobs.kind"),
        ({"key": ""}, "jobs.key"),
        ({"key": "a\x00b"}, "jobs.key"),
        ({"payload": {"x": object()}}, "jobs.payload"),
        ({"payload": {"x": "a\x00b"}}, "jobs.payload"),
        ({"payload": {"x": "y" * 20_000}}, "jobs.payload"),
        ({"max_attempts": 0}, "jobs.max_attempts"),
    ],
)
async def test_a_job_that_makes_no_sense_is_refused(
    queue: Queue, change: dict[str, object], code: str
) -> None:
    now = queue.clock.now()
    given = {"kind": KIND, "key": "k", "payload": {}, "run_at": now, "now": now, **change}
    with pytest.raises(Invalid) as raised:
        async with queue.db.transaction(queue.tenant_id) as tx:
            await enqueue(tx=tx, **given)  # type: ignore[arg-type]
    assert raised.value.code == code


async def test_old_ended_jobs_are_purged_and_failed_ones_stay(queue: Queue) -> None:
    done = await queue.add("done")
    await queue.worker(Recorder()).run_once()
    failed = await queue.add("failed", max_attempts=1)
    await queue.worker(broken).run_once()
    waiting = await queue.add("waiting", in_s=10**7)
    assert await service.purge(db=queue.db, now=queue.clock.now()) == 0
    queue.clock.advance(service.MIN_RETENTION + timedelta(seconds=1))
    assert await service.purge(db=queue.db, now=queue.clock.now()) == 1
    with pytest.raises(NotFound):
        await queue.job(done)
    assert {(await queue.job(job)).state for job in (failed, waiting)} == {JobState.FAILED, JobState.QUEUED}
    with pytest.raises(Invalid):
        await service.purge(db=queue.db, now=queue.clock.now(), keep=timedelta(days=1))
