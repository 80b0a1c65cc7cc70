"""Money is exact, bounded and rounded once."""

from __future__ import annotations

from datetime import date
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.kernel.errors import Defect, Invalid
from farwire.kernel.money import (
    INT64_MAX,
    NANO,
    ExchangeRate,
    Money,
    convert,
    currency,
    int64,
    nano,
    nano_to_decimal,
    post,
    round_half_up,
    split,
)

CURRENCIES = st.sampled_from([currency(code) for code in ("EUR", "JPY", "KWD", "NGN", "CLF")])
INT64 = st.integers(-(2**63), INT64_MAX)


@pytest.mark.parametrize(("code", "exponent"), [("EUR", 2), ("JPY", 0), ("KWD", 3), ("NGN", 2), ("CLF", 4)])
def test_a_currency_has_the_minor_digits_of_iso_4217(code: str, exponent: int) -> None:
    assert currency(code).exponent == exponent
    assert currency(code).nano_per_minor * currency(code).minor_per_major == NANO


@pytest.mark.parametrize("code", ["EURO", "eur", "", "XXX", "DEM"])
def test_an_unknown_currency_is_refused_with_a_fix(code: str) -> None:
    with pytest.raises(Invalid) as caught:
        currency(code)
    assert caught.value.code == "money.currency_unknown"
    assert caught.value.fix


@given(st.integers(-(10**40), 10**40), st.integers(1, 10**20))
def test_half_up_rounds_a_half_away_from_zero(top: int, bottom: int) -> None:
    rounded = round_half_up(top, bottom)
    distance = abs(Fraction(top, bottom) - rounded)
    assert distance <= Fraction(1, 2)
    if distance == Fraction(1, 2):
        assert abs(rounded) > abs(Fraction(top, bottom))
    assert round_half_up(-top, bottom) == -rounded
    assert round_half_up(top, -bottom) == -rounded


@given(INT64, CURRENCIES)
def test_what_is_posted_and_the_remainder_make_the_whole(total: int, unit: object) -> None:
    posted = post(total, unit)  # type: ignore[arg-type]
    assert posted.money.to_nano() + posted.remainder_nano == total
    assert 2 * abs(posted.remainder_nano) <= posted.money.currency.nano_per_minor
    expected = nano_to_decimal(total).quantize(
        Decimal(1).scaleb(-posted.money.currency.exponent), rounding=ROUND_HALF_UP
    )
    assert posted.money.to_decimal() == expected


@given(st.integers(-(10**25), 10**25), st.lists(st.integers(0, 10**9), min_size=1, max_size=20).filter(any))
def test_a_split_conserves_the_sum_and_stays_within_one_unit(amount: int, weights: list[int]) -> None:
    shares = split(amount, weights)
    assert sum(shares) == amount
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - Fraction(amount * weight, sum(weights))) < 1
        assert weight or not share


@pytest.mark.parametrize("weights", [(), (0, 0), (1, -1), (3, -1)])
def test_a_split_needs_weights_that_make_sense(weights: tuple[int, ...]) -> None:
    with pytest.raises(Defect):
        split(100, weights)


@given(INT64)
def test_nano_units_survive_the_way_through_decimal(amount: int) -> None:
    assert nano(nano_to_decimal(amount)) == amount
    assert nano(str(nano_to_decimal(amount))) == amount


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("1.0000000001", "money.precision"),
        ("9223372036.854775808", "money.overflow"),
        ("1e400000000", "money.overflow"),
        ("1e-400000000", "money.overflow"),
        ("nan", "money.malformed"),
        ("Infinity", "money.malformed"),
        ("1,5", "money.malformed"),
        ("", "money.malformed"),
        ("12 EUR", "money.malformed"),
        ("1_000", "money.malformed"),
        ("٣", "money.malformed"),
    ],
)
def test_a_wrong_amount_is_refused_with_its_field_and_value(text: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        nano(text, field="price")
    assert (caught.value.code, caught.value.field) == (code, "price")


@pytest.mark.parametrize(("value", "code"), [("0.5", "JPY"), ("0.0001", "KWD"), ("1.999", "EUR")])
def test_money_does_not_take_more_decimals_than_its_currency(value: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        Money.of(value, code)
    assert caught.value.code == "money.precision"


def test_money_reads_as_people_write_it() -> None:
    assert [str(Money.of(v, c)) for v, c in (("58.14", "EUR"), ("1000", "JPY"), ("-0.001", "KWD"))] == [
        "58.14 EUR",
        "1000 JPY",
        "-0.001 KWD",
    ]


def test_different_currencies_do_not_mix() -> None:
    for act in (lambda a, b: a + b, lambda a, b: a - b, lambda a, b: a < b, lambda a, b: a <= b):
        with pytest.raises(Invalid, match="do not mix"):
            act(Money.of(1, "EUR"), Money.of(1, "NGN"))


@given(st.integers(-(2**70), 2**70))
def test_an_amount_beyond_64_bits_is_an_error_and_never_wraps(value: int) -> None:
    if -(2**63) <= value < 2**63:
        assert int64(value) == value
    else:
        with pytest.raises(Invalid, match="64 bits"):
            int64(value)


def test_a_conversion_uses_the_rate_of_the_documents_day_and_no_other() -> None:
    rate = ExchangeRate(currency("USD"), currency("CNY"), Decimal("6.7873"), date(2022, 6, 30), "test")
    assert convert(Money.of(442_000_000, "USD"), rate, date(2022, 6, 30)) == Money.of("2999986600", "CNY")
    assert convert(Money.of("6.79", "CNY"), rate, date(2022, 6, 30)) == Money.of("1.00", "USD")
    with pytest.raises(Invalid, match="the document of 2022-07-01"):
        convert(Money.of(1, "USD"), rate, date(2022, 7, 1))
    with pytest.raises(Invalid, match="does not convert"):
        convert(Money.of(1, "EUR"), rate, date(2022, 6, 30))


@pytest.mark.parametrize("rate", ["0", "-1", "NaN", "Infinity"])
def test_a_rate_is_positive(rate: str) -> None:
    with pytest.raises(Invalid):
        ExchangeRate(currency("USD"), currency("CNY"), Decimal(rate), date(2022, 6, 30), "test")
