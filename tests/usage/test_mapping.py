"""What a row means."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from usage_cases import CALLS, edited, fragment, mapped, profile

from farwire.usage.model import Bad, Filtered, Fragment, Role

LINE = "7,+4930111,0033140,2026-06-01T00:00:00Z,61"


def bad(line, its_profile=None):
    found = mapped(line, its_profile or profile())
    assert isinstance(found, Bad), found
    return found.reason, found.field


def test_a_whole_call_is_one_fragment():
    found = fragment(LINE, profile())
    assert (found.role, found.caller, found.called, found.quantity) == (Role.SINGLE, "4930111", "33140", 61)
    assert found.at.isoformat() == "2026-06-01T00:00:00+00:00"
    assert len(found.identity) == len(found.usage) == 16


def test_the_caller_stays_as_written_only_where_the_profile_says_so():
    assert fragment(LINE, profile(normalise_caller=False)).caller == "+4930111"


@pytest.mark.parametrize(
    ("line", "reason", "field"),
    [
        ("7,a,b,2026-06-01T00:00:00Z", "columns_missing", "row"),
        ("7,a,b,2026-06-01T00:00:00Z,1,extra", "columns_extra", "row"),
        ("7,a,b,,1", "value_missing", "at"),
        ("7,,b,2026-06-01T00:00:00Z,1", "value_missing", "from"),
        ("7,a,b,2026-06-01T00:00:00Z,", "value_missing", "quantity"),
        ("7,a,b,2026-06-01T00:00:00Z,-1", "quantity_negative", "quantity"),
        ("7,a,b,2026-06-01T00:00:00Z,99999999999999999999", "quantity_too_large", "quantity"),
        ("7,a,b,2026-13-01T00:00:00Z,1", "time_malformed", "at"),
        ("7,a\x00,b,2026-06-01T00:00:00Z,1", "name_unprintable", "caller"),
        (f"7,a,{'9' * 200},2026-06-01T00:00:00Z,1", "name_too_long", "called"),
        ('7,a,"b,2026-06-01T00:00:00Z,1', "row_malformed", "row"),
        (b"7,a,\xff\xfe,2026-06-01T00:00:00Z,1", "encoding_wrong", "row"),
    ],
)
def test_a_row_that_cannot_be_understood_names_reason_and_field(line, reason, field):
    assert bad(line) == (reason, field)


@pytest.mark.parametrize(("text", "reason"), [("9" * 200, "name_too_long"), ("a\x00", "name_unprintable")])
def test_a_network_that_is_no_name_suspends_its_row_and_not_the_file(text, reason):
    its_profile = edited('called = "to"', 'called = "to"\nvisited_network = "id"')
    assert bad(LINE.replace("7,", f"{text},", 1), its_profile) == (reason, "visited_network")


def test_a_price_that_cannot_be_read_is_shown_itself():
    its_profile = edited("[quantity]", '[charge]\ncolumn = "id"\ncurrency = "EUR"\n\n[quantity]')
    found = mapped(LINE.replace("7,", "x,", 1), its_profile)
    assert (found.reason, found.field, found.value) == ("charge_malformed", "charge", "x")


def test_a_bad_value_is_shown_bounded_and_printable():
    found = mapped(f"7,a,b,{'x' * 500}\x07,1", profile())
    assert isinstance(found, Bad)
    assert len(found.value) == 200
    assert found.value.isprintable()


def test_the_same_bytes_in_the_right_encoding_are_understood():
    line = "7,Müller,b,2026-06-01T00:00:00Z,1".encode("latin-1")
    assert bad(line) == ("encoding_wrong", "row")
    found = mapped(line, profile(encoding="latin-1"))
    assert isinstance(found, Fragment)
    assert found.caller == "Müller"


def test_quotes_hold_delimiters_together():
    assert fragment('"7","a","b, c",2026-06-01T00:00:00Z,1', profile()).called == "b, c"


def test_identity_ignores_what_the_profile_leaves_out():
    text = CALLS.replace('row_identity = ["id", "from", "to", "at", "seconds"]', 'row_identity = ["id"]')
    own = profile(text)
    assert fragment(LINE, own).identity == fragment("7,x,y,2026-06-02T00:00:00Z,2", own).identity
    assert fragment(LINE, profile()).identity != fragment(LINE.replace("61", "62"), profile()).identity
    assert fragment(LINE, profile()).usage == fragment(LINE.replace("61", "62"), profile()).usage


def test_two_sources_never_have_the_same_rows():
    assert fragment(LINE, profile()).identity != fragment(LINE, profile(source="other")).identity


def test_filters_name_their_reason_and_the_first_one_counts():
    own = edited(
        "[phone]",
        '[phone]\n[[filter]]\nreason = "free"\ncolumn = "seconds"\nvalues = ["0"]\n'
        '[[filter]]\nreason = "foreign"\ncolumn = "from"\nexcept_values = ["a"]\n',
    )
    assert mapped("7,x,b,2026-06-01T00:00:00Z,0", own) == Filtered("free")
    assert mapped("7,x,b,2026-06-01T00:00:00Z,1", own) == Filtered("foreign")
    assert isinstance(mapped("7,a,b,2026-06-01T00:00:00Z,1", own), Fragment)


def test_a_price_of_the_record_is_kept_in_nano_units_with_its_currency():
    text = CALLS.replace('"at", "seconds"]\n\n[q', '"at", "seconds", "price", "unit"]\n\n[q')
    own = edited("[phone]", '[phone]\n[charge]\ncolumn = "price"\ncurrency_column = "unit"', text)
    found = fragment(LINE + ",0.014560,EUR", own)
    assert (found.charge_nano, found.charge_currency) == (14_560_000, "EUR")
    assert bad(LINE + ",0.014560,XXQ", own) == ("currency_unknown", "charge")
    assert bad(LINE + ",-1,EUR", own) == ("charge_negative", "charge")
    assert fragment(LINE + ",,EUR", own).charge_nano is None


def test_an_end_gives_the_duration_rounded_up_and_never_a_negative_one():
    own = edited('columns = ["seconds"]', 'ended = "seconds"')
    assert fragment("7,a,b,2026-06-01T00:00:00Z,2026-06-01T00:01:00.1Z", own).quantity == 61
    assert bad("7,a,b,2026-06-01T00:00:00Z,2026-05-31T23:59:59Z", own) == ("ended_before_started", "quantity")


def test_a_message_counts_as_one():
    own = edited('columns = ["seconds"]', "each = 1")
    assert fragment(LINE, own).quantity == 1


def test_json_numbers_with_a_fraction_never_pass_through_a_float():
    own = edited(
        'format = "csv"',
        'format = "ndjson"',
        CALLS.replace('columns = ["id", "from", "to", "at", "seconds"]', ""),
    )
    row = (
        '{"id": 1, "from": "a", "to": "b", "at": "2026-06-01T00:00:00Z", "seconds": 60.00000000000000000001}'
    )
    assert fragment(row, own).quantity == 61
    assert bad(row.replace('"a"', '{"x": 1}'), own) == ("column_nested", "from")
    assert bad('{"id": 1', own) == ("row_malformed", "row")


@given(st.lists(st.text(max_size=12), min_size=5, max_size=5))
def test_any_columns_have_a_meaning(columns):
    line = ",".join(columns).replace("\n", "")
    assert isinstance(mapped(line.encode("utf-8", "surrogatepass"), profile()), Fragment | Bad)
