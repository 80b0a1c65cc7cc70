"""The number plans beside Google's libphonenumber: its example numbers are read to the same E.164 digits.

Numbers are written in four ways: E.164, international with spaces, nationally as dialled, and by the country's own
international prefix. What differs on purpose stands in ``DIFFERENCES`` with its reason.
"""

from __future__ import annotations

import phonenumbers
import pytest
from phonenumbers import PhoneNumberFormat, PhoneNumberType, format_number

from farwire.country.model import CountryPack, normalise_number
from farwire.country.service import load_pack, pack_codes

KINDS = {
    "mobile": PhoneNumberType.MOBILE,
    "fixed": PhoneNumberType.FIXED_LINE,
    "toll free": PhoneNumberType.TOLL_FREE,
    "premium": PhoneNumberType.PREMIUM_RATE,
    "shared cost": PhoneNumberType.SHARED_COST,
    "voip": PhoneNumberType.VOIP,
    "personal": PhoneNumberType.PERSONAL_NUMBER,
    "pager": PhoneNumberType.PAGER,
    "company": PhoneNumberType.UAN,
}
ALWAYS_THERE = ("mobile", "fixed", "toll free")
CODES = pack_codes(folders=())
DIFFERENCES = {
    ("AU", "pager"): "paging has ended in Australia; the pack leaves its range out",
    ("CN", "premium"): "information services of eight digits are reached inside China only",
    ("DE", "pager"): "libphonenumber writes it without the 0 that dialling needs",
    (
        "NL",
        "company",
    ): "14 and an area code reaches a municipality from inside; the pack has it as a short code",
}


def written(pack: CountryPack, number: phonenumbers.PhoneNumber) -> dict[str, str]:
    """Return the ways in which people write ``number``."""
    e164 = format_number(number, PhoneNumberFormat.E164)
    return {
        "E.164": e164,
        "international": format_number(number, PhoneNumberFormat.INTERNATIONAL),
        "national": format_number(number, PhoneNumberFormat.NATIONAL),
        "prefix": pack.numbers.international_prefixes[0] + e164[1:],
    }


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("code", CODES)
def test_an_example_number_is_read_to_the_same_digits_however_it_is_written(code: str, kind: str) -> None:
    number = phonenumbers.example_number_for_type(code, KINDS[kind])
    assert number is not None or kind not in ALWAYS_THERE
    if number is None:
        return  # The country has no such numbers.
    pack = load_pack(code, folders=())
    expected = format_number(number, PhoneNumberFormat.E164)[1:]
    found = {way: normalise_number(pack, text) for way, text in written(pack, number).items()}
    differing = {way: digits for way, digits in found.items() if digits != expected}
    assert bool(differing) == ((code, kind) in DIFFERENCES), differing
