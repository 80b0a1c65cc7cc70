"""Diameter messages from and to octets, by the table of ``dictionary.py``.

A decoded message has its AVPs as a dict from key to the values in their order; a grouped one has such a dict as its
value. Nothing is read beyond the octets that are there: lengths, depth and number of AVPs are checked, and whatever is
wrong ends as a ``Refusal`` with the Result-Code and the Failed-AVP of its answer.
Source: RFC 6733 §3, §4, §7.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct
from struct import error as StructError  # noqa: N812 - it is an exception
from typing import Final, TypeAlias, cast

import msgspec

from farwire.gateway.diameter.dictionary import AVPS, Kind, Result, key_of, name_of
from farwire.kernel.errors import Defect, Invalid

Value: TypeAlias = "int | str | bytes | Avps"
Avps: TypeAlias = "dict[int, list[Value]]"

HEADER: Final = 20
DEPTH_MOST: Final = 8
"""How deep grouped AVPs may stand in one another. TS 32.299 needs six."""
AVPS_MOST: Final = 1_024
"""AVPs of one message, those in groups included."""
REQUEST, PROXIABLE, ERROR, RETRANSMITTED = 0x80, 0x40, 0x20, 0x10
MANDATORY: Final = 0x40

_HEAD: Final = Struct(">IIIII")
_AVP: Final = Struct(">II")
_VENDOR_AVP: Final = Struct(">III")
_U32: Final = Struct(">I")
_I32: Final = Struct(">i")
_U64: Final = Struct(">Q")
_I64: Final = Struct(">q")
_NUMBERS: Final[Mapping[int, Struct]] = {
    Kind.UNSIGNED32: _U32, Kind.SIGNED32: _I32, Kind.UNSIGNED64: _U64, Kind.SIGNED64: _I64, Kind.TIME: _U32,
}  # fmt: skip
_NO_NUMBER: Final = Struct("")
_OCTETS, _TEXT, _NUMBER, _TIME, _GROUPED = range(5)
_WAYS: Final = {
    Kind.OCTETS: _OCTETS,
    Kind.WHOLE: _OCTETS,
    Kind.TEXT: _TEXT,
    Kind.TIME: _TIME,
    Kind.GROUPED: _GROUPED,
}


class _Row(msgspec.Struct, frozen=True, gc=False):
    """How one AVP is read and written: worked out once."""

    way: int
    number: Struct
    size: int
    """Of a number."""
    flags: int
    """Its flags when it is sent, where they stand before the length."""


_ROWS: Final[Mapping[int, _Row]] = {
    key: _Row(
        _WAYS.get(Kind(avp.kind), _NUMBER),
        _NUMBERS.get(avp.kind, _NO_NUMBER),
        _NUMBERS.get(avp.kind, _NO_NUMBER).size,
        (0x80000000 if avp.vendor else 0) | (MANDATORY << 24 if avp.mandatory else 0),
    )
    for key, avp in AVPS.items()
}
_SERVICE_INFORMATION: Final = key_of("Service-Information")
_PADDING: Final = (b"", b"\0", b"\0\0", b"\0\0\0")
_FROM_1900: Final = 2_208_988_800
_FROM_2036: Final = 2_085_978_496
"""Seconds between 1970 and 2036-02-07T06:28:16Z, where the 32 bits begin anew."""


class Refusal(Invalid):
    """What a peer has sent is refused with this Result-Code, and these octets as the content of Failed-AVP."""

    def __init__(self, result: Result, message: str, *, failed: bytes = b"") -> None:
        super().__init__(message, code=f"diameter.{result.name.lower()}")
        self.result = result
        self.failed = failed
        self.read: Avps = {}
        """What was read before, for the answer."""


class Header(msgspec.Struct, frozen=True, gc=False):
    """The header of a message."""

    flags: int
    command: int
    application: int
    hop_by_hop: int
    end_to_end: int

    @property
    def is_request(self) -> bool:
        """Tell a request from an answer."""
        return self.flags & REQUEST != 0


class Message(msgspec.Struct, frozen=True):
    """A message. ``unsupported`` has the octets of the first AVP that is unknown and has the M bit."""

    header: Header
    avps: Avps
    unsupported: bytes = b""


def decode_header(data: bytes) -> Header:
    """Return the header of a message whose octets are all in ``data``.

    Raises ``Refusal``: 5011 (version), 5015 (length), 3008 (bits).
    """
    if len(data) < HEADER:
        raise Refusal(Result.INVALID_MESSAGE_LENGTH, "the message is shorter than its header")
    first, second, application, hop_by_hop, end_to_end = _HEAD.unpack_from(data)
    if first >> 24 != 1:
        raise Refusal(Result.UNSUPPORTED_VERSION, "the version is not 1")
    if first & 0xFFFFFF != len(data) or len(data) & 3:
        raise Refusal(
            Result.INVALID_MESSAGE_LENGTH, "the length is not that of the message, or no multiple of 4"
        )
    flags = second >> 24
    return Header(flags, second & 0xFFFFFF, application, hop_by_hop, end_to_end)


def check_bits(header: Header) -> None:
    """Raise ``Refusal`` (3008) where the bits of a header contradict one another: a request that is an error."""
    if header.flags & REQUEST and header.flags & ERROR:
        raise Refusal(Result.INVALID_HDR_BITS, "a request has the E bit")


def decode(data: bytes) -> Message:
    """Return the message in ``data``. Raises ``Refusal``: what ``decode_header`` does, 3009, 5004, 5012, 5014.

    Cost: linear in the octets.
    """
    header = decode_header(data)
    check_bits(header)
    reader = _Reader(data)
    try:
        avps = reader.read(HEADER, len(data), 0)
    except Refusal as refusal:
        refusal.read = reader.top
        raise
    return Message(header, avps, reader.unsupported)


class _Reader:
    """Reads the AVPs of one message."""

    __slots__ = ("_data", "_left", "top", "unsupported")

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._left = AVPS_MOST
        self.unsupported = b""
        self.top: Avps = {}

    def read(self, at: int, end: int, depth: int, *, described: bool = False) -> Avps:
        """Return the AVPs from ``at`` to ``end``; ``described``: below Service-Information, unknown ones pass."""
        data, unpack, rows = self._data, _AVP.unpack_from, _ROWS
        found: Avps = {} if depth else self.top
        while at < end:
            if end - at < 8:
                raise _short(data[at:end])
            key, word = unpack(data, at)
            stop, body = at + (word & 0xFFFFFF), at + 8
            if word & 0x80000000:
                key |= self._vendor(at, end) << 32
                body += 4
            if stop < body or stop > end:
                raise _bad_length(key, word, data[at:body])
            self._left -= 1
            if self._left < 0:
                raise Refusal(Result.UNABLE_TO_COMPLY, f"the message has more than {AVPS_MOST} AVPs")
            row = rows.get(key)
            if row is not None:
                way = row.way
                value: Value
                if way == _NUMBER and stop - body == row.size:
                    value = row.number.unpack_from(data, body)[0]
                elif way == _GROUPED:
                    value = self._group(key, at, body, stop, depth, described)
                elif way == _OCTETS:
                    value = data[body:stop]
                else:
                    value = self._other(key, row, at, body, stop)
                if key in found:
                    found[key].append(value)
                else:
                    found[key] = [value]
            elif word & 0x40000000 and not described and not self.unsupported:
                self.unsupported = padded(data[at:stop])
            # The padding of the last AVP is missing in the messages of some.
            at = stop + (-stop + at & 3)
        return found

    def _vendor(self, at: int, end: int) -> int:
        data = self._data
        if end - at < 12:
            raise _short(data[at:end])
        vendor: int = _U32.unpack_from(data, at + 8)[0]
        if vendor == 0:
            failed = data[at : at + 8] + bytes(4)
            raise Refusal(Result.INVALID_AVP_BITS, "an AVP has the V bit and no vendor", failed=failed)
        return vendor

    def _other(self, key: int, row: _Row, at: int, body: int, stop: int) -> Value:
        """Return a text or a time. Raises ``Refusal`` for a number of a wrong length too."""
        data = self._data
        if row.way == _TEXT:
            try:
                return data[body:stop].decode()
            except UnicodeDecodeError:
                raise Refusal(
                    Result.INVALID_AVP_VALUE, f"{name_of(key)} is no UTF-8", failed=padded(data[at:stop])
                ) from None
        if stop - body != row.size:
            raise _bad_length(key, _U32.unpack_from(data, at + 4)[0], data[at:body])
        return _since_1970(_U32.unpack_from(data, body)[0])

    def _group(self, key: int, at: int, body: int, stop: int, depth: int, described: bool) -> Avps:
        if depth == DEPTH_MOST:
            raise Refusal(Result.UNABLE_TO_COMPLY, f"grouped AVPs are more than {DEPTH_MOST} deep")
        before = self.unsupported
        try:
            found = self.read(body, stop, depth + 1, described=described or key == _SERVICE_INFORMATION)
        except Refusal as refusal:
            refusal.failed = refusal.failed and _wrapped(self._data[at:body], refusal.failed)
            raise
        if self.unsupported != before:
            self.unsupported = _wrapped(self._data[at:body], self.unsupported)
        return found


def _since_1970(seconds: int) -> int:
    return seconds - _FROM_1900 if seconds & 0x80000000 else seconds + _FROM_2036


def padded(octets: bytes) -> bytes:
    """Return the octets of an AVP up to the next multiple of 4."""
    return octets + _PADDING[-len(octets) & 3]


def _wrapped(head: bytes, content: bytes) -> bytes:
    """Return ``content`` in the group that has ``head``, with its length made right. Source: RFC 6733 §7.5."""
    code, word = _AVP.unpack_from(head)
    return _AVP.pack(code, word & 0xFF000000 | len(head) + len(content)) + head[8:] + content


def _short(octets: bytes) -> Refusal:
    return Refusal(
        Result.INVALID_AVP_LENGTH,
        "an AVP is shorter than its header",
        failed=octets + bytes(8 - len(octets) % 8),
    )


def _bad_length(key: int, word: int, head: bytes) -> Refusal:
    """Return the refusal of an AVP with a wrong length: its header, and zeros as its data. Source: RFC 6733 §7.1.5."""
    row = _ROWS.get(key)
    size = row.size if row is not None else 0
    code = _U32.unpack_from(head)[0]
    failed = _AVP.pack(code, word & 0xFF000000 | len(head) + size) + head[8:] + bytes(size)
    return Refusal(Result.INVALID_AVP_LENGTH, f"{name_of(key)} has a wrong length", failed=failed)


# ---- the other way


def encode(message: Message) -> bytes:
    """Return the octets of a message. Raises ``Defect`` (``diameter.encode``) for what an AVP cannot hold."""
    body = encode_avps(message.avps)
    header = message.header
    size = HEADER + len(body)
    return (
        _HEAD.pack(
            1 << 24 | size,
            header.flags << 24 | header.command,
            header.application,
            header.hop_by_hop,
            header.end_to_end,
        )
        + body
    )


def encode_avps(avps: Avps) -> bytes:
    """Return the octets of AVPs, in the order of the dict. Raises ``Defect`` (``diameter.encode``)."""
    return b"".join([encode_avp(key, value) for key, values in avps.items() for value in values])


def encode_avp(key: int, value: Value) -> bytes:
    """Return the octets of one AVP, padding included. Octets as the value of a group are its content."""
    row = _ROWS[key]
    way = row.way
    try:
        if way == _NUMBER:
            body = row.number.pack(value)
        elif isinstance(value, str):
            body = value.encode()
        elif isinstance(value, dict):
            body = encode_avps(value)
        elif way == _TIME:
            body = _U32.pack((cast("int", value) + _FROM_1900) & 0xFFFFFFFF)
        else:
            body = bytes(memoryview(cast("bytes", value)))
    except (StructError, TypeError) as error:
        raise Defect(f"{name_of(key)} cannot be {value!r}", code="diameter.encode") from error
    vendor = key >> 32
    if vendor:
        head = _VENDOR_AVP.pack(key & 0xFFFFFFFF, row.flags | 12 + len(body), vendor)
    else:
        head = _AVP.pack(key, row.flags | 8 + len(body))
    return head + body + _PADDING[-len(body) & 3]


# ---- reading decoded AVPs


def text_of(avps: Avps, key: int) -> str | None:
    """Return the first text of that AVP, or None."""
    values = avps.get(key)
    return values[0] if values and isinstance(values[0], str) else None


def number_of(avps: Avps, key: int) -> int | None:
    """Return the first number of that AVP, or None."""
    values = avps.get(key)
    return values[0] if values and isinstance(values[0], int) else None


def groups_of(avps: Avps, key: int) -> list[Avps]:
    """Return the contents of the grouped AVPs of that key."""
    return [value for value in avps.get(key, ()) if isinstance(value, dict)]


def group_of(avps: Avps, key: int) -> Avps:
    """Return the content of the first grouped AVP of that key, empty where there is none."""
    found = groups_of(avps, key)
    return found[0] if found else {}
