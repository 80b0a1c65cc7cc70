"""An order of six steps whose third step fails: it goes to the fallout, is resumed there, or is undone."""

import pytest

from farwire.activation.model import FaultKind
from farwire.activation.simulator import plant_fault
from farwire.inventory.model import ResourceState
from farwire.ordering.model import Decision, ItemState, OrderState, Step, TaskKind, TaskState
from farwire.ordering.service import place

from .world import World, add

SERVICE = {"service": "fibre-line", "adapter": "charging"}
SIX = (
    Step(TaskKind.RESERVE, "reserve port", (), {"pool": "ports", "kind": "port"}, TaskKind.FREE),
    Step(
        TaskKind.CREATE_PRODUCT,
        "create the product",
        (1,),
        {"services": ["fibre-line"]},
        TaskKind.DISCARD_PRODUCT,
    ),
    Step(TaskKind.ACTIVATE, "open the first account", (2,), SERVICE, TaskKind.DEACTIVATE),
    Step(
        TaskKind.ASSIGN,
        "give port",
        (3,),
        {"reserved_by": 1, "service": "fibre-line", "kind": "port"},
        TaskKind.QUARANTINE,
    ),
    Step(TaskKind.ALTER, "tell of the port", (4,), SERVICE),
    Step(TaskKind.PLACE, "write down the place", (5,), {}),
)
"""A chain, with something to undo before and after the step that fails."""
D, W, F, R, X = TaskState.DONE, TaskState.WAITING, TaskState.FALLOUT, TaskState.READY, TaskState.CANCELLED


async def states(world: World, order) -> list[TaskState]:
    return [task.state for task in (await world.view(order.id)).tasks]


@pytest.fixture
async def stuck(world: World, monkeypatch):
    """Such an order, its third step in the fallout."""
    monkeypatch.setattr(place, "steps_of", lambda *_: SIX)
    async with world.db.transaction(world.tenant_id) as tx:
        await plant_fault(tx, adapter="charging", kind=FaultKind.REFUSE, count=1)
    order = await world.place(add("fibre-100", place="Kiel"))
    await world.work()
    assert await states(world, order) == [D, D, F, W, W, W]
    return order


async def test_the_step_that_failed_waits_in_the_fallout_and_nothing_after_it_began(world, stuck):
    view = await world.view(stuck.id)
    assert (view.order.state, view.order.items[0].state) == (OrderState.HELD, ItemState.HELD)
    (task,) = await world.fallout()
    assert (task.number, task.error_code) == (3, "activation.refused")
    assert (await world.work()).attempts == 0, "only a person lets it go on"


async def test_a_retry_resumes_at_the_third_step_and_repeats_none(world, stuck):
    (task,) = await world.fallout()
    await world.decide(task, Decision.RETRY)
    assert await states(world, stuck) == [D, D, R, W, W, W]
    await world.work()
    assert await states(world, stuck) == [D] * 6
    view = await world.view(stuck.id)
    assert view.order.state is OrderState.COMPLETED
    assert [one.task_number for one in view.journal if one.act == "done"] == [1, 2, 3, 4, 5, 6]
    assert (await world.counts("ports"))[ResourceState.ASSIGNED] == 1


async def test_a_cancellation_undoes_the_two_steps_that_were_done_the_last_first(world, stuck):
    await world.cancel(stuck)
    await world.work()
    view = await world.view(stuck.id)
    assert view.order.state is OrderState.CANCELLED
    assert [task.state for task in view.tasks[:6]] == [D, D, X, X, X, X]
    undone = [(task.step.kind, task.undoes) for task in view.tasks[6:]]
    assert undone == [(TaskKind.DISCARD_PRODUCT, 2), (TaskKind.FREE, 1)]
    counts = await world.counts("ports")
    assert (counts.get(ResourceState.ASSIGNED, 0), counts.get(ResourceState.RESERVED, 0)) == (0, 0)
