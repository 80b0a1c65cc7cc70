"""Bands of the day on the time line, on the days on which clocks change too."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.catalog.model import Band, read_plan
from farwire.catalog.model.plan import Day
from farwire.kernel.errors import NotFound
from farwire.kernel.time import instant, zone
from farwire.rating.model import Charge, Chargeable, compile_tariff, rate
from farwire.rating.model.bands import BandCalendar, seconds
from farwire.rating.service import check_compiles, holidays_of

from .golden import FLEX_M
from .oracle import band_at

BANDS = (
    Band("day", (Day.MON, Day.TUE, Day.WED, Day.THU, Day.FRI), ("08:00-18:00",)),
    Band("free", (Day.HOLIDAY,), ("00:00-24:00",)),
    Band("deep", (Day.SUN,), ("02:30-03:30",)),
)
HOLIDAY = date(2026, 5, 1)


def runs(
    start: str, first: int, step: int, billed: int, zone_name: str = "Europe/Berlin"
) -> list[tuple[str, int]]:
    calendar = BandCalendar(BANDS, zone(zone_name), {HOLIDAY}.__contains__)
    return calendar.runs(seconds(instant(start)), first, step, billed)


@pytest.mark.parametrize(
    ("start", "first", "step", "billed", "expected"),
    [
        ("2026-06-10T17:59:30+02:00", 60, 60, 180, [("day", 60), ("", 120)]),
        ("2026-06-10T17:59:59+02:00", 1, 1, 3, [("day", 1), ("", 2)]),
        ("2026-06-10T07:59:30+02:00", 30, 6, 66, [("", 30), ("day", 36)]),
        ("2026-06-10T17:59:30+02:00", 60, 30, 120, [("day", 60), ("", 60)]),
        ("2026-04-30T23:59:00+02:00", 60, 60, 120, [("", 60), ("free", 60)]),
        ("2026-05-01T12:00:00+02:00", 60, 60, 60, [("free", 60)]),
    ],
)
def test_an_increment_is_in_the_band_of_the_moment_it_starts(
    start: str, first: int, step: int, billed: int, expected: list[tuple[str, int]]
) -> None:
    assert runs(start, first, step, billed) == expected


def test_a_day_of_23_hours_has_no_time_that_the_clock_skips() -> None:
    # 29 March 2026: 02:00 becomes 03:00, so 02:30-03:30 lasts 30 minutes.
    assert runs("2026-03-29T01:00:00+01:00", 1, 1, 3 * 3600) == [("", 3600), ("deep", 1800), ("", 5400)]


def test_a_day_of_25_hours_has_its_repeated_hour_twice() -> None:
    # 25 October 2026: 03:00 becomes 02:00, so 02:30-03:00 comes twice.
    expected = [("", 1800), ("deep", 1800), ("", 1800), ("deep", 3600), ("", 5400)]
    assert runs("2026-10-25T02:00:00+02:00", 1, 1, 4 * 3600) == expected


@pytest.mark.parametrize(("day", "hours"), [("2026-03-29", 23), ("2026-10-25", 25), ("2026-06-10", 24)])
def test_a_virtual_machine_pays_the_hours_that_its_day_has(day: str, hours: int) -> None:
    text = FLEX_M + '\n[[usage]]\nid = "vm"\nkind = "event"\nprice = "0.112"\nper = "1 h"\n'
    tz = zone("Europe/Berlin")
    start = datetime.fromisoformat(day).replace(tzinfo=tz)
    end = (start.replace(tzinfo=None) + timedelta(days=1)).replace(tzinfo=tz)
    used = seconds(end.astimezone(UTC)) - seconds(start.astimezone(UTC))
    charge = rate(compile_tariff(read_plan(text)), Chargeable(kind="event", started_at=start, quantity=used))
    assert isinstance(charge, Charge)
    assert charge.nano == hours * 112_000_000


@given(
    st.datetimes(datetime(2025, 12, 30), datetime(2027, 1, 3)),
    st.sampled_from(
        ["Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia"]
    ),
)
def test_the_calendar_agrees_with_the_clock_on_the_wall(moment: datetime, zone_name: str) -> None:
    plan = read_plan(FLEX_M)
    plan = msgspec.structs.replace(plan, bands=BANDS, zone=zone_name)
    at = moment.replace(tzinfo=UTC)
    calendar = BandCalendar(BANDS, zone(zone_name), {HOLIDAY}.__contains__)
    band, until = calendar.span(seconds(at))
    assert band == band_at(plan, at, frozenset({HOLIDAY}))
    assert until > seconds(at)
    last = datetime.fromtimestamp(until - 1, UTC)
    assert band_at(plan, last, frozenset({HOLIDAY})) == band


def test_public_holidays_come_from_the_calendar_of_the_region() -> None:
    text = FLEX_M.replace('zone = "Europe/Berlin"', 'zone = "Europe/Berlin"\nholidays = "DE-BE"') + (
        '\n[[bands]]\nname = "free"\ndays = ["holiday"]\n'
        '[[usage]]\nid = "vm"\nkind = "event"\nprice = "1"\nby_band = { free = { price = "0.5" } }\n'
    )
    plan = read_plan(text)
    tariff = compile_tariff(plan, holidays=holidays_of(plan))
    for day, nano in (("2026-03-08", 500_000_000), ("2026-03-09", 10**9), ("2026-10-03", 500_000_000)):
        charge = rate(tariff, Chargeable(kind="event", started_at=instant(f"{day}T12:00:00Z"), quantity=1))
        assert isinstance(charge, Charge)
        assert charge.nano == nano


def test_a_calendar_that_no_country_pack_knows_is_refused() -> None:
    for calendar in ("ZZ", "DE-XX"):
        plan = msgspec.structs.replace(read_plan(FLEX_M), holidays=calendar)
        with pytest.raises(NotFound, match=calendar[-2:]):
            check_compiles(plan)
