"""Ids sort by time, quantities keep their unit, pages have a bound, errors say what to do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.kernel.errors import Defect, Invalid, Unavailable, check
from farwire.kernel.ids import parse_id, uuid7
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.quantity import Quantity, Unit, format_amount


@given(st.datetimes(datetime(1980, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))
def test_an_id_is_a_uuid_of_version_7_and_sorts_by_its_time(at: datetime) -> None:
    first, later = uuid7(at), uuid7(at + timedelta(milliseconds=1))
    assert first.version == 7
    assert first.variant == "specified in RFC 4122"
    assert first < later


def test_ids_made_together_differ() -> None:
    at = datetime(2026, 6, 1, tzinfo=UTC)
    assert len({uuid7(at) for _ in range(10_000)}) == 10_000


def test_an_id_that_is_none_is_refused_with_its_field() -> None:
    assert parse_id("01890a5d-ac96-774b-bcce-b302099a8057") == UUID("01890a5d-ac96-774b-bcce-b302099a8057")
    with pytest.raises(Invalid) as caught:
        parse_id("42", field="billId")
    assert (caught.value.field, caught.value.value) == ("billId", "42")


@pytest.mark.parametrize(
    ("text", "amount", "unit"),
    [
        ("10 GB", 10**10, Unit.OCTET),
        ("MB", 10**6, Unit.OCTET),
        ("1.5 kB", 1500, Unit.OCTET),
        ("2 GiB", 2**31, Unit.OCTET),
        ("7 min", 420, Unit.SECOND),
        ("2500 message", 2500, Unit.MESSAGE),
    ],
)
def test_a_quantity_is_read_in_base_units(text: str, amount: int, unit: Unit) -> None:
    assert Quantity.parse(text) == Quantity(amount, unit)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "10",
        "10 XB",
        "1.5 B",
        "ten MB",
        "1e3 MB",
        "٣ MB",
        f"1.{'0' * 17}1 B",
        f"1.{'0' * 40}1 B",
        "9" * 32 + " B",
    ],
)
def test_a_quantity_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        Quantity.parse(text)
    assert caught.value.code == "quantity.malformed"


def test_quantities_of_different_units_do_not_add() -> None:
    assert Quantity(5, Unit.SECOND) - Quantity(2, Unit.SECOND) + Quantity(1, Unit.SECOND) == Quantity(
        4, Unit.SECOND
    )
    with pytest.raises(Invalid, match="do not add"):
        Quantity(5, Unit.SECOND) + Quantity(2, Unit.OCTET)


@pytest.mark.parametrize(
    ("amount", "unit", "text"),
    [
        (2_250_000_000, Unit.OCTET, "2.25 GB"),
        (999, Unit.OCTET, "999 B"),
        (420, Unit.SECOND, "7 min"),
        (65, Unit.SECOND, "1 min 5 s"),
        (1, Unit.MESSAGE, "1 message"),
        (3, Unit.EVENT, "3 events"),
    ],
)
def test_an_amount_reads_as_people_say_it(amount: int, unit: Unit, text: str) -> None:
    assert format_amount(amount, unit) == text


def test_a_page_has_a_bound() -> None:
    for offset, limit in ((-1, 10), (10**9 + 1, 10), (0, 0), (0, 1001)):
        with pytest.raises(Invalid):
            PageRequest(offset, limit)
    assert Page(("a",), total=3, offset=1, limit=1).has_more
    assert not Page(("a",), total=3, offset=2, limit=1).has_more


def test_an_error_says_what_was_wrong_and_what_to_do() -> None:
    error = Invalid(
        "the cycle day is wrong", code="account.cycle_day", field="cycle_day", value=32, fix="use 1 to 31"
    )
    assert str(error) == "the cycle day is wrong [cycle_day = '32'] Fix: use 1 to 31"
    assert Unavailable("no database", retry_after_s=7).retry_after_s == 7


def test_a_failed_check_is_a_defect_with_its_code() -> None:
    check(True, "any.code")
    with pytest.raises(Defect) as caught:
        check(0, "ledger.unbalanced", "an entry does not sum to zero")
    assert caught.value.code == "ledger.unbalanced"
