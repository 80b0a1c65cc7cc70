"""A verification that is published releases the orders that waited for it."""

from __future__ import annotations

import sys
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

from farwire.base.clock import MovableClock
from farwire.base.eventbus import Event, list_events
from farwire.base.storage import Database
from farwire.kernel.ids import TenantId
from farwire.ordering.model import OrderState
from farwire.party.events import KYC_VERIFIED
from farwire.process.order_to_activate import release, subscribers


def builders_of_ordering() -> ModuleType:
    """The builders that the tests of ordering use: importlib mode gives test folders no common package."""
    spec = spec_from_file_location("ordering_world", Path(__file__).parents[1] / "ordering" / "world.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


async def verified(db: Database, tenant_id: TenantId) -> Event:
    async with db.transaction(tenant_id) as tx:
        ((_, event),) = await list_events(tx=tx, type_prefix=KYC_VERIFIED)
    return event


async def test_a_verified_customer_gets_the_sim_that_waited_for_it(
    db: Database, clock: MovableClock, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    builders = builders_of_ordering()
    world = await builders.operator(db, clock, tenant_id, verified=False)
    order = await world.place(builders.add())
    assert order.state is OrderState.HELD
    await builders.verify(world)
    event = await verified(db, tenant_id)
    await release(db=db, clock=clock, event=event)
    assert await world.state(order) is OrderState.COMPLETED
    await release(db=db, clock=clock, event=event)
    assert (await world.events(order)).count("order_released") == 1


def test_it_follows_verifications_only(db: Database, clock: MovableClock) -> None:
    (follower,) = subscribers(db=db, clock=clock)
    assert follower.types == (KYC_VERIFIED,)
