"""API keys on the wire: ``Authorization: Bearer fw_…``, looked up every few seconds only."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from farwire.base.authz import Principal
from farwire.base.storage import Database
from farwire.base.web.errors import Unauthenticated

Authenticate: TypeAlias = Callable[[Database, str], Awaitable[Principal | None]]
"""Return whom an API key stands for, or None for an unknown, expired or revoked one."""

CACHE_S: Final = 3.0
"""Seconds for which a look-up is believed: a revoked key works at most that much longer."""
CACHE_KEYS: Final = 10_000
"""Keys in the cache of one worker; when it is full, the oldest look-up goes."""
MAX_KEY: Final = 200
"""Characters of a key; longer ones are refused unread."""
SCHEME: Final = "bearer "


class KeyCache:
    """Principals by the hash of their key. The key itself is never kept."""

    def __init__(
        self, authenticate: Authenticate, *, seconds: float = CACHE_S, size: int = CACHE_KEYS
    ) -> None:
        self._authenticate = authenticate
        self._seconds = seconds
        self._size = size
        self._known: dict[bytes, tuple[float, Principal]] = {}

    def cached(self, token: str) -> Principal | None:
        """Return whom ``token`` stood for a moment ago, without asking the database."""
        entry = self._known.get(_digest(token))
        if entry is None or entry[0] < time.monotonic():
            return None
        return entry[1]

    async def principal(self, database: Database, token: str) -> Principal:
        """Return whom ``token`` stands for; only that is cached. Raises ``Unauthenticated`` (``web.key_unknown``)."""
        found = self.cached(token)
        if found is not None:
            return found
        found = await self._authenticate(database, token)
        digest = _digest(token)
        self._known.pop(digest, None)
        if found is None:
            raise Unauthenticated(
                "the API key is unknown, expired or revoked",
                code="web.key_unknown",
                fix="use a key made by `farwire key create`",
            )
        while len(self._known) >= self._size:
            del self._known[next(iter(self._known))]
        self._known[digest] = (time.monotonic() + self._seconds, found)
        return found


def bearer_token(header: str | None) -> str:
    """Return the key of an Authorization header. Raises ``Unauthenticated``: no header, or another scheme."""
    if not header:
        raise Unauthenticated(
            "the request carries no API key",
            code="web.key_missing",
            fix="send the header Authorization: Bearer fw_…",
        )
    token = header[len(SCHEME) :].strip()
    if header[: len(SCHEME)].lower() != SCHEME or not token or len(token) > MAX_KEY or not token.isascii():
        raise Unauthenticated(
            "the Authorization header is not a bearer key",
            code="web.key_malformed",
            fix="send the header Authorization: Bearer fw_…",
        )
    return token


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("ascii")).digest()
