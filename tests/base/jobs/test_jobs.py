"""Jobs: enqueued with the change that wants them, leased once, taken over from the dead, ended for good."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import pytest

from farwire.base.clock import MovableClock
from farwire.base.jobs import (
    Job,
    JobState,
    LeaseLost,
    Worker,
    WorkerSettings,
    complete,
    enqueue,
    hold,
    service,
)
from farwire.base.jobs.worker import Handler
from farwire.base.storage import Database
from farwire.kernel.errors import Conflict, Defect, Invalid, NotFound, check
from farwire.kernel.ids import JobId, TenantId, uuid7
from farwire.kernel.page import PageRequest

KIND = "bill.run"
FAST = WorkerSettings(heartbeat=timedelta(milliseconds=20), poll=timedelta(milliseconds=10))


class Queue:
    """Short ways to enqueue and look."""

    def __init__(self, db: Database, tenant_id: TenantId, clock: MovableClock) -> None:
        self.db, self.tenant_id, self.clock = db, tenant_id, clock

    async def add(self, key: str = "k", *, kind: str = KIND, in_s: int = 0, max_attempts: int = 3) -> JobId:
        now = self.clock.now()
        async with self.db.transaction(self.tenant_id) as tx:
            return await enqueue(
                tx=tx,
                kind=kind,
                key=key,
                payload={"key": key},
                run_at=now + timedelta(seconds=in_s),
                now=now,
                max_attempts=max_attempts,
            )

    async def job(self, job_id: JobId) -> Job:
        async with self.db.transaction(self.tenant_id) as tx:
            return await service.find(tx=tx, job_id=job_id)

    def worker(self, handler: Handler, **kinds: Handler) -> Worker:
        return Worker(db=self.db, clock=self.clock, handlers={KIND: handler, **kinds}, settings=FAST)


@pytest.fixture
def queue(db: Database, tenant_id: TenantId, clock: MovableClock) -> Queue:
    return Queue(db, tenant_id, clock)


class Recorder:
    """Remembers the jobs that it ran."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    async def __call__(self, job: Job) -> None:
        self.jobs.append(job)

    @property
    def keys(self) -> list[str]:
        return [job.key for job in self.jobs]


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


async def test_a_heartbeat_keeps_the_job(queue: Queue) -> None:
    started, go_on = asyncio.Event(), asyncio.Event()

    async def handle(_: Job) -> None:
        started.set()
        await go_on.wait()

    job_id = await queue.add()
    task = asyncio.create_task(queue.worker(handle).run_once())
    async with asyncio.timeout(20):
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
    for _ in range(1000):
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
    async with asyncio.timeout(20):
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
    async with asyncio.timeout(20):
        await started.wait()
        stop.set()
        await task
    job = await queue.job(job_id)
    assert (job.state, job.error) == (JobState.QUEUED, "the worker was stopped")
    recorder = Recorder()
    await queue.worker(recorder).run_once()
    assert recorder.keys == ["k"]


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
    async with asyncio.timeout(20):
        await all_seen.wait()
        stop.set()
        await task
    assert sorted(seen) == ["bad", "better", "good"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"kind": "Bill Run"}, "jobs.kind"),
        ({"key": ""}, "jobs.key"),
        ({"payload": {"x": object()}}, "jobs.payload"),
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
    done, failed = await queue.add("done"), await queue.add("failed", max_attempts=1)
    waiting = await queue.add("waiting", in_s=10**7)
    await queue.worker(Recorder()).run_once()
    await queue.worker(broken).run_once()
    assert await service.purge(db=queue.db, now=queue.clock.now()) == 0
    queue.clock.advance(service.MIN_RETENTION + timedelta(seconds=1))
    assert await service.purge(db=queue.db, now=queue.clock.now()) == 1
    with pytest.raises(NotFound):
        await queue.job(done)
    assert {(await queue.job(job)).state for job in (failed, waiting)} == {JobState.FAILED, JobState.QUEUED}
    with pytest.raises(Invalid):
        await service.purge(db=queue.db, now=queue.clock.now(), keep=timedelta(days=1))
