"""Virtual shards move between real processes under load; source, target and mover are killed at every step.

Answers received ⊆ recovered state, nothing is charged twice, and each account is in one shard: the one that the
database names.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from farwire.base.clock import SystemClock
from farwire.base.storage import Database
from farwire.charging.log.disk import RealDisk
from farwire.charging.log.file import FileLog, highest_epoch
from farwire.charging.model import Answer, ResultCode
from farwire.charging.model.answers import Movement
from farwire.charging.service import SocketClient, shard_address
from farwire.charging.service.moving import TRIES, Moved, Mover, list_shards, plan_spread, plan_to
from farwire.charging.shard.facts import unpack
from farwire.charging.shard.handover import Side
from farwire.charging.shard.placement import homes
from farwire.charging.shard.shard import Ask, recover
from farwire.charging.shard.vshards import Move
from farwire.kernel.errors import FarwireError
from tests.charging.children import end, kill
from tests.charging.shard_world import FlatTariffs
from tests.charging.test_kill import Subscriber

PROCESS = Path(__file__).with_name("move_process.py")
MOVER = "from farwire.app import main; main()"
STEPS = ("depart", "export", "bring", "arrive", "change", "settle")
ACCOUNTS = 18


class Gateway:
    """What the subscribers ask through: it follows them to where they live."""

    def __init__(self, folder: Path) -> None:
        self.client = SocketClient(lambda shard: shard_address(folder, shard), timeout_ms=30_000)
        self.busy = 0

    async def ask(self, request: Ask) -> Answer:
        await asyncio.sleep(0.02)  # an account keeps 1,024 keys
        while (answer := await self.client.ask(1, request)).result == ResultCode.TOO_BUSY:
            self.busy += 1
            await asyncio.sleep(0.05)
        return answer


class Installation:
    """Two shard processes and the load on them."""

    def __init__(self, db: Database, folder: Path, env: dict[str, str]) -> None:
        self.db = db
        self.folder = folder
        self.env = {**os.environ, **env, "FARWIRE_DATA_DIR": str(folder)}
        self.processes: dict[int, asyncio.subprocess.Process] = {}
        self.lives: list[asyncio.Task[None]] = []
        self.gateway = Gateway(folder)
        self.subscribers = [Subscriber(self.gateway, number, 1) for number in range(1, ACCOUNTS + 1)]

    def mover(self) -> Mover:
        return Mover(db=self.db, address_of=lambda shard: shard_address(self.folder, shard))

    async def start(self, shard: int, shards: str = "0,1") -> None:
        assert shard not in self.processes or self.processes[shard].returncode is not None
        with (self.folder / f"{shard}.log").open("ab") as log:
            process = self.processes[shard] = await asyncio.create_subprocess_exec(
                *(sys.executable, str(PROCESS), str(shard), shards, str(self.folder)),
                env=self.env, stdout=asyncio.subprocess.PIPE, stderr=log,
            )  # fmt: skip
        assert process.stdout is not None
        said = await process.stdout.readline()
        assert said == b"ready\n", (self.folder / f"{shard}.log").read_text()[-2_000:]

    async def live(self) -> None:
        """Begin the load, and wait until all accounts are open: of one that is not there nothing is handed over."""
        self.lives = [asyncio.ensure_future(one.live()) for one in self.subscribers]
        while not all(one.said for one in self.subscribers):
            assert not any(life.done() for life in self.lives)
            await asyncio.sleep(0.01)

    async def kill(self, shard: int) -> None:
        kill(self.processes[shard])
        await self.processes[shard].wait()

    async def move(self, vshards: Sequence[int], target: int) -> Moved:
        moves = await plan_to(db=self.db, vshards=vshards, target=target)
        return await self.mover().move_all(moves, told=lambda _: None)

    async def finish(self) -> None:
        """End the load, see that each balance is what was answered, and prove what the logs have."""
        for one in self.subscribers:
            one.stop = True
        await asyncio.wait_for(asyncio.gather(*self.lives), 60)
        await asyncio.gather(*(one.settle() for one in self.subscribers))
        for process in self.processes.values():
            process.terminate()
            assert await asyncio.wait_for(process.wait(), 60) == 0
        await self.check_logs()

    async def check_logs(self) -> None:
        placed = await homes(db=self.db)
        sums: Counter[int] = Counter()
        seen: Counter[tuple[int, ...]] = Counter()
        where: dict[int, list[int]] = {one.number: [] for one in self.subscribers}
        for number in self.processes:
            disk = RealDisk(self.folder / str(number))
            log = FileLog(disk, shard=number, epoch=highest_epoch(disk, number) + 1)
            shard = await recover(log=log, records=100_000, tariffs=FlatTariffs(), clock=SystemClock())
            async for batch in log.facts(0):
                for _, one in unpack(batch.facts):
                    if isinstance(one, Movement):
                        sums[one.account] += one.amount
                        seen[one.key_hi, one.key_lo, one.number, one.kind, one.balance] += 1
            for subscriber in self.subscribers:
                account = shard.accounts.find(1, subscriber.number)
                if account is not None:
                    where[subscriber.number].append(number)
                    assert account.balances[0].amount == subscriber.left
            await log.close()
        assert not [key for key, times in seen.items() if times > 1]
        assert where == {one.number: [placed[one.number].shard] for one in self.subscribers}
        assert {one.number: sums[one.number] for one in self.subscribers} == {
            one.number: one.left for one in self.subscribers
        }


@asynccontextmanager
async def installation(db: Database, folder: Path, env: dict[str, str]) -> AsyncIterator[Installation]:
    found = Installation(db, folder, env)
    try:
        yield found
    finally:
        for life in found.lives:
            life.cancel()
        await found.gateway.client.close()
        for process in found.processes.values():
            await end(process)


class Tripped:
    """A side of a mover at which something happens behind a step, or before the first ``settle`` ("change")."""

    def __init__(self, side: Side, step: str, act: Callable[[], Awaitable[None]]) -> None:
        self.side = side
        self.step = step
        self.act = act

    def __getattr__(self, name: str) -> Any:
        async def asked(*words: Any) -> Any:
            if (name, self.step) == ("settle", "change"):
                await self.act()
            found = await getattr(self.side, name)(*words)
            if name == self.step:
                await self.act()
            return found

        return asked


class Killed(BaseException):
    """The mover is dead."""


@pytest.mark.crash
@pytest.mark.timeout(600)
async def test_a_new_process_gets_its_part_under_load(db, database_env, tmp_path):
    async with installation(db, tmp_path, database_env) as world:
        await world.start(0, "0")
        await world.live()
        await world.start(1, "0")
        assert [(one.shard, one.vshards, one.live) for one in await list_shards(db=db)] == [
            (0, 4_096, True),
            (1, 0, True),
        ]
        planned = await plan_spread(db=db)
        assert len(planned) == 2_048
        mine = [one for one in planned if one.vshard <= ACCOUNTS]
        assert len(mine) > 5
        told: list[int] = []
        found = await world.mover().move_all(mine, told=lambda moved: told.append(moved.done))
        assert (found.done, found.failed, told[-1]) == (len(mine), {}, len(mine))
        again = await world.mover().move_all(mine, told=lambda _: None)
        assert (again.done, again.there) == (0, len(mine))
        await world.move([mine[0].vshard], 0)
        await world.finish()


@pytest.mark.full
@pytest.mark.timeout(900)
@pytest.mark.parametrize("victim", ["source", "target", "mover"])
async def test_a_death_at_any_step_of_a_move_leaves_one_owner_and_loses_nothing(
    db, database_env, tmp_path, victim
):
    async with installation(db, tmp_path, database_env) as world:
        for shard in (0, 1):
            await world.start(shard)
        await world.live()
        for vshard, step in enumerate(STEPS, 1):
            source = (await homes(db=db))[vshard].shard
            dies = {"source": source, "target": 1 - source}.get(victim)
            move = Move(vshard, source, 1 - source)
            for _ in range(TRIES):
                if await trip(world, move, step, dies):
                    break
            else:
                pytest.fail(f"no hand-over came to {step}")
            if dies is not None:
                await world.start(dies)
            found = await world.move([vshard], 1 - source)
            assert found.failed == {}
        await world.finish()


async def trip(world: Installation, move: Move, step: str, dies: int | None) -> bool:
    """Hand over, and let a shard die behind ``step``, or the mover; then nobody settles. Tell whether it came to it.

    On a busy machine a side may lose its patience before that: then the mover begins again, as it always does.
    """
    mover, died = world.mover(), False
    side_of, change = mover._side, mover._hand_over

    async def act() -> None:
        nonlocal died
        if step in {"change", "settle"} and (await homes(db=world.db))[move.vshard].shard != move.target:
            return
        died = True
        if dies is None:
            raise Killed
        await world.kill(dies)

    def side(shard: int) -> Any:
        return Tripped(side_of(shard), step, act)

    mover._side = side  # type: ignore[method-assign]
    try:
        await change(move, (await homes(db=world.db))[move.vshard].epoch)
    except (FarwireError, Killed) as error:
        print(step, died, repr(error))  # noqa: T201 - why, should it never come to the step
    for line in mover._lines.values():
        line.close()
    return died


async def moved(db: Database) -> int:
    """Return how many of the subscribers' virtual shards live in shard 1."""
    return sum(home.shard == 1 for home in (await homes(db=db))[1 : ACCOUNTS + 1])


@pytest.mark.full
@pytest.mark.timeout(600)
async def test_a_command_that_is_killed_is_simply_given_again(db, database_env, tmp_path):
    async with installation(db, tmp_path, database_env) as world:
        for shard in (0, 1):
            await world.start(shard)
        await world.live()
        for kill_at in (1, ACCOUNTS // 2, None):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-c", MOVER, "charging", "move", f"1-{ACCOUNTS}", "--to", "1", "--json"),
                env=world.env, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            while kill_at is not None and process.returncode is None:
                if await moved(db) >= kill_at:
                    kill(process)
                    break
                await asyncio.sleep(0.01)
            await process.wait()
        assert process.returncode == 0
        assert await moved(db) == ACCOUNTS
        await world.finish()
