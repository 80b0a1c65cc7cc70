"""``kill -9`` at each step of an order, a cancellation and a cease: each ends, and nothing is leaked or given twice."""

import random
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from pathlib import Path

import pytest

from farwire.activation.model import FaultKind
from farwire.activation.simulator import plant_fault
from farwire.inventory.model import ResourceState
from farwire.kernel.errors import Conflict
from farwire.ordering.model import Action, ItemRequest, OrderState
from farwire.ordering.service import Decision

from .world import World, add, operator

WORKER = Path(__file__).with_name("crash_worker.py")
DONE = (OrderState.COMPLETED, OrderState.CANCELLED)


def die(world: World, url: str, step: int, when: str, batch: int = 1) -> int:
    """Work in another process that dies at ``step``; return how it ended. The clock passes its lease."""
    world.clock.advance(timedelta(seconds=61))
    arguments = (url, str(world.tenant_id), str(step), when, world.clock.now().isoformat(), str(batch))
    done = subprocess.run([sys.executable, str(WORKER), *arguments], check=False, timeout=120)
    world.clock.advance(timedelta(seconds=61))
    return done.returncode


async def sound(world: World, *, sold: int, fibre: int = 0) -> None:
    """Fail unless numbers, SIMs, ports, the network and the journal agree on what is sold."""
    for pool, count in (("numbers", sold), ("profiles", sold), ("ports", fibre)):
        counts = await world.counts(pool)
        assert counts.get(ResourceState.RESERVED, 0) == 0, counts
        assert counts.get(ResourceState.ASSIGNED, 0) == count, counts
    async with world.db.transaction(world.tenant_id) as tx:
        there = await tx.fetch(
            "SELECT adapter, count(*) AS n FROM activation.target WHERE tenant_id = $1 GROUP BY adapter",
            tx.tenant_id,
        )
        wanted = {"hlr": sold, "smdp": sold, "charging": sold + fibre}
        assert {row["adapter"]: row["n"] for row in there} == {name: n for name, n in wanted.items() if n}
        again = await tx.fetchval(
            "SELECT count(*) FROM (SELECT 1 FROM ordering.journal WHERE tenant_id = $1 AND act = 'done' "
            "GROUP BY order_id, item_number, task_number HAVING count(*) > 1) AS x",
            tx.tenant_id,
        )
        assert again == 0


@pytest.mark.crash
@pytest.mark.timeout(900)
async def test_an_order_killed_at_each_step_is_completed_once(world, settings, seed):
    rng = random.Random(seed)
    order = await world.place(add())
    kills = 0
    for _ in range(8):
        when = rng.choice(["before", "after"])
        kills += die(world, settings.database_url, 1, when) == -signal.SIGKILL
    await world.work()
    assert kills >= 5, f"seed {seed}"
    view = await world.view(order.id)
    assert view.order.state in (OrderState.COMPLETED, OrderState.HELD), f"seed {seed}"
    for task in await world.fallout():
        await world.decide(task, Decision.RETRY)
    await world.work()
    assert await world.state(order) is OrderState.COMPLETED
    await sound(world, sold=1)


@pytest.mark.crash
@pytest.mark.timeout(900)
async def test_a_cancellation_killed_at_its_steps_gives_everything_back(world, settings, seed):
    rng = random.Random(seed)
    async with world.db.transaction(world.tenant_id) as tx:
        await plant_fault(tx, adapter="charging", kind=FaultKind.REFUSE, count=1)
    order = await world.place(add())
    await world.work()
    await world.cancel(order)
    for _ in range(4):
        die(world, settings.database_url, rng.randint(1, 2), rng.choice(["before", "after"]))
    await world.work()
    assert await world.state(order) in DONE, f"seed {seed}"
    await sound(world, sold=0)


@pytest.mark.crash
@pytest.mark.timeout(900)
async def test_a_cease_killed_at_its_steps_ends_the_product_once(world, settings, seed):
    rng = random.Random(seed)
    product = await world.mobile()
    world.clock.advance(timedelta(days=3))
    order = await world.place(ItemRequest(action=Action.CEASE, product_id=product.id))
    for _ in range(4):
        die(world, settings.database_url, rng.randint(1, 2), rng.choice(["before", "after"]))
    await world.work()
    assert await world.state(order) is OrderState.COMPLETED, f"seed {seed}"
    assert (await world.product(product.id)).ended_at is not None
    await sound(world, sold=0)


@pytest.mark.full
@pytest.mark.crash
@pytest.mark.timeout(1800)
async def test_workers_killed_twenty_times_leave_every_order_done_or_undone(
    db, clock, tenant_id, settings, seed
):
    """Orders keep coming and are cancelled while worker after worker is killed, in batches of several sizes."""
    rng = random.Random(seed)
    world = await operator(db, clock, tenant_id, numbers=60)
    orders, kills = [], 0
    while kills < 20:
        if len(orders) < 12:
            orders += [await world.place(add()) for _ in range(rng.randint(1, 3))]
        step, when, batch = rng.randint(1, 4), rng.choice(["before", "after"]), rng.choice([1, 3, 50])
        killed = die(world, settings.database_url, step, when, batch)
        kills += killed == -signal.SIGKILL
        if rng.random() < 0.2:
            with suppress(Conflict):  # it is done
                await world.cancel(rng.choice(orders))
        for task in await world.fallout():
            await world.decide(task, Decision.RETRY)
        if killed == 0:  # nothing was left to do
            orders.append(await world.place(add("fibre-100")))
    for _ in range(5):
        world.clock.advance(timedelta(hours=1))
        await world.work()
        for task in await world.fallout():
            await world.decide(task, Decision.RETRY)
    views = [(await world.view(order.id)).order for order in orders]
    assert {one.state for one in views} <= set(DONE), f"seed {seed}"
    sold = [one.items[0].request.offering for one in views if one.state is OrderState.COMPLETED]
    await sound(world, sold=sold.count("flex-m"), fibre=sold.count("fibre-100"))
