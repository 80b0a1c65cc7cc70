"""What a list request asks for, and how PostgreSQL is asked for it: one jsonpath, given as a parameter.

A client's text never becomes SQL. It becomes jsonpath only in the form of JSON strings and numbers that this module
writes; names are JSON strings too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import msgspec

from farwire.base.canonical import instant_text
from farwire.base.json_path import translate
from farwire.base.tmf.descriptor import Descriptor, Version
from farwire.base.tmf.versions import stored_path
from farwire.kernel.errors import Invalid
from farwire.kernel.page import DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET

MAX_TEXT: Final = 1000
MAX_CONDITIONS: Final = 20
MAX_ALTERNATIVES: Final = 50
MAX_SORTS: Final = 3
OPERATORS: Final = {"gt": ">", "gte": ">=", "lt": "<", "lte": "<=", "eq": "==", "ne": "!=", "regex": "~"}
_NAME: Final = re.compile(r"[@A-Za-z_][\w-]{0,99}")
_CURSOR: Final = re.compile(r"[0-9]{1,18}")
_NUMBER: Final = re.compile(r"-?[0-9]{1,30}(\.[0-9]{1,30})?")


@dataclass(frozen=True, slots=True)
class Condition:
    """One filter: the stored path, an operator of ``OPERATORS``, and the values of which one must fit."""

    path: tuple[str, ...]
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Query:
    """A list request: which rows, in which order, which part of them, which attributes."""

    conditions: tuple[Condition, ...] = ()
    expression: str = ""
    """The jsonpath of ``filter=``, or nothing."""
    sort: tuple[tuple[tuple[str, ...], bool], ...] = ()
    """Stored paths, each with whether it is descending."""
    fields: tuple[str, ...] = ()
    offset: int = 0
    limit: int = DEFAULT_LIMIT
    after: int | None = None
    count_all: bool = False


def check_text(name: str, value: str) -> None:
    """Raise ``Invalid`` (``tmf.query``) where the value of a parameter is too long, or no text of the database."""
    if len(value) > MAX_TEXT or "\x00" in value:
        raise wrong(name, f"the value has more than {MAX_TEXT} characters, or a NUL character")


def parse(descriptor: Descriptor, pairs: Sequence[tuple[str, str]], version: Version) -> Query:
    """Return the query that ``pairs`` ask for. Raises ``Invalid`` (``tmf.query``) naming the parameter."""
    known: dict[str, str] = {}
    conditions: list[Condition] = []
    for name, value in pairs:
        check_text(name, value)
        if name in ("offset", "limit", "cursor", "sort", "filter", "count"):
            if name in known:
                raise wrong(name, "the parameter is given twice")
            known[name] = value
        elif name == "fields":
            known[name] = ",".join(filter(None, (known.get(name), value)))
        else:
            conditions.append(_condition(descriptor, name, value, version))
    if len(conditions) > MAX_CONDITIONS:
        raise wrong(conditions[-1].path[0], f"a request has at most {MAX_CONDITIONS} filters")
    if known.get("count", "exact") != "exact":
        raise wrong("count", "count is exact, or left out")
    return Query(
        conditions=tuple(conditions),
        expression=translate(known["filter"], lambda path: stored_path(descriptor, path, version))
        if "filter" in known
        else "",
        sort=tuple(_sort(descriptor, known["sort"], version)) if "sort" in known else (),
        fields=tuple(filter(None, known.get("fields", "").split(","))),
        offset=_number(known, "offset", 0, 0, MAX_OFFSET),
        limit=_number(known, "limit", DEFAULT_LIMIT, 1, MAX_LIMIT),
        after=_after(known),
        count_all="count" in known,
    )


def _number(known: dict[str, str], name: str, default: int, least: int, most: int) -> int:
    text = known.get(name)
    if text is None:
        return default
    if not re.fullmatch(r"[0-9]{1,10}", text) or not least <= int(text) <= most:
        raise wrong(name, f"{name} is a whole number from {least} to {most}", value=text)
    return int(text)


def _after(known: dict[str, str]) -> int | None:
    text = known.get("cursor")
    if text is None:
        return None
    if not _CURSOR.fullmatch(text) or "sort" in known or "offset" in known:
        raise wrong(
            "cursor", "a cursor comes from a Link header, and goes without offset and sort", value=text
        )
    return int(text)


def _condition(descriptor: Descriptor, name: str, text: str, version: Version) -> Condition:
    path, operator = name, "eq"
    for word in OPERATORS:
        if name.endswith("." + word):
            path, operator = name[: -len(word) - 1], word
    stored = _path(descriptor, path, version, name)
    values = (text,) if operator == "regex" else tuple(split_values(text))
    if len(values) > MAX_ALTERNATIVES:
        raise wrong(name, f"a filter has at most {MAX_ALTERNATIVES} values")
    if operator == "regex":
        _check_regex(name, text)
    return Condition(stored, operator, values)


def _path(descriptor: Descriptor, text: str, version: Version, parameter: str) -> tuple[str, ...]:
    parts = tuple(text.split("."))
    if len(parts) > 10 or not all(_NAME.fullmatch(part) for part in parts):
        raise wrong(parameter, "a filter is named by the dotted path of an attribute")
    names = {one.name_in(version) for one in descriptor.of(version)}
    if parts[0] not in names and not parts[0].startswith("@"):
        why, fix = f"{descriptor.type} has no attribute {parts[0]}", ", ".join(sorted(names))
        raise Invalid(why, code="tmf.query", field=parameter[:200], fix=f"filter by one of: {fix}")
    return stored_path(descriptor, parts, version)


def _sort(descriptor: Descriptor, text: str, version: Version) -> list[tuple[tuple[str, ...], bool]]:
    names = text.split(",")
    if len(names) > MAX_SORTS:
        raise wrong("sort", f"at most {MAX_SORTS} attributes")
    return [
        (_path(descriptor, name.lstrip("+- "), version, "sort"), name.lstrip().startswith("-"))
        for name in names
    ]


def split_values(text: str) -> list[str]:
    """Return the alternatives of ``a,b`` or ``"a,b",c``: a value may be quoted by ``"`` or ``'``."""
    found = re.findall(r'"([^"]*)"(?:,|$)|\'([^\']*)\'(?:,|$)|([^,]*)(?:,|$)', text)
    values = [double or single or plain for double, single, plain in found]
    return values[:-1] if len(values) > 1 and found[-1] == ("", "", "") and not text.endswith(",") else values


def _check_regex(name: str, text: str) -> None:
    if len(text) > 200:
        raise wrong(name, "a pattern has at most 200 characters")
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError):
        raise wrong(name, "the pattern is not a regular expression", value=text) from None


def jsonpath(query: Query) -> str:
    """Return the one predicate for ``document @@ $n::jsonpath``, or nothing where all rows are wanted."""
    parts = [_written(condition) for condition in query.conditions]
    if query.expression:
        parts.append(query.expression)
    return " && ".join(parts)


def _written(condition: Condition) -> str:
    place = "$" + "".join("." + quoted(name) for name in condition.path)
    operator = OPERATORS[condition.operator]
    if condition.operator == "regex":
        return f"exists({place} ? (@ like_regex {quoted(condition.values[0])}))"
    wanted = "==" if operator == "!=" else operator
    tests = [f"@ {wanted} {literal}" for value in condition.values for literal in literals(value, wanted)]
    found = f"exists({place} ? ({' || '.join(tests)}))"
    return f"!({found})" if operator == "!=" else found


def literals(value: str, operator: str) -> list[str]:
    """Return what a client's text may stand for: a text, a time as it is stored, a number, a truth value."""
    found = [quoted(value)]
    at = instant_text(value) if re.match(r"[0-9]{4}-", value) else None
    if at is not None:
        found = [quoted(at)] if operator != "==" else list(dict.fromkeys([*found, quoted(at)]))
    if _NUMBER.fullmatch(value):
        found.append(str(Decimal(value)))
    if value in ("true", "false"):
        found.append(value)
    return found


def quoted(text: str) -> str:
    """Return ``text`` as a string of jsonpath: JSON's own form."""
    return msgspec.json.encode(text).decode()


def wrong(parameter: str, message: str, *, value: object = None) -> Invalid:
    """Return the refusal (400) of a parameter."""
    return Invalid(message, code="tmf.query", field=parameter[:200], value=value)
