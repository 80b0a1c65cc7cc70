"""One request on its way in, or its answer on its way out."""

from __future__ import annotations


class Stream:
    """A request that is arriving, or an answer that is leaving."""

    __slots__ = ("began_at", "body", "headers", "late", "left", "taken", "window")

    def __init__(self, headers: dict[str, str], now: int, window: int) -> None:
        self.headers = headers
        self.body = bytearray()
        self.taken = 0
        """Octets of the connection's window that the body has taken."""
        self.left = b""
        """What of the answer the client's window has no room for yet."""
        self.window = window
        """Octets that the client has room for."""
        self.began_at = now
        """Since when the client is waited for."""
        self.late = False
        """Whether the answer is being made: it is not the client who lets us wait."""
