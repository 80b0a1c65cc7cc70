"""The engine: fallout, decisions, compensation, leases, two workers; and random orders against a small truth."""

import asyncio
from datetime import timedelta

import pytest

from farwire.activation.model import FaultKind
from farwire.activation.simulator import plant_fault
from farwire.inventory.model import EndReason, ResourceState, SuspensionReason
from farwire.kernel.errors import Conflict
from farwire.ordering import service as ordering
from farwire.ordering.model import Action, ItemRequest, ItemState, OrderState, TaskKind, TaskState
from farwire.ordering.service import Decision
from farwire.ordering.store import tasks as task_store

from .world import World, add, operator


async def planted(world: World, adapter: str, kind: FaultKind, count: int) -> None:
    async with world.db.transaction(world.tenant_id) as tx:
        await plant_fault(tx, adapter=adapter, kind=kind, count=count)


async def free(world: World, *, targets: int = 0) -> None:
    """Fail unless nobody has a number or a SIM, and the network knows just ``targets`` others."""
    for pool in ("numbers", "profiles"):
        counts = await world.counts(pool)
        assert counts.get(ResourceState.ASSIGNED, 0) == counts.get(ResourceState.RESERVED, 0) == 0, counts
    async with world.db.transaction(world.tenant_id) as tx:
        there = await tx.fetchval("SELECT count(*) FROM activation.target WHERE tenant_id = $1", tx.tenant_id)
        assert there == targets


async def steps(world: World, order) -> list[tuple[str, str]]:
    return [(task.step.kind.value, task.state.value) for task in (await world.view(order.id)).tasks]


async def test_a_step_that_fails_waits_in_the_fallout_and_a_retry_goes_on_there(world):
    await planted(world, "hlr", FaultKind.REFUSE, 1)
    order = await world.place(add())
    await world.work()
    view = await world.view(order.id)
    assert view.order.state is OrderState.HELD
    assert view.order.items[0].state is ItemState.HELD
    (failed,) = await world.fallout()
    assert failed.step.name == "activate in hlr"
    before = {task.id: task.state for task in view.tasks}
    assert list(before.values()).count(TaskState.DONE) == 5
    await world.decide(failed, Decision.RETRY)
    await world.work()
    after = await world.view(order.id)
    assert after.order.state is OrderState.COMPLETED
    done = [entry.task_number for entry in after.journal if entry.act == "done"]
    assert sorted(done) == list(range(1, 9)), "no step was done twice"
    assert await world.events(order) == ["order_placed", "order_held", "order_completed"]


async def test_a_cancellation_undoes_exactly_what_was_done_the_last_first(world):
    await planted(world, "smdp", FaultKind.REFUSE, 1)
    order = await world.place(add())
    await world.work()
    assert (await world.cancel(order)).state is OrderState.PENDING_CANCELLATION
    await world.work()
    view = await world.view(order.id)
    assert view.order.state is OrderState.CANCELLED
    undone = [(task.step.kind, task.undoes) for task in view.tasks if task.compensating]
    assert undone == [
        (TaskKind.DEACTIVATE, 6),
        (TaskKind.QUARANTINE, 5),
        (TaskKind.QUARANTINE, 4),
        (TaskKind.DISCARD_PRODUCT, 3),
        (TaskKind.FREE, 2),
        (TaskKind.FREE, 1),
    ]
    product = await world.product(order.items[0].product_id)
    assert (product.ended_at, product.end_reason) == (product.started_at, EndReason.WITHDRAWAL)
    await free(world)


async def test_what_the_world_can_mend_is_tried_again_with_growing_pauses(world):
    await planted(world, "hlr", FaultKind.FAIL, 3)
    order = await world.place(add())
    start = world.clock.now()
    for pause in (0, 5, 15, 35):
        world.clock.set(start + timedelta(seconds=pause))
        await world.work()
    assert await world.state(order) is OrderState.COMPLETED
    (task,) = [t for t in (await world.view(order.id)).tasks if t.step.name == "activate in hlr"]
    assert task.attempts == 4


async def test_attempts_are_bounded_and_an_empty_pool_is_no_loop(db, clock, tenant_id):
    world = await operator(db, clock, tenant_id, numbers=1)
    first, second = await world.place(add()), await world.place(add())
    for _ in range(8):
        await world.work()
        clock.advance(timedelta(hours=1))
    states = {await world.state(first), await world.state(second)}
    assert states == {OrderState.COMPLETED, OrderState.HELD}
    fallout = await world.fallout()
    assert {(task.error_code, task.attempts) for task in fallout} == {("inventory.pool_exhausted", 5)}
    assert (await world.counts("numbers"))[ResourceState.ASSIGNED] == 1


async def test_a_dropped_write_is_noticed_before_it_is_sold(world):
    await planted(world, "hlr", FaultKind.DROP, 1)
    order = await world.place(add())
    await world.work()
    assert await world.state(order) is OrderState.IN_PROGRESS
    world.clock.advance(timedelta(seconds=6))
    await world.work()
    assert await world.state(order) is OrderState.COMPLETED


async def test_one_bad_order_does_not_stop_a_batch(world):
    await planted(world, "hlr", FaultKind.REFUSE, 1)
    orders = [await world.place(add()) for _ in range(6)]
    await world.work()
    states = [await world.state(order) for order in orders]
    # The batch failed as a whole and consumed the fault; in halves every one of them passed.
    assert states.count(OrderState.COMPLETED) >= 5
    assert set(states) <= {OrderState.COMPLETED, OrderState.HELD}


@pytest.mark.parametrize(
    ("decision", "ends"),
    [
        (Decision.SKIP, OrderState.COMPLETED),
        (Decision.ROLLBACK, OrderState.FAILED),
        (Decision.ABORT, OrderState.FAILED),
    ],
)
async def test_a_person_decides_what_becomes_of_a_failed_step(world, decision, ends):
    await planted(world, "charging", FaultKind.REFUSE, 1)
    order = await world.place(add())
    await world.work()
    (task,) = await world.fallout()
    await world.decide(task, decision)
    await world.work()
    assert await world.state(order) is ends
    if decision is Decision.ROLLBACK:
        await free(world)
        assert (await world.events(order))[-1] == "order_failed"
    with pytest.raises(Conflict, match="nothing is to be decided"):
        await world.decide(task, Decision.RETRY)


async def test_a_rollback_that_fails_waits_for_a_person_too(world):
    await planted(world, "charging", FaultKind.REFUSE, 1)
    order = await world.place(add())
    await world.work()
    await planted(world, "smdp", FaultKind.REFUSE, 1)
    await world.cancel(order)
    await world.work()
    view = await world.view(order.id)
    assert (view.order.state, view.order.items[0].state) == (OrderState.HELD, ItemState.ROLLBACK_FAILED)
    (stuck,) = await world.fallout()
    assert stuck.compensating
    with pytest.raises(Conflict, match="rolled back"):
        await world.decide(stuck, Decision.ROLLBACK)
    await world.decide(stuck, Decision.RETRY)
    await world.work()
    assert await world.state(order) is OrderState.CANCELLED
    await free(world)


async def test_one_item_may_fail_while_the_others_complete(world):
    order = await world.place(add("fibre-100"), add())
    await planted(world, "hlr", FaultKind.REFUSE, 20)
    await world.work()
    for task in await world.fallout():
        await world.decide(task, Decision.ROLLBACK)
    await world.work()
    assert await world.state(order) is OrderState.PARTIAL
    await free(world, targets=1)


async def test_two_workers_share_the_work_and_do_nothing_twice(world):
    orders = [await world.place(add()) for _ in range(12)]
    done = await asyncio.gather(*(world.work(batch=5) for _ in range(3)))
    while any([not (await world.state(order)).ended for order in orders]):
        await world.work()
    assert {await world.state(order) for order in orders} == {OrderState.COMPLETED}
    assert sum(one.done for one in done) <= 12 * 8
    counts = await world.counts("numbers")
    assert counts == {ResourceState.AVAILABLE: 8, ResourceState.ASSIGNED: 12}
    async with world.db.transaction(world.tenant_id) as tx:
        twice = await tx.fetchval(
            "SELECT count(*) FROM (SELECT 1 FROM ordering.journal WHERE tenant_id = $1 AND act = 'done' "
            "GROUP BY order_id, item_number, task_number HAVING count(*) > 1) AS x",
            tx.tenant_id,
        )
    assert twice == 0


async def lease(world: World, worker: str, limit: int = 50):
    now = world.clock.now()
    async with world.db.transaction(world.tenant_id) as tx:
        return await task_store.lease(
            tx, worker=worker, now=now, until=now + timedelta(seconds=60), limit=limit
        )


async def test_a_vanished_workers_tasks_come_back_when_their_lease_ends(world):
    order = await world.place(add())
    taken = await lease(world, "gone")
    assert len(taken) == 2
    assert (await world.work()).attempts == 0
    world.clock.advance(timedelta(seconds=61))
    await world.work()
    assert await world.state(order) is OrderState.COMPLETED


async def test_a_worker_that_lost_its_lease_writes_nothing(world):
    from farwire.ordering.service import engine

    order = await world.place(add())
    slow = await lease(world, "slow")
    world.clock.advance(timedelta(seconds=61))
    await world.work()
    late = await engine.run_leased(world.db, world.tenant_id, world.clock, slow)
    assert late.attempts == 0
    assert (await world.counts("numbers"))[ResourceState.ASSIGNED] == 1
    assert await world.state(order) is OrderState.COMPLETED


async def test_a_task_whose_workers_always_vanish_is_given_to_a_person(world):
    await world.place(add("fibre-100"))
    for _ in range(5):
        assert len(await lease(world, "gone")) == 1
        world.clock.advance(timedelta(seconds=61))
    await world.work()
    (task,) = await world.fallout()
    assert task.error_code == "ordering.worker_vanished"


async def test_a_cancelled_order_is_not_finished_by_a_worker_that_still_has_a_task(world):
    from farwire.ordering.service import engine

    order = await world.place(add())
    taken = await lease(world, "slow")
    await engine.run_leased(world.db, world.tenant_id, world.clock, taken[:1])
    await world.cancel(order)
    late = await engine.run_leased(world.db, world.tenant_id, world.clock, taken[1:])
    assert late.attempts == 0
    await world.work()
    assert await world.state(order) is OrderState.CANCELLED
    await free(world)


async def test_what_a_worker_has_taken_has_begun_though_the_worker_vanished(world):
    order = await world.place(add())
    await lease(world, "gone")
    async with world.db.transaction(world.tenant_id) as tx:
        with pytest.raises(Conflict) as refused:
            await ordering.hold_order(tx=tx, clock=world.clock, order_id=order.id)
    assert refused.value.code == "ordering.begun"
    await world.cancel(order)
    await world.work()
    view = await world.view(order.id)
    assert view.order.state is OrderState.CANCELLED
    assert [task.step.kind for task in view.tasks if task.compensating] == [TaskKind.FREE, TaskKind.FREE]
    await free(world)


async def test_a_cease_past_its_point_of_no_return_is_not_undone_before_it_is(world):
    product = await world.mobile()
    await planted(world, "hlr", FaultKind.REFUSE, 1)
    world.clock.advance(timedelta(days=1))
    order = await world.place(ItemRequest(action=Action.CEASE, product_id=product.id))
    await world.work()
    assert await world.state(order) is OrderState.HELD
    await world.cancel(order)
    await world.work()
    assert await world.state(order) is OrderState.CANCELLED
    assert (await world.product(product.id)).ended_at is None
    async with world.db.transaction(world.tenant_id) as tx:
        there = await tx.fetchval("SELECT count(*) FROM activation.target WHERE tenant_id = $1", tx.tenant_id)
    assert there == 3, "the line serves again"


async def test_the_worker_job_carries_orders_out(world):
    from farwire.base.jobs import Worker
    from farwire.ordering import jobs

    order = await world.place(add())
    async with world.db.transaction(world.tenant_id) as tx:
        await jobs.enqueue_work(tx, key="now", now=world.clock.now())
    worker = Worker(db=world.db, clock=world.clock, handlers=jobs.handlers(db=world.db, clock=world.clock))
    assert await worker.run_once()
    assert await world.state(order) is OrderState.COMPLETED


async def test_policy_decides_what_a_suspension_costs(world):
    from farwire.ordering.model import Policy

    product = await world.mobile()
    async with world.db.transaction(world.tenant_id) as tx:
        policy = Policy(suspension_percent={SuspensionReason.FRAUD: 25})
        await ordering.set_policy(tx=tx, clock=world.clock, policy=policy)
        assert await ordering.policy_of(tx=tx) == policy
    world.clock.advance(timedelta(hours=1))
    await world.done(ItemRequest(action=Action.SUSPEND, product_id=product.id, reason=SuspensionReason.FRAUD))
    assert (await world.product(product.id)).recurring_percent_at(world.clock.now()) == 25


@pytest.mark.parametrize("adapter", ["hlr", "smdp", "charging"])
async def test_a_cease_of_a_barred_line_is_cancelled_though_nobody_knows_whether_it_was_switched_off(
    world, adapter
):
    product = await world.mobile()
    world.clock.advance(timedelta(hours=1))
    await world.done(ItemRequest(action=Action.SUSPEND, product_id=product.id, reason=SuspensionReason.FRAUD))
    world.clock.advance(timedelta(hours=1))
    await planted(world, adapter, FaultKind.FAIL, 1)
    order = await world.place(ItemRequest(action=Action.CEASE, product_id=product.id))
    await world.work()
    await world.cancel(order)
    await world.work()
    assert await world.state(order) is OrderState.CANCELLED, [one.error for one in await world.fallout()]
    async with world.db.transaction(world.tenant_id) as tx:
        barred = await tx.fetchval(
            "SELECT count(*) FROM activation.target WHERE tenant_id = $1 AND attributes ->> 'status' = 'suspended'",
            tx.tenant_id,
        )
    assert barred == 3, "the line is barred as before"
