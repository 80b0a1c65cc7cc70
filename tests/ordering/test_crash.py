"""``kill -9`` at each step of an order, a cancellation and a cease: each ends, and nothing is leaked or given twice."""

import random
import signal
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import pytest

from farwire.activation.model import FaultKind
from farwire.activation.simulator import plant_fault
from farwire.inventory.model import ResourceState
from farwire.ordering.model import Action, ItemRequest, OrderState

from .world import World, add

WORKER = Path(__file__).with_name("crash_worker.py")
DONE = (OrderState.COMPLETED, OrderState.CANCELLED)


def die(world: World, url: str, step: int, when: str) -> int:
    """Work in another process that dies at ``step``; return how it ended. The clock passes its lease."""
    world.clock.advance(timedelta(seconds=61))
    arguments = (url, str(world.tenant_id), str(step), when, world.clock.now().isoformat())
    done = subprocess.run([sys.executable, str(WORKER), *arguments], check=False, timeout=120)
    world.clock.advance(timedelta(seconds=61))
    return done.returncode


async def sound(world: World, *, sold: int) -> None:
    """Fail unless numbers, SIMs, the network and the journal agree on ``sold`` lines."""
    for pool in ("numbers", "profiles"):
        counts = await world.counts(pool)
        assert counts.get(ResourceState.RESERVED, 0) == 0, counts
        assert counts.get(ResourceState.ASSIGNED, 0) == sold, counts
    async with world.db.transaction(world.tenant_id) as tx:
        there = await tx.fetch(
            "SELECT adapter, count(*) AS n FROM activation.target WHERE tenant_id = $1 GROUP BY adapter",
            tx.tenant_id,
        )
        assert {row["adapter"]: row["n"] for row in there} == (
            dict.fromkeys(("hlr", "smdp", "charging"), sold) if sold else {}
        )
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
        from farwire.ordering.service import Decision

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
