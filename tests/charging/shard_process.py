"""A shard in a process of its own behind its binary front, for tests that kill it: folder and socket as arguments."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from farwire.base.clock import SystemClock
from farwire.charging.log.disk import RealDisk
from farwire.charging.log.file import FileLog, highest_epoch
from farwire.charging.shard.front import listen
from farwire.charging.shard.runner import Policy, Runner
from farwire.charging.shard.shard import recover
from tests.charging.shard_world import FlatTariffs


async def main(folder: str, path: str) -> None:
    disk = RealDisk(Path(folder))
    log = FileLog(disk, shard=1, epoch=highest_epoch(disk, 1) + 1, segment_bytes=1 << 20)
    shard = await recover(log=log, records=100_000, tariffs=FlatTariffs(), clock=SystemClock())
    runner = Runner(shard, policy=Policy(requests=2_000, tick_ms=10), books=lambda: 0)
    front = await listen(runner, path=path)
    asyncio.get_running_loop().add_signal_handler(
        signal.SIGTERM, lambda: asyncio.ensure_future(runner.drain())
    )
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    await front.serve()


asyncio.run(main(*sys.argv[1:]))
