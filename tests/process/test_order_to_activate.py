"""A verification that is published releases the orders that waited for it."""

from __future__ import annotations

import sys
from datetime import date
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from farwire.base.clock import MovableClock
from farwire.base.eventbus import Event, list_events
from farwire.base.storage import Database
from farwire.country.service import load_pack
from farwire.kernel.ids import TenantId
from farwire.kernel.time import instant
from farwire.ordering.model import OrderState
from farwire.party import service as parties
from farwire.party.events import KYC_EXPIRED, KYC_VERIFIED
from farwire.process.order_to_activate import follow, subscribers


def builders_of_ordering() -> ModuleType:
    """The builders that the tests of ordering use: importlib mode gives test folders no common package."""
    spec = spec_from_file_location("ordering_world", Path(__file__).parents[1] / "ordering" / "world.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


async def last(db: Database, tenant_id: TenantId, kind: str) -> Event:
    async with db.transaction(tenant_id) as tx:
        *_, (_, event) = await list_events(tx=tx, type_prefix=kind)
    return event


async def test_a_verified_customer_gets_the_sim_that_waited_for_it(
    db: Database, clock: MovableClock, tenant_id: TenantId, other_tenant_id: TenantId
) -> None:
    builders = builders_of_ordering()
    world = await builders.operator(db, clock, tenant_id, verified=False)
    order = await world.place(builders.add())
    assert order.state is OrderState.HELD
    await builders.verify(world)
    event = await last(db, tenant_id, KYC_VERIFIED)
    await follow(db=db, clock=clock, event=event)
    assert await world.state(order) is OrderState.COMPLETED
    await follow(db=db, clock=clock, event=event)
    assert (await world.events(order)).count("order_released") == 1


async def prove(world: Any, number: str, expires_on: date) -> None:
    pack, now = load_pack("DE"), world.clock.now()
    async with world.db.transaction(world.tenant_id) as tx:
        await parties.submit_kyc(
            tx, party_id=world.party_id, pack=pack, document="passport", country="DE", number=number,
            expires_on=expires_on, now=now,
        )  # fmt: skip
        await parties.verify_kyc(tx, party_id=world.party_id, pack=pack, now=now)


async def test_an_order_whose_customers_document_expires_before_its_date_waits_for_the_next(
    db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    builders = builders_of_ordering()
    world = await builders.operator(db, clock, tenant_id, verified=False)
    await prove(world, "C01X00T47", date(2027, 1, 1))
    mobile = await world.place(builders.add(), at="2027-01-10T00:00+01:00")
    fibre = await world.place(builders.add("fibre-100"), at="2027-01-10T00:00+01:00")
    clock.set(instant("2026-12-31T23:30+01:00"))
    assert await parties.expire_kyc(db=db, tenant_id=tenant_id, clock=clock) == 0
    clock.set(instant("2027-01-01T00:30+01:00"))
    assert await parties.expire_kyc(db=db, tenant_id=tenant_id, clock=clock) == 1
    for _ in range(2):
        await follow(db=db, clock=clock, event=await last(db, tenant_id, KYC_EXPIRED))
    # The verification of 2026, delivered again, releases nothing now.
    await follow(db=db, clock=clock, event=await last(db, tenant_id, KYC_VERIFIED))
    clock.set(instant("2027-01-10T01:00+01:00"))
    await world.work()
    assert await world.state(mobile) is OrderState.HELD
    assert await world.state(fibre) is OrderState.COMPLETED
    assert (await world.events(mobile)).count("order_held") == 1
    await prove(world, "C01X00T99", date(2037, 1, 1))
    await follow(db=db, clock=clock, event=await last(db, tenant_id, KYC_VERIFIED))
    assert await world.state(mobile) is OrderState.COMPLETED


def test_it_follows_what_becomes_of_verifications(db: Database, clock: MovableClock) -> None:
    (follower,) = subscribers(db=db, clock=clock)
    assert follower.types == (KYC_VERIFIED, KYC_EXPIRED)
