"""How this process reaches the shards: one client for each event loop, made when it is first needed."""

from __future__ import annotations

import asyncio
from typing import Final
from weakref import WeakKeyDictionary

from farwire.base.config import load_settings
from farwire.charging.service.client import Client, SocketClient, shard_address

ASKED_MS: Final = 2_000
"""How long a command waits for a shard, at most: less than a person does. Events and jobs come again."""


class Reach:
    """Where shards are asked: at their usual sockets in the data folder, or by the client that a test puts in."""

    def __init__(self) -> None:
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, Client] = WeakKeyDictionary()

    def use(self, client: Client) -> None:
        """Ask ``client`` on this event loop."""
        self._clients[asyncio.get_running_loop()] = client

    def client(self) -> Client:
        """Return the client of this event loop."""
        loop = asyncio.get_running_loop()
        found = self._clients.get(loop)
        if found is None:
            folder = load_settings().data_dir
            found = self._clients[loop] = SocketClient(
                lambda shard: shard_address(folder, shard), timeout_ms=ASKED_MS
            )
        return found

    async def close(self) -> None:
        """Hang up on this event loop."""
        found = self._clients.pop(asyncio.get_running_loop(), None)
        if found is not None:
            await found.close()


REACH: Final = Reach()
"""That of this process."""
