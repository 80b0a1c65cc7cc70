"""Frames of HTTP/2: their numbers, and the octets of those that we send. Source: RFC 9113 §4.1, §6, §7."""

from __future__ import annotations

from enum import IntEnum
from struct import Struct
from typing import Final

PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""Before the first frame of a client."""
HEAD: Final = Struct(">BHBBL")
"""Before each frame: its length in 8 + 16 bits, kind, flags, stream."""
LONGEST: Final = 16_384
"""Of a frame that we read, without its head: SETTINGS_MAX_FRAME_SIZE, which we never change."""
NUMBER: Final = 0x7FFF_FFFF
"""The bits of a stream's number, and the widest window."""
WINDOW: Final = 65_535
"""With which both ends begin."""
U32: Final = Struct(">L")
SETTING: Final = Struct(">HL")


class Kind(IntEnum):
    """Kinds of frames."""

    DATA = 0
    HEADERS = 1
    PRIORITY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PUSH_PROMISE = 5
    PING = 6
    GOAWAY = 7
    WINDOW_UPDATE = 8
    CONTINUATION = 9


class Flag(IntEnum):
    """Flags; ``ACK`` is of SETTINGS and PING."""

    END_STREAM = 1
    ACK = 1
    END_HEADERS = 4
    PADDED = 8
    PRIORITY = 32


class Setting(IntEnum):
    """What an end tells of itself."""

    HEADER_TABLE_SIZE = 1
    ENABLE_PUSH = 2
    MAX_CONCURRENT_STREAMS = 3
    INITIAL_WINDOW_SIZE = 4
    MAX_FRAME_SIZE = 5
    MAX_HEADER_LIST_SIZE = 6


class Error(IntEnum):
    """Why a stream or a connection ends."""

    NO_ERROR = 0
    PROTOCOL_ERROR = 1
    INTERNAL_ERROR = 2
    FLOW_CONTROL_ERROR = 3
    STREAM_CLOSED = 5
    FRAME_SIZE_ERROR = 6
    REFUSED_STREAM = 7
    CANCEL = 8
    COMPRESSION_ERROR = 9
    ENHANCE_YOUR_CALM = 11


class Broken(Exception):
    """The connection must end, by the code that the other end is told."""

    def __init__(self, code: Error, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason


def frame(kind: int, flags: int, number: int, payload: bytes = b"") -> bytes:
    """Return a frame."""
    size = len(payload)
    return HEAD.pack(size >> 16, size & 0xFFFF, kind, flags, number) + payload


def settings(values: dict[Setting, int]) -> bytes:
    """Return SETTINGS."""
    return frame(Kind.SETTINGS, 0, 0, b"".join(SETTING.pack(name, value) for name, value in values.items()))


def window_update(number: int, octets: int) -> bytes:
    """Return WINDOW_UPDATE."""
    return frame(Kind.WINDOW_UPDATE, 0, number, U32.pack(octets))


def rst_stream(number: int, error: Error) -> bytes:
    """Return RST_STREAM."""
    return frame(Kind.RST_STREAM, 0, number, U32.pack(error))


def goaway(last: int, error: Error) -> bytes:
    """Return GOAWAY."""
    return frame(Kind.GOAWAY, 0, 0, U32.pack(last) + U32.pack(error))


def unpadded(flags: int, payload: bytes) -> bytes:
    """Return a payload without its padding. Raises ``Broken``."""
    if not flags & Flag.PADDED:
        return payload
    if not payload or payload[0] >= len(payload):
        raise Broken(Error.PROTOCOL_ERROR, "the padding is longer than its frame")
    return payload[1 : len(payload) - payload[0]]
