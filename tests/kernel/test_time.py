"""Periods are half-open, cycles keep their anchor day, and a day may have 23 or 25 hours."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.kernel.errors import Invalid
from farwire.kernel.time import (
    BillCycle,
    Period,
    add_months,
    as_utc,
    instant,
    local_date,
    local_midnight,
    zone,
)

BERLIN = zone("Europe/Berlin")
ZONES = st.sampled_from(
    [
        zone(n)
        for n in ("Europe/Berlin", "Africa/Lagos", "Asia/Kolkata", "America/New_York", "Australia/Lord_Howe")
    ]
)
INSTANTS = st.datetimes(datetime(2000, 1, 1), datetime(2060, 1, 1), timezones=st.just(UTC))


@st.composite
def periods(draw: st.DrawFn) -> Period:
    start = draw(INSTANTS)
    return Period(start, start + timedelta(seconds=draw(st.integers(1, 10**8))))


@given(periods(), INSTANTS)
def test_a_period_cut_anywhere_sums_to_itself(period: Period, at: datetime) -> None:
    parts = period.cut(at)
    assert sum((p.duration for p in parts), timedelta()) == period.duration
    assert (parts[0].start, parts[-1].end) == (period.start, period.end)
    assert all(a.end == b.start for a, b in pairwise(parts))


def test_a_period_holds_its_start_and_not_its_end() -> None:
    period = Period(instant("2026-06-01T00:00Z"), instant("2026-07-01T00:00Z"))
    assert period.start in period
    assert period.end not in period


def test_an_empty_or_backward_period_is_refused() -> None:
    at = instant("2026-06-01T00:00Z")
    for end in (at, at - timedelta(seconds=1)):
        with pytest.raises(Invalid, match="ends after it starts"):
            Period(at, end)


@pytest.mark.parametrize(
    ("day", "hours"), [(date(2026, 3, 29), 23), (date(2026, 10, 25), 25), (date(2026, 6, 1), 24)]
)
def test_a_local_day_has_the_hours_that_its_zone_gives_it(day: date, hours: int) -> None:
    period = Period.of_days(day, day + timedelta(days=1), BERLIN)
    assert period.duration == timedelta(hours=hours)
    assert period.days(BERLIN) == 1


def test_a_day_in_mumbai_starts_at_half_past_six_in_the_evening_utc() -> None:
    assert local_midnight(date(2026, 6, 2), zone("Asia/Kolkata")) == instant("2026-06-01T18:30Z")


def test_midnight_that_is_skipped_is_the_first_instant_that_exists() -> None:
    start = local_midnight(date(2018, 11, 4), zone("America/Sao_Paulo"))
    assert start == instant("2018-11-04T03:00Z")
    assert local_date(start, zone("America/Sao_Paulo")) == date(2018, 11, 4)


@pytest.mark.parametrize("text", ["2026-06-01T00:00:00", "2026-06-01"])
def test_a_time_without_a_zone_is_refused_with_the_fix(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        instant(text, field="startDate")
    assert (caught.value.code, caught.value.field) == ("time.zone_missing", "startDate")
    with pytest.raises(Invalid):
        as_utc(datetime(2026, 6, 1))


@pytest.mark.parametrize(
    "text", ["", "tomorrow", "2026-13-01T00:00Z", "2026-06-31T00:00Z", "0001-01-01T00:00+14:00"]
)
def test_a_text_that_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        instant(text)
    assert caught.value.code == "time.malformed"


@pytest.mark.parametrize("name", ["Berlin", "", "../etc/passwd", "/etc/localtime"])
def test_an_unknown_zone_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as caught:
        zone(name)
    assert caught.value.code == "time.zone_unknown"


@pytest.mark.parametrize(
    ("year", "boundaries"),
    [
        (
            2026,
            [date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31), date(2026, 4, 30), date(2026, 5, 31)],
        ),
        (
            2028,
            [date(2028, 1, 31), date(2028, 2, 29), date(2028, 3, 31), date(2028, 4, 30), date(2028, 5, 31)],
        ),
    ],
)
def test_a_cycle_on_the_31st_keeps_its_anchor_day(year: int, boundaries: list[date]) -> None:
    cycle = BillCycle(31, BERLIN)
    period = cycle.containing(datetime(year, 1, 31, 12, tzinfo=UTC))
    found = []
    for _ in boundaries:
        found.append(period.local_days(BERLIN)[0])
        period = cycle.next(period)
    assert found == boundaries


@given(st.integers(1, 31), ZONES, INSTANTS, st.integers(1, 24))
def test_cycles_follow_each_other_without_gap_or_overlap(
    anchor: int, tz: object, at: datetime, months: int
) -> None:
    cycle = BillCycle(anchor, tz, months)  # type: ignore[arg-type]
    period = cycle.containing(at)
    assert at in period
    following = cycle.next(period)
    assert following.start == period.end
    assert cycle.containing(following.start) == following
    assert cycle.containing(period.end - timedelta(microseconds=1)) == period


@given(periods(), st.integers(1, 31), ZONES)
def test_the_periods_of_a_span_cover_it(span: Period, anchor: int, tz: object) -> None:
    found = list(BillCycle(anchor, tz).periods(span))  # type: ignore[arg-type]
    assert found[0].start <= span.start
    assert found[-1].end >= span.end
    overlaps = [p.intersect(span) for p in found]
    assert sum((p.duration for p in overlaps if p), timedelta()) == span.duration


def test_a_cycle_refuses_days_and_lengths_that_no_calendar_has() -> None:
    for anchor, months in ((0, 1), (32, 1), (1, 0), (1, 121)):
        with pytest.raises(Invalid):
            BillCycle(anchor, BERLIN, months)


def test_months_are_added_from_the_anchor_and_not_from_a_shortened_day() -> None:
    assert add_months(date(2026, 2, 28), 1, 31) == date(2026, 3, 31)
    assert add_months(date(2026, 1, 15), -1, 31) == date(2025, 12, 31)
