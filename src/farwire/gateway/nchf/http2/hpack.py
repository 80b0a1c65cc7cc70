"""Header blocks (HPACK): read with the tables of a connection, written without any.

The library ``hpack`` gives the static table and the Huffman code; its decoder took a quarter of a request. This one
walks Huffman codes an octet at a time instead of half a one. What is written names entries of the static table or
spells values out, so that it is the same on every connection and is kept. Source: RFC 7541.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, TypeAlias

from hpack.huffman_constants import REQUEST_CODES, REQUEST_CODES_LENGTH
from hpack.table import HeaderTable

from farwire.gateway.nchf.http2.messages import Headers

Field: TypeAlias = tuple[str, str]
TABLE_OCTETS: Final = 4_096
"""Of the dynamic table, with which both ends begin: SETTINGS_HEADER_TABLE_SIZE, which we never change."""
_ENTRY: Final = 32
"""Octets that an entry counts beside its name and value. Source: RFC 7541 §4.1."""
_INTEGER_MOST: Final = 1 << 28
_STATIC: Final[tuple[Field, ...]] = tuple(
    (name.decode(), value.decode()) for name, value in HeaderTable.STATIC_TABLE
)
_DYNAMIC: Final = len(_STATIC) + 1
"""The first index of the dynamic table."""


class BadBlock(Exception):
    """A header block that cannot be read: nor can any that follows it on its connection."""


class TooLong(BadBlock):
    """More header fields than are read."""


# ---- Huffman


def _tree() -> list[list[int]]:
    """Return the nodes of the code: for the bits 0 and 1 the next node, or the complement of a symbol."""
    nodes = [[0, 0]]
    for symbol, (code, length) in enumerate(zip(REQUEST_CODES, REQUEST_CODES_LENGTH, strict=True)):
        at = 0
        for place in range(length - 1, 0, -1):
            bit = code >> place & 1
            if not nodes[at][bit]:
                nodes.append([0, 0])
                nodes[at][bit] = len(nodes) - 1
            at = nodes[at][bit]
        nodes[at][code & 1] = ~symbol
    return nodes


_NODES: Final = _tree()
_EOS: Final = len(REQUEST_CODES) - 1
_STEPS: Final[dict[int, tuple[int, str]]] = {}
"""node × 256 + octet → the next node × 256, and what is spelled on the way; filled as it is needed."""


def _padding() -> frozenset[int]:
    """Return where a text may end: behind a symbol and at most seven ones. Source: RFC 7541 §5.2."""
    found, at = [0], 0
    for _ in range(7):
        at = _NODES[at][1]
        found.append(at << 8)
    return frozenset(found)


_ENDS: Final = _padding()


def _step(key: int) -> tuple[int, str]:
    at, text = key >> 8, ""
    for place in range(7, -1, -1):
        at = _NODES[at][key >> place & 1]
        if at < 0:
            if ~at == _EOS:
                raise BadBlock("a text has the end of all texts within it")
            text, at = text + chr(~at), 0
    found = _STEPS[key] = (at << 8, text)
    return found


def huffman(octets: bytes) -> str:
    """Return what is spelled. Raises ``BadBlock``."""
    at, found, steps = 0, [], _STEPS
    for octet in octets:
        key = at + octet
        step = steps.get(key)
        at, text = step if step is not None else _step(key)
        found.append(text)
    if at not in _ENDS:
        raise BadBlock("a text ends within a symbol")
    return "".join(found)


# ---- reading


def integer(block: bytes, at: int, most: int) -> tuple[int, int]:
    """Return the number that fills its prefix of at most ``most`` and goes on at ``at``, and where it ends."""
    found, shift = most, 0
    while True:
        octet = block[at]
        at += 1
        found += (octet & 0x7F) << shift
        if found > _INTEGER_MOST or shift > _ENTRY:
            raise BadBlock("a number is beyond all bounds")
        if octet < 0x80:
            return found, at
        shift += 7


def _text(block: bytes, at: int) -> tuple[str, int]:
    first = block[at]
    length, at = first & 0x7F, at + 1
    if length == 0x7F:
        length, at = integer(block, at, 0x7F)
    end = at + length
    if end > len(block):
        raise BadBlock("the block ends within a text")
    octets = block[at:end]
    return huffman(octets) if first & 0x80 else octets.decode("latin-1"), end


class Decoder:
    """Reads the header blocks of one end of a connection, every one of them, in order."""

    __slots__ = ("_entries", "_most", "_octets", "_room")

    def __init__(self, most: int) -> None:
        """``most``: octets that all fields of a block may count."""
        self._most = most
        self._entries: list[Field] = []
        """The dynamic table, the latest last."""
        self._octets = 0
        self._room = TABLE_OCTETS

    def decode(self, block: bytes) -> list[Field]:
        """Return the fields. Raises ``BadBlock``; afterwards nothing of the connection can be read any more."""
        try:
            return self._fields(block)
        except IndexError:
            raise BadBlock("the block ends too early, or names an entry that is not there") from None

    def _fields(self, block: bytes) -> list[Field]:
        found: list[Field] = []
        at, end, left = 0, len(block), self._most
        while at < end:
            first = block[at]
            at += 1
            if first & 0x80:
                index = first & 0x7F
                if index == 0x7F:
                    index, at = integer(block, at, 0x7F)
                field = self._entry(index)
            elif first & 0xE0 == 0x20:
                at = self._resize(block, at, first & 0x1F, late=bool(found))
                continue
            else:
                field, at = self._literal(block, at, first)
            found.append(field)
            left -= len(field[0]) + len(field[1]) + _ENTRY
            if left < 0:
                raise TooLong("the header fields are too long")
        return found

    def _entry(self, index: int) -> Field:
        if 0 < index < _DYNAMIC:
            return _STATIC[index - 1]
        if not index:
            raise BadBlock("there is no entry 0")
        return self._entries[_DYNAMIC - 1 - index]

    def _literal(self, block: bytes, at: int, first: int) -> tuple[Field, int]:
        most = 0x3F if first & 0x40 else 0x0F
        index = first & most
        if index == most:
            index, at = integer(block, at, most)
        if index:
            name = self._entry(index)[0]
        else:
            name, at = _text(block, at)
        value, at = _text(block, at)
        if first & 0x40:
            self._keep((name, value))
        return (name, value), at

    def _keep(self, field: Field) -> None:
        self._entries.append(field)
        self._octets += len(field[0]) + len(field[1]) + _ENTRY
        self._shrink()

    def _shrink(self) -> None:
        gone = 0
        while self._octets > self._room:
            name, value = self._entries[gone]
            self._octets -= len(name) + len(value) + _ENTRY
            gone += 1
        del self._entries[:gone]

    def _resize(self, block: bytes, at: int, room: int, *, late: bool) -> int:
        if room == 0x1F:
            room, at = integer(block, at, 0x1F)
        if late or room > TABLE_OCTETS:
            raise BadBlock("the size of the table is changed too late, or beyond what we allow")
        self._room = room
        self._shrink()
        return at


# ---- writing

SHRUNK: Final = b"\x20"
"""Says that our table is empty, as it has always been: due once the other end has changed its size."""
_NAME: Final = re.compile(r"[!#$%&'*+\-.^_`|~0-9a-z]+")
_VALUE: Final = re.compile(r"(?:[\x21-\x7e\x80-\xff](?:[\t\x20-\x7e\x80-\xff]*[\x21-\x7e\x80-\xff])?)?")
_INDEX: Final = {name: place for place, (name, _) in reversed(tuple(enumerate(_STATIC, 1)))}
_STATUSES: Final = {value: place for place, (name, value) in enumerate(_STATIC, 1) if name == ":status"}


def encode(status: int, headers: Headers, length: int) -> bytes:
    """Return the block of an answer with a body of ``length`` octets. Raises ``ValueError``: it cannot be told."""
    found = [_status(status), *(_field(name, value) for name, value in headers)]
    if length:
        found.append(_field("content-length", str(length)))
    return b"".join(found)


@lru_cache(maxsize=64)
def _status(status: int) -> bytes:
    index = _STATUSES.get(str(status))
    return bytes((0x80 | index,)) if index else b"\x08\x03" + b"%03d" % status


@lru_cache(maxsize=1_024)
def _field(name: str, value: str) -> bytes:
    """Return a literal that is not kept, its name by the static table where it is there."""
    if not _NAME.fullmatch(name) or not _VALUE.fullmatch(value):
        raise ValueError("a header field has characters that no field has")
    index, octets = _INDEX.get(name), value.encode("latin-1")
    head = _integer(0, 0x0F, index) if index else b"\0" + _integer(0, 0x7F, len(name)) + name.encode()
    return head + _integer(0, 0x7F, len(octets)) + octets


def _integer(first: int, most: int, value: int) -> bytes:
    if value < most:
        return bytes((first | value,))
    found, value = bytearray((first | most,)), value - most
    while value >= 0x80:
        found.append(value & 0x7F | 0x80)
        value >>= 7
    found.append(value)
    return bytes(found)
