"""A storm over orders, in virtual time: workers that die anywhere, sleep past their lease, or lose an answer.

The database and the engine are the real ones. The network is outside: what it did stays, though the transaction that
asked for it is rolled back. Persons cancel and decide meanwhile. Then the weather gets calm, a person retries what is
in the fallout, and ``flaws`` says what is wrong. One seed plays one storm, always the same.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from types import SimpleNamespace

import pytest

from farwire.activation.model import Action as NetworkAction
from farwire.activation.model import Applied, Operation
from farwire.inventory import service as inventory
from farwire.inventory.model import ResourceState
from farwire.kernel import ids
from farwire.kernel.errors import Conflict, Invalid, Unavailable
from farwire.kernel.ids import OrderId, ProductId
from farwire.ordering import service as ordering
from farwire.ordering.model import Action, FalloutRule, ItemRequest, OrderState, Policy, Task
from farwire.ordering.service import Decision, engine
from farwire.ordering.service.effects import Effect, network

from .world import World, add

POOLS = ("numbers", "profiles", "ports")
ADAPTERS = {"flex-m": ("hlr", "smdp", "charging"), "fibre-100": ("charging",)}
RULES = (
    (),
    (FalloutRule(decision=Decision.RETRY, attempts=12, after_seconds=120),),
    (FalloutRule(decision=Decision.ROLLBACK, adapter="smdp"), FalloutRule(decision=Decision.PERSON)),
)


class PowerCutError(BaseException):
    """The worker's process ends here, between two instructions."""


@dataclass
class Network:
    """Outside: it does an operation once per key, and its answer may be lost."""

    random: random.Random
    calm: bool = False
    there: dict[tuple[str, str], Mapping[str, str]] = field(default_factory=dict)
    """Target → what it shows."""
    done: set[tuple[str, str]] = field(default_factory=set)
    """What was done under which key."""
    flaws: list[str] = field(default_factory=list)

    async def apply(self, tx, *, adapter: str, operation: Operation, now) -> Applied:
        chance = 1.0 if self.calm else self.random.random()
        if chance < 0.10:
            raise Unavailable("no answer", code="activation.no_answer")
        if chance < 0.13:
            raise Invalid("refused", code="activation.refused")
        self.act(adapter, operation)
        if chance < 0.23:
            raise Unavailable("the answer is lost", code="activation.timeout")
        return Applied(operation.key, adapter, {}, now)

    def act(self, adapter: str, operation: Operation) -> None:
        if (adapter, operation.key) in self.done:
            return
        self.done.add((adapter, operation.key))
        target = (adapter, operation.target)
        if operation.action is NetworkAction.PROVISION:
            if self.there.get(target, operation.attributes) != operation.attributes:
                self.flaws.append(f"{adapter} was told to make a target that is there, otherwise")
            self.there[target] = operation.attributes
        elif operation.action is NetworkAction.TERMINATE:
            self.there.pop(target, None)


@dataclass
class Storm:
    """One world under a storm of ``crashes``."""

    seed: int
    world: World
    crashes: int = 100
    orders: list[OrderId] = field(default_factory=list)
    asleep: list[Sequence[Task]] = field(default_factory=list)
    happened: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)
        self.network = Network(self.random)

    @property
    def calm(self) -> bool:
        return self.network.calm

    def die(self, where: str, chance: float) -> None:
        """End the worker here, perhaps."""
        if not self.calm and self.random.random() < chance:
            self.happened[where] += 1
            raise PowerCutError

    # How the storm gets into the engine.

    def blow(self, patch: pytest.MonkeyPatch) -> None:
        """Let workers die before and after each effect, around the write-down, and with a lease in their hands."""
        patch.setattr(ids, "os", SimpleNamespace(urandom=random.Random(self.seed).randbytes))
        patch.setattr(network.activation, "apply", self.network.apply)
        for kind, effect in list(engine.EFFECTS.items()):
            patch.setitem(engine.EFFECTS, kind, self.dangerous(effect))
        save, run = engine.save_progress, engine.run_leased

        async def save_progress(*args):
            self.die("before the write-down", 0.05)
            await save(*args)
            self.die("before the commit", 0.05)

        async def run_leased(db, tenant_id, clock, tasks):
            if not self.calm and self.random.random() < 0.1:
                self.asleep.append(tasks)
            self.die("with a lease", 0.15 if not self.asleep or self.asleep[-1] is not tasks else 1)
            done = await run(db, tenant_id, clock, tasks)
            self.die("after the commit", 0.1)
            return done

        patch.setattr(engine, "save_progress", save_progress)
        patch.setattr(engine, "run_leased", run_leased)
        self.run_leased = run

    def dangerous(self, effect: Effect) -> Effect:
        async def act(tx, works, now):
            self.die("before an effect", 0.05)
            results = await effect(tx, works, now)
            self.die("after an effect", 0.1)
            return results

        return act

    # What happens in it.

    async def play(self) -> None:
        """Storm until so many workers have died, then let everything come to rest."""
        world = self.world
        async with world.db.transaction(world.tenant_id) as tx:
            policy = Policy(fallout=self.random.choice(RULES))
            await ordering.set_policy(tx=tx, clock=world.clock, policy=policy)
        while self.happened.total() < self.crashes:
            await self.customers()
            await self.workers()
            await self.persons()
            world.clock.advance(timedelta(seconds=self.random.choice((0, 1, 30, 61, 300))))
        self.network.calm = True
        await self.rest()

    async def customers(self) -> None:
        if self.random.random() > 0.15:
            return
        item = add(self.random.choice(tuple(ADAPTERS)))
        if self.random.random() < 0.3 and (alive := await self.alive()):
            item = ItemRequest(action=Action.CEASE, product_id=self.random.choice(sorted(alive)))
        with suppress(Conflict):  # another order has the product
            self.orders.append((await self.world.place(item)).id)

    async def workers(self) -> None:
        size = self.random.choice((1, 2, 8, 30))
        with suppress(PowerCutError):
            await self.world.work(limit=size * 3, batch=size)
        if self.asleep and self.random.random() < 0.3:
            tasks = self.asleep.pop(self.random.randrange(len(self.asleep)))
            with suppress(PowerCutError):
                await self.run_leased(self.world.db, self.world.tenant_id, self.world.clock, tasks)

    async def persons(self) -> None:
        chance = self.random.random()
        if chance < 0.05 and self.orders:
            async with self.world.db.transaction(self.world.tenant_id) as tx:
                view = await ordering.get_order(tx=tx, order_id=self.random.choice(self.orders))
            with suppress(Conflict):  # it has ended, or is past its point of no return
                await self.world.cancel(view.order)
        if chance > 0.7:
            for task in (await self.world.fallout())[:3]:
                rolls = self.random.random() < 0.2
                with suppress(Conflict):  # it cannot be undone any more
                    await self.world.decide(task, Decision.ROLLBACK if rolls else Decision.RETRY)

    async def rest(self) -> None:
        """No more faults: a person retries whatever waits for one."""
        for _ in range(30):
            self.world.clock.advance(timedelta(hours=1))
            await self.world.work()
            for tasks in self.asleep:
                await self.run_leased(self.world.db, self.world.tenant_id, self.world.clock, tasks)
            self.asleep.clear()
            fallout = await self.world.fallout()
            for task in fallout:
                await self.world.decide(task, Decision.RETRY)
            if not fallout and not await self.open():
                return

    async def open(self) -> int:
        async with self.world.db.transaction(self.world.tenant_id) as tx:
            return await tx.fetchval(
                "SELECT count(*) FROM ordering.product_order WHERE tenant_id = $1 AND ended_at IS NULL",
                tx.tenant_id,
            )

    async def alive(self) -> dict[ProductId, str]:
        """Return the products that customers have, with their offering, as the orders say it."""
        found: dict[ProductId, str] = {}
        async with self.world.db.transaction(self.world.tenant_id) as tx:
            views = await ordering.orders_by_id(tx, self.orders)
        for order in sorted(views.values(), key=lambda one: self.orders.index(one.id)):
            (item,) = order.items
            if order.state is not OrderState.COMPLETED:
                continue
            if item.request.action is Action.ADD:
                found[item.product_id] = item.request.offering
            else:
                found.pop(item.product_id, None)
        return found


async def flaws(storm: Storm) -> list[str]:
    """Return how the invariants are broken."""
    found = list(storm.network.flaws)
    if left := await storm.open():
        found.append(f"{left} orders never end")
    alive = await storm.alive()
    found += await _leaks(storm, alive)
    wanted = Counter(adapter for offering in alive.values() for adapter in ADAPTERS[offering])
    there = Counter(adapter for adapter, _ in storm.network.there)
    if wanted != there:
        found.append(f"the network has {dict(there)}, sold are {dict(wanted)}")
    return found + await _told(storm)


async def _leaks(storm: Storm, alive: dict[ProductId, str]) -> list[str]:
    world, found = storm.world, []
    lines = Counter(alive.values())
    sold = {"numbers": lines["flex-m"], "profiles": lines["flex-m"], "ports": lines["fibre-100"]}
    for pool in POOLS:
        counts = await world.counts(pool)
        if counts.get(ResourceState.RESERVED, 0):
            found.append(f"{pool}: {counts[ResourceState.RESERVED]} stay reserved")
        if counts.get(ResourceState.ASSIGNED, 0) != sold[pool]:
            found.append(f"{pool}: {counts.get(ResourceState.ASSIGNED, 0)} assigned, {sold[pool]} sold")
    async with world.db.transaction(world.tenant_id) as tx:
        held = await inventory.resources_of_products(tx, list(alive))
        products = await inventory.get_products(tx, list(alive))
    for product_id, offering in alive.items():
        kinds = sorted(one.kind.value for one in held.get(product_id, ()))
        if kinds != (["esim_profile", "msisdn"] if offering == "flex-m" else ["port"]):
            found.append(f"a product has {kinds}")
        if products[product_id].ended_at is not None:
            found.append("a product that was sold has ended")
    given = Counter(one.value for resources in held.values() for one in resources)
    return found + [f"{value} was given to {n} products" for value, n in given.items() if n > 1]


async def _told(storm: Storm) -> list[str]:
    """Each order's end is told once, and no step of one is journaled as done twice."""
    async with storm.world.db.transaction(storm.world.tenant_id) as tx:
        rows = await tx.fetch(
            "SELECT subject, count(*) AS n FROM base.outbox WHERE tenant_id = $1 AND type = ANY($2::text[]) "
            "GROUP BY subject HAVING count(*) > 1",
            tx.tenant_id,
            [f"farwire.ordering.order_{one}.v1" for one in ("completed", "cancelled", "failed")],
        )
        tasks = await tx.fetch(
            "SELECT task_id::text AS id FROM ordering.task WHERE tenant_id = $1", tx.tenant_id
        )
        twice = await tx.fetchval(
            "SELECT count(*) FROM (SELECT 1 FROM ordering.journal WHERE tenant_id = $1 AND act = 'done' "
            "GROUP BY order_id, item_number, task_number HAVING count(*) > 1) AS x",
            tx.tenant_id,
        )
    strange = {key for _, key in storm.network.done} - {row["id"] for row in tasks}
    found = [f"the end of an order was told {row['n']} times" for row in rows]
    found += [f"{twice} steps were done twice"] if twice else []
    return found + ([f"{len(strange)} operations of the network belong to no task"] if strange else [])
