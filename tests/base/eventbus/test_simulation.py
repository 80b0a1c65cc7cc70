"""Simulation: publishers that interleave and roll back, relays that die at any moment, receivers that fail.

Invariants: every committed event is handled at least once, no other one ever is, and an event is handled only after
all earlier ones of its subject. A failure prints its seed; ``FARWIRE_TEST_SEED=n`` repeats it.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from farwire.base.clock import MovableClock
from farwire.base.eventbus import Event, operations, publish
from farwire.base.eventbus.delivery import RetryPolicy, Subscriber
from farwire.base.eventbus.relay import LeaseLost, Relay, RelaySettings
from farwire.base.storage import Database, Tx
from farwire.kernel.errors import Defect, check
from farwire.kernel.ids import EventId, TenantId

from .conftest import event_of

SETTINGS = RelaySettings(batch=5, concurrency=3)
SUBJECTS = ("bill/1", "bill/2", "bill/3", "bill/4")
Subject = tuple[TenantId, str]


class PowerCutError(BaseException):
    """The relay's process ends here, between two instructions."""


@dataclass
class World:
    """What was published, in order per subject, and what the receiver saw."""

    seed: int
    committed: dict[Subject, list[EventId]] = field(default_factory=dict)
    handled: dict[Subject, list[EventId]] = field(default_factory=dict)
    tries: dict[EventId, int] = field(default_factory=dict)
    calm: bool = False

    def chance(self, event: Event) -> float:
        """Return a number in [0, 1) that depends only on the seed, the event and how often it was tried."""
        tried = self.tries[event.id] = self.tries.get(event.id, 0) + 1
        name = f"{self.seed}/{event.subject}/{event.data['n']}/{tried}"
        return random.Random(name).random()

    async def handle(self, event: Event) -> None:
        """Receive an event: slowly, wrongly, or with the process dying before or after the effect."""
        chance = 0.5 if self.calm else self.chance(event)
        for _ in range(int(chance * 7)):
            await asyncio.sleep(0)
        if chance < 0.05:
            raise PowerCutError
        if chance < 0.20:
            raise ValueError("receiver is out of order")
        self.handled.setdefault((event.tenant_id, event.subject), []).append(event.id)
        if chance > 0.95:
            raise PowerCutError


class Publisher:
    """Keeps a few transactions open at the same time and ends them in any order; a subject is in one at a time."""

    def __init__(self, world: World, db: Database, tenants: tuple[TenantId, TenantId]) -> None:
        self.world, self.db, self.tenants = world, db, tenants
        self.random = random.Random(world.seed)
        self.open: list[tuple[AsyncExitStack, Tx, dict[str, list[EventId]]]] = []
        self.number = 0

    async def step(self) -> None:
        """Open a transaction, publish in one, or end one."""
        act = self.random.random()
        if not self.open or (act < 0.3 and len(self.open) < 4):
            stack = AsyncExitStack()
            tx = await stack.enter_async_context(self.db.transaction(self.random.choice(self.tenants)))
            self.open.append((stack, tx, {}))
        elif act < 0.75:
            _, tx, mine = self.random.choice(self.open)
            busy = {s for _, other, held in self.open if other.tenant_id == tx.tenant_id for s in held} - set(
                mine
            )
            subject = self.random.choice(SUBJECTS)
            if subject not in busy:
                event = event_of(tx.tenant_id, subject, self.number)
                self.number += 1
                await publish(tx, event)
                mine.setdefault(subject, []).append(event.id)
        else:
            await self.end(self.random.choice(self.open), keep=self.random.random() < 0.8)

    async def end(self, one: tuple[AsyncExitStack, Tx, dict[str, list[EventId]]], *, keep: bool) -> None:
        """Commit or roll back."""
        stack, tx, mine = one
        self.open.remove(one)
        with contextlib.suppress(Defect):
            async with stack:
                check(keep, "test.undo")
        if keep:
            for subject, events in mine.items():
                self.world.committed.setdefault((tx.tenant_id, subject), []).extend(events)


async def play(world: World, publisher: Publisher, relay_db: Database, clock: MovableClock) -> None:
    """Let publishers and relays run into each other; dead relays are replaced after their lease."""
    subscriber = Subscriber("s", world.handle, retry=RetryPolicy(max_attempts=3))

    def started() -> Relay:
        return Relay(db=relay_db, clock=clock, subscribers=(subscriber,), settings=SETTINGS)

    relays = [started(), started()]
    for _ in range(120):
        for _ in range(publisher.random.randrange(4)):
            await publisher.step()
        which = publisher.random.randrange(2)
        try:
            await relays[which].serve_once(subscriber)
        except PowerCutError:
            relays[which] = started()
        except LeaseLost:
            pass
        clock.advance(timedelta(seconds=publisher.random.choice([0, 0, 1, 5, 130])))
    while publisher.open:
        await publisher.end(publisher.open[0], keep=True)
    world.calm = True
    await settle(started(), subscriber, relay_db, clock)


async def settle(relay: Relay, subscriber: Subscriber, relay_db: Database, clock: MovableClock) -> None:
    """Let everything arrive: the receiver is well again, a person retries what is parked."""
    for _ in range(20):
        clock.advance(timedelta(minutes=10))
        await relay.drain()
        await relay.serve_once(subscriber)
        (state,) = await operations.subscribers(relay_db=relay_db)
        if state.parked:
            await operations.retry(relay_db=relay_db, clock=clock, subscriber="s")
        elif not state.waiting:
            return
    pytest.fail("the backlog does not empty")


def flaws(world: World) -> list[str]:
    """Return how the invariants are broken."""
    found = []
    for key in world.committed.keys() | world.handled.keys():
        expected, handled = world.committed.get(key, []), world.handled.get(key, [])
        if set(handled) != set(expected):
            found.append(
                f"{key[1]}: {len(set(expected) - set(handled))} lost, {len(set(handled) - set(expected))} strange"
            )
        firsts = list(dict.fromkeys(handled))
        if firsts != expected and set(handled) == set(expected):
            found.append(f"{key[1]}: order of first handling differs")
    return found


@pytest.mark.sim
async def test_every_event_arrives_in_order_whatever_dies(
    seed: int,
    db: Database,
    relay_db: Database,
    clock: MovableClock,
    tenant_id: TenantId,
    other_tenant_id: TenantId,
) -> None:
    world = World(seed)
    await play(world, Publisher(world, db, (tenant_id, other_tenant_id)), relay_db, clock)
    assert sum(map(len, world.committed.values())) > 10
    assert flaws(world) == [], f"repeat with FARWIRE_TEST_SEED={seed}"
