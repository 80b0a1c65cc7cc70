"""SQL of the job queue. A lease is one statement; rows that another worker is taking are skipped, not waited for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from uuid import UUID

import asyncpg
import msgspec

from farwire.base.canonical import JSON
from farwire.base.jobs.model import Job, JobState
from farwire.base.storage import Session, Tx
from farwire.kernel.ids import JobId, TenantId

_COLUMNS = """tenant_id, id, kind, key, payload::text AS payload, state, run_at, attempts, max_attempts, fence, worker,
    lease_until, cancel_requested, error, created_at, finished_at"""
_HELD = "tenant_id = $1 AND id = $2 AND fence = $3 AND state = 'running'"


async def save_job(
    tx: Tx,
    *,
    job_id: JobId,
    kind: str,
    key: str,
    payload: str,
    run_at: datetime,
    max_attempts: int,
    now: datetime,
) -> JobId:
    """Insert a job unless its (kind, key) is there; return the id of the one that is there now."""
    inserted = await tx.fetchval(
        """INSERT INTO base.job (tenant_id, id, kind, key, payload, state, run_at, max_attempts, created_at)
        VALUES ($1, $2, $3, $4, $5::text::jsonb, 'queued', $6, $7, $8)
        ON CONFLICT (tenant_id, kind, key) DO NOTHING RETURNING id""",
        tx.tenant_id,
        job_id,
        kind,
        key,
        payload,
        run_at,
        max_attempts,
        now,
    )
    if inserted is not None:
        return job_id
    # The other insert has committed: ON CONFLICT waited for it.
    found: UUID = await tx.fetchval(
        "SELECT id FROM base.job WHERE tenant_id = $1 AND kind = $2 AND key = $3", tx.tenant_id, kind, key
    )
    return JobId(found)


async def bury_expired(tx: Session, *, kinds: Sequence[str], now: datetime) -> int:
    """Finish jobs whose lease ended and that may not be tried again; return how many."""
    tag = await tx.execute(
        """UPDATE base.job SET
            state = CASE WHEN cancel_requested THEN 'cancelled' ELSE 'failed' END,
            error = CASE WHEN cancel_requested THEN error ELSE 'the worker vanished in the last attempt' END,
            lease_until = NULL, finished_at = $2
        WHERE kind = ANY($1::text[]) AND state = 'running' AND lease_until <= $2
          AND (cancel_requested OR attempts >= max_attempts)""",
        list(kinds),
        now,
    )
    return int(tag.rpartition(" ")[2])


async def lease(
    tx: Session, *, kinds: Sequence[str], worker: str, now: datetime, until: datetime, limit: int
) -> list[Job]:
    """Take up to ``limit`` due jobs, or ones whose worker vanished, the longest due first."""
    rows = await tx.fetch(
        f"""WITH due AS MATERIALIZED (
            SELECT tenant_id, id FROM base.job
            WHERE kind = ANY($1::text[])
              AND ((state = 'queued' AND run_at <= $3)
                OR (state = 'running' AND lease_until <= $3 AND attempts < max_attempts AND NOT cancel_requested))
            ORDER BY run_at, id LIMIT $5 FOR UPDATE SKIP LOCKED
        )
        UPDATE base.job j SET
            state = 'running', worker = $2, lease_until = $4, fence = j.fence + 1, attempts = j.attempts + 1
        FROM due WHERE j.tenant_id = due.tenant_id AND j.id = due.id
        RETURNING {", ".join("j." + c.strip() for c in _COLUMNS.split(","))}""",
        list(kinds),
        worker,
        now,
        until,
        limit,
    )
    return sorted((_job(row) for row in rows), key=lambda job: (job.run_at, job.id))


async def heartbeat(tx: Session, job: Job, *, until: datetime) -> bool | None:
    """Extend the lease; return whether a cancellation was asked for, or None if the lease is lost."""
    row = await tx.fetchrow(
        f"UPDATE base.job SET lease_until = $4 WHERE {_HELD} RETURNING cancel_requested",
        job.tenant_id,
        job.id,
        job.fence,
        until,
    )
    return None if row is None else bool(row["cancel_requested"])


async def hold(tx: Tx, job: Job) -> bool:
    """Lock the job under its fence until the transaction ends; return False if the lease is lost."""
    found = await tx.fetchval(
        f"SELECT true FROM base.job WHERE {_HELD} FOR NO KEY UPDATE", tx.tenant_id, job.id, job.fence
    )
    return found is not None


async def finish(tx: Session, job: Job, *, state: JobState, error: str, now: datetime) -> bool:
    """End the job; return False if the lease is lost."""
    tag = await tx.execute(
        f"UPDATE base.job SET state = $4, error = $5, finished_at = $6, lease_until = NULL WHERE {_HELD}",
        job.tenant_id,
        job.id,
        job.fence,
        state.value,
        error,
        now,
    )
    return tag == "UPDATE 1"


async def requeue(tx: Session, job: Job, *, run_at: datetime, error: str) -> bool:
    """Queue the job again after a failed attempt; return False if the lease is lost."""
    tag = await tx.execute(
        f"UPDATE base.job SET state = 'queued', run_at = $4, error = $5, lease_until = NULL WHERE {_HELD}",
        job.tenant_id,
        job.id,
        job.fence,
        run_at,
        error,
    )
    return tag == "UPDATE 1"


async def cancel(tx: Tx, *, job_id: JobId, now: datetime) -> JobState | None:
    """Cancel a queued job, or ask the worker of a running one to stop; return the state after, None if unknown."""
    row = await tx.fetchrow(
        """UPDATE base.job SET
            cancel_requested = cancel_requested OR state = 'running',
            finished_at = CASE WHEN state = 'queued' THEN $3 ELSE finished_at END,
            state = CASE WHEN state = 'queued' THEN 'cancelled' ELSE state END
        WHERE tenant_id = $1 AND id = $2 RETURNING state""",
        tx.tenant_id,
        job_id,
        now,
    )
    return None if row is None else JobState(row["state"])


async def revive(tx: Tx, *, job_id: JobId, now: datetime) -> bool:
    """Queue a failed or cancelled job with all its attempts; return False if there is none in that state."""
    tag = await tx.execute(
        """UPDATE base.job SET state = 'queued', attempts = 0, run_at = $3, cancel_requested = false,
            finished_at = NULL WHERE tenant_id = $1 AND id = $2 AND state IN ('failed', 'cancelled')""",
        tx.tenant_id,
        job_id,
        now,
    )
    return tag == "UPDATE 1"


async def load_job(tx: Tx, *, job_id: JobId) -> Job | None:
    """Return the tenant's job."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM base.job WHERE tenant_id = $1 AND id = $2", tx.tenant_id, job_id
    )
    return None if row is None else _job(row)


async def load_jobs(
    tx: Tx, *, state: JobState | None, kind: str | None, limit: int, offset: int
) -> tuple[list[Job], int]:
    """Return the tenant's jobs, newest first, and how many there are."""
    where = "tenant_id = $1 AND ($2::text IS NULL OR state = $2) AND ($3::text IS NULL OR kind = $3)"
    given = (tx.tenant_id, None if state is None else state.value, kind)
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM base.job WHERE {where} ORDER BY id DESC LIMIT $4 OFFSET $5",
        *given,
        limit,
        offset,
    )
    total: int = await tx.fetchval(f"SELECT count(*) FROM base.job WHERE {where}", *given)
    return [_job(row) for row in rows], total


async def purge(tx: Session, *, before: datetime, limit: int) -> int:
    """Delete jobs that were done or cancelled before ``before``; return how many. Failed ones stay."""
    tag = await tx.execute(
        """DELETE FROM base.job WHERE (tenant_id, id) IN (
            SELECT tenant_id, id FROM base.job
            WHERE state IN ('done', 'cancelled') AND finished_at < $1 LIMIT $2 FOR UPDATE SKIP LOCKED)""",
        before,
        limit,
    )
    return int(tag.rpartition(" ")[2])


def _job(row: asyncpg.Record) -> Job:
    payload: Mapping[str, JSON] = msgspec.json.decode(row["payload"])
    return Job(
        tenant_id=TenantId(row["tenant_id"]),
        id=JobId(row["id"]),
        kind=row["kind"],
        key=row["key"],
        payload=MappingProxyType(payload),
        state=JobState(row["state"]),
        run_at=row["run_at"],
        attempts=row["attempts"],
        max_attempts=row["max_attempts"],
        fence=row["fence"],
        worker=row["worker"],
        lease_until=row["lease_until"],
        cancel_requested=row["cancel_requested"],
        error=row["error"],
        created_at=row["created_at"],
        finished_at=row["finished_at"],
    )
