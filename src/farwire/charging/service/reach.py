"""How this process reaches the shards: one client for each event loop, made when it is first needed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Final
from weakref import WeakKeyDictionary

from farwire.charging.service.client import Address, Client, SocketClient, shard_address
from farwire.kernel.errors import Unavailable

ASKED_MS: Final = 2_000
"""How long a request of the API waits for a shard, at most: less than a person waits, and its database connection."""


class Reach:
    """Where shards are asked. The composition root says it once (``at``); tests put a client of theirs in."""

    def __init__(self) -> None:
        self._address_of: Callable[[int], Address] | None = None
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Client] = WeakKeyDictionary()

    def at(self, data_dir: Path) -> None:
        """Ask shards at their usual sockets in ``data_dir``."""
        self._address_of = lambda shard: shard_address(data_dir, shard)

    def use(self, client: Client) -> None:
        """Ask ``client`` on this event loop."""
        self._clients[asyncio.get_running_loop()] = client

    def client(self) -> Client:
        """Return the client of this event loop. Raises ``Unavailable`` (``charging.not_reached``)."""
        loop = asyncio.get_running_loop()
        found = self._clients.get(loop)
        if found is None:
            if self._address_of is None:
                raise Unavailable(
                    "this process was not told where shards are",
                    code="charging.not_reached",
                    fix="ask an API that was started by: farwire serve",
                    retry_after_s=1,
                )
            found = self._clients[loop] = SocketClient(self._address_of, timeout_ms=ASKED_MS)
        return found

    async def close(self) -> None:
        """Hang up on this event loop."""
        found = self._clients.pop(asyncio.get_running_loop(), None)
        if found is not None:
            await found.close()


REACH: Final = Reach()
"""That of this process."""
