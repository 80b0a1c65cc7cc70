"""The shard of online charging that a demo starts in its own process: it recovers from its log, answers, and ends."""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from farwire.base.clock import Clock
from farwire.base.storage import Database
from farwire.charging import service as charging
from farwire.charging.log.disk import RealDisk
from farwire.charging.log.file import FileLog
from farwire.charging.log.lease import renew_lease, take_lease
from farwire.charging.service import books
from farwire.charging.shard.runner import Runner
from farwire.charging.shard.shard import recover

SHARD: Final = 0
"""The one that ``farwire charging serve`` keeps too: what a demo leaves can be looked at there."""
LEASE_S: Final = 60
"""Longer than a demo needs it. One that was killed leaves the shard to the next after that time."""
RECORDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Charging:
    """A shard that answers. ``epoch`` is new each time that one starts."""

    db: Database
    clock: Clock
    runner: Runner
    epoch: int

    @property
    def client(self) -> charging.InProcessClient:
        """Return a way to ask it."""
        return charging.InProcessClient(self.runner)

    async def to_the_books(self) -> None:
        """Bring everything that its log tells to the books."""
        await books.take_all(db=self.db, log=self.runner.shard.log, clock=self.clock)


@asynccontextmanager
async def open_charging(*, db: Database, clock: Clock, folder: Path) -> AsyncIterator[Charging]:
    """Run the shard by ``clock``, with its log in ``folder``.

    Raises ``Fenced`` (``charging.shard_held``, ``charging.log_locked``) while another process has it.
    """
    tariffs = charging.LiveTariffs()
    await tariffs.reload(db, clock=clock)
    holder = f"{socket.gethostname()}:{os.getpid()}"
    lease = await take_lease(db=db, shard=SHARD, holder=holder, seconds=LEASE_S)
    try:
        log = FileLog(RealDisk(folder / f"shard-{SHARD}"), shard=SHARD, epoch=lease.epoch)
        runner = Runner(await recover(log=log, records=RECORDS, tariffs=tariffs, clock=clock))
        try:
            yield Charging(db, clock, runner, lease.epoch)
        finally:
            await runner.drain()
    finally:
        await renew_lease(db=db, lease=lease, seconds=0)
