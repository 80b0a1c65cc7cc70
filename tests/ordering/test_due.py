"""Due dates: when an order is in jeopardy, that it is said once, and when its time does not run."""

from datetime import timedelta

import pytest

from farwire.activation.model import FaultKind
from farwire.activation.simulator import plant_fault
from farwire.base.jobs import Worker, enqueue
from farwire.ordering import jobs
from farwire.ordering import service as ordering
from farwire.ordering.model import Action, Decision, FalloutRule, Jeopardy, OrderState, Policy

from .world import World, add, later, operator, verify


async def watch(world: World) -> int:
    return await ordering.watch_due(db=world.db, tenant_id=world.tenant_id, clock=world.clock)


async def stuck(world: World):
    """Place an order of which a step waits in the fallout."""
    async with world.db.transaction(world.tenant_id) as tx:
        await plant_fault(tx, adapter="hlr", kind=FaultKind.REFUSE, count=1)
    order = await world.place(add())
    await world.work()
    return order


async def listed(world: World, jeopardy: Jeopardy) -> list[str]:
    async with world.db.transaction(world.tenant_id) as tx:
        return [one.key for one in (await ordering.list_orders(tx=tx, jeopardy=jeopardy)).items]


async def warnings(world: World, order) -> list[tuple[str, str]]:
    async with world.db.transaction(world.tenant_id) as tx:
        rows = await tx.fetch(
            "SELECT data ->> 'jeopardy' AS jeopardy, data ->> 'task_id' AS task FROM base.outbox WHERE tenant_id = $1 "
            "AND subject = $2 AND type = 'farwire.ordering.order_in_jeopardy.v1' ORDER BY position",
            tx.tenant_id,
            str(order.id),
        )
    return [(row["jeopardy"], row["task"]) for row in rows]


async def test_an_order_is_reported_once_before_its_due_date_and_once_after_it(world):
    order = await stuck(world)
    assert order.due_by == world.clock.now() + timedelta(hours=24)
    world.clock.advance(timedelta(hours=19, minutes=59))
    assert await watch(world) == 0
    world.clock.advance(timedelta(minutes=1))
    assert [await watch(world), await watch(world)] == [1, 0]
    assert await listed(world, Jeopardy.AT_RISK) == [order.key]
    world.clock.advance(timedelta(hours=4))
    assert [await watch(world), await watch(world)] == [1, 0]
    assert (await listed(world, Jeopardy.AT_RISK), await listed(world, Jeopardy.MISSED)) == ([], [order.key])
    (task,) = await world.fallout()
    assert await warnings(world, order) == [("at_risk", str(task.id)), ("missed", str(task.id))]
    await world.decide(task, Decision.RETRY)
    await world.work()
    view = await world.view(order.id)
    assert (view.order.state, view.order.jeopardy) == (OrderState.COMPLETED, Jeopardy.MISSED)
    assert await listed(world, Jeopardy.MISSED) == [], "what is done is no longer to be hurried"


async def test_a_task_that_is_tried_again_only_after_the_due_date_puts_its_order_at_risk_now(world):
    rule = FalloutRule(decision=Decision.RETRY, attempts=9, after_seconds=24 * 3600)
    async with world.db.transaction(world.tenant_id) as tx:
        await ordering.set_policy(tx=tx, clock=world.clock, policy=Policy(fallout=(rule,)))
    order = await stuck(world)
    assert await watch(world) == 1
    (task,) = [one for one in (await world.view(order.id)).tasks if one.error]
    assert await warnings(world, order) == [("at_risk", str(task.id))]


async def test_what_is_done_in_time_or_waits_for_its_date_is_not_reported(world):
    await world.done(add())
    await world.place(add("fibre-100"), at=later(world.clock, days=30))
    world.clock.advance(timedelta(days=29))
    assert await watch(world) == 0


async def test_the_time_of_an_order_does_not_run_while_it_is_held(db, clock, tenant_id):
    world = await operator(db, clock, tenant_id, verified=False)
    order = await world.place(add())
    clock.advance(timedelta(days=5))
    assert await watch(world) == 0
    await verify(world)
    async with db.transaction(tenant_id) as tx:
        await ordering.release_verified(tx=tx, clock=clock, party_id=world.party_id)
    assert (await world.view(order.id)).order.due_by == clock.now() + timedelta(hours=24)
    assert await watch(world) == 0
    clock.advance(timedelta(hours=24))
    assert await watch(world) == 1


@pytest.mark.parametrize(
    ("at", "hours"), [(None, 72), ("2026-06-03T12:00Z", 60 + 72), ("2026-05-30T00:00Z", 72)]
)
async def test_the_due_date_counts_from_when_the_work_can_begin(world, at, hours):
    async with world.db.transaction(world.tenant_id) as tx:
        policy = Policy(due_hours={Action.ADD: 72}, warning_hours=0)
        await ordering.set_policy(tx=tx, clock=world.clock, policy=policy)
    order = await world.place(add(), at=at)
    assert order.due_by == world.clock.now() + timedelta(hours=hours)


async def test_the_watch_job_looks_by_itself(world):
    order = await stuck(world)
    world.clock.advance(timedelta(days=2))
    now = world.clock.now()
    async with world.db.transaction(world.tenant_id) as tx:
        await enqueue(tx=tx, kind=jobs.WATCH, key="now", payload={}, run_at=now, now=now)
    worker = Worker(db=world.db, clock=world.clock, handlers=jobs.handlers(db=world.db, clock=world.clock))
    assert await worker.run_once()
    assert await listed(world, Jeopardy.MISSED) == [order.key]


async def test_another_tenants_orders_are_not_watched(world, other_tenant_id):
    await stuck(world)
    world.clock.advance(timedelta(days=2))
    other = await ordering.watch_due(db=world.db, tenant_id=other_tenant_id, clock=world.clock)
    assert other == 0
