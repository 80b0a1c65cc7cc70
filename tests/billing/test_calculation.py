"""Posting, taxes and sums without a database."""

from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.account.model import TaxClass, TaxContext
from farwire.billing.model import Calculated, Item, LineKind, calculate, legal_number
from farwire.country.service import load_pack
from farwire.kernel.errors import FarwireError
from farwire.kernel.ids import PlanVersionId, ProductId, uuid7
from farwire.kernel.money import currency, nano
from farwire.kernel.time import Period

PRODUCT = ProductId(uuid7())
VERSION = PlanVersionId(uuid7())
BERLIN = ZoneInfo("Europe/Berlin")
JUNE = Period.of_days(date(2026, 6, 1), date(2026, 7, 1), BERLIN)


def item(
    amount: str | int,
    *,
    code: str = "EUR",
    tax: str = "standard",
    includes_tax: bool = False,
    period: Period = JUNE,
    price_id: str = "p",
) -> Item:
    exact = nano(amount) if isinstance(amount, str) else amount
    return Item(
        LineKind.USAGE,
        PRODUCT,
        VERSION,
        price_id,
        price_id,
        tax,
        includes_tax,
        currency(code),
        period,
        exact,
        1,
        "event",
        1,
        {},
    )


def context(
    country: str = "DE",
    tax_class: TaxClass = TaxClass.STANDARD,
    region: str | None = None,
    seller_region: str | None = None,
) -> TaxContext:
    return TaxContext(load_pack(country), tax_class, region, seller_region, BERLIN)


def of(*items: Item, code: str = "EUR", where: TaxContext | None = None) -> Calculated:
    return calculate(items, currency(code), where or context())


def test_tax_is_on_the_sum_of_the_lines_not_on_each_line() -> None:
    calculated = of(*(item("0.03", price_id=str(n)) for n in range(10)))
    assert (calculated.net_minor, calculated.tax_minor) == (30, 6)  # 10 × round(0.0057) would be 10


def test_a_rate_that_returns_after_another_is_one_rate_and_rounded_once() -> None:
    # Germany: 19 % to June 2020 and from January 2021 on, 16 % between.
    days = [date(2020, 6, 1), date(2021, 2, 1), date(2020, 9, 1)]
    items = [item("0.03", period=Period.of_days(day, day + timedelta(days=1), BERLIN)) for day in days]
    calculated = of(*items)
    found = sorted((tax.rate_percent, tax.base_minor, tax.tax_minor) for tax in calculated.taxes)
    assert found == [(16, 3, 0), (19, 6, 1)]  # 2 × round(0.0057) would be 2


@pytest.mark.parametrize(
    ("amount", "minor"), [("0.005", 1), ("0.0049", 0), ("-0.005", -1), ("0.7167", 72), ("2.576", 258)]
)
def test_a_line_is_rounded_half_up_once(amount: str, minor: int) -> None:
    (line,) = of(item(amount)).lines
    assert line.amount_minor == minor
    assert line.amount_minor * 10**7 + line.remainder_nano == nano(amount)


def test_a_change_of_rates_makes_two_groups() -> None:
    before = Period.of_days(date(2020, 6, 1), date(2020, 7, 1), BERLIN)
    after = Period.of_days(date(2020, 7, 1), date(2020, 8, 1), BERLIN)
    calculated = of(item("100", period=before), item("100", period=after))
    assert [(tax.rate_percent, tax.tax_minor) for tax in calculated.taxes] == [
        (Decimal(19), 1900),
        (Decimal(16), 1600),
    ]


def test_indian_taxes_are_two_equal_halves_inside_a_state_and_one_between_states() -> None:
    inside = of(
        item("100.05", code="INR"), code="INR", where=context("IN", region="IN-KA", seller_region="IN-KA")
    )
    assert [(tax.name, tax.tax_minor) for tax in inside.taxes] == [("CGST", 900), ("SGST", 900)]
    between = of(
        item("100.05", code="INR"), code="INR", where=context("IN", region="IN-TN", seller_region="IN-KA")
    )
    assert [(tax.name, tax.tax_minor) for tax in between.taxes] == [("IGST", 1801)]


def test_kenyan_tax_is_on_the_price_with_excise_duty() -> None:
    calculated = of(item("100", code="KES"), code="KES", where=context("KE"))
    excise, vat = calculated.taxes
    assert vat.base_minor == 10_000 + excise.tax_minor
    assert vat.tax_minor == round(Fraction(vat.base_minor) * 16 / 100)


def test_equal_halves_are_taken_out_of_a_price_that_includes_them() -> None:
    where = context("IN", region="IN-KA", seller_region="IN-KA")
    calculated = of(item("100", code="INR", includes_tax=True), code="INR", where=where)
    assert [tax.tax_minor for tax in calculated.taxes] == [763, 763]
    assert (calculated.net_minor, calculated.total_minor) == (8474, 10_000)


def test_an_unknown_category_and_another_currency_are_refused() -> None:
    for wrong in (item("1", tax="no-such"), item("1", code="USD")):
        with pytest.raises(FarwireError):
            of(wrong)


def test_the_order_of_the_items_does_not_change_the_bill() -> None:
    items = [item(str(n), price_id=f"p{n}") for n in range(6)]
    assert of(*items) == of(*reversed(items))


exact_amounts = st.lists(st.integers(-(10**13), 10**13), min_size=1, max_size=12)


@given(exact_amounts, st.lists(st.booleans(), min_size=12, max_size=12), st.sampled_from(list(TaxClass)))
def test_lines_and_taxes_make_the_total_and_nothing_of_the_exact_sum_is_lost(
    amounts: list[int], inclusive: list[bool], tax_class: TaxClass
) -> None:
    items = [
        item(amount, includes_tax=flag, price_id=f"{n:02}")
        for n, (amount, flag) in enumerate(zip(amounts, inclusive, strict=False))
    ]
    calculated = of(*items, where=context(tax_class=tax_class))
    assert sum(line.net_minor for line in calculated.lines) == calculated.net_minor
    assert sum(tax.tax_minor for tax in calculated.taxes) == calculated.tax_minor
    assert calculated.net_minor + calculated.tax_minor == calculated.total_minor
    posted = sum(line.amount_minor for line in calculated.lines) * 10**7
    assert posted + sum(line.remainder_nano for line in calculated.lines) == sum(amounts)
    assert all(abs(line.remainder_nano) * 2 <= 10**7 for line in calculated.lines)
    if tax_class is TaxClass.STANDARD and all(one.includes_tax for one in items):
        assert calculated.total_minor == sum(line.amount_minor for line in calculated.lines)
    if tax_class is not TaxClass.STANDARD:
        assert calculated.tax_minor == 0


@given(exact_amounts, st.sampled_from(["DE", "NG", "KE", "ID", "NL"]))
def test_a_price_with_tax_is_never_more_than_half_a_unit_per_tax_from_the_exact_net(
    amounts: list[int], country: str
) -> None:
    pack = load_pack(country)
    code = pack.money.currency
    where = TaxContext(pack, TaxClass.STANDARD, None, None, BERLIN)
    items = [
        item(amount, code=code, includes_tax=True, price_id=f"{n:02}") for n, amount in enumerate(amounts)
    ]
    calculated = calculate(items, currency(code), where)
    again = calculate(
        [
            item(line.net_minor * currency(code).nano_per_minor, code=code, price_id=line.item.price_id)
            for line in calculated.lines
        ],
        currency(code),
        where,
    )
    assert abs(again.total_minor - calculated.total_minor) <= 2 * max(1, len(calculated.taxes))


def test_the_tax_point_is_the_last_day_of_the_period() -> None:
    over = Period(JUNE.end - timedelta(days=1), JUNE.end + timedelta(days=1))
    assert of(item("1", period=over)).taxes[0].rate_percent == 19


def test_a_legal_number_names_company_year_and_place() -> None:
    assert legal_number("NL", 2026, 1) == "NL-2026-0000001"
    assert legal_number("NL", 2026, 12_345_678) == "NL-2026-12345678"
