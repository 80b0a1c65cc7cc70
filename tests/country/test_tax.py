"""Taxes by day, region and category."""

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.country.model import Applies, Taxation, TaxCategory, TaxCode, tax_amounts
from farwire.country.service import load_pack, pack_codes
from farwire.kernel.errors import Invalid, NotFound


def _percents(
    code: str, on: str, category: str = "telecom", region: str | None = None, seller: str | None = None
):
    found = load_pack(code).tax_components(category, date.fromisoformat(on), region, seller)
    return [(c.name, str(c.rate_percent)) for c in found]


@pytest.mark.parametrize(
    ("code", "category", "on", "percents"),
    [
        ("DE", "telecom", "2020-06-30", "19"),
        ("DE", "telecom", "2020-07-01", "16"),
        ("DE", "telecom", "2020-12-31", "16"),
        ("DE", "telecom", "2021-01-01", "19"),
        ("DE", "telecom", "2026-06-11", "19"),
        ("NL", "telecom", "2026-06-11", "21"),
        ("FR", "telecom", "2026-06-11", "20"),
        ("GB", "telecom", "2026-06-11", "20"),
        ("NG", "telecom", "2020-02-01", "7.5"),
        ("NG", "telecom", "2026-06-11", "7.5"),
        ("JP", "telecom", "2019-09-30", "8"),
        ("JP", "telecom", "2019-10-01", "10"),
        ("AE", "telecom", "2018-01-01", "5"),
        ("AU", "telecom", "2026-06-11", "10"),
        ("SG", "telecom", "2022-12-31", "7"),
        ("SG", "telecom", "2023-01-01", "8"),
        ("SG", "telecom", "2023-12-31", "8"),
        ("SG", "telecom", "2024-01-01", "9"),
        ("MY", "telecom", "2024-03-01", "6"),
        ("MY", "digital", "2024-02-29", "6"),
        ("MY", "digital", "2024-03-01", "8"),
        ("ID", "telecom", "2024-12-31", "11"),
        ("ID", "telecom", "2025-01-01", "12"),
        ("CN", "telecom", "2026-06-11", "9"),
        ("CN", "telecom_value_added", "2025-12-31", "6"),
        ("CN", "digital", "2026-06-11", "6"),
        ("KE", "digital", "2020-12-31", "14"),
        ("KE", "digital", "2021-01-01", "16"),
    ],
)
def test_a_rate_begins_on_its_day_and_ends_before_the_next(code, category, on, percents):
    assert [percent for _, percent in _percents(code, on, category)] == [percents]


def test_kenya_adds_excise_duty_and_then_vat_on_both():
    assert _percents("KE", "2023-06-30") == [("EXCISE", "20"), ("VAT", "16")]
    found = load_pack("KE").tax_components("telecom", date(2023, 7, 1))
    assert [(c.name, str(c.rate_percent)) for c in found] == [("EXCISE", "15"), ("VAT", "16")]
    assert tax_amounts(found, 100_000) == (15_000, 18_400)


def test_indonesia_taxes_eleven_twelfths_at_twelve_percent():
    (ppn,) = load_pack("ID").tax_components("telecom", date(2026, 1, 1))
    assert ppn.amount_minor(100_000_00) == 11_000_00
    assert ppn.effective_percent == Decimal(11)
    (before,) = load_pack("ID").tax_components("telecom", date(2024, 1, 1))
    assert before.amount_minor(100_000_00) == ppn.amount_minor(100_000_00)


@pytest.mark.parametrize(
    ("region", "seller", "names"),
    [
        (None, None, ["CGST", "SGST"]),
        (None, "IN-MH", ["CGST", "SGST"]),
        ("IN-MH", "IN-MH", ["CGST", "SGST"]),
        ("IN-CH", "IN-CH", ["CGST", "UTGST"]),
        (None, "IN-CH", ["CGST", "UTGST"]),
        ("IN-KA", "IN-MH", ["IGST"]),
        ("IN-CH", "IN-MH", ["IGST"]),
        ("IN-DL", "IN-DL", ["CGST", "SGST"]),
    ],
)
def test_india_splits_inside_a_state_and_not_between_states(region, seller, names):
    found = load_pack("IN").tax_components("telecom", date(2026, 6, 1), region, seller)
    assert [c.name for c in found] == names
    assert sum(c.rate_percent for c in found) == 18


def test_india_asks_for_the_sellers_state_where_it_matters():
    with pytest.raises(Invalid) as caught:
        load_pack("IN").tax_components("telecom", date(2026, 6, 1), "IN-MH")
    assert caught.value.code == "country.seller_region_missing"


@given(st.integers(-(10**15), 10**15))
def test_the_two_halves_of_the_indian_tax_are_equal_and_near_the_whole(net):
    pack = load_pack("IN")
    halves = tax_amounts(pack.tax_components("telecom", date(2026, 6, 1), "IN-MH", "IN-MH"), net)
    (whole,) = tax_amounts(pack.tax_components("telecom", date(2026, 6, 1), "IN-KA", "IN-MH"), net)
    assert halves[0] == halves[1]
    assert abs(sum(halves) - whole) <= 1
    if net % 100 == 0:
        assert sum(halves) == whole


@pytest.mark.parametrize(
    ("region", "percents", "code"),
    [
        (None, "20", "S"),
        ("FR-75", "20", "S"),
        ("FR-974", "8.5", "S"),
        ("FR-973", "0", "O"),
        ("FR-976", "0", "O"),
    ],
)
def test_french_overseas_departments_have_their_own_rate(region, percents, code):
    (vat,) = load_pack("FR").tax_components("telecom", date(2026, 6, 1), region)
    assert (str(vat.rate_percent), vat.code.value) == (percents, code)


@pytest.mark.parametrize("code", ["HK", "KW"])
def test_a_country_without_a_sales_tax_adds_none_and_says_so(code):
    pack = load_pack(code)
    assert pack.tax_components(TaxCategory.TELECOM, date(2026, 6, 1)) == ()
    assert pack.tax_category(TaxCategory.TELECOM).code is TaxCode.OUT_OF_SCOPE


def test_the_united_states_need_a_tax_engine():
    with pytest.raises(Invalid) as caught:
        load_pack("US").tax_components("telecom", date(2026, 6, 1))
    assert caught.value.code == "country.tax_external"
    assert "tax engine" in (caught.value.fix or "")


def test_a_day_before_the_known_rates_raises_instead_of_adding_no_tax():
    with pytest.raises(NotFound) as caught:
        load_pack("KE").tax_components("telecom", date(2021, 6, 30))
    assert caught.value.code == "country.tax_unknown"
    assert caught.value.field == "on"


def test_an_unknown_category_names_those_that_exist():
    with pytest.raises(NotFound) as caught:
        load_pack("DE").tax_components("fish", date(2026, 6, 1))
    assert caught.value.code == "country.tax_category_unknown"
    assert "reverse_charge" in (caught.value.fix or "")


@pytest.mark.parametrize(
    ("category", "code"),
    [("exempt", "E"), ("reverse_charge", "AE"), ("zero_rated", "Z"), ("out_of_scope", "O")],
)
def test_the_reasons_for_no_tax_exist_in_every_country(category, code):
    for country in pack_codes(folders=()):
        pack = load_pack(country)
        assert pack.tax_components(category, date(2026, 6, 1)) == ()
        assert pack.tax_category(category).code.value == code


def test_a_german_reverse_charge_says_so_in_the_words_of_the_law():
    text = load_pack("DE").tax_category("reverse_charge").invoice_text
    assert text == "Steuerschuldnerschaft des Leistungsempfängers"


def test_prepaid_of_malaysian_citizens_is_exempt():
    pack = load_pack("MY")
    assert pack.tax_components("telecom_prepaid", date(2026, 6, 1)) == ()
    assert pack.tax_category("telecom_prepaid").code is TaxCode.EXEMPT


@pytest.mark.parametrize(
    ("net", "tax"),
    [(4886, 928), (0, 0), (-4886, -928), (1, 0), (3, 1), (-3, -1), (50, 10), (10**24, 19 * 10**22)],
)
def test_an_amount_is_rounded_half_up_once(net, tax):
    (vat,) = load_pack("DE").tax_components("telecom", date(2026, 6, 30))
    assert vat.amount_minor(net) == tax


def test_the_golden_nigerian_tax_is_exact():
    (vat,) = load_pack("NG").tax_components("telecom", date(2026, 6, 30))
    assert vat.amount_minor(2_746_000) == 205_950


@pytest.mark.parametrize("code", sorted(set(pack_codes(folders=())) - {"US"}))
def test_every_day_from_the_first_known_one_has_exactly_one_answer(code):
    pack = load_pack(code)
    for name, rule in pack.tax.categories.items():
        if rule.taxation is not Taxation.RATES:
            continue
        assert rule.known_from is not None
        rates = [rate for rate in pack.tax.rates if name in rate.categories]
        borders = {rate.valid_from for rate in rates} | {rate.valid_to for rate in rates if rate.valid_to}
        days = {d for b in borders for d in (b - timedelta(days=1), b) if d >= rule.known_from}
        for day in (*days, rule.known_from, date(2026, 11, 23)):
            found = pack.tax_components(name, day)
            assert len({c.name for c in found}) == len(found) >= 1
            assert all(c.code is not TaxCode.OUT_OF_SCOPE for c in found)


def test_only_india_depends_on_two_regions():
    dependent = {
        code
        for code in pack_codes(folders=())
        for rate in load_pack(code).tax.rates
        if rate.applies is not Applies.ALWAYS
    }
    assert dependent == {"IN"}
