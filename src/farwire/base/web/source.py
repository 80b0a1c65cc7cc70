"""The database of one API worker: opened when the worker starts, opened again later if it was away then."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from farwire.base.storage import Database
from farwire.kernel.errors import FarwireError, Unavailable

OpenDatabase: TypeAlias = Callable[[], Awaitable[Database]]

RETRY_S: Final = 1.0
"""Seconds between two attempts to open; requests in between get 503 at once."""


class DatabaseSource:
    """Holds the pool. ``opened`` is None until an attempt succeeds; then the pool itself mends lost connections."""

    def __init__(self, database: Database | OpenDatabase) -> None:
        self.opened: Database | None = database if isinstance(database, Database) else None
        self._open = None if isinstance(database, Database) else database
        self._lock = asyncio.Lock()
        self._next_try = 0.0

    async def get(self) -> Database:
        """Return the open database, opening it if need be. Raises ``Unavailable`` (``storage.unavailable``)."""
        if self.opened is not None:
            return self.opened
        async with self._lock:
            opened: Database | None = self.opened  # another request may have opened it meanwhile
            if opened is not None:
                return opened
            if self._open is None or time.monotonic() < self._next_try:
                raise Unavailable("the database does not answer", code="storage.unavailable", retry_after_s=2)
            self._next_try = time.monotonic() + RETRY_S
            try:
                self.opened = await self._open()
            except Unavailable:
                raise
            except (
                FarwireError
            ) as error:  # a wrong role, a schema too old: for the operator, not for the client
                raise Unavailable("the API is not ready", code=error.code, retry_after_s=5) from error
            return self.opened

    async def close(self) -> None:
        """Close the pool if this source opened it."""
        if self._open is not None and self.opened is not None:
            opened, self.opened = self.opened, None
            await opened.close()
