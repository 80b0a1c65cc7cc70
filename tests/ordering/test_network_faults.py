"""Whatever the network does wrong, an order that says it is done is done, or a person sees it."""

from datetime import timedelta

import pytest

from farwire.activation import service as activation
from farwire.activation.model import FaultKind, FindingState
from farwire.activation.simulator import plant_fault
from farwire.kernel.page import PageRequest
from farwire.ordering.model import OrderState
from farwire.ordering.service import Decision

from .world import World, add

HOUR = timedelta(hours=1)
MANY = 10_000
CODES = {
    FaultKind.FAIL: "activation.no_answer",
    FaultKind.SILENT: "activation.no_answer",
    FaultKind.LOST: "activation.no_answer",
    FaultKind.DROP: "activation.read_back_differs",
    FaultKind.HALF: "activation.read_back_differs",
    FaultKind.REFUSE: "activation.refused",
}
ADAPTERS = ["hlr", "smdp"]


async def plant(world: World, adapter: str, kind: FaultKind, count: int) -> None:
    async with world.db.transaction(world.tenant_id) as tx:
        await plant_fault(tx, adapter=adapter, kind=kind, count=count)


async def worked(world: World, order) -> OrderState:
    """Work until the order rests; return how."""
    for _ in range(10):
        await world.work()
        if await world.state(order) is not OrderState.IN_PROGRESS or await world.fallout():
            break
        world.clock.advance(HOUR)
    return await world.state(order)


async def drifts(world: World) -> dict[str, FindingState]:
    """Look for drift, often enough that what is suspected is told; return what is found by kind."""
    for _ in range(2):
        await activation.look(db=world.db, tenant_id=world.tenant_id, clock=world.clock)
    async with world.db.transaction(world.tenant_id) as tx:
        found = await activation.list_findings(tx, page=PageRequest())
    return {one.kind.value: one.state for one in found.items}


@pytest.mark.parametrize("kind", list(CODES))
@pytest.mark.parametrize("adapter", ["hlr", "smdp"])
async def test_an_order_mends_what_a_fault_broke_or_waits_in_the_fallout(world, kind, adapter):
    if kind is not FaultKind.REFUSE:
        await plant(world, adapter, kind, 1)
        assert await worked(world, await world.place(add())) is OrderState.COMPLETED
    await plant(world, adapter, kind, MANY)
    order = await world.place(add())
    assert await worked(world, order) is not OrderState.COMPLETED
    (task,) = await world.fallout()
    assert task.error_code == CODES[kind]
    await plant(world, adapter, FaultKind.SLOW, 1)
    found = await drifts(world)
    assert set(found) == ({"unexpected"} if kind in (FaultKind.HALF, FaultKind.LOST) else set())
    await world.decide(task, Decision.RETRY)
    assert await worked(world, order) is OrderState.COMPLETED
    assert set((await drifts(world)).values()) <= {FindingState.GONE}
