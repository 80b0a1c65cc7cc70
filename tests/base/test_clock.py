"""The clock that demos and tests move."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.base.clock import MovableClock, SystemClock
from farwire.kernel.errors import Conflict, Invalid

START = datetime(2026, 6, 1, tzinfo=UTC)


def test_the_system_clock_gives_aware_utc() -> None:
    assert SystemClock().now().tzinfo is UTC


def test_a_movable_clock_stands_still_until_it_is_moved() -> None:
    clock = MovableClock(START)
    assert clock.now() == clock.now() == START
    assert clock.advance(timedelta(hours=1)) == clock.now() == START + timedelta(hours=1)


def test_a_movable_clock_keeps_its_instant_in_utc() -> None:
    clock = MovableClock(datetime(2026, 6, 1, 2, tzinfo=timezone(timedelta(hours=2))))
    assert clock.now() == START
    assert clock.now().tzinfo is UTC


@given(st.timedeltas(max_value=timedelta(microseconds=-1), min_value=timedelta(days=-1000)))
def test_a_movable_clock_never_goes_back(by: timedelta) -> None:
    clock = MovableClock(START)
    with pytest.raises(Conflict) as caught:
        clock.advance(by)
    assert caught.value.code == "clock.backward"
    assert clock.now() == START


def test_a_clock_refuses_a_time_without_a_zone() -> None:
    with pytest.raises(Invalid) as caught:
        MovableClock(START).set(datetime(2026, 7, 1))
    assert caught.value.code == "clock.naive"
