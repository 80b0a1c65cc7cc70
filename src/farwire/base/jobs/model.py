"""Jobs: their states, the retry policy, and the instants of periodic schedules. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from typing import Final

from farwire.base.canonical import JSON
from farwire.kernel.errors import Conflict, Invalid
from farwire.kernel.ids import JobId, TenantId
from farwire.kernel.time import as_utc, zone

MAX_PAYLOAD_OCTETS: Final = 16 * 1024
MAX_KEY_CHARACTERS: Final = 200
KIND: Final = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+")


class JobState(StrEnum):
    """Where a job is: queued, running, then one of the ends; a failed attempt queues it again."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    """Its attempts are used up; it stays visible until a person retries it."""
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Job:
    """A piece of work of one tenant. ``key`` makes it unique within its kind: enqueueing it again changes nothing.

    ``run_at`` is the earliest start. ``fence`` rises with every lease.
    """

    tenant_id: TenantId
    id: JobId
    kind: str
    key: str
    payload: Mapping[str, JSON]
    state: JobState
    run_at: datetime
    attempts: int
    max_attempts: int
    fence: int
    worker: str | None
    lease_until: datetime | None
    cancel_requested: bool
    error: str
    created_at: datetime
    finished_at: datetime | None


class LeaseLost(Conflict):
    """Another worker has the job, or it was cancelled: nothing more may be written for it by this one."""

    default_code = "jobs.lease_lost"


FIRST_DELAY: Final = timedelta(seconds=5)
LONGEST_DELAY: Final = timedelta(hours=1)


def delay_after(attempts: int) -> timedelta:
    """Return how long a job rests after ``attempts`` failed attempts: 5 s doubling, up to an hour."""
    doublings: int = 2 ** min(max(attempts - 1, 0), 30)
    return min(FIRST_DELAY * doublings, LONGEST_DELAY)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A job that comes again: every ``every`` from ``starts_at``, or daily at the local time ``daily_at`` in ``zone``.

    The occurrence is the job's key, so any number of workers may ask for it and it is enqueued once. Occurrences that
    were missed while nothing ran are not caught up one by one: the latest one runs.
    """

    name: str
    kind: str
    starts_at: datetime
    every: timedelta | None = None
    daily_at: time | None = None
    zone: str = "UTC"
    payload: Mapping[str, JSON] = field(default_factory=dict)
    max_attempts: int = 10

    def __post_init__(self) -> None:
        as_utc(self.starts_at, field="starts_at")
        if (self.every is None) == (self.daily_at is None):
            raise Invalid("a schedule has either every or daily_at", code="jobs.schedule", field="every")
        if self.every is not None and not timedelta(seconds=1) <= self.every <= timedelta(days=31):
            raise Invalid(
                "a schedule comes every 1 s to 31 days",
                code="jobs.schedule",
                field="every",
                value=self.every,
                fix="for a longer one, schedule a day and let the job decide",
            )


def latest_occurrence(schedule: Schedule, now: datetime) -> datetime | None:
    """Return the last instant ≤ ``now`` at which ``schedule`` is due, in UTC, or None before the first.

    A local time that a clock change skips is taken an hour later; one that occurs twice, the first time.
    """
    if now < schedule.starts_at:
        return None
    if schedule.every is not None:
        return as_utc(schedule.starts_at) + (now - schedule.starts_at) // schedule.every * schedule.every
    where = zone(schedule.zone)
    today = now.astimezone(where).date()
    for day in (today, today - timedelta(days=1)):
        at = _local(schedule, day)
        if schedule.starts_at <= at <= now:
            return at
    return None


def _local(schedule: Schedule, day: date) -> datetime:
    at = schedule.daily_at or time()
    return as_utc(datetime.combine(day, at, tzinfo=zone(schedule.zone)))
