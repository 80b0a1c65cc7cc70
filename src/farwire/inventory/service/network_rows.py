"""The files of a network: rows of resources and of links, read in parts, each checked by itself."""

from __future__ import annotations

import csv
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import compress, islice
from pathlib import Path
from typing import Final, TypeVar

from farwire.inventory.model import (
    ElementState,
    Layer,
    LinkKind,
    NewElement,
    NewLink,
    check_element,
    check_link,
)
from farwire.inventory.model.network import KIND, NAME, PLACE
from farwire.inventory.service.subscriber_rows import RowError
from farwire.kernel.errors import FarwireError, Invalid

MAX_ERRORS: Final = 1000
"""Errors kept with their words; all are counted."""
ELEMENT_COLUMNS: Final = ("name", "layer", "kind", "state", "place")
LINK_COLUMNS: Final = ("from", "to", "kind", "protection")
_OPTIONAL: Final = {"state": ElementState.IN_SERVICE.value, "place": "", "protection": ""}
T = TypeVar("T", bound=StrEnum)


@dataclass(slots=True)
class FileReport:
    """What became of the rows of one file: rows = added + unchanged + refused."""

    rows: int = 0
    added: int = 0
    refused: int = 0
    errors: list[RowError] = field(default_factory=list)

    @property
    def unchanged(self) -> int:
        """Return how many said what is there already."""
        return self.rows - self.added - self.refused

    def refuse(self, row: int, error: FarwireError) -> None:
        """Count a bad row and keep its error while there is room."""
        self.refused += 1
        if len(self.errors) < MAX_ERRORS:
            self.errors.append(RowError.of(row, error))


@dataclass(frozen=True, slots=True)
class Part:
    """Some rows of a file: those that make sense by themselves, as columns, and what is wrong with the others."""

    rows: int
    numbers: Sequence[int]
    """Of the good rows, counted from 1 without the header."""
    columns: Sequence[Sequence[str]]
    bad: Sequence[tuple[int, FarwireError]]

    @property
    def good(self) -> int:
        """Return how many rows make sense."""
        return len(self.numbers)


Column = Sequence[str]
Facts = TypeVar("Facts", bound=Hashable)


@dataclass(frozen=True, slots=True)
class _Table:
    """A file's columns, which of many rows may be wrong, and what is wrong with one of these."""

    columns: Sequence[str]
    odd: Callable[[Sequence[Column]], Iterable[int]]
    check: Callable[[Sequence[str]], None]


def element_parts(path: Path, size: int) -> Iterator[Part]:
    """Yield the file's rows, ``size`` at a time. Raises ``Invalid`` for a file that is no such table."""
    return _parts(path, _Table(ELEMENT_COLUMNS, _odd_elements, _check_element), size)


def link_parts(path: Path, size: int) -> Iterator[Part]:
    """Yield the file's rows, ``size`` at a time. Raises ``Invalid`` for a file that is no such table."""
    return _parts(path, _Table(LINK_COLUMNS, _odd_links, _check_link), size)


def _parts(path: Path, table: _Table, size: int) -> Iterator[Part]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            pick, width = _header(next(reader, []), table.columns, path)
            start = 1
            while rows := list(islice(reader, size)):
                yield _part(rows, start, width, pick, table)
                start += len(rows)
    except UnicodeDecodeError:
        raise Invalid(
            "the file is not UTF-8",
            code="inventory.import_encoding",
            field="file",
            value=path.name,
            fix="save it as UTF-8",
        ) from None
    except csv.Error as error:
        raise Invalid(
            f"the file is no CSV: {error}",
            code="inventory.import_malformed",
            field="file",
            value=path.name,
        ) from None


def _header(
    header: Sequence[str], columns: Sequence[str], path: Path
) -> tuple[Callable[[Sequence[str]], list[str]], int]:
    """Return what puts a row's cells into the order of ``columns``, and how many cells a row has."""
    names = [name.strip() for name in header]
    missing = [name for name in columns if name not in names and name not in _OPTIONAL]
    unknown = [name for name in names if name not in columns]
    doubled = sorted({name for name in names if names.count(name) > 1})
    for what, bad in (("lacks", missing), ("does not know", unknown), ("repeats", doubled)):
        if bad:
            raise Invalid(
                f"{path.name} {what} the column {', '.join(map(repr, bad))}",
                code="inventory.import_header",
                field=bad[0],
                fix=f"columns: {', '.join(columns)}",
            )
    width = len(names)
    if names == list(columns):
        return list, width
    order = [(names.index(name) if name in names else -1, _OPTIONAL.get(name, "")) for name in columns]
    return lambda cells: [cells[at] if at >= 0 else usual for at, usual in order], width


def _part(
    rows: Sequence[Sequence[str]],
    start: int,
    width: int,
    pick: Callable[[Sequence[str]], list[str]],
    table: _Table,
) -> Part:
    """Return the rows as columns. They are looked at column by column, and only those that are odd one by one."""
    numbers: Sequence[int] = range(start, start + len(rows))
    bad: list[tuple[int, FarwireError]] = []
    if set(map(len, rows)) != {width}:
        bad = [
            (at, _width(len(cells), width))
            for at, cells in zip(numbers, rows, strict=True)
            if len(cells) not in (0, width)
        ]
        numbers = [at for at, cells in zip(numbers, rows, strict=True) if len(cells) == width]
        rows = [cells for cells in rows if len(cells) == width]
    count = len(rows) + len(bad)
    picked = rows if pick is list else [pick(cells) for cells in rows]
    columns: list[Column] = list(zip(*picked, strict=True)) or [()] * len(table.columns)
    keep = bytearray(b"\x01") * len(rows)
    for at in sorted(set(table.odd(columns))):
        try:
            table.check(picked[at])
        except FarwireError as error:
            keep[at] = 0
            bad.append((numbers[at], error))
    if not all(keep):
        columns = [list(compress(column, keep)) for column in columns]
        numbers = list(compress(numbers, keep))
    return Part(count, numbers, columns, bad)


def _width(found: int, wanted: int) -> Invalid:
    return Invalid(
        f"the row has {found} cells instead of {wanted}",
        code="inventory.import_row",
        field="row",
        value=found,
        fix="one cell for each column; quote a cell that holds a comma",
    )


def _unlike(column: Sequence[Facts], fits: Callable[[Facts], object]) -> list[int]:
    """Return where in the column something stands that does not fit; each different thing is looked at once."""
    wrong = {one for one in set(column) if not fits(one)}
    return [at for at, one in enumerate(column) if one in wrong] if wrong else []


def _odd_elements(columns: Sequence[Column]) -> Iterator[int]:
    name, layer, kind, state, place = columns
    yield from _unlike(name, NAME.fullmatch)
    yield from _unlike(layer, frozenset(Layer).__contains__)
    yield from _unlike(kind, KIND.fullmatch)
    yield from _unlike(state, frozenset(ElementState).__contains__)
    yield from _unlike(place, PLACE.fullmatch)


def _check_element(row: Sequence[str]) -> None:
    name, layer, kind, state, place = row
    check_element(
        NewElement(name, _word(Layer, layer, "layer"), kind, _word(ElementState, state, "state"), place)
    )


def _odd_links(columns: Sequence[Column]) -> Iterator[int]:
    start, end, kind, protection = columns
    yield from _unlike(start, NAME.fullmatch)
    yield from _unlike(end, NAME.fullmatch)
    yield from _unlike(list(zip(kind, protection, strict=True)), _joins)
    yield from (at for at, ends in enumerate(zip(start, end, strict=True)) if ends[0] == ends[1])


def _joins(facts: tuple[str, str]) -> bool:
    try:
        _check_link(("a", "b", *facts))
    except FarwireError:
        return False
    return True


def _check_link(row: Sequence[str]) -> None:
    start, end, kind, protection = row
    for name, value in (("from", start), ("to", end)):
        if NAME.fullmatch(value) is None:
            raise Invalid(
                "this is no name of an element",
                code="inventory.element",
                field=name,
                value=value[:200],
                fix="1 to 128 printable ASCII characters, no space at either end",
            )
    check_link(NewLink(start, end, _word(LinkKind, kind, "kind"), protection))


def _word(words: type[T], text: str, name: str) -> T:
    try:
        return words(text)
    except ValueError:
        raise Invalid(
            f"there is no such {name}",
            code="inventory.import_word",
            field=name,
            value=text[:200],
            fix=f"one of: {', '.join(words)}",
        ) from None
