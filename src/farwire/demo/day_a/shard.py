"""The shard of online charging that a demo runs in its own process: it recovers from its log, answers, and ends."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from farwire.base.clock import Clock
from farwire.base.storage import Database
from farwire.charging import service as charging
from farwire.charging.log import Durability
from farwire.charging.service import books
from farwire.charging.service.owning import LogKind, Owned, Ownership, own
from farwire.charging.shard.front import listen
from farwire.charging.shard.runner import Policy

SHARD: Final = 0
"""The one that ``farwire charging serve`` keeps too: what a demo leaves can be looked at there."""
RECORDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Charging:
    """A shard that answers."""

    db: Database
    clock: Clock
    owned: Owned
    address: charging.Address
    """Where it listens for gateways."""

    @property
    def client(self) -> charging.InProcessClient:
        """Return a way to ask it."""
        return charging.InProcessClient(self.owned.runner)

    @property
    def epoch(self) -> int:
        """Return what is new each time that the shard starts."""
        return self.owned.runner.shard.log.epoch

    async def to_the_books(self) -> None:
        """Bring everything that its log tells to the books."""
        taken = await books.take_all(db=self.db, log=self.owned.runner.shard.log, clock=self.clock)
        self.owned.books_read.last = taken.last


@asynccontextmanager
async def open_charging(*, db: Database, clock: Clock, folder: Path) -> AsyncIterator[Charging]:
    """Run the shard by ``clock``, with its log in a folder of ``folder``, as ``farwire charging serve`` does.

    Raises ``Fenced`` (``charging.shard_held``, ``charging.log_locked``) while another process has it.
    """
    tariffs = charging.LiveTariffs()
    await tariffs.reload(db, clock=clock)
    wanted = Ownership(SHARD, folder / f"shard-{SHARD}", LogKind.FILE, Durability.HOST, RECORDS, Policy())
    async with own(db=db, clock=clock, wanted=wanted, tariffs=tariffs, stop=asyncio.Event()) as owned:
        with tempfile.TemporaryDirectory(prefix="farwire-") as private:
            address = charging.Address(path=str(Path(private) / "shard.sock"))
            front = await listen(owned.runner, path=address.path)
            shard = Charging(db, clock, owned, address)
            try:
                yield shard
            finally:
                front.close()
        await shard.to_the_books()
        await owned.runner.snapshot()  # gives back what of the log nobody needs any more
