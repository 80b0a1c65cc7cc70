"""Two shards between which virtual shards move again and again, while both crash: each account stays in one place."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from random import Random
from typing import Any

from farwire.charging.log import LogFailed
from farwire.charging.log.file import FileLog, highest_epoch
from farwire.charging.model import Answer
from farwire.charging.shard.admission import Moved
from farwire.charging.shard.handover import Desk, Manifest, hand_over
from farwire.charging.shard.homes import VSHARDS
from farwire.charging.shard.moving import settle_all
from farwire.charging.shard.runner import Policy, Runner
from farwire.charging.shard.shard import recover
from farwire.kernel.errors import Conflict, FarwireError, Unavailable
from tests.charging.sim.checks import (
    State,
    Sums,
    add_movements,
    check_bytes,
    check_grants,
    check_sums,
    check_usage,
    state_of,
)
from tests.charging.sim.clients import Client, Query
from tests.charging.sim.machine import Network, VirtualLoop, VirtualThread, WrongClock
from tests.charging.sim.world import RECORDS, SETTINGS, SimTariffs
from tests.charging.virtual_disk import VirtualDisk

HOPS = 4
"""How often a request follows the word that its account is elsewhere before it waits, as ``SocketClient`` does."""


class Machine:
    """One shard on one machine, through all its lives."""

    def __init__(self, world: MovingWorld, number: int) -> None:
        self.world = world
        self.number = number
        self.random = world.random
        self.disk = VirtualDisk(number)
        self.runner: Runner | None = None
        self.desk: Desk | None = None
        self.watching: asyncio.Task[None] | None = None
        self.acknowledged = self.lives = 0
        self.starting = False
        self.threads: list[VirtualThread] = []

    async def start(self) -> None:
        self.starting = True
        self.lives += 1
        life = self.lives
        self.threads = [
            VirtualThread(self.world.loop, self.latency, lambda: self.die(self.disk.crash)) for _ in range(2)
        ]
        log = FileLog(
            self.disk, shard=self.number, epoch=highest_epoch(self.disk, self.number) + 1,
            segment_bytes=1 << 17, writer=self.threads[0], background=self.threads[1],
        )  # fmt: skip
        shard = await recover(
            log=log, records=RECORDS, tariffs=SimTariffs(), clock=self.world.clock, settings=SETTINGS,
            timer=lambda: 0,
        )  # fmt: skip
        assert shard.log.last >= self.acknowledged, "what was answered is lost"
        runner = Runner(shard, policy=Policy(requests=60, seconds=30, tick_ms=500), books=lambda: 0)
        self.watch(shard)
        await settle_all(runner, self.world.claim())
        if life == self.lives:
            self.runner = runner
            self.desk = Desk(runner, claim=self.world.claim_one)
            self.watching = self.world.loop.create_task(self.desk.watch())
            self.starting = False

    def watch(self, shard: Any) -> None:
        commit, step = shard._commit, shard.step

        def committed(requests: int, replies: list, facts: list) -> None:
            for reply, _ in replies:
                if isinstance(reply, Way):
                    reply.last = shard.log.last + requests
            commit(requests, replies, facts)

        def stepped() -> bool:
            more = step()
            if shard.failure is None and shard.all_appended:
                self.world.steps += 1
                state = state_of(shard)
                check_grants(state)
                if self.random.random() < 0.1:
                    check_bytes(shard, state)
            return more

        shard._commit, shard.step = committed, stepped

    def latency(self) -> float:
        return self.random.expovariate(500)

    def die(self, act: Any) -> None:
        for thread in self.threads:
            thread.die()
        runner, self.runner = self.runner, None
        self.desk = None
        if self.watching is not None:
            self.watching.cancel()
        self.lives += 1
        self.starting = False
        if runner is not None:
            runner._end()
            if runner._snapshotting is not None:
                runner._snapshotting.cancel()
            runner.shard.fail(LogFailed("killed"))
        act()
        self.world.loop.call_later(self.random.uniform(0.01, 0.8), self.restart)

    def restart(self) -> None:
        if self.runner is None and not self.starting:
            self.world.loop.create_task(self.start())


class Way:
    """The way back of one arrival."""

    def __init__(self, machine: Machine, query: Query, hops: int) -> None:
        self.machine = machine
        self.hops = hops
        self.query = query
        self.life = machine.lives
        self.last = 0

    def __call__(self, answer: Answer | Moved | None) -> None:
        machine, query = self.machine, self.query
        if answer is None or machine.lives != self.life:
            return
        world = machine.world
        if isinstance(answer, Moved):
            world.moved += 1
            query.shard = answer.shard
            if self.hops < HOPS:  # two shards may send it to each other for a while: each hop may double it
                world.network.send(lambda: world.deliver(query, self.hops + 1))
            return
        machine.acknowledged = max(machine.acknowledged, self.last)
        world.network.send(lambda: query.received(answer))


class FarSide:
    """A shard as a mover sees it: words to it are late or lost, and it goes on with what it was told."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    async def tell(self, name: str, *words: Any) -> Any:
        world, life = self.machine.world, self.machine.lives
        await world.a_while()
        if (desk := self.machine.desk) is None:
            raise Unavailable("nobody listens")
        act = world.loop.create_task(getattr(desk, name)(*words))
        act.add_done_callback(lambda done: None if done.cancelled() else done.exception())
        said = await asyncio.wait_for(asyncio.shield(act), 5)
        await world.a_while()
        if self.machine.lives != life:
            raise Unavailable("it has died")
        return said

    async def depart(self, vshard: int, epoch: int) -> Manifest:
        found: Manifest = await self.tell("depart", vshard, epoch)
        return found

    async def export(self, vshard: int, epoch: int, first: int) -> bytes:
        found: bytes = await self.tell("export", vshard, epoch, first)
        return found

    async def bring(self, vshard: int, epoch: int, first: int, records: bytes) -> None:
        await self.tell("bring", vshard, epoch, first, records)

    async def arrive(self, vshard: int, epoch: int, manifest: Manifest) -> None:
        await self.tell("arrive", vshard, epoch, manifest)

    async def settle(self, vshard: int) -> int:
        found: int = await self.tell("settle", vshard)
        return found


class MovingWorld:
    """One seed. The homes are what a table in PostgreSQL is elsewhere: changed in one step."""

    def __init__(self, loop: VirtualLoop, seed: int) -> None:
        self.loop = loop
        self.random = Random(seed)
        self.network = Network(loop, Random(self.random.random()))
        self.clock = WrongClock(loop)
        self.homes = [1] * VSHARDS
        self.epochs = [1] * VSHARDS
        self.machines = {number: Machine(self, number) for number in (1, 2)}
        self.calm = False
        self.steps = self.answers = self.moves = self.moved = 0
        self.expected: dict[tuple[int, int, int], int] = {}
        self.told: set[tuple[int, int, int]] = set()
        numbers = (1, 4097, 2, 4098)
        self.clients: list[Client] = []
        for number in numbers:
            self.clients.append(Client(self, number, Random(self.random.random())))  # type: ignore[arg-type]

    def deliver(self, query: Query, hops: int = 0) -> None:
        runner = self.machines[query.shard].runner
        if runner is not None:
            runner.submit(1, query.request, Way(self.machines[runner.shard.log.shard], query, hops))

    def claim(self) -> list[int]:
        """Return the homes to a shard that has recovered; moves in progress end without effect."""
        self.epochs = [epoch + 1 for epoch in self.epochs]
        return list(self.homes)

    def claim_row(self, vshard: int) -> int:
        """Return one home to a side that settles, and end the move that is in progress."""
        self.epochs[vshard] += 1
        return self.homes[vshard]

    async def claim_one(self, vshard: int) -> int:
        """Change the row; sometimes the answer is lost, before or after."""
        return await self.in_database(lambda: self.claim_row(vshard))

    async def change_home(self, vshard: int, target: int, epoch: int) -> None:
        """Change the row if it has the epoch."""

        def changed() -> None:
            if self.epochs[vshard] != epoch:
                raise Conflict("it has moved")
            self.homes[vshard], self.epochs[vshard] = target, epoch + 1
            self.moves += 1

        await self.in_database(changed)

    async def in_database(self, act: Any) -> Any:
        await asyncio.sleep(self.random.choice([0.005, 0.02, 1.0, 3.0]))
        lost = 0.0 if self.calm else self.random.random()
        if lost > 0.9:
            raise Unavailable("the database did not take it")
        found = act()
        if lost > 0.8:
            raise Unavailable("the database took it and did not say so")
        return found

    async def a_while(self) -> None:
        """Let a word of a mover be on its way; some never arrive."""
        late = self.random.random() < 0.05
        await asyncio.sleep(self.random.uniform(0.0, 4.0) if late else self.random.expovariate(200))
        if not self.calm and (self.loop.virtual < self.network.cut_until or self.random.random() < 0.03):
            raise Unavailable("the connection is cut")

    async def move(self) -> None:
        """Be a mover: read the home, hand over, let both sides settle."""
        vshard = self.random.choice([1, 2])
        home, epoch = self.homes[vshard], self.epochs[vshard]
        sides = [FarSide(self.machines[home]), FarSide(self.machines[3 - home])]
        with suppress(FarwireError, TimeoutError):
            await hand_over(
                source=sides[0], target=sides[1], vshard=vshard, epoch=epoch,
                change_home=lambda: self.change_home(vshard, 3 - home, epoch),
            )  # fmt: skip
        for side in reversed(sides):
            with suppress(FarwireError, TimeoutError):
                await side.settle(vshard)

    async def keep_moving(self) -> None:
        """Let movers come; some are killed in the middle, some work beside the next one."""
        movers: set[asyncio.Task[None]] = set()
        while not self.calm:
            await asyncio.sleep(self.random.expovariate(5))
            mover = self.loop.create_task(self.move())
            movers.add(mover)
            await asyncio.wait({mover}, timeout=self.random.choice([0.02, 0.1, 1.0, 10.0, 10.0]))
            if self.random.random() < 0.5:
                mover.cancel()
        await asyncio.gather(*movers, return_exceptions=True)

    def trouble(self) -> None:
        if self.calm:
            return
        self.loop.call_later(self.random.expovariate(0.8), self.trouble)
        machine = self.random.choice(list(self.machines.values()))
        choice = self.random.randrange(4)
        if choice == 0:
            machine.die(machine.disk.crash)
        elif choice == 1:
            machine.die(machine.disk.kill)
        elif choice == 2:
            machine.disk.budget = self.random.randrange(60_000)
        else:
            self.network.cut_until = self.loop.virtual + self.random.expovariate(2)

    async def play(self, acts: int) -> None:
        for machine in self.machines.values():
            await machine.start()
        self.loop.call_later(0.5, self.trouble)
        mover = self.loop.create_task(self.keep_moving())
        await asyncio.gather(*(client.live(acts) for client in self.clients))
        self.calm, self.network.cut_until, self.network.lossy = True, 0.0, 0.0
        await mover
        for machine in self.machines.values():
            machine.disk.budget = None
        await asyncio.sleep(6)
        while any(machine.runner is None for machine in self.machines.values()):  # noqa: ASYNC110 - virtual time
            await asyncio.sleep(0.5)
        await self.finish()

    async def finish(self) -> None:
        """Each account is in one place, nothing is held any more, and the books of both shards add up to it."""
        self.clock.off_s = 300_000.0
        whole: State = {}
        sums: Sums = {}
        facts: list[bytes] = []
        for number, machine in self.machines.items():
            runner = machine.runner
            assert runner is not None
            for _ in range(8):
                runner.wake()
                await asyncio.sleep(0.6)
            state = state_of(runner.shard)
            check_bytes(runner.shard, state)
            assert whole.keys().isdisjoint(state), "an account is in two places"
            assert all(self.homes[one & (VSHARDS - 1)] == number for one in state), (
                "an account is not at home"
            )
            whole |= state
            facts += [found.facts async for found in runner.shard.log.facts(0)]
        assert sorted(whole) == sorted(client.number for client in self.clients), "an account is nowhere"
        for one in facts:
            add_movements(sums, one)
        check_sums(sums, whole)
        check_usage(facts, self.expected, self.told)
        assert not any(balance.reserved for one in whole.values() for balance in one.balances)


def play_moves(seed: int, acts: int = 10) -> MovingWorld:
    """Play one seed to its end. Raises what is found wrong."""
    loop = VirtualLoop()
    world = MovingWorld(loop, seed)
    loop.run_to_end(world.play(acts), note=f"To replay it: make sim SEED={seed}")
    return world
