"""Times, quantities, prices and numbers as files spell them."""

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.usage.model.profile import Number, Overlap, Phone, Time
from farwire.usage.model.values import (
    Unreadable,
    charge_reader,
    number_reader,
    phone_reader,
    quantity_reader,
    time_reader,
)

BERLIN = Time("%d.%m.%Y %H:%M:%S", "Europe/Berlin")
PLAIN = number_reader(Number())
GERMAN = number_reader(Number(decimal=",", thousands="."))


def utc(*parts):
    return datetime(*parts, tzinfo=UTC)


def refused(read, text):
    with pytest.raises(Unreadable) as caught:
        read(text)
    return caught.value.reason


@pytest.mark.parametrize(
    ("spec", "text", "expected"),
    [
        (Time("epoch_s"), "1436454408", utc(2015, 7, 9, 15, 6, 48)),
        (Time("epoch_s"), "1436454408.25", utc(2015, 7, 9, 15, 6, 48)),
        (Time("epoch_ms"), "1515666347954", utc(2018, 1, 11, 10, 25, 47, 954000)),
        (Time("epoch_us"), "1515666347954373", utc(2018, 1, 11, 10, 25, 47, 954373)),
        (Time("iso"), "2026-06-01T02:00:00+02:00", utc(2026, 6, 1)),
        (Time("iso", "Asia/Kolkata"), "2026-06-01T05:30:00", utc(2026, 6, 1)),
        (BERLIN, "04.07.2016 18:58:55", utc(2016, 7, 4, 16, 58, 55)),
        (BERLIN, "04.01.2016 18:58:55", utc(2016, 1, 4, 17, 58, 55)),
        (Time("%b %d %Y %H:%M:%S %Z"), "Nov 23 2026 03:20:00 UTC", utc(2026, 11, 23, 3, 20)),
        (Time("%Y%m%d%H%M%S%z"), "20260601020000+0200", utc(2026, 6, 1)),
    ],
)
def test_a_written_time_is_one_instant(spec, text, expected):
    assert time_reader(spec)(text) == expected


@pytest.mark.parametrize(
    ("spec", "text", "reason"),
    [
        (BERLIN, "2016-07-04 18:58:55", "time_malformed"),
        (BERLIN, "31.02.2016 18:58:55", "time_impossible"),
        (BERLIN, "01.01.2016 24:00:00", "time_impossible"),
        (BERLIN, "29.03.2026 02:30:00", "time_in_gap"),
        (BERLIN, "25.10.2026 02:30:00", "time_ambiguous"),
        (BERLIN, "04.07.1916 18:58:55", "time_out_of_range"),
        (Time("iso"), "2026-06-01T02:00:00", "time_zone_missing"),
        (Time("iso"), "9999-12-31T23:59:59-23:59", "time_out_of_range"),
        (Time("iso"), "yesterday", "time_malformed"),
        (Time("epoch_s"), "-5", "time_malformed"),
        (Time("epoch_s"), "99999999999999999999", "time_out_of_range"),
        (Time("epoch_s"), "0", "time_out_of_range"),
        (Time("epoch_s"), "١٢٣", "time_malformed"),
        (Time("%b %d %Y %H:%M:%S %Z"), "Nov 23 2026 03:20:00 CET", "time_malformed"),
        (Time("%b %d %Y %H:%M:%S %Z"), "Xxx 23 2026 03:20:00 UTC", "time_impossible"),
        (Time("%Y%m%d%H%M%S%z"), "20260601020000+9900", "time_impossible"),
    ],
)
def test_a_time_that_is_not_one_instant_says_why(spec, text, reason):
    assert refused(time_reader(spec), text) == reason


def test_the_profile_decides_the_hour_that_exists_twice():
    text = "25.10.2026 02:30:00"
    first = Time(BERLIN.format, BERLIN.zone, Overlap.FIRST)
    second = Time(BERLIN.format, BERLIN.zone, Overlap.SECOND)
    assert time_reader(first)(text) == utc(2026, 10, 25, 0, 30)
    assert time_reader(second)(text) == utc(2026, 10, 25, 1, 30)


@given(st.datetimes(datetime(1991, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)))
def test_a_local_time_outside_the_overlap_reads_back_as_it_was_written(at):
    from zoneinfo import ZoneInfo

    local = at.replace(microsecond=0).astimezone(ZoneInfo("Europe/Berlin"))
    read, text = time_reader(BERLIN), local.strftime("%d.%m.%Y %H:%M:%S")
    if local.replace(fold=0).utcoffset() != local.replace(fold=1).utcoffset():
        assert refused(read, text) == "time_ambiguous"
    else:
        assert read(text) == at.replace(microsecond=0)


@pytest.mark.parametrize(
    ("unit", "read", "text", "expected"),
    [
        ("s", PLAIN, "65", 65),
        ("s", PLAIN, "65.01", 66),
        ("s", PLAIN, "+65.00", 65),
        ("s", PLAIN, "-0", 0),
        ("ms", PLAIN, "67540", 68),
        ("us", PLAIN, "67000000", 67),
        ("min", GERMAN, "1,5", 90),
        ("MB", GERMAN, "1.234,5", 1_234_500_000),
        ("KiB", PLAIN, "1.5", 1536),
        ("hms", PLAIN, "01:02:03", 3723),
        ("octet", PLAIN, "9223372036854775807", 2**63 - 1),
    ],
)
def test_a_quantity_becomes_whole_base_units_rounded_up(unit, read, text, expected):
    assert quantity_reader(unit, read)(text) == expected


@pytest.mark.parametrize(
    ("unit", "text", "reason"),
    [
        ("s", "-1", "quantity_negative"),
        ("s", "9223372036854775808", "quantity_too_large"),
        ("GB", "9223372037", "quantity_too_large"),
        ("s", "1e9", "quantity_malformed"),
        ("s", "", "quantity_malformed"),
        ("s", "1,5", "quantity_malformed"),
        ("s", "²", "quantity_malformed"),
        ("s", "9" * 400, "quantity_malformed"),
        ("hms", "1:60:00", "quantity_malformed"),
    ],
)
def test_a_quantity_that_cannot_be_is_refused(unit, text, reason):
    assert refused(quantity_reader(unit, PLAIN), text) == reason


def test_a_price_is_exact_or_refused():
    read = charge_reader(GERMAN)
    assert read("0,01456") == 14_560_000
    assert read("1.234,000000001") == 1_234_000_000_001
    assert refused(read, "0,0000000001") == "charge_too_fine"
    assert refused(read, "-0,5") == "charge_negative"
    assert refused(read, "99999999999,0") == "charge_too_large"
    assert refused(read, "1.2.3") == "charge_malformed"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("+49 (30) 123-456", "4930123456"),
        ("004930123456", "4930123456"),
        ("030 123456", "4930123456"),
        ("4930123456", "4930123456"),
        ("1002", "1002"),
        ("alice", "alice"),
        ("00alice", "00alice"),
    ],
)
def test_a_number_becomes_international_digits_or_stays(text, expected):
    assert phone_reader(Phone(national="0", country_code="49"))(text) == expected


@given(st.text(max_size=40))
def test_no_text_makes_a_value_reader_raise_anything_else(text):
    for read in (
        time_reader(BERLIN),
        time_reader(Time("iso")),
        time_reader(Time("epoch_us")),
        quantity_reader("MB", GERMAN),
        quantity_reader("hms", PLAIN),
        charge_reader(PLAIN),
        charge_reader(GERMAN),
    ):
        try:
            read(text)
        except Unreadable:
            continue
    phone_reader(Phone(national="0", country_code="49"))(text)
