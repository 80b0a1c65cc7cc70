"""Rows of a price list as a supplier sends it → deck rows, or what is wrong with each row and how to mend it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache
from itertools import zip_longest
from typing import Final

from msgspec import structs

from farwire.kernel.errors import FarwireError, Invalid
from farwire.kernel.money import nano
from farwire.kernel.quantity import Quantity
from farwire.kernel.time import instant
from farwire.rating.model.deck import DeckRow

FIELDS: Final = (
    "prefix",
    "name",
    "price",
    "connect_fee",
    "first_increment",
    "increment",
    "included",
    "valid_from",
    "valid_to",
)
NEEDED: Final = ("prefix", "price")
MAX_ROWS: Final = 2_000_000
KEPT_PROBLEMS: Final = 1_000
"""A report stops growing here; the count goes on."""


@dataclass(frozen=True, slots=True)
class DeckFormat:
    """How to read a price list. ``columns`` maps our field to the file's column; absent fields have their own name."""

    columns: Mapping[str, str] = field(default_factory=dict)
    delimiter: str = ","
    encoding: str = "utf-8-sig"
    decimal_comma: bool = False
    per: str = "1 min"
    """The quantity that a price is for."""


@dataclass(frozen=True, slots=True)
class RowProblem:
    """What is wrong with one row (1 is the first after the header)."""

    row: int
    field: str
    value: str
    message: str
    fix: str


@dataclass(slots=True)
class DeckReading:
    """What came out of a price list."""

    rows: list[DeckRow] = field(default_factory=list)
    read: int = 0
    bad: int = 0
    problems: list[RowProblem] = field(default_factory=list)
    blank: int = 0
    repeated: int = 0
    expired: int = 0
    """Rows that end before the deck version starts; left out."""
    duplicates: list[RowProblem] = field(default_factory=list)
    """The first ``repeated`` rows: those that say again what an earlier row says; left out, and no error."""

    def refuse(self, problem: RowProblem) -> None:
        """Note a bad row."""
        self.bad += 1
        if len(self.problems) < KEPT_PROBLEMS:
            self.problems.append(problem)


class _BadRow(Exception):
    def __init__(self, field_name: str, value: str, message: str, fix: str) -> None:
        super().__init__(message)
        self.parts = (field_name, value[:80], message, fix)


def column_positions(header: Sequence[str], deck_format: DeckFormat) -> dict[str, int]:
    """Return where each field is. Raises ``Invalid`` (``rating.deck_columns``) for an unknown or missing one."""
    names = [name.strip() for name in header]
    for name in deck_format.columns:
        if name not in FIELDS:
            raise Invalid(
                f"a deck has no field {name!r}",
                code="rating.deck_columns",
                field=name,
                fix=f"use {', '.join(FIELDS)}",
            )
    found: dict[str, int] = {}
    for name in FIELDS:
        column = deck_format.columns.get(name, name)
        if names.count(column) > 1:
            raise Invalid(
                f"the column {column!r} is there twice", code="rating.deck_columns", field=name, value=column
            )
        if column in names:
            found[name] = names.index(column)
        elif name in NEEDED or name in deck_format.columns:
            raise Invalid(
                f"there is no column {column!r}",
                code="rating.deck_columns",
                field=name,
                value=", ".join(names)[:200],
                fix=f"say which column it is: --column {name}=COLUMN",
            )
    return found


def read_rows(
    records: Iterable[Sequence[str]],
    positions: Mapping[str, int],
    deck_format: DeckFormat,
    *,
    width: int,
    start: datetime,
) -> DeckReading:
    """Return the deck rows of ``records`` (texts, without the header) and what is wrong with the others.

    ``start`` is when the deck version comes into force: rows without a time of their own start then.
    """
    reading = DeckReading()
    parser = _RowParser(positions, deck_format, width, start)
    seen: dict[tuple[str, datetime | None], tuple[int, DeckRow]] = {}
    for number, record in enumerate(records, start=1):
        if number > MAX_ROWS:
            raise Invalid(f"a deck has at most {MAX_ROWS} rows", code="rating.deck_too_large", field="file")
        reading.read = number
        if not record:
            reading.blank += 1
            continue
        try:
            row = parser.row(record)
        except _BadRow as bad:
            reading.refuse(RowProblem(number, *bad.parts))
            continue
        earlier = seen.setdefault((row.prefix, row.valid_from), (number, row))
        if earlier[1] is not row:
            _note_duplicate(reading, number, row, earlier)
    _close_periods(reading, list(seen.values()), start)
    return reading


def _note_duplicate(reading: DeckReading, number: int, row: DeckRow, earlier: tuple[int, DeckRow]) -> None:
    same = _terms(row) == _terms(earlier[1])
    message = f"row {earlier[0]} has the same prefix and {'the same' if same else 'another'} price"
    problem = RowProblem(number, "prefix", row.prefix, message, "keep one of the two rows")
    if not same:
        reading.refuse(problem)
        return
    reading.repeated += 1
    if len(reading.duplicates) < KEPT_PROBLEMS:
        reading.duplicates.append(problem)


def _terms(row: DeckRow) -> tuple[object, ...]:
    return (row.price_nano, row.per, row.connect_nano, row.first, row.step, row.included, row.valid_to)


def _close_periods(reading: DeckReading, numbered: list[tuple[int, DeckRow]], start: datetime) -> None:
    """End a row without an end where the next of its prefix starts; refuse one whose stated end is later."""
    by_prefix: dict[str, list[tuple[int, DeckRow]]] = {}
    for number, row in numbered:
        by_prefix.setdefault(row.prefix, []).append((number, row))
    for several in by_prefix.values():
        several.sort(key=lambda entry: entry[1].valid_from or start)
        for (number, row), following in zip_longest(several, several[1:]):
            ended = row
            if following is not None:
                after = following[1].valid_from or start
                if row.valid_to is not None and row.valid_to > after:
                    message = f"its time overlaps that of row {following[0]}"
                    text = row.valid_to.isoformat()
                    reading.refuse(
                        RowProblem(number, "valid_to", text, message, "end it where the next starts")
                    )
                    continue
                ended = row if row.valid_to is not None else structs.replace(row, valid_to=after)
            if ended.valid_to is not None and ended.valid_to <= start:
                reading.expired += 1
            elif ended.valid_from is not None and ended.valid_from <= start:
                reading.rows.append(structs.replace(ended, valid_from=None))
            else:
                reading.rows.append(ended)


class _RowParser:
    def __init__(
        self, positions: Mapping[str, int], deck_format: DeckFormat, width: int, start: datetime
    ) -> None:
        self._start = start
        self._at = [positions.get(name, -1) for name in FIELDS]
        self._width = width
        self._per = Quantity.parse(deck_format.per, field="per").amount
        self._comma = deck_format.decimal_comma
        if self._per <= 0:
            raise Invalid(
                "a price is for some quantity", code="rating.deck_per", field="per", value=deck_format.per
            )

    def row(self, record: Sequence[str]) -> DeckRow:
        if len(record) != self._width:
            raise _BadRow(
                "row",
                str(len(record)),
                f"{len(record)} columns where the header has {self._width}",
                "check quotes",
            )
        texts = [record[at].strip() if at >= 0 else "" for at in self._at]
        prefix, label, price, connect, first, step, included, start, end = texts
        number = prefix.removeprefix("+")
        if not (number.isdigit() and number.isascii() and len(number) <= 15):
            raise _BadRow("prefix", prefix, "a prefix is 1 to 15 digits", "write E.164 digits, e.g. 4917")
        step_units = _units("increment", step or first, 1)
        valid_from, valid_to = _time("valid_from", start), _time("valid_to", end)
        if valid_to is not None and valid_to <= (valid_from or datetime.min.replace(tzinfo=UTC)):
            raise _BadRow("valid_to", end, "it ends before it starts", "use a later time")
        return DeckRow(
            number,
            label,
            self._amount("price", price),
            self._per,
            self._amount("connect_fee", connect) if connect else 0,
            _units("first_increment", first or step, 1),
            step_units,
            _units("included", included, 0) if included else 0,
            valid_from or self._start,
            valid_to,
        )

    def _amount(self, name: str, text: str) -> int:
        amount = _nano(text.replace(",", ".") if self._comma and "." not in text else text)
        if amount is None or (self._comma and "." in text):
            fix = "0,0123" if self._comma else "0.0123 (or say --decimal-comma)"
            raise _BadRow(
                name, text, "not an amount from 0 to 9223372036 with at most 9 decimals", f"write {fix}"
            )
        return amount


@lru_cache(maxsize=65_536)
def _nano(text: str) -> int | None:
    if not text or text[0] not in "0123456789":
        return None
    try:
        return nano(text)
    except FarwireError:
        return None


def _units(name: str, text: str, least: int) -> int:
    if not text:
        return 1
    if not (text.isdigit() and text.isascii() and len(text) <= 12) or int(text) < least:
        raise _BadRow(name, text, f"not a whole number of at least {least}", "write base units, e.g. 60")
    return int(text)


def _time(name: str, text: str) -> datetime | None:
    if not text:
        return None
    try:
        return instant(text, field=name)
    except Invalid as error:
        raise _BadRow(name, text, error.message, error.fix or "") from None


def rows_digest(rows: Iterable[DeckRow], currency_code: str) -> str:
    """Return the SHA-256 of the rows in any order: the name of a deck's content."""
    content = hashlib.sha256(currency_code.encode())
    for line in sorted(repr((row.prefix, row.label, *_terms(row), row.valid_from)) for row in rows):
        content.update(line.encode())
    return content.hexdigest()
