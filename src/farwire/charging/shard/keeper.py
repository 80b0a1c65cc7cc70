"""Which process serves a shard whose log is in PostgreSQL: the one that holds its lease. The others stand by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from farwire.base.clock import Clock
from farwire.base.storage import Database
from farwire.charging.log import Durability, Fenced
from farwire.charging.log.lease import Lease, renew_lease, take_lease
from farwire.charging.log.postgres import PostgresLog
from farwire.charging.model import Tariffs
from farwire.charging.shard.moving import settle_all
from farwire.charging.shard.placement import claim
from farwire.charging.shard.runner import Runner
from farwire.charging.shard.shard import Settings, Shard
from farwire.charging.shard.standby import Standby
from farwire.kernel.errors import FarwireError

LEASE_S: Final = 3
"""How long a shard may be without an answer when its process has died without a word. Renewed three times as often."""
_READ_ONLY: Final = 0
"""The epoch of a log that is only read."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Served:
    """A shard that this process serves, for as long as it keeps its lease."""

    runner: Runner
    lease: Lease
    keeping: asyncio.Task[None]


class Keeper:
    """Stands by for one shard until its lease is free, then serves it."""

    def __init__(
        self,
        *,
        db: Database,
        shard: int,
        holder: str,
        records: int,
        tariffs: Tariffs,
        clock: Clock,
        settings: Settings | None = None,
        durability: Durability = Durability.HOST,
        lease_s: int = LEASE_S,
        make_runner: Callable[[Shard], Runner] = Runner,
    ) -> None:
        self._db = db
        self._shard = shard
        self._holder = holder
        self._tariffs = tariffs
        self._clock = clock
        self._settings = settings
        self._durability = durability
        self._lease_s = lease_s
        self._make_runner = make_runner
        self._standby = Standby(records)

    async def serve(self) -> Served:
        """Follow the shard until its lease is free; take it over and return it, with what of its records is its own.

        Raises what ``Log.recover`` raises.
        """
        reader = PostgresLog(self._db, shard=self._shard, epoch=_READ_ONLY)
        await self._standby.follow(reader)
        while (lease := await self._try()) is None:
            await asyncio.sleep(self._lease_s / 10)
            await self._standby.follow(reader)
        _log.info(
            "charging shard taken over", shard=self._shard, epoch=lease.epoch, followed=self._standby.last
        )
        shard = await self._take_over(lease)
        runner = self._make_runner(shard)
        homes = await claim(db=self._db)
        await settle_all(runner, [home.shard for home in homes])
        return Served(runner, lease, self._kept(runner, lease))

    def _kept(self, runner: Runner, lease: Lease) -> asyncio.Task[None]:
        return asyncio.create_task(keep(db=self._db, runner=runner, lease=lease, seconds=self._lease_s))

    async def _try(self) -> Lease | None:
        try:
            return await take_lease(
                db=self._db, shard=self._shard, holder=self._holder, seconds=self._lease_s
            )
        except Fenced:
            return None

    async def _take_over(self, lease: Lease) -> Shard:
        log = PostgresLog(self._db, shard=self._shard, epoch=lease.epoch, durability=self._durability)
        return await self._standby.take_over(
            log, tariffs=self._tariffs, clock=self._clock, settings=self._settings
        )


async def keep(*, db: Database, runner: Runner, lease: Lease, seconds: int = LEASE_S) -> None:
    """Renew the lease until the shard ends, then give it up. One that is lost ends the shard.

    While the database does not answer nothing is durable, so nothing is answered: the shard may wait for it.
    """
    while not runner.ended.is_set():
        try:
            await renew_lease(db=db, lease=lease, seconds=seconds)
        except Fenced as error:
            runner.shard.fail(error)
            runner.wake()
            return
        except (FarwireError, OSError) as error:
            _log.warning("lease not renewed", shard=lease.shard, reason=str(error))
        with suppress(TimeoutError):
            await asyncio.wait_for(runner.ended.wait(), seconds / 3)
    if runner.shard.failure is None:
        await renew_lease(db=db, lease=lease, seconds=0)
