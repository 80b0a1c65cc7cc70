"""Numbers as people dial them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.country.model import EMERGENCY, NumberKind, is_emergency, normalise_number, read_number
from farwire.country.service import load_pack, pack_codes

CODES = pack_codes(folders=())


@pytest.mark.parametrize(
    ("code", "dialled", "e164"),
    [
        ("DE", "030 123456", "4930123456"),
        ("DE", "+49 (0)30 / 123-456", "4930123456"),
        ("DE", "0049 30 123456", "4930123456"),
        ("DE", "0151 23456789", "4915123456789"),
        ("DE", "4930123456", "4930123456"),
        ("DE", "0044 20 7946 0018", "442079460018"),
        ("DE", "123456", None),
        ("DE", "442079460018", None),
        ("DE", "0030", None),
        ("NL", "020 123 4567", "31201234567"),
        ("NL", "06-12345678", "31612345678"),
        ("FR", "01 23 45 67 89", "33123456789"),
        ("FR", "0 6 12 34 56 78", "33612345678"),
        ("GB", "020 7946 0018", "442079460018"),
        ("GB", "07400 123456", "447400123456"),
        ("GB", "0800 1111", "448001111"),
        ("NG", "0803 123 4567", "2348031234567"),
        ("NG", "009 49 30 123456", "4930123456"),
        ("KE", "0712 345 678", "254712345678"),
        ("KE", "000 44 20 7946 0018", "442079460018"),
        ("US", "(212) 155-0123", None),
        ("US", "(212) 555-2368", "12125552368"),
        ("US", "1-212-555-2368", "12125552368"),
        ("US", "+1 212 555 2368", "12125552368"),
        ("US", "011 49 30 123456", "4930123456"),
        ("US", "112 555 2368", None),
        ("JP", "03-1234-5678", "81312345678"),
        ("JP", "090-1234-5678", "819012345678"),
        ("JP", "010 1 212 555 2368", "12125552368"),
        ("KW", "2234 5678", "96522345678"),
        ("KW", "500 12345", "96550012345"),
        ("IN", "98765 43210", "919876543210"),
        ("IN", "091234 56789", "919123456789"),
        ("IN", "9123456789", "919123456789"),
        ("IN", "022 2345 6789", "912223456789"),
        ("CN", "138 0013 8000", "8613800138000"),
        ("CN", "010 1234 5678", "861012345678"),
        ("AU", "0412 345 678", "61412345678"),
        ("AU", "02 9876 5432", "61298765432"),
        ("AU", "1800 123 456", "611800123456"),
        ("AU", "0011 49 30 123456", "4930123456"),
        ("HK", "2123 4567", "85221234567"),
        ("HK", "001 49 30 123456", "4930123456"),
        ("SG", "6123 4567", "6561234567"),
        ("SG", "1800 123 4567", "6518001234567"),
        ("AE", "050 123 4567", "971501234567"),
        ("AE", "04 234 5678", "97142345678"),
        ("AE", "800 1234", "9718001234"),
        ("ID", "0812 3456 789", "628123456789"),
        ("ID", "021 8350123", "62218350123"),
        ("MY", "012-345 6789", "60123456789"),
        ("MY", "03-2385 6789", "60323856789"),
        ("MY", "1300 12 3456", "601300123456"),
    ],
)
def test_a_dialled_number_becomes_its_e164_digits(code, dialled, e164):
    assert normalise_number(load_pack(code), dialled) == e164


@pytest.mark.parametrize(
    "dialled", ["", "+", "+0", "abc", "*100#", "sip:alice", "1001", "+123456", "+" + "9" * 16, "٠٣٠١٢٣٤٥٦"]
)
@pytest.mark.parametrize("code", ["DE", "GB", "KW"])
def test_what_is_no_number_gives_none(code, dialled):
    assert normalise_number(load_pack(code), dialled) is None


@pytest.mark.parametrize(
    ("code", "dialled", "kind"),
    [
        ("DE", "112", NumberKind.EMERGENCY),
        ("DE", "1 1 0", NumberKind.EMERGENCY),
        ("DE", "115", NumberKind.SHORT_CODE),
        ("DE", "116 117", NumberKind.SHORT_CODE),
        ("AU", "000", NumberKind.EMERGENCY),
        ("AU", "13 12 34", NumberKind.SHORT_CODE),
        ("KE", "999", NumberKind.EMERGENCY),
        ("US", "911", NumberKind.EMERGENCY),
        ("US", "411", NumberKind.SHORT_CODE),
        ("US", "988", NumberKind.SHORT_CODE),
        ("IN", "108", NumberKind.EMERGENCY),
        ("CN", "10086", NumberKind.SHORT_CODE),
        ("FR", "15", NumberKind.EMERGENCY),
        ("FR", "3900", NumberKind.SHORT_CODE),
        ("DE", "030123456", NumberKind.NATIONAL),
        ("DE", "+33123456789", NumberKind.INTERNATIONAL),
        ("DE", "1001", NumberKind.UNKNOWN),
    ],
)
def test_the_kind_of_a_dialled_number_is_told(code, dialled, kind):
    read = read_number(load_pack(code), dialled)
    assert read.kind is kind
    assert (read.e164 is not None) == (kind in (NumberKind.NATIONAL, NumberKind.INTERNATIONAL))


@pytest.mark.parametrize("code", CODES)
def test_every_emergency_number_of_a_pack_is_recognised_and_never_rated_as_a_number(code):
    pack = load_pack(code)
    for entry in pack.emergency.numbers:
        assert is_emergency(pack, entry.number)
        assert is_emergency(pack, f" {entry.number[0]} {entry.number[1:]} ")
        assert normalise_number(pack, entry.number) is None
        assert not is_emergency(pack, "0" + entry.number + "0")


@pytest.mark.parametrize("code", CODES)
def test_a_call_for_help_that_names_no_service_is_one_in_every_country(code):
    assert is_emergency(load_pack(code), EMERGENCY)
    assert normalise_number(load_pack(code), EMERGENCY) is None


def test_a_number_for_help_elsewhere_is_a_number_like_others():
    assert not is_emergency(load_pack("US"), "110")


DIALLED = st.one_of(
    st.text(alphabet="0123456789+ -()", max_size=20),
    st.builds(
        lambda a, b: a + b,
        st.sampled_from(["0", "00", "+", "011", "001", "1", ""]),
        st.from_regex(r"[0-9]{3,15}", fullmatch=True),
    ),
    st.text(max_size=12),
)


@given(st.sampled_from(CODES), DIALLED)
def test_a_normalised_number_gives_itself(code, dialled):
    pack = load_pack(code)
    found = normalise_number(pack, dialled)
    if found is not None:
        assert found.isdigit()
        assert 7 <= len(found) <= 15
        assert found[0] != "0"
        assert normalise_number(pack, "+" + found) == found
        if found.startswith(pack.numbers.country_code):
            assert normalise_number(pack, found) == found


@given(st.sampled_from(CODES), st.data())
def test_a_national_number_is_the_same_by_every_way_of_dialling_it(code, data):
    pack = load_pack(code)
    plan = pack.numbers
    national = data.draw(st.from_regex(rf"\A(?:{plan.mobile_pattern})\Z").filter(str.isascii))
    e164 = plan.country_code + national
    assert normalise_number(pack, "+" + e164) == e164
    assert normalise_number(pack, e164) == e164
    for prefix in plan.international_prefixes:
        assert normalise_number(pack, prefix + e164) == e164
    assert normalise_number(pack, plan.trunk_prefix + national) == e164
    assert pack.is_mobile(e164)


@given(st.sampled_from(CODES), st.text(max_size=200))
def test_no_text_makes_it_fail(code, dialled):
    read = read_number(load_pack(code), dialled)
    assert len(read.dialled) <= 64


# Example numbers that libphonenumber publishes: fixed, mobile.
@pytest.mark.parametrize(
    ("code", "fixed", "mobile"),
    [
        ("DE", "30123456", "15123456789"),
        ("NL", "101234567", "612345678"),
        ("FR", "123456789", "612345678"),
        ("GB", "1212345678", "7400123456"),
        ("NG", "2033123456", "8021234567"),
        ("KE", "202012345", "712123456"),
        ("JP", "312345678", "9012345678"),
        ("KW", "22345678", "50012345"),
        ("CN", "1012345678", "13123456789"),
        ("AU", "212345678", "412345678"),
        ("HK", "21234567", "51234567"),
        ("SG", "61234567", "81234567"),
        ("AE", "22345678", "501234567"),
        ("ID", "218350123", "812345678"),
        ("MY", "323856789", "123456789"),
    ],
)
def test_fixed_and_mobile_numbers_are_told_apart(code, fixed, mobile):
    pack = load_pack(code)
    cc = pack.numbers.country_code
    assert normalise_number(pack, f"+{cc}{fixed}") == cc + fixed
    assert normalise_number(pack, f"+{cc}{mobile}") == cc + mobile
    assert pack.is_mobile(cc + mobile)
    assert not pack.is_mobile(cc + fixed)
    assert not pack.is_mobile("999" + mobile)
