"""Price lists as suppliers send them, good rows and bad."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.kernel.errors import FarwireError, Invalid
from farwire.rating.model import DeckRow, DeckVersion
from farwire.rating.model.deck_file import DeckFormat, DeckReading, rows_digest
from farwire.rating.service.decks import read_deck_file

START = datetime(2026, 6, 1, tzinfo=UTC)
PLAIN = DeckFormat()


def read(tmp_path: Path, text: str | bytes, deck_format: DeckFormat = PLAIN) -> DeckReading:
    path = tmp_path / "rates.csv"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read_deck_file(path, deck_format, START)


def test_columns_delimiter_comma_and_encoding_are_settings(tmp_path: Path) -> None:
    text = "Vorwahl;Ziel;Preis;Takt1;Takt2\r\n+4930;Köln;0,0123;60;6\r\n"
    columns = {
        "prefix": "Vorwahl",
        "name": "Ziel",
        "price": "Preis",
        "first_increment": "Takt1",
        "increment": "Takt2",
    }
    deck_format = DeckFormat(columns=columns, delimiter=";", encoding="latin-1", decimal_comma=True)
    reading = read(tmp_path, text.encode("latin-1"), deck_format)
    assert reading.rows == [DeckRow("4930", "Köln", 12_300_000, 60, 0, 60, 6)]


@pytest.mark.parametrize(
    ("row", "field"),
    [
        ("abc,1", "prefix"),
        (",1", "prefix"),
        ("٤٩,1", "prefix"),
        ("1234567890123456,1", "prefix"),
        ("49,-1", "price"),
        ("49,abc", "price"),
        ("49,", "price"),
        ("49,1e400", "price"),
        ("49,0.0000000001", "price"),
        ("49,99999999999999999999", "price"),
        ("49,NaN", "price"),
        ("49,1,2", "row"),
        ("49", "row"),
    ],
)
def test_a_bad_row_is_named_with_its_field_and_the_others_are_read(
    tmp_path: Path, row: str, field: str
) -> None:
    reading = read(tmp_path, f"prefix,price\n1,0.5\n{row}\n2,0.25\n")
    assert [(problem.row, problem.field) for problem in reading.problems] == [(2, field)]
    assert all(problem.fix for problem in reading.problems)
    assert [kept.prefix for kept in reading.rows] == ["1", "2"]
    assert reading.read == len(reading.rows) + reading.bad


@pytest.mark.parametrize("value", ["0", "-6", "6.5", "x", "9999999999999"])
def test_an_increment_is_a_whole_number_of_units(tmp_path: Path, value: str) -> None:
    reading = read(tmp_path, f"prefix,price,increment\n49,1,{value}\n")
    assert [problem.field for problem in reading.problems] == ["increment"]


def test_a_prefix_twice_with_one_price_is_reported_and_with_two_is_an_error(tmp_path: Path) -> None:
    reading = read(tmp_path, "prefix,price\n49,1\n49,1.0\n49,2\n")
    assert (reading.repeated, reading.bad, len(reading.rows)) == (1, 1, 1)
    assert (reading.duplicates[0].row, reading.problems[0].row) == (2, 3)
    assert "row 1" in reading.problems[0].message


def test_rows_of_one_prefix_follow_each_other_in_time(tmp_path: Path) -> None:
    text = (
        "prefix,price,valid_from,valid_to\n49,1,,\n49,2,2026-07-01T00:00:00Z,\n49,9,2025-01-01T00:00:00Z,\n"
    )
    reading = read(tmp_path, text)
    july = datetime(2026, 7, 1, tzinfo=UTC)
    assert (reading.read, reading.expired, reading.bad) == (3, 1, 0)
    deck = DeckVersion(name="d", version=1, currency="EUR", valid_from=START, rows=reading.rows)
    found = [deck.find("49", at) for at in (START, july)]
    assert [row.price_nano for row in found if row] == [10**9, 2 * 10**9]


def test_rows_of_one_prefix_whose_stated_times_overlap_are_refused(tmp_path: Path) -> None:
    text = (
        "prefix,price,valid_from,valid_to\n"
        "49,1,2026-06-01T00:00:00Z,2026-07-02T00:00:00Z\n49,2,2026-07-01T00:00:00Z,\n"
    )
    assert [(p.row, p.field) for p in read(tmp_path, text).problems] == [(1, "valid_to")]


def test_a_time_without_zone_is_refused(tmp_path: Path) -> None:
    reading = read(tmp_path, "prefix,price,valid_from\n49,1,2026-07-01T00:00:00\n")
    assert [problem.field for problem in reading.problems] == ["valid_from"]


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"", "rating.deck_empty"),
        (b"a,b\n1,2\n", "rating.deck_columns"),
        (b"prefix,price,price\n1,2,3\n", "rating.deck_columns"),
        ("prefix,price\n49,1\n".encode("utf-16"), "rating.deck_unreadable"),
        (b"prefix,price\n49,\xff\n", "rating.deck_unreadable"),
        (b"x" * 200_000, "rating.deck_unreadable"),
        (b'prefix,price\n"49,1\n', "rating.deck_unreadable"),
    ],
)
def test_a_file_that_is_no_price_list_is_refused_as_a_whole(
    tmp_path: Path, content: bytes, code: str
) -> None:
    with pytest.raises(Invalid) as caught:
        read(tmp_path, content)
    assert caught.value.code == code


def test_a_file_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(FarwireError) as caught:
        read_deck_file(tmp_path / "none.csv", PLAIN, START)
    assert caught.value.code == "rating.file_missing"


@given(st.binary(max_size=300))
def test_no_bytes_make_the_reader_fail_otherwise(tmp_path: Path, content: bytes) -> None:
    try:
        reading = read(tmp_path, b"prefix,price,increment\n" + content)
    except Invalid:
        return
    assert (
        reading.read == len(reading.rows) + reading.bad + reading.repeated + reading.blank + reading.expired
    )


def test_the_digest_names_the_content_in_any_order() -> None:
    one, two = DeckRow("1", "a", 5), DeckRow("2", "b", 6)
    assert rows_digest([one, two], "EUR") == rows_digest([two, one], "EUR")
    assert rows_digest([one, two], "EUR") != rows_digest([one, two], "USD")
    assert rows_digest([one], "EUR") != rows_digest([DeckRow("1", "a", 6)], "EUR")
