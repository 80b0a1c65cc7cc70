"""Farwire's own gateways in front of the shard, in the demo's process because they live by its clock."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Protocol

from farwire.base.clock import Clock
from farwire.base.storage import Database
from farwire.charging import service as charging
from farwire.demo.day_a.shard import Charging


class Serve(Protocol):
    """Serves one protocol until ``stop`` is set, and tells ``ready`` where."""

    def __call__(
        self,
        *,
        db: Database,
        clock: Clock,
        profiles: str,
        address_of: Callable[[int], charging.Address],
        stop: asyncio.Event,
        ready: Callable[[str], None],
    ) -> Awaitable[None]:
        """Serve."""
        ...


@asynccontextmanager
async def served(serve: Serve, *, shard: Charging, profiles: str) -> AsyncIterator[str]:
    """Run a gateway for the block, which gets the address that it listens at."""
    stop, told = asyncio.Event(), asyncio.Queue[str]()

    async def run() -> None:
        await serve(
            db=shard.db,
            clock=shard.clock,
            profiles=profiles,
            address_of=lambda _: shard.address,
            stop=stop,
            ready=told.put_nowait,
        )

    serving, waiting = asyncio.create_task(run()), asyncio.create_task(told.get())
    try:
        await asyncio.wait({serving, waiting}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            waiting.cancel()
            await serving
        yield await waiting
    finally:
        stop.set()
        await serving
