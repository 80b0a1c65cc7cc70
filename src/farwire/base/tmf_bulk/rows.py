"""Rows out of a stream of octets: lines of JSON, or the elements of one JSON array. Pure, in bounded memory."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final, Protocol

from farwire.base.web import JSON
from farwire.kernel.errors import Exhausted, Invalid

NDJSON: Final = "application/x-ndjson"
MAX_ROW: Final = 1_048_576
"""Octets of one row: as much as one request may have."""
MAX_OCTETS: Final = 268_435_456
"""Octets of one file."""
ROWS_PER_PART: Final = 200
OCTETS_PER_PART: Final = 1_048_576
_TOKEN: Final = re.compile(rb'\\.?|["\[\]{},]', re.DOTALL)


class Splitter(Protocol):
    """Takes octets as they come, and gives the rows that are whole."""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the rows that end in ``chunk``."""

    def end(self) -> list[bytes]:
        """Return the last row, if there is one. Raises ``Invalid`` where the file breaks off."""


class Lines:
    """Lines of JSON; empty ones are no rows."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the lines that end in ``chunk``."""
        *whole, self._rest = (self._rest + chunk).split(b"\n")
        _check_size(max(map(len, (*whole, self._rest))))
        return [line for line in map(bytes.strip, whole) if line]

    def end(self) -> list[bytes]:
        """Return the last line, which needs no line feed."""
        return [self._rest.strip()] if self._rest.strip() else []


class Elements:
    """The elements of a JSON array, or one object. Each is cut out whole; whether it is JSON is seen later."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._start = self._at = self._depth = self._base = 0
        self._quoted = self._begun = self._closed = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return the elements that end in ``chunk``."""
        self._buffer += chunk
        found: list[bytes] = []
        end = len(self._buffer)
        for token in _TOKEN.finditer(self._buffer, self._at):
            if token[0] == b"\\":  # what it escapes is in the next chunk
                end = token.start()
                break
            if token[0] == b'"':
                self._quoted = not self._quoted
            elif not self._quoted:
                self._step(token[0], token.start(), found)
        self._at = end - self._start
        del self._buffer[: self._start]
        self._start = 0
        _check_size(len(self._buffer))
        if self._closed and self._buffer.strip():
            raise _broken("something follows after the end")
        return found

    def _step(self, token: bytes, position: int, found: list[bytes]) -> None:
        if not self._begun:
            if token not in b"[{" or self._buffer[:position].strip():
                raise _broken("neither an array nor an object")
            self._begun, self._base = True, 1 if token == b"[" else 0
            self._start = position + self._base
            self._depth = 1
            return
        if token in b"[{":
            self._depth += 1
        elif token in b"]}":
            self._depth -= 1
        if self._depth == 0 and not self._closed:
            self._closed = True
            self._cut(position + 1 - self._base, found)
            self._start = position + 1
        elif token == b"," and self._depth == self._base == 1:
            self._cut(position, found)
            self._start = position + 1

    def _cut(self, position: int, found: list[bytes]) -> None:
        row = bytes(self._buffer[self._start : position]).strip()
        _check_size(len(row))
        if row:
            found.append(row.replace(b"\n", b" ").replace(b"\r", b" "))

    def end(self) -> list[bytes]:
        """Return nothing: every element has been given."""
        if self._buffer.strip() and not self._closed:
            raise _broken("it breaks off")
        return []


async def parts(stream: AsyncIterator[bytes], media_type: str) -> AsyncIterator[list[bytes]]:
    """Yield the rows of ``stream``, some hundred at a time. Raises ``Invalid`` and ``Exhausted`` (``tmf.bulk``)."""
    splitter: Splitter = Elements() if media_type == JSON else Lines()
    waiting: list[bytes] = []
    octets = total = 0
    async for chunk in stream:
        total += len(chunk)
        if total > MAX_OCTETS:
            raise Exhausted("the file is too large", code="tmf.bulk", fix=f"send at most {MAX_OCTETS} octets")
        for row in splitter.feed(chunk):
            waiting.append(row)
            octets += len(row)
            if len(waiting) >= ROWS_PER_PART or octets >= OCTETS_PER_PART:
                yield waiting
                waiting, octets = [], 0
    waiting += splitter.end()
    if waiting:
        yield waiting


def _check_size(octets: int) -> None:
    if octets > MAX_ROW:
        raise Exhausted("a row is too large", code="tmf.bulk", fix=f"a row has at most {MAX_ROW} octets")


def _broken(why: str) -> Invalid:
    return Invalid(f"the file is not a JSON array: {why}", code="web.body_malformed", field="body")
