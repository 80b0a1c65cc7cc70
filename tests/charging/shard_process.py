"""A shard in a process of its own behind its binary front, for tests that kill it: where its log is, and its socket."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from farwire.base.clock import SystemClock
from farwire.base.storage.database import open_pool
from farwire.charging.log.disk import RealDisk
from farwire.charging.log.file import FileLog, highest_epoch
from farwire.charging.shard.front import listen
from farwire.charging.shard.keeper import Keeper
from farwire.charging.shard.runner import Policy, Runner
from farwire.charging.shard.shard import recover
from tests.charging.shard_world import FlatTariffs

POLICY = Policy(requests=2_000, tick_ms=10)


async def in_files(folder: str) -> Runner:
    disk = RealDisk(Path(folder))
    log = FileLog(disk, shard=1, epoch=highest_epoch(disk, 1) + 1, segment_bytes=1 << 20)
    shard = await recover(log=log, records=100_000, tariffs=FlatTariffs(), clock=SystemClock())
    return Runner(shard, policy=POLICY, books=lambda: 0)


async def in_postgres(url: str) -> Runner:
    keeper = Keeper(
        db=await open_pool(url), shard=1, holder="the only one", records=100_000, tariffs=FlatTariffs(),
        clock=SystemClock(), make_runner=lambda shard: Runner(shard, policy=POLICY, books=lambda: 0),
    )  # fmt: skip
    return (await keeper.serve()).runner


async def main(where: str, path: str) -> None:
    runner = await (in_postgres(where) if "://" in where else in_files(where))
    front = await listen(runner, path=path)
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGTERM, lambda: asyncio.ensure_future(runner.drain())
    )
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await front.serve()


asyncio.run(main(*sys.argv[1:]))
