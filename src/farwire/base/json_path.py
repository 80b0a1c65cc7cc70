"""A bounded subset of JSONPath filters, read by hand and written anew as PostgreSQL's jsonpath.

``$[?(@.status=='active')]``, ``note[?(@.author=="Jane" && @.date>"2026-01-01")]``, ``$.a.b[?(!(@.c=~/x.*/))]``.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final, TypeAlias

import msgspec

from farwire.base.canonical import instant_text
from farwire.kernel.errors import Invalid

MAX_TEXT: Final = 1000
MAX_DEPTH: Final = 20
_START: Final = re.compile(
    r"\$?\.?((?:[@A-Za-z_][\w-]*)(?:\.[@A-Za-z_][\w-]*)*)?(?:\[\*\])?\[\?\((.*)\)\]", re.DOTALL
)
_TOKEN: Final = re.compile(
    r"\s*(?:(?P<op>&&|\|\||==|!=|<=|>=|=~|<|>|!|\(|\))|(?P<path>@(?:\.[@A-Za-z_][\w-]*)*)"
    r"|(?P<text>'[^']*'|\"[^\"]*\")|(?P<regex>/[^/]*/)|(?P<number>-?[0-9]{1,30}(?:\.[0-9]{1,30})?)"
    r"|(?P<word>true|false|null))"
)
Stored: TypeAlias = Callable[[tuple[str, ...]], tuple[str, ...]]


def translate(text: str, stored: Stored) -> str:
    """Return the predicate of ``filter=text``. ``stored`` tells where a client's path is kept.

    Raises ``Invalid`` (``filter.malformed``) with the character at which it could not be read.
    """
    match = _START.fullmatch(text.strip())
    if match is None or len(text) > MAX_TEXT:
        raise _wrong(0, text)
    base = tuple(match[1].split(".")) if match[1] else ()
    parser = _Parser(match[2], base, stored)
    written = parser.either(0)
    parser.end()
    place = "$" + "".join(f".{_quoted(name)}" for name in stored(base))
    return f"exists({place} ? ({written}))"


class _Parser:
    """Recursive descent over at most ``MAX_TEXT`` characters."""

    def __init__(self, text: str, base: tuple[str, ...], stored: Stored) -> None:
        self._text, self._base, self._stored = text, base, stored
        self._at = 0
        self._ahead: re.Match[str] | None = None
        self._next()

    def _next(self) -> None:
        self._ahead = _TOKEN.match(self._text, self._at)
        if self._ahead is not None:
            self._at = self._ahead.end()

    def _take(self, *operators: str) -> str:
        """Return the operator that comes next if it is one of these, and go on."""
        if self._ahead is None or self._ahead["op"] not in operators:
            return ""
        found = self._ahead["op"]
        self._next()
        return found

    def end(self) -> None:
        """Raise unless all was read."""
        if self._ahead is not None or self._text[self._at :].strip():
            raise self._error()

    def either(self, depth: int) -> str:
        """Read ``a || b``."""
        if depth > MAX_DEPTH:
            raise self._error()
        parts = [self._both(depth)]
        while self._take("||"):
            parts.append(self._both(depth))
        return parts[0] if len(parts) == 1 else "(" + " || ".join(parts) + ")"

    def _both(self, depth: int) -> str:
        parts = [self._one(depth)]
        while self._take("&&"):
            parts.append(self._one(depth))
        return parts[0] if len(parts) == 1 else "(" + " && ".join(parts) + ")"

    def _one(self, depth: int) -> str:
        if self._take("!"):
            return f"!({self._one(depth + 1) if depth < MAX_DEPTH else self._fail()})"
        if self._take("("):
            inner = self.either(depth + 1)
            if not self._take(")"):
                raise self._error()
            return f"({inner})"
        return self._comparison()

    def _comparison(self) -> str:
        if self._ahead is None or self._ahead["path"] is None:
            raise self._error()
        place = self._place(self._ahead["path"])
        self._next()
        operator = self._take("==", "!=", "<=", ">=", "<", ">", "=~")
        if not operator:
            return f"exists({place})"
        literal = self._literal(operator)
        if operator == "=~":
            return f"exists({place} ? (@ like_regex {literal}))"
        if operator == "!=":
            return f"!(exists({place} ? (@ == {literal})))"
        return f"exists({place} ? (@ {operator} {literal}))"

    def _place(self, text: str) -> str:
        """Return a path below the element that is tested, under its stored names."""
        below = tuple(text.split(".")[1:])
        whole = self._stored((*self._base, *below))
        return "@" + "".join(f".{_quoted(name)}" for name in whole[len(self._stored(self._base)) :])

    def _literal(self, operator: str) -> str:
        token = self._ahead
        if token is None or token["op"] or token["path"] or (token["regex"] and operator != "=~"):
            raise self._error()
        self._next()
        if operator == "=~":
            return _pattern(token["regex"] or token["text"] or "", self)
        if token["text"] is not None:
            value = token["text"][1:-1]
            return _quoted((instant_text(value) if re.match(r"[0-9]{4}-.*T", value) else None) or value)
        return str(token["number"] or token["word"])

    def _fail(self) -> str:
        raise self._error()

    def _error(self) -> Invalid:
        return _wrong(self._at, self._text)

    def refuse(self) -> Invalid:
        """Return the error at the present place."""
        return self._error()


def _pattern(token: str, parser: _Parser) -> str:
    pattern = token[1:-1]
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        raise parser.refuse() from None
    if not token or len(pattern) > 200:
        raise parser.refuse()
    return _quoted(pattern)


def _quoted(text: str) -> str:
    return msgspec.json.encode(text).decode()


def _wrong(at: int, text: str) -> Invalid:
    return Invalid(
        f"the filter cannot be read at character {at}",
        code="filter.malformed",
        field="filter",
        value=text[at : at + 40],
        fix="write it as $[?(@.status=='active')] or note[?(@.author=='Jane' && @.date>'2026-01-01')]",
    )
