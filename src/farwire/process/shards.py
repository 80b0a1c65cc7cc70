"""The way from a flow to the shards of this installation."""

from __future__ import annotations

from collections.abc import Callable

from farwire.base.config import load_settings
from farwire.charging import service as charging

ClientOf = Callable[[], charging.Client]
"""Asked for when the first command is given: who only asks for subscribers needs no settings."""


def client_once() -> ClientOf:
    """Return what makes one client of the shards of this machine, and returns it from then on."""
    made: list[charging.Client] = []

    def client() -> charging.Client:
        if not made:
            data_dir = load_settings().data_dir
            made.append(charging.SocketClient(lambda shard: charging.shard_address(data_dir, shard)))
        return made[0]

    return client
