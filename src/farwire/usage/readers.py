"""Files into rows: streamed, with bounded memory and bounded rows, whatever the bytes.

A reader only cuts; what a row means is ``model``. Plain or gzip, told by the first bytes and not by the name.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

from farwire.kernel.errors import Conflict, Forbidden, Invalid, NotFound, Unavailable
from farwire.usage.model.profile import Format, Profile
from farwire.usage.model.rows import max_octets, split_line

CHUNK_OCTETS: Final = 262_144
KEPT_OCTETS: Final = 4_096
"""How much of a row that is too long is kept to show."""
ROW_TOO_LONG: Final = "row_too_long"
ROW_TRUNCATED: Final = "row_truncated"
_GZIP: Final = b"\x1f\x8b"
_BOM: Final = b"\xef\xbb\xbf"


class RawRow(NamedTuple):
    """The bytes of one row. ``error`` is the reason to suspend it unread, or empty."""

    raw: bytes
    error: str = ""


class FileDamaged(Exception):
    """The compressed stream ends early or is corrupt. All rows before were given."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file that can be read, and its digest."""

    path: Path
    octets: int
    changed_ns: int
    digest: bytes


def open_source(path: Path) -> SourceFile:
    """Return the file at ``path`` with the digest of its bytes: reads it once, in chunks.

    Raises ``NotFound`` (``usage.file_missing``), ``Forbidden`` (``usage.file_forbidden``), ``Invalid``
    (``usage.file_not_regular``, ``usage.file_empty``, ``usage.file_binary``), ``Unavailable``
    (``usage.file_unreadable``).
    """
    with _clear_answers(path):
        if not path.exists():
            raise FileNotFoundError
        if not path.is_file():
            raise _invalid(
                "file_not_regular", "the path is a folder or a device, not a file", path, "name one file"
            )
        status = path.stat()
        if status.st_size == 0:
            raise _invalid(
                "file_empty", "the file is empty", path, "fetch it again; remove it if nothing happened"
            )
        with path.open("rb") as stream:
            digest = hashlib.file_digest(stream, lambda: hashlib.blake2b(digest_size=32)).digest()
    return SourceFile(path, status.st_size, status.st_mtime_ns, digest)


def check_unchanged(source: SourceFile) -> None:
    """Raise ``Conflict`` (``usage.file_changed``) where the file was written to since its digest was taken."""
    with _clear_answers(source.path):
        status = source.path.stat()
    if (status.st_size, status.st_mtime_ns) != (source.octets, source.changed_ns):
        raise Conflict(
            "the file changed while it was read",
            code="usage.file_changed",
            field="path",
            value=source.path.name,
            fix="import files only after they are closed; import it again now",
        )


@contextmanager
def _clear_answers(path: Path) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise NotFound(
            "there is no such file", code="usage.file_missing", field="path", value=path, fix="check the path"
        ) from None
    except PermissionError:
        raise Forbidden(
            "the file may not be read",
            code="usage.file_forbidden",
            field="path",
            value=path,
            fix="give this user the right to read it",
        ) from None
    except OSError as error:
        raise Unavailable(
            f"the file cannot be read: {error.strerror or error}",
            code="usage.file_unreadable",
            field="path",
            value=path,
        ) from None


def _invalid(reason: str, message: str, path: Path, fix: str) -> Invalid:
    return Invalid(message, code=f"usage.{reason}", field="path", value=path, fix=fix)


@contextmanager
def open_rows(path: Path, profile: Profile) -> Iterator[tuple[list[str], Iterator[RawRow]]]:
    """Open ``path`` and give the columns of its header (CSV that has one, else none) and its rows.

    The iterator raises ``FileDamaged`` after the last row of a broken gzip stream. Raises as ``open_source`` does,
    and ``Invalid`` ``usage.header_unreadable``.
    """
    with _clear_answers(path), path.open("rb") as plain:
        packed = plain.read(2) == _GZIP
        plain.seek(0)
        stream = cast("IO[bytes]", gzip.GzipFile(fileobj=plain)) if packed else plain
        chunks = _chunks(stream)
        first = _first_chunk(chunks, path)
        rows = cut(_chain(first, chunks), profile)
        if profile.format is Format.CSV and not profile.csv.columns:
            yield _header(rows, profile, path), rows
        else:
            yield [], rows


def _chunks(stream: IO[bytes]) -> Iterator[bytes]:
    while True:
        try:
            chunk = stream.read(CHUNK_OCTETS)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise FileDamaged(str(error)) from None
        if not chunk:
            return
        yield chunk


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest


def _first_chunk(chunks: Iterator[bytes], path: Path) -> bytes:
    try:
        first = next(chunks, b"")
    except FileDamaged:
        raise _invalid(
            "file_binary", "the gzip stream is damaged from its start", path, "fetch it again"
        ) from None
    if b"\x00" in first[:512] or first[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise _invalid(
            "file_binary",
            "the file is not text in an encoding that Farwire reads (UTF-16, an archive, or binary records)",
            path,
            "unpack it, or convert it: iconv -f UTF-16 -t UTF-8",
        )
    return first.removeprefix(_BOM)


def _header(rows: Iterator[RawRow], profile: Profile, path: Path) -> list[str]:
    first = next(rows, RawRow(b""))
    try:
        # A first line that is too long is cut: it is no header either.
        text = first.raw.decode(profile.encoding) if not first.error else '"'
        names = split_line(text, profile.csv.delimiter, profile.csv.quote)
    except (UnicodeDecodeError, csv.Error) as error:
        raise _invalid(
            "header_unreadable",
            f"the first line is not a header: {error}",
            path,
            "check encoding and profile",
        ) from None
    return [name.strip() for name in names]


def cut(chunks: Iterator[bytes], profile: Profile) -> Iterator[RawRow]:
    """Yield the rows of a stream of bytes by the profile's format. Memory is bounded by the longest row of the
    format.

    A ``FileDamaged`` of ``chunks`` goes on to the caller after the last row.
    """
    limit = max_octets(profile.format)
    strict = profile.final_newline == "required"
    if profile.format is Format.JSON:
        return _objects(chunks, limit)
    separator = b"\n\n" if profile.format is Format.RADIUS_DETAIL else b"\n"
    return _separated(chunks, separator, limit, strict=strict)


def _separated(chunks: Iterator[bytes], separator: bytes, limit: int, *, strict: bool) -> Iterator[RawRow]:
    pending = b""
    skipping = False
    source = _Stream(chunks)
    while chunk := source.next():
        data = pending + chunk
        if len(separator) > 1:
            data = data.replace(b"\r\n", b"\n")
        pieces = data.split(separator)
        pending = pieces.pop()
        for piece in pieces:
            if skipping:
                skipping = False
                continue
            row = piece.strip(b"\r\n")
            if row and not row.isspace():
                yield RawRow(row) if len(row) <= limit else RawRow(row[:KEPT_OCTETS], ROW_TOO_LONG)
        if not skipping and len(pending) > limit + len(separator):
            yield RawRow(pending[:KEPT_OCTETS], ROW_TOO_LONG)
            skipping = True
        if skipping:
            # Only what may be the first part of a separator is kept.
            pending = pending[-len(separator) :]
    row = pending.strip(b"\r\n")
    if row and not row.isspace() and not skipping:
        yield _last(row, limit, cut_off=source.damage is not None or strict)
    source.raise_damage()


class _Stream:
    """Chunks until the end or the damage, which is kept until all rows before it are given."""

    def __init__(self, chunks: Iterator[bytes]) -> None:
        self._chunks = chunks
        self.damage: FileDamaged | None = None

    def next(self) -> bytes:
        """Return the next chunk, empty at the end."""
        try:
            return next(self._chunks, b"")
        except FileDamaged as error:
            self.damage = error
            return b""

    def raise_damage(self) -> None:
        """Raise what ended the stream, if it was not its end."""
        if self.damage is not None:
            raise self.damage


def _last(row: bytes, limit: int, *, cut_off: bool) -> RawRow:
    if len(row) > limit:
        return RawRow(row[:KEPT_OCTETS], ROW_TOO_LONG)
    return RawRow(row, ROW_TRUNCATED if cut_off else "")


# Possessive, so that a long text takes no memory; a text that the buffer cuts, even after a backslash, is one token.
_TOKENS: Final = re.compile(rb'"(?:[^"\\]++|\\.)*+(?:"|\\?\Z)|[{}]', re.DOTALL)
_BETWEEN: Final = b" \t\r\n,[]"


def _objects(chunks: Iterator[bytes], limit: int) -> Iterator[RawRow]:
    """Yield JSON objects, wherever they stand: one after another, in lines, in one array."""
    buffer, at = b"", 0
    lost = False  # inside something that is no object: said once, then skipped to the next one
    source = _Stream(chunks)
    ended = False
    while not ended:
        chunk = source.next()
        ended = not chunk
        buffer, at = buffer[at:] + chunk, 0
        while True:
            start = buffer.find(b"{", at)
            between = buffer[at : len(buffer) if start < 0 else start].strip(_BETWEEN)
            if between and not lost:
                yield RawRow(between[:KEPT_OCTETS], "" if len(between) <= KEPT_OCTETS else ROW_TOO_LONG)
            lost = start < 0 and (lost or bool(between))
            at = len(buffer) if start < 0 else start
            end = -1 if start < 0 else _object_end(buffer, start)
            if end < 0:
                break
            yield RawRow(buffer[start:end])
            at = end
        if len(buffer) - at > limit:
            yield RawRow(buffer[at : at + KEPT_OCTETS], ROW_TOO_LONG)
            again = buffer.find(b"\n{", at + 1)
            at, lost = (again, False) if again > 0 else (len(buffer), True)
    if at < len(buffer):
        yield RawRow(buffer[at : at + limit], ROW_TRUNCATED)
    source.raise_damage()


def _object_end(buffer: bytes, start: int) -> int:
    """Return the position after the object that starts at ``start``, or -1 where the buffer ends before."""
    depth = 0
    for token in _TOKENS.finditer(buffer, start):
        text = token.group()
        if text == b"{":
            depth += 1
        elif text == b"}":
            depth -= 1
            if depth == 0:
                return token.end()
    return -1
