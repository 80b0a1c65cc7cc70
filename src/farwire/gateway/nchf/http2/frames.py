"""Where frames begin and end in the octets of a connection.

h2 keeps the octets of a frame until all are there and looks only then whether it is too long: up to 16 MiB for each
connection, for as long as its client likes. Source: RFC 9113 §4.1, §4.2.
"""

from __future__ import annotations

from typing import Final

PREFACE: Final = 24
"""Octets before the first frame."""
LONGEST: Final = 16_384
"""Of a frame, without its head: SETTINGS_MAX_FRAME_SIZE, which we never change."""
_HEAD: Final = 9
_LENGTH: Final = 3
"""Octets of the head that tell the length."""


class Frames:
    """Follows the frames of one connection."""

    __slots__ = ("_head", "_left", "began_at")

    def __init__(self, now: int) -> None:
        self._left = PREFACE
        """Octets that are missing before the next head."""
        self._head = b""
        """The beginning of a head."""
        self.began_at: int | None = now
        """Since when the rest of a frame is waited for; None: for none."""

    def take(self, data: bytes, now: int) -> bool:
        """Follow what has come; tell whether no frame is too long."""
        at, begun = self._left, False
        if self._head:
            data = self._head + data
        while at + _LENGTH <= len(data):
            size = int.from_bytes(data[at : at + _LENGTH], "big")
            if size > LONGEST:
                return False
            at, begun = at + _HEAD + size, True
        self._head = data[at:]
        self._left = max(at - len(data), 0)
        if not self._left and not self._head:
            self.began_at = None
        elif begun or self.began_at is None:
            self.began_at = now
        return True
