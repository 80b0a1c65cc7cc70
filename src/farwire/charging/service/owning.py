"""Become the owner of a shard: its lease, then everything that its log kept."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final

from farwire.base.clock import Clock
from farwire.base.storage import Database
from farwire.charging.log import Durability, Fenced
from farwire.charging.log.disk import RealDisk
from farwire.charging.log.file import LOCK, FileLog
from farwire.charging.log.lease import Lease, renew_lease, take_lease
from farwire.charging.model import Tariffs
from farwire.charging.service import books
from farwire.charging.service.meter import MeasuredRunner, Meter
from farwire.charging.shard.keeper import LEASE_S, Keeper, keep
from farwire.charging.shard.runner import Policy
from farwire.charging.shard.shard import Shard, recover
from farwire.kernel.errors import FarwireError, Unavailable

_TRIES: Final = 12


class LogKind(StrEnum):
    """Where a shard keeps its log."""

    FILE = "file"
    POSTGRES = "postgres"


@dataclass(frozen=True, slots=True)
class Ownership:
    """What a process wants to own."""

    shard: int
    folder: Path
    """Of the log in files."""
    log: LogKind
    durability: Durability
    records: int
    policy: Policy


@dataclass(slots=True)
class BooksRead:
    """Up to which sequence the books have read; what is older may be given back."""

    last: int


@dataclass(frozen=True, slots=True)
class Owned:
    """A shard that this process owns."""

    runner: MeasuredRunner
    books_read: BooksRead


class Stopped(Unavailable):
    """The process was told to stop before it owned its shard."""

    default_code = "charging.stopped"


@asynccontextmanager
async def own(
    *, db: Database, clock: Clock, wanted: Ownership, tariffs: Tariffs, stop: asyncio.Event
) -> AsyncIterator[Owned]:
    """Yield the shard, recovered; afterwards give its lease up.

    With a log in PostgreSQL it stands by until the shard is free, and follows it meanwhile. With one in files it waits
    only for the lease of a process that has died. Raises ``Stopped``, ``Fenced`` (``charging.shard_held``,
    ``charging.log_locked``), ``LogDamaged``, ``Exhausted`` (``charging.arena_full``).
    """
    read = BooksRead(await books.position(db=db, shard=wanted.shard))

    def runner_of(shard: Shard) -> MeasuredRunner:
        return MeasuredRunner(shard, meter=Meter(), policy=wanted.policy, books=lambda: read.last)

    open_shard = _from_files if wanted.log is LogKind.FILE else _from_postgres
    runner, keeping = await open_shard(db, clock, wanted, tariffs, stop, runner_of)
    try:
        yield Owned(runner, read)
    finally:
        if not runner.ended.is_set():
            await runner.drain()
        with suppress(FarwireError, OSError):  # a lease that cannot be given up, or not now, ends by itself
            await asyncio.wait_for(keeping, LEASE_S)


_Opened = tuple[MeasuredRunner, asyncio.Task[None]]
_RunnerOf = Callable[[Shard], MeasuredRunner]


def _holder() -> str:
    return f"{socket.gethostname()}:{os.getpid()}"


async def _from_files(
    db: Database, clock: Clock, wanted: Ownership, tariffs: Tariffs, stop: asyncio.Event, runner_of: _RunnerOf
) -> _Opened:
    disk = RealDisk(wanted.folder)
    disk.lock(LOCK)  # a process that works here is told of at once, before its lease is waited for
    disk.unlock()
    lease = await _lease(db, wanted.shard, stop)
    try:
        log = FileLog(disk, shard=wanted.shard, epoch=lease.epoch, durability=wanted.durability)
        shard = await recover(log=log, records=wanted.records, tariffs=tariffs, clock=clock)
    except BaseException:
        await renew_lease(db=db, lease=lease, seconds=0)
        raise
    runner = runner_of(shard)
    return runner, asyncio.create_task(keep(db=db, runner=runner, lease=lease))


async def _lease(db: Database, shard: int, stop: asyncio.Event) -> Lease:
    """Take the lease. That of a process that has died ends by itself: longer than that is not waited."""
    for left in range(_TRIES, 0, -1):
        try:
            return await take_lease(db=db, shard=shard, holder=_holder(), seconds=LEASE_S)
        except Fenced:
            if left == 1:
                raise
        if stop.is_set():
            break
        await asyncio.sleep(LEASE_S / (_TRIES - 2))
    raise Stopped("stopped before the shard was free")


async def _from_postgres(
    db: Database, clock: Clock, wanted: Ownership, tariffs: Tariffs, stop: asyncio.Event, runner_of: _RunnerOf
) -> _Opened:
    made: list[MeasuredRunner] = []

    def remembered(shard: Shard) -> MeasuredRunner:
        made.append(runner_of(shard))
        return made[-1]

    keeper = Keeper(
        db=db, shard=wanted.shard, holder=_holder(), records=wanted.records, tariffs=tariffs, clock=clock,
        durability=wanted.durability, make_runner=remembered,
    )  # fmt: skip
    serving, stopping = asyncio.ensure_future(keeper.serve()), asyncio.ensure_future(stop.wait())
    await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not serving.done():
        serving.cancel()
        raise Stopped("stopped before the shard was free")
    served = await serving
    return made[-1], served.keeping
