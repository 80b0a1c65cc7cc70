"""Machines, processes and their troubles: everything that a seed decides."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import suppress
from random import Random
from typing import Any
from unittest.mock import patch

from farwire.charging.log import segments
from farwire.charging.log.file import FileLog, highest_epoch
from farwire.charging.model import OfferTerms
from farwire.charging.model.state import SECOND_US
from farwire.charging.model.tariffs import Grant
from farwire.charging.shard.shard import Settings, Shard, recover
from farwire.charging.shard.standby import Standby
from farwire.kernel.errors import FarwireError
from tests.charging.shard_world import FlatTariffs
from tests.charging.sim import fibers
from tests.charging.sim.checks import (
    add_movements,
    check_bytes,
    check_grants,
    check_sums,
    check_usage,
    state_of,
)
from tests.charging.sim.clients import Client, Query, Shout
from tests.charging.sim.machine import Network, VirtualLoop, VirtualThread, WrongClock
from tests.charging.sim.process import Process, Reply
from tests.charging.sim.store_log import Store, StoreLog
from tests.charging.virtual_disk import VirtualDisk

RECORDS = 4_000
SETTINGS = Settings(queue=12, batch=4, in_flight=3, sweep=4, cache=64)
OFFER = OfferTerms(1, 40, (Grant(1, 0, 120, rollover_cap=60),))


class SimTariffs(FlatTariffs):
    """With one offer: 120 octets for 40, for 20 seconds."""

    def offer(self, number: int) -> OfferTerms | None:
        return OFFER if number == 1 else None

    def offer_end(self, number: int, start: int) -> int:
        return start + 20 * SECOND_US


class World:
    """One seed."""

    def __init__(self, loop: VirtualLoop, seed: int, *, stored: bool) -> None:
        self.loop = loop
        self.random = Random(seed)
        self.stored = stored
        self.network = Network(loop, Random(self.random.random()))
        self.disk = VirtualDisk(seed)
        self.disk.pace, self.disk.rest_for = self.pace, fibers.rest
        self.met: Counter[str] = Counter()
        """What has happened, and how often: a trouble that never comes proves nothing."""
        self.network.met = self.disk.met = self.met
        self.store = Store()
        self.clocks = [WrongClock(loop), WrongClock(loop)]
        self.slow = 1.0
        self.slow_disk_until = self.still_disk_until = 0.0
        self.calm = False
        self.steps = self.answers = self.recoveries = 0
        self.expected: dict[tuple[int, int, int], int] = {}
        self.trace: list[str] = []
        self.told: set[tuple[int, int, int]] = set()
        """Reports whose answer has reached a client."""
        self.acknowledged: dict[int, bytes] = {}
        self.books: dict[int, bytes] = {}
        self.books_last = 0
        self.lives: list[Process] = []
        self.clients = [Client(self, number, Random(self.random.random())) for number in (1, 4097, 8193)]
        self.standby: Standby | None = None
        self._starting = False

    def say(self, what: str) -> None:
        """Write down what happens, for who replays the seed."""
        self.trace.append(f"{self.loop.virtual:9.4f} s  {what}")

    # ---- processes

    @property
    def process(self) -> Process | None:
        """Return the newest process, if it lives."""
        return self.lives[-1] if self.lives and self.lives[-1].alive else None

    def latency(self) -> float:
        return self.random.expovariate(1_000) * self.slow

    def pace(self) -> float:
        """Return how long the disk takes for what it does next."""
        still = self.still_disk_until - self.loop.virtual
        if still > 0:
            return still
        return self.random.expovariate(20) if self.disk_is_slow() else 0.0

    def disk_is_slow(self) -> bool:
        return self.loop.virtual < max(self.slow_disk_until, self.still_disk_until)

    async def start(self) -> None:
        """Recover into a new process; until it can, nobody answers."""
        if self._starting:
            return
        self._starting = True
        try:
            shard = await (self._take_over() if self.stored else self._recover_file())
        except (FarwireError, OSError):
            if self.calm:
                raise
            self.loop.call_later(0.5, self.restart)
            return
        finally:
            self._starting = False
        if shard is not None:
            await self._recovered(shard)

    def restart(self) -> None:
        if self.process is None:
            self.loop.create_task(self.start())

    async def _recover_file(self) -> Shard | None:
        threads = [
            VirtualThread(self.loop, self.latency, self.power_cut, self.disk_is_slow) for _ in range(2)
        ]
        log: Any = FileLog(
            self.disk, shard=1, epoch=highest_epoch(self.disk, 1) + 1, segment_bytes=1 << 15,
            writer=threads[0], background=threads[1],
        )  # fmt: skip
        log.threads = self._threads = threads
        return await recover(
            log=log,
            records=RECORDS,
            tariffs=SimTariffs(),
            clock=self.clocks[0],
            settings=SETTINGS,
            timer=lambda: 0,
        )

    async def _take_over(self) -> Shard | None:
        self.store.epoch += 1
        log = StoreLog(self.store, self.loop, Random(self.random.random()), self.store.epoch)
        clock = self.random.choice(self.clocks)
        standby, self.standby = self.standby or Standby(RECORDS), Standby(RECORDS)
        self.met["a standby that followed took over" if standby.last else "an empty standby took over"] += 1
        self._log = log
        return await standby.take_over(
            log, tariffs=SimTariffs(), clock=clock, settings=SETTINGS, timer=lambda: 0
        )

    async def _recovered(self, shard: Shard) -> None:
        """Check what must hold after a recovery: what was answered is there, and nothing was made up."""
        state = state_of(shard)
        check_bytes(shard, state)
        check_grants(state)
        await self.read_books(shard)
        facts = dict(self.books)
        last = shard.log.last
        for sequence, known in self.acknowledged.items():
            assert sequence <= last, f"what was answered is lost: sequence {sequence}, recovered {last}"
            assert facts.get(sequence) == known, (
                f"the facts of sequence {sequence} are others than was answered"
            )
        known_states = [life.states[last] for life in self.lives if last in life.states]
        assert not self.lives or state in known_states, f"nobody was ever in the state of sequence {last}"
        process = Process(self, shard)
        for one in facts.values():
            add_movements(process.sums, one)
        check_sums(process.sums, state)
        check_usage(facts.values(), self.expected, self.told)
        self.recoveries += 1
        self.say(
            f"recovered: sequence {last}, {len(self.acknowledged)} batches answered, {len(self.told)} reports told"
        )
        self.lives.append(process)

    def acknowledge(self, process: Process, last: int) -> None:
        """Remember what a client has been told, with everything before it."""
        facts = process.facts.get(last)
        if facts is not None:
            self.acknowledged[last] = facts

    async def read_books(self, shard: Shard) -> None:
        """Read the facts that are new, as the books do: in order, each once."""
        async for found in shard.log.facts(self.books_last):
            assert found.first == self.books_last + 1, "the books miss a batch"
            self.books[found.last] = found.facts
            self.books_last = found.last

    def deliver(self, query: Query) -> None:
        """A message arrives: mostly at the newest process, sometimes at an older one that does not know it yet."""
        process = self.process
        if self.stored and self.random.random() < 0.2:
            process = self.random.choice([life for life in self.lives if life.alive] or [None])
        if process is not None:
            process.runner.submit(1, query.request, Reply(process, query))

    # ---- troubles

    def power_cut(self) -> None:
        """The machine is dark; later it starts again."""
        self.end(self.disk.crash if self.random.random() < 0.7 else self.disk.kill)

    def end(self, disk_act: Any = None) -> None:
        for thread in getattr(self, "_threads", ()):
            thread.die()
        if (process := self.process) is not None:
            process.die()
        if disk_act is not None:
            disk_act()
        self.disk.fail_sync_at = 0
        self.disk.capacity = 1 << 40
        self._starting = False
        self.loop.call_later(self.random.uniform(0.01, 1.5), self.restart)

    def trouble(self) -> None:
        """Something goes wrong, by chance."""
        if self.calm:
            return
        self.loop.call_later(self.random.expovariate(1.2), self.trouble)
        self.slow = 1.0
        if (process := self.process) is not None and process.shard.failure is not None:
            self.met[process.shard.failure.code] += 1
            self.end()
            return
        acts = [self.jump, self.cut_network, self.slow_down, self.copy, self.crowd]
        acts += [self.fence, self.split, self.follow, self.lose_standby, self.kill] if self.stored else [
            self.power_cut, self.kill, self.cut_inside, self.fail_sync, self.fill_disk, self.slow_disk,
            self.stop_disk]  # fmt: skip
        act = self.random.choice(acts)
        what = act.__name__.replace("_", " ")
        self.met[what] += 1
        self.say(what)
        act()

    def jump(self) -> None:
        clock = self.random.choice(self.clocks)
        off_s = self.random.choice([0.0, clock.off_s + self.random.uniform(-200, 100), 90.0])
        clock.jump(off_s, self.met)

    def cut_network(self) -> None:
        self.network.cut_until = self.loop.virtual + self.random.expovariate(1)

    def slow_down(self) -> None:
        self.slow = 100.0

    def kill(self) -> None:
        self.end(None if self.stored else self.disk.kill)

    def cut_inside(self) -> None:
        self.disk.budget = self.random.randrange(30_000)

    def fail_sync(self) -> None:
        self.disk.fail_sync_at = self.disk.syncs + self.random.randrange(1, 4)

    def fill_disk(self) -> None:
        self.disk.capacity = self.disk.used()

    def slow_disk(self) -> None:
        """Every act of the disk takes its time."""
        self.slow_disk_until = self.loop.virtual + self.random.uniform(0.5, 4)

    def stop_disk(self) -> None:
        """The disk does nothing for a while, also not what has just been begun."""
        self.still_disk_until = self.loop.virtual + self.random.uniform(0.5, 4)

    def crowd(self) -> None:
        """Many ask at once: more than the queue has room for."""
        if (process := self.process) is not None:
            for _ in range(30):
                shout = Shout(self.random.choice(self.clients), self.random)
                process.runner.submit(1, shout.request, shout)

    def copy(self) -> None:
        if (process := self.process) is not None:
            process.runner._snapshot_last = -(10**9)

    def keep_books(self) -> None:
        """Read what is new, again and again: while a batch is being synced, too."""
        if self.calm:
            return
        self.loop.call_later(self.random.expovariate(4), self.keep_books)
        if (process := self.process) is not None:
            self.loop.create_task(self.quietly(self.read_books(process.shard)))

    async def quietly(self, act: Any) -> None:
        with suppress(FarwireError):
            await act

    def fence(self) -> None:
        """Somebody takes over though the process lives: it does not know yet."""
        self.loop.create_task(self.start())

    def split(self) -> None:
        """The process does not reach its log for a while."""
        if (process := self.process) is not None and isinstance(process.shard.log, StoreLog):
            process.shard.log.cut_until = self.loop.virtual + self.random.expovariate(0.5)

    def lose_standby(self) -> None:
        """The standby dies, and another one begins with nothing."""
        if self.standby is not None and self.standby.last:
            self.met["a standby died that had followed"] += 1
        self.standby = Standby(RECORDS)

    def follow(self) -> None:
        if self.standby is not None and self.lives:
            reader = StoreLog(self.store, self.loop, self.random, 0)
            self.loop.create_task(self.standby.follow(reader))

    # ---- the play

    async def play(self, acts: int) -> None:
        """Let clients live among troubles; then heal everything and see that it ends well."""
        await self.start()
        self.loop.call_later(0.3, self.trouble)
        if not self.stored:
            self.keep_books()
        await asyncio.gather(*(client.live(acts) for client in self.clients))
        await self.heal()
        await self.finish()

    async def heal(self) -> None:
        self.calm = self.store.calm = True
        self.network.cut_until, self.network.lossy = 0.0, 0.0
        self.slow_disk_until = self.still_disk_until = 0.0
        self.slow, self.disk.budget, self.disk.fail_sync_at, self.disk.capacity = 1.0, None, 0, 1 << 40
        await asyncio.sleep(6)
        process = self.process
        if (
            process is None or process.shard.failure or process.shard.log._failure
        ):  # only the log may know yet
            self.end()
        while self.process is None:  # noqa: ASYNC110 - a poll is simple, and time costs nothing here
            await asyncio.sleep(0.5)

    async def finish(self) -> None:
        """Days pass: every reservation ends. The last recovery finds what the last process had."""
        process = self.process
        assert process is not None
        for days in (1, 2, 3):
            for clock in self.clocks:
                clock.off_s = days * 90_000.0
            for _ in range(10):
                process.runner.wake()
                await asyncio.sleep(0.6)
        assert process.shard.failure is None, f"the shard failed in calm weather: {process.shard.failure}"
        for account in state_of(process.shard).values():
            assert not any(balance.reserved for balance in account.balances), f"{account} still holds"
            assert not any(share.reserved for share in account.shares), f"{account} still holds a share"
            assert account.sessions == ()
        await process.runner.drain()
        process.alive = False
        await self.start()
        if self.process is not None:
            self.process.die()


def play(seed: int, *, stored: bool, acts: int = 12) -> World:
    """Play one seed to its end. Raises what is found wrong."""
    loop = VirtualLoop()
    world = World(loop, seed, stored=stored)
    try:
        with patch.object(segments, "Lock", fibers.VirtualLock):
            loop.run_to_end(world.play(acts), note=f"To replay it: make sim SEED={seed}")
    except BaseException as error:
        error.add_note("\n".join(world.trace[-20:]))
        raise
    return world
