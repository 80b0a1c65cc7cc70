"""A shard as it is served, but with the tariffs of the tests: ``python move_process.py SHARD SHARDS FOLDER``."""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from farwire.base.clock import Clock, SystemClock
from farwire.base.config import load_settings
from farwire.base.storage import Database, open_database
from farwire.charging.log import Durability
from farwire.charging.log.file import FileLog
from farwire.charging.service import serving, shard_address
from farwire.charging.service.owning import LogKind, Ownership
from farwire.charging.service.tariffs import NOTHING_LOADED
from farwire.charging.shard.runner import Policy
from tests.charging.shard_world import FlatTariffs


class TestTariffs(FlatTariffs):
    loaded = NOTHING_LOADED

    async def reload(self, db: Database, *, clock: Clock) -> bool:
        return False


async def main(shard: int, shards: tuple[int, ...], folder: Path) -> None:
    wanted = Ownership(
        shard,
        folder / str(shard),
        LogKind.FILE,
        Durability.PROCESS,
        100_000,
        Policy(requests=2_000, tick_ms=10),
    )
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)

    def ready(_: serving.Ready) -> None:
        sys.stdout.write("ready\n")
        sys.stdout.flush()

    await serving.serve(
        db=await open_database(load_settings()), clock=SystemClock(), stop=stop, ready=ready,
        serving=serving.Serving(wanted, shard_address(folder, shard), shards),
    )  # fmt: skip


recycle = FileLog.recycle


async def recycle_nothing(self: FileLog, books: int) -> int:
    return await recycle(self, 0 * books)  # the test adds up the log from its first record


serving.LiveTariffs = TestTariffs  # type: ignore[misc, assignment]
FileLog.recycle = recycle_nothing  # type: ignore[method-assign]
asyncio.run(main(int(sys.argv[1]), tuple(int(one) for one in sys.argv[2].split(",")), Path(sys.argv[3])))
