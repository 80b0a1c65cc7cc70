"""Allowances and tiers over periods: when they start anew, and what is carried over."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.catalog.model import read_plan
from farwire.kernel.ids import ProductId
from farwire.kernel.time import BillCycle, instant, zone
from farwire.rating.model import Charge, Chargeable, CounterBook, Tariff, compile_tariff, counter_period, rate

from .golden import FLEX_M

BERLIN = zone("Europe/Berlin")
CYCLE = BillCycle(1, BERLIN)
START = instant("2026-06-11T14:03:00+02:00")
PRODUCT = ProductId(UUID(int=1))
GB = 10**9


def tariff(rules: str = "") -> Tariff:
    text = FLEX_M.replace('prices = ["data-eu"]', f'prices = ["data-eu"]\n{rules}')
    return compile_tariff(read_plan(text))


def use(book: CounterBook, using: Tariff, at: str, quantity: int) -> int:
    """Rate a data record through the book; return how much the allowance gave."""
    moment = instant(at)
    view = book.view(using, PRODUCT, moment, cycle=CYCLE, product_start=START)
    charge = rate(using, Chargeable(kind="data", started_at=moment, quantity=quantity), view.values)
    assert isinstance(charge, Charge)
    book.apply(view, charge)
    return charge.taken.get("allowance:eu-data", 0)


def test_the_first_month_gives_the_whole_allowance_and_the_next_gives_it_again() -> None:
    book, flex = CounterBook(), tariff()
    assert use(book, flex, "2026-06-30T23:00:00+02:00", 12 * GB) == 10 * GB
    assert use(book, flex, "2026-06-30T23:59:59+02:00", 1 * GB) == 0
    assert use(book, flex, "2026-07-01T00:00:00+02:00", 1 * GB) == 1 * GB
    assert sorted((row.period_start, row.value) for row in book.changed()) == [
        (instant("2026-06-01T00:00:00+02:00"), 10 * GB),
        (instant("2026-07-01T00:00:00+02:00"), 1 * GB),
    ]


def test_a_session_counts_in_the_period_in_which_it_started() -> None:
    book, flex = CounterBook(), tariff()
    assert use(book, flex, "2026-06-30T23:59:59+02:00", 10 * GB) == 10 * GB
    assert use(book, flex, "2026-07-01T00:00:01+02:00", 10 * GB) == 10 * GB


def test_a_pro_rated_first_month_gives_its_days() -> None:
    assert (
        use(CounterBook(), tariff("prorate_first = true"), "2026-06-20T00:00:00Z", 12 * GB)
        == 20 * 10 * GB // 30
    )


def test_what_is_left_is_carried_over_up_to_the_cap() -> None:
    book, flex = CounterBook(), tariff('rollover_cap = "5 GB"')
    assert use(book, flex, "2026-06-20T00:00:00Z", 7 * GB) == 7 * GB
    assert use(book, flex, "2026-07-20T00:00:00Z", 20 * GB) == 13 * GB
    assert use(book, flex, "2026-08-20T00:00:00Z", 1 * GB) == 1 * GB
    assert use(book, flex, "2026-09-20T00:00:00Z", 20 * GB) == 15 * GB
    # October is not used at all.
    assert use(book, flex, "2026-11-20T00:00:00Z", 20 * GB) == 15 * GB


def test_seven_days_given_once_end_at_the_same_local_time() -> None:
    book, flex = CounterBook(), tariff('period = "days"\ndays = 7\nrenews = false')
    assert use(book, flex, "2026-06-18T14:02:59+02:00", 4 * GB) == 4 * GB
    assert use(book, flex, "2026-06-18T14:03:00+02:00", 1 * GB) == 0
    assert use(book, flex, "2026-06-11T14:02:59+02:00", 1 * GB) == 0


def test_seven_days_that_renew_start_anew() -> None:
    book, flex = CounterBook(), tariff('period = "days"\ndays = 7')
    assert use(book, flex, "2026-06-18T14:02:59+02:00", 14 * GB) == 10 * GB
    assert use(book, flex, "2026-06-18T14:03:00+02:00", 14 * GB) == 10 * GB


def test_a_plan_that_counts_by_day_under_the_same_name_starts_its_own_periods() -> None:
    book, monthly, daily = CounterBook(), tariff(), tariff('period = "day"')
    assert use(book, monthly, "2026-06-20T12:00:00Z", 4 * GB) == 4 * GB
    assert use(book, daily, "2026-06-20T12:00:01Z", 12 * GB) == 10 * GB
    assert use(book, monthly, "2026-06-20T12:00:02Z", 12 * GB) == 6 * GB


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25)])
def test_a_daily_allowance_lasts_a_local_day(day: str, hours: int) -> None:
    (spec,) = tariff('period = "day"').counters
    noon = datetime.fromisoformat(day).replace(hour=12, tzinfo=UTC)
    period = counter_period(spec, noon, cycle=CYCLE, product_start=START, zone_name="Europe/Berlin")
    assert period is not None
    assert period.duration_s == hours * 3600


@given(st.lists(st.tuples(st.integers(0, 89), st.integers(0, 6 * GB)), max_size=12), st.integers(0, 8))
def test_an_allowance_never_gives_more_than_it_has(uses: list[tuple[int, int]], cap: int) -> None:
    flex = tariff(f'rollover_cap = "{cap} GB"' if cap else "")
    book, given_by_month = CounterBook(), {6: 0, 7: 0, 8: 0, 9: 0}
    for day, quantity in sorted(uses):
        at = datetime.fromtimestamp(START.timestamp() + day * 86_400, UTC)
        given_by_month[at.astimezone(BERLIN).month] += use(book, flex, at.isoformat(), quantity)
    carried = 0
    for month in sorted(given_by_month):
        assert given_by_month[month] <= 10 * GB + carried
        carried = min(cap * GB, 10 * GB + carried - given_by_month[month])


def test_days_that_renew_carry_over_up_to_the_cap() -> None:
    book, flex = CounterBook(), tariff('period = "days"\ndays = 7\nrollover_cap = "5 GB"')
    assert use(book, flex, "2026-06-12T12:00:00+02:00", 7 * GB) == 7 * GB
    assert use(book, flex, "2026-06-19T12:00:00+02:00", 20 * GB) == 13 * GB
    assert use(book, flex, "2026-06-26T12:00:00+02:00", 20 * GB) == 10 * GB


@pytest.mark.parametrize(
    ("start", "at"),
    [
        # 02:30 does not exist seven days later: that period starts at 03:30, and 03:10 is in the one before.
        ("2026-03-22T02:30:00+01:00", "2026-03-29T03:10:00+02:00"),
        # 02:30 is there twice seven days later: the second 02:10 comes after the first 02:30.
        ("2026-10-18T02:30:00+02:00", "2026-10-25T02:10:00+01:00"),
    ],
    ids=["gap", "fold"],
)
def test_no_moment_falls_between_two_periods_when_the_clocks_change(start: str, at: str) -> None:
    (spec,) = tariff('period = "days"\ndays = 7').counters
    period = counter_period(
        spec, instant(at), cycle=CYCLE, product_start=instant(start), zone_name="Europe/Berlin"
    )
    assert period is not None
    assert instant(at) in period


def test_what_another_plan_did_not_give_is_not_carried_over() -> None:
    small, large = tariff(), tariff('rollover_cap = "10 GB"')
    change = instant("2026-08-01T00:00:00+02:00")
    book = CounterBook()
    assert use(book, small, "2026-06-20T00:00:00Z", 1 * GB) == 1 * GB
    view = book.view(large, PRODUCT, change, cycle=CYCLE, product_start=START, plan_start=change)
    assert view.values["allowance:eu-data:granted"] == 10 * GB
    later = instant("2026-09-01T00:00:00+02:00")
    view = book.view(large, PRODUCT, later, cycle=CYCLE, product_start=START, plan_start=change)
    assert view.values["allowance:eu-data:granted"] == 20 * GB
