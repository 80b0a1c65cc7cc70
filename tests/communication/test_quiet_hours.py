"""Quiet hours in local time, over midnight and over the days on which clocks change."""

from __future__ import annotations

from datetime import UTC, datetime, time, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.communication.model import QuietHours, quiet_until
from farwire.communication.service import quiet_hours_of
from farwire.kernel.errors import Invalid
from farwire.kernel.time import instant, zone

NIGHT = QuietHours(time(21), time(8))


@pytest.mark.parametrize(
    ("at", "until"),
    [
        ("2026-07-01T20:59:59+02:00", None),
        ("2026-07-01T21:00:00+02:00", "2026-07-02T08:00:00+02:00"),
        ("2026-07-02T00:00:00+02:00", "2026-07-02T08:00:00+02:00"),
        ("2026-07-02T07:59:59+02:00", "2026-07-02T08:00:00+02:00"),
        ("2026-07-02T08:00:00+02:00", None),
        # The night of 29 March has 10 hours, that of 25 October 12.
        ("2026-03-28T22:00:00+01:00", "2026-03-29T08:00:00+02:00"),
        ("2026-10-24T22:00:00+02:00", "2026-10-25T08:00:00+01:00"),
    ],
)
def test_the_night_ends_at_eight_by_the_receivers_clock(at: str, until: str | None) -> None:
    found = quiet_until(instant(at), NIGHT, zone("Europe/Berlin"))
    assert found == (None if until is None else instant(until))


def test_an_end_that_the_clock_skips_comes_after_the_gap() -> None:
    hours = QuietHours(time(22), time(2, 30))
    found = quiet_until(instant("2026-03-29T01:00+01:00"), hours, zone("Europe/Berlin"))
    assert found == instant("2026-03-29T03:30+02:00")


def test_an_end_that_comes_twice_is_the_next_one() -> None:
    hours, berlin = QuietHours(time(22), time(2, 30)), zone("Europe/Berlin")
    assert quiet_until(instant("2026-10-25T02:15+02:00"), hours, berlin) == instant("2026-10-25T02:30+02:00")
    assert quiet_until(instant("2026-10-25T02:15+01:00"), hours, berlin) == instant("2026-10-25T02:30+01:00")


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2027, 12, 31), timezones=st.just(UTC)),
    st.integers(0, 95),
    st.integers(0, 95),
    st.sampled_from(
        ["Europe/Berlin", "America/New_York", "Asia/Kathmandu", "Australia/Lord_Howe", "Africa/Lagos"]
    ),
)
def test_quiet_hours_end_within_a_day_and_then_it_is_not_quiet(
    at: datetime, start: int, end: int, name: str
) -> None:
    if start == end:
        return
    hours = QuietHours(time(start // 4, start % 4 * 15), time(end // 4, end % 4 * 15))
    until = quiet_until(at, hours, zone(name))
    if until is None:
        assert not hours.cover(at.astimezone(zone(name)).time())
    else:
        assert at < until <= at + timedelta(hours=25)
        assert quiet_until(until, hours, zone(name)) is None


def test_a_country_may_have_its_own_and_others_the_default() -> None:
    assert quiet_hours_of("IN") == QuietHours(time(21), time(10))
    assert quiet_hours_of("DE") == quiet_hours_of("") == NIGHT


def test_hours_without_length_are_refused() -> None:
    with pytest.raises(Invalid):
        QuietHours(time(8), time(8))
