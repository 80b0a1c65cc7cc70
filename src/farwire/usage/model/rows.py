"""From the bytes of one row to the text of its columns, by format.

Pure; the cutting of files into rows is in ``readers``.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Sequence
from operator import itemgetter
from typing import Final

import msgspec

from farwire.usage.model.facts import Bad
from farwire.usage.model.profile import Format, Profile, used_columns

Values = Sequence[str]
"""The text of the columns that a profile uses, in the order of ``used_columns``. Absent ones are empty."""
RowParser = Callable[[bytes], "Values | Bad"]

MAX_ROW_OCTETS: Final = 65_536
MAX_OBJECT_OCTETS: Final = 1_048_576
"""Longer JSON objects are not kept in memory: they are suspended as ``row_too_long``."""
_SHOWN: Final = 200


def max_octets(form: Format) -> int:
    """Return the longest row that is read; what is longer is suspended as ``row_too_long``."""
    return MAX_OBJECT_OCTETS if form in (Format.JSON, Format.NDJSON) else MAX_ROW_OCTETS


def shown(text: str) -> str:
    """Return ``text`` fit to be stored and shown: bounded, without control characters."""
    return "".join(char if char.isprintable() else "\ufffd" for char in text[:_SHOWN])


def row_parser(profile: Profile, header: Sequence[str]) -> RowParser:
    """Return the function from a row to its columns.

    ``header`` is the first line's columns for CSV files that have one.
    """
    if profile.format is Format.CSV:
        return _csv_parser(profile, profile.csv.columns or header)
    if profile.format is Format.RADIUS_DETAIL:
        return _radius_parser(profile)
    return _json_parser(profile)


def split_line(text: str, delimiter: str, quote: str) -> list[str]:
    """Return the columns of one delimited line. Raises ``csv.Error`` for quotes that do not close."""
    if not quote or quote not in text:
        return text.split(delimiter)
    return next(csv.reader([text], delimiter=delimiter, quotechar=quote, strict=True), [""])


def _csv_parser(profile: Profile, columns: Sequence[str]) -> RowParser:
    wanted = used_columns(profile)
    positions = [columns.index(name) for name in wanted]
    # One position more than is used, so that the getter always gives a tuple.
    pick: Callable[[list[str]], tuple[str, ...]] = itemgetter(*positions, 0)
    width, exact = len(columns), profile.csv.extra_columns == "suspend"
    encoding, delimiter, quote = profile.encoding, profile.csv.delimiter, profile.csv.quote

    def parse(raw: bytes) -> Values | Bad:
        try:
            fields = split_line(raw.decode(encoding), delimiter, quote)
        except UnicodeDecodeError as error:
            return _wrong_encoding(raw, error)
        except csv.Error as error:
            return Bad("row_malformed", "row", shown(str(error)))
        if len(fields) != width:
            if len(fields) < width:
                return Bad("columns_missing", "row", f"{len(fields)} of {width}")
            if exact:
                return Bad("columns_extra", "row", f"{len(fields)} of {width}")
        return pick(fields)

    return parse


def _wrong_encoding(raw: bytes, error: UnicodeDecodeError) -> Bad:
    return Bad("encoding_wrong", "row", f"octet {error.start}: {raw[error.start : error.start + 8].hex(' ')}")


_DECODE: Final = msgspec.json.Decoder(float_hook=str).decode
"""Numbers with a fraction stay text, so that no amount passes through a float."""


def _json_parser(profile: Profile) -> RowParser:
    paths = [(name, _path(name)) for name in used_columns(profile)]
    encoding = profile.encoding
    plain = encoding in ("utf-8", "ascii")

    def parse(raw: bytes) -> Values | Bad:
        try:
            tree = _DECODE(raw if plain else raw.decode(encoding).encode())
        except UnicodeDecodeError as error:
            return _wrong_encoding(raw, error)
        except (msgspec.DecodeError, RecursionError) as error:
            return Bad("row_malformed", "row", shown(str(error)))
        values = []
        for name, path in paths:
            text = _text_at(tree, path)
            if text is None:
                return Bad("column_nested", name)
            values.append(text)
        return values

    return parse


def _path(name: str) -> tuple[str | int, ...]:
    return tuple(int(part) if part.isdigit() else part for part in name.split("."))


def _text_at(tree: object, path: tuple[str | int, ...]) -> str | None:
    """Return the text at ``path``: empty where there is nothing, None where there is a whole subtree."""
    node = tree
    for part in path:
        if isinstance(node, dict):
            node = node.get(str(part))
        elif isinstance(node, list) and isinstance(part, int) and part < len(node):
            node = node[part]
        else:
            return ""
    if isinstance(node, str):
        return node
    if isinstance(node, bool):
        return "true" if node else "false"
    if node is None:
        return ""
    return str(node) if isinstance(node, int) else None


_ATTRIBUTE: Final = re.compile(r"[ \t]+([A-Za-z0-9.-]+)(?::[0-9]+)? [-+]?= (.*)").fullmatch


def _radius_parser(profile: Profile) -> RowParser:
    wanted = used_columns(profile)
    encoding = profile.encoding

    def parse(raw: bytes) -> Values | Bad:
        try:
            lines = raw.decode(encoding).splitlines()
        except UnicodeDecodeError as error:
            return _wrong_encoding(raw, error)
        found: dict[str, str] = {}
        for line in lines[1:]:
            match = _ATTRIBUTE(line)
            if match is None:
                return Bad("row_malformed", "row", shown(line))
            # The first of several attributes of one name counts, as RADIUS servers show it.
            found.setdefault(match[1], _unquoted(match[2].rstrip()))
        if not found:
            return Bad("row_malformed", "row", shown(lines[0]) if lines else "")
        return [found.get(name, "") for name in wanted]

    return parse


_ESCAPE: Final = re.compile(r"\\(.)")


def _unquoted(text: str) -> str:
    if len(text) >= 2 and text[0] == text[-1] == '"':
        inner = text[1:-1]
        return _ESCAPE.sub(r"\1", inner) if "\\" in inner else inner
    return text
