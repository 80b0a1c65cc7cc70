"""Fixtures of the jobs: short ways to enqueue, to look, and to work."""

from __future__ import annotations

from datetime import timedelta

import pytest

from farwire.base.clock import MovableClock
from farwire.base.jobs import Job, Worker, WorkerSettings, enqueue, service
from farwire.base.jobs.worker import Handler
from farwire.base.storage import Database
from farwire.kernel.ids import JobId, TenantId

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


class Recorder:
    """Remembers the jobs that it ran."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []

    async def __call__(self, job: Job) -> None:
        self.jobs.append(job)

    @property
    def keys(self) -> list[str]:
        return [job.key for job in self.jobs]


@pytest.fixture
def queue(db: Database, tenant_id: TenantId, clock: MovableClock) -> Queue:
    return Queue(db, tenant_id, clock)
