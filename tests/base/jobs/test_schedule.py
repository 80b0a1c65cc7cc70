"""Periodic schedules: each occurrence once, missed ones not caught up, clock changes survived."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.base.clock import MovableClock
from farwire.base.jobs import Schedule, enqueue_due, service
from farwire.base.jobs.model import latest_occurrence
from farwire.base.storage import Database
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import TenantId

START = datetime(2026, 1, 1, tzinfo=UTC)
INSTANTS = st.datetimes(datetime(2026, 1, 1), datetime(2028, 1, 1), timezones=st.just(UTC))


def nightly(at: time, zone: str = "Europe/Berlin") -> Schedule:
    return Schedule(name="nightly", kind="bill.run", starts_at=START, daily_at=at, zone=zone)


@given(now=INSTANTS, every_s=st.integers(1, 31 * 86_400))
def test_a_regular_occurrence_is_the_last_multiple_of_its_period(now: datetime, every_s: int) -> None:
    schedule = Schedule(name="s", kind="a.b", starts_at=START, every=timedelta(seconds=every_s))
    at = latest_occurrence(schedule, now)
    assert at is not None
    assert (at - START) % timedelta(seconds=every_s) == timedelta(0)
    assert timedelta(0) <= now - at < timedelta(seconds=every_s)


@given(
    now=INSTANTS, minute=st.integers(0, 1439), zone=st.sampled_from(["Europe/Berlin", "Asia/Kolkata", "UTC"])
)
def test_a_daily_occurrence_is_never_in_the_future_and_at_most_25_hours_old(
    now: datetime, minute: int, zone: str
) -> None:
    at = latest_occurrence(nightly(time(minute // 60, minute % 60), zone), now)
    if at is None:
        assert now < START + timedelta(hours=25)
    else:
        assert timedelta(0) <= now - at <= timedelta(hours=25)


@pytest.mark.parametrize("day", [date(2026, 3, 29), date(2026, 10, 25), date(2026, 6, 1)])
@pytest.mark.parametrize("at", [time(0, 30), time(2, 30), time(3, 0)])
def test_a_day_has_one_occurrence_also_when_clocks_change(day: date, at: time) -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first = datetime.combine(day, time(), tzinfo=berlin).astimezone(UTC)
    last = datetime.combine(day + timedelta(days=1), time(), tzinfo=berlin).astimezone(UTC)
    minutes = range(int((last - first).total_seconds()) // 60)
    found = {latest_occurrence(nightly(at), first + timedelta(minutes=m)) for m in minutes}
    assert len([o for o in found if o is not None and o >= first]) == 1


def test_a_skipped_local_time_is_taken_an_hour_later() -> None:
    at = latest_occurrence(nightly(time(2, 30)), datetime(2026, 3, 29, 12, tzinfo=UTC))
    assert at == datetime(2026, 3, 29, 1, 30, tzinfo=UTC)


def test_nothing_is_due_before_the_start() -> None:
    assert latest_occurrence(nightly(time(0, 30)), START - timedelta(seconds=1)) is None
    assert latest_occurrence(nightly(time(0, 30)), START) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {},
        {"every": timedelta(days=1), "daily_at": time(1)},
        {"every": timedelta(0)},
        {"every": timedelta(days=32)},
        {"every": timedelta(days=1), "starts_at": datetime(2026, 1, 1)},
    ],
)
def test_a_schedule_that_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(Invalid):
        Schedule(**{"name": "s", "kind": "a.b", "starts_at": START, **wrong})  # type: ignore[arg-type]


async def test_an_occurrence_is_queued_once_and_missed_ones_are_not_caught_up(
    db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    schedules = [nightly(time(0, 30))]

    async def look() -> list[object]:
        async with db.transaction(tenant_id) as tx:
            jobs = await enqueue_due(tx=tx, schedules=schedules, now=clock.now())
            return [(await service.find(tx=tx, job_id=job)).payload["scheduled_at"] for job in jobs]

    assert await look() == ["2026-05-31T22:30:00+00:00"]
    assert await look() == ["2026-05-31T22:30:00+00:00"]
    clock.advance(timedelta(days=5))
    assert await look() == ["2026-06-05T22:30:00+00:00"]
    async with db.transaction(tenant_id) as tx:
        assert await tx.fetchval("SELECT count(*) FROM base.job WHERE tenant_id = $1", tenant_id) == 2
