"""Enqueue work in the transaction that wants it, look at it, cancel it, try it again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import msgspec

from farwire.base.canonical import JSON, holds_nul, storable
from farwire.base.jobs import store
from farwire.base.jobs.model import (
    KIND,
    MAX_KEY_CHARACTERS,
    MAX_PAYLOAD_OCTETS,
    Job,
    JobState,
    LeaseLost,
    Schedule,
    latest_occurrence,
)
from farwire.base.storage import Database, Tx
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import JobId, uuid7
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.time import as_utc

MIN_RETENTION: Final = timedelta(days=62)
"""Finished jobs are kept at least this long: their keys keep a schedule's occurrence from running twice."""
PURGE_BATCH: Final = 5000


async def enqueue(
    *,
    tx: Tx,
    kind: str,
    key: str,
    payload: Mapping[str, JSON],
    run_at: datetime,
    now: datetime,
    max_attempts: int = 10,
) -> JobId:
    """Queue a job in ``tx``: it exists if and only if the transaction commits. Return its id.

    Idempotent by (tenant, kind, key): a second call returns the first one's id and changes nothing, in whatever state
    the job is. ``run_at`` is the earliest start; ``payload`` holds ids and codes, never personal data. Raises
    ``Invalid``: ``jobs.kind``, ``jobs.key``, ``jobs.payload``, ``jobs.max_attempts``.
    """
    if KIND.fullmatch(kind) is None:
        raise Invalid(
            f"job kind {kind!r} is malformed",
            code="jobs.kind",
            field="kind",
            value=kind,
            fix="use context.verb",
        )
    if not (1 <= len(key) <= MAX_KEY_CHARACTERS and storable(key)):
        raise Invalid(
            f"a job's key has 1 to {MAX_KEY_CHARACTERS} characters", code="jobs.key", field="key", value=key
        )
    if not 1 <= max_attempts <= 100:
        raise Invalid("1 to 100 attempts", code="jobs.max_attempts", field="max_attempts", value=max_attempts)
    return await store.save_job(
        tx,
        job_id=JobId(uuid7(now)),
        kind=kind,
        key=key,
        payload=_encoded(payload),
        run_at=as_utc(run_at, field="run_at"),
        max_attempts=max_attempts,
        now=now,
    )


def _encoded(payload: Mapping[str, JSON]) -> str:
    try:
        text = msgspec.json.encode(dict(payload))
    except (TypeError, ValueError, RecursionError):
        text = None
    if text is None or len(text) > MAX_PAYLOAD_OCTETS or holds_nul(text):
        raise Invalid(
            "a job's payload is JSON of at most 16 KiB without NUL characters",
            code="jobs.payload",
            field="payload",
            fix="store the data and give its id",
        )
    return text.decode()


async def enqueue_due(*, tx: Tx, schedules: Sequence[Schedule], now: datetime) -> list[JobId]:
    """Queue the latest due occurrence of each schedule for the tenant of ``tx``; those already queued stay as they are.

    Call it as often as you like, from any number of processes.
    """
    queued = []
    for schedule in schedules:
        at = latest_occurrence(schedule, now)
        if at is not None:
            queued.append(
                await enqueue(
                    tx=tx,
                    kind=schedule.kind,
                    key=f"{schedule.name}@{at.isoformat()}",
                    payload={**schedule.payload, "scheduled_at": at.isoformat()},
                    run_at=at,
                    now=now,
                    max_attempts=schedule.max_attempts,
                )
            )
    return queued


async def hold(*, tx: Tx, job: Job) -> None:
    """Make sure that ``tx`` commits only while ``job`` is still this worker's: the fence.

    Call it first in every transaction in which a handler writes. The job's row stays locked until the commit, so no
    other worker can lease it in between. Raises ``LeaseLost``.
    """
    if not await store.hold(tx, job):
        raise LeaseLost(f"job {job.id} belongs to another worker", field="job", value=str(job.id))


async def complete(*, tx: Tx, job: Job, now: datetime) -> None:
    """End ``job`` in the handler's own transaction: its effect and its end are kept together, exactly once.

    A handler that does not call it is completed by its worker afterwards, at least once. Raises ``LeaseLost``.
    """
    if not await store.finish(tx, job, state=JobState.DONE, error="", now=now):
        raise LeaseLost(f"job {job.id} belongs to another worker", field="job", value=str(job.id))


async def cancel(*, tx: Tx, job_id: JobId, now: datetime) -> JobState:
    """Cancel a queued job at once; ask a running one to stop at its next heartbeat. Return the state now.

    Raises ``NotFound`` (``jobs.unknown``), ``Conflict`` (``jobs.finished``).
    """
    state = await store.cancel(tx, job_id=job_id, now=now)
    if state is None:
        raise _unknown(job_id)
    if state in (JobState.DONE, JobState.FAILED):
        raise Conflict(f"the job is {state}", code="jobs.finished", field="state", value=state)
    return state


async def retry(*, tx: Tx, job_id: JobId, now: datetime) -> None:
    """Queue a failed or cancelled job again, with all its attempts.

    Raises ``NotFound`` (``jobs.unknown``), ``Conflict`` (``jobs.not_failed``).
    """
    if await store.revive(tx, job_id=job_id, now=now):
        return
    job = await find(tx=tx, job_id=job_id)
    raise Conflict(
        f"the job is {job.state}",
        code="jobs.not_failed",
        field="state",
        value=job.state,
        fix="retry failed jobs only",
    )


async def find(*, tx: Tx, job_id: JobId) -> Job:
    """Return the tenant's job. Raises ``NotFound`` (``jobs.unknown``)."""
    job = await store.load_job(tx, job_id=job_id)
    if job is None:
        raise _unknown(job_id)
    return job


async def list_jobs(
    *, tx: Tx, page: PageRequest, state: JobState | None = None, kind: str | None = None
) -> Page[Job]:
    """Return the tenant's jobs, newest first; ``state=JobState.FAILED`` shows what needs a person."""
    jobs, total = await store.load_jobs(tx, state=state, kind=kind, limit=page.limit, offset=page.offset)
    return Page(tuple(jobs), total, page.offset, page.limit)


async def purge(*, db: Database, now: datetime, keep: timedelta = MIN_RETENTION) -> int:
    """Delete jobs of every tenant that ended well longer ago than ``keep`` (at least 62 days); return how many.

    Works in transactions of ``PURGE_BATCH``. Raises ``Invalid`` (``jobs.retention``).
    """
    if keep < MIN_RETENTION:
        raise Invalid("jobs are kept at least 62 days", code="jobs.retention", field="keep", value=keep)
    total = 0
    while True:
        async with db.untenanted() as tx:
            count = await store.purge(tx, before=now - keep, limit=PURGE_BATCH)
        total += count
        if count < PURGE_BATCH:
            return total


def _unknown(job_id: JobId) -> NotFound:
    return NotFound(
        "no such job", code="jobs.unknown", field="job", value=str(job_id), fix="farwire jobs list"
    )
