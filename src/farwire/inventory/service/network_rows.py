"""The files of a network: rows of resources and of links, read in parts, each checked by itself."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
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
from farwire.inventory.model.network import NAME
from farwire.inventory.service.subscriber_rows import RowError
from farwire.kernel.errors import FarwireError, Invalid

MAX_ERRORS: Final = 1000
"""Errors kept with their words; all are counted."""
_SEEN: Final = 10_000
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


_Check = Callable[[Sequence[str]], None]


def element_parts(path: Path, size: int) -> Iterator[Part]:
    """Yield the file's rows, ``size`` at a time. Raises ``Invalid`` for a file that is no such table."""
    return _parts(path, ELEMENT_COLUMNS, _element_check(), size)


def link_parts(path: Path, size: int) -> Iterator[Part]:
    """Yield the file's rows, ``size`` at a time. Raises ``Invalid`` for a file that is no such table."""
    return _parts(path, LINK_COLUMNS, _link_check(), size)


def _parts(path: Path, columns: Sequence[str], check: _Check, size: int) -> Iterator[Part]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)
            pick, width = _header(next(reader, []), columns, path)
            start = 1
            while rows := list(islice(reader, size)):
                yield _part(rows, start, width, pick, check)
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
    check: _Check,
) -> Part:
    numbers: list[int] = []
    good: list[list[str]] = []
    bad: list[tuple[int, FarwireError]] = []
    count = 0
    for number, cells in enumerate(rows, start):
        if not cells:
            continue
        count += 1
        try:
            if len(cells) != width:
                raise _width(len(cells), width)
            row = pick(cells)
            check(row)
        except FarwireError as error:
            bad.append((number, error))
        else:
            numbers.append(number)
            good.append(row)
    return Part(count, numbers, list(zip(*good, strict=True)), bad)


def _width(found: int, wanted: int) -> Invalid:
    return Invalid(
        f"the row has {found} cells instead of {wanted}",
        code="inventory.import_row",
        field="row",
        value=found,
        fix="one cell for each column; quote a cell that holds a comma",
    )


def _element_check() -> _Check:
    """Return what checks a row; what it has seen to be right it does not look at again, names apart."""
    right: set[tuple[str, str, str, str]] = set()

    def check(row: Sequence[str]) -> None:
        name, layer, kind, state, place = row
        facts = (layer, kind, state, place)
        if facts in right and NAME.fullmatch(name):
            return
        check_element(
            NewElement(name, _word(Layer, layer, "layer"), kind, _word(ElementState, state, "state"), place)
        )
        if len(right) < _SEEN:
            right.add(facts)

    return check


def _link_check() -> _Check:
    right: set[tuple[str, str]] = set()

    def check(row: Sequence[str]) -> None:
        start, end, kind, protection = row
        facts = (kind, protection)
        if facts in right and start != end and NAME.fullmatch(start) and NAME.fullmatch(end):
            return
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
        if len(right) < _SEEN:
            right.add(facts)

    return check


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
