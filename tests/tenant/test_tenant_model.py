from datetime import date

import pytest

from farwire.kernel.errors import Invalid
from farwire.tenant.model import check_name, check_prefix, fiscal_year, key_hash, key_text


@pytest.mark.parametrize("name", ["", "North", "1north", "north_mobile", "a" * 41, "north mobile", "nörd"])
def test_a_name_that_is_no_slug_is_refused(name: str) -> None:
    with pytest.raises(Invalid) as raised:
        check_name(name)
    assert raised.value.code == "tenant.name"


@pytest.mark.parametrize("prefix", ["", "nm", "N-M", "ABCDEFGHIJKLM"])
def test_a_prefix_that_is_not_short_and_plain_is_refused(prefix: str) -> None:
    with pytest.raises(Invalid) as raised:
        check_prefix(prefix)
    assert raised.value.code == "tenant.number_prefix"


def test_a_key_names_its_tenant_and_holds_all_256_bits() -> None:
    text = key_text("north-mobile", bytes(range(32)))
    assert text.startswith("fw_north-mobile_")
    assert len(text.removeprefix("fw_north-mobile_")) == 43
    assert len(key_hash(text)) == 32


@pytest.mark.parametrize(
    ("day", "start", "year"),
    [(date(2026, 3, 31), 4, 2025), (date(2026, 4, 1), 4, 2026), (date(2026, 12, 31), 1, 2026)],
)
def test_a_fiscal_year_is_named_by_the_year_in_which_it_starts(day: date, start: int, year: int) -> None:
    assert fiscal_year(day, start) == year
