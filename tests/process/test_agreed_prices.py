"""From an agreement over an order to the bill, every amount worked out here, and what happens when the agreement ends.

Flex M lists at 20.00 a month in advance and 9.90 once; it was sold on 11 June at 14:03 in Berlin.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from decimal import Decimal
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from farwire.agreement import service as agreements
from farwire.agreement.model import AgreementItem, NegotiatedPrice
from farwire.app import deliver_events
from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.storage import Database, open_relay
from farwire.billing import service as billing
from farwire.billing.model.run import Approval
from farwire.inventory import service as inventory
from farwire.inventory.model import Product
from farwire.kernel.ids import ProductId, TenantId
from farwire.kernel.page import PageRequest
from farwire.kernel.tenancy import SYSTEM, Actor, ActorKind
from farwire.kernel.time import instant
from farwire.ordering.model import Action, ItemRequest, OrderState, PriceChange

SELLER, HEAD = Actor(ActorKind.OPERATOR, "seller"), Actor(ActorKind.OPERATOR, "head")
FIFTEEN = AgreementItem("flex-m", (NegotiatedPrice("monthly", Decimal("15.00")),))
TWELVE = AgreementItem("flex-m", (NegotiatedPrice("monthly", Decimal("12.00")),))


def builders() -> ModuleType:
    """The builders that the tests of ordering use: importlib mode gives test folders no common package."""
    name = "ordering_world_of_agreed_prices"
    if name not in sys.modules:
        spec = spec_from_file_location(name, Path(__file__).parents[1] / "ordering" / "world.py")
        assert spec is not None
        assert spec.loader is not None
        sys.modules[name] = module_from_spec(spec)
        spec.loader.exec_module(sys.modules[name])
    return sys.modules[name]


class Story:
    """A customer with an agreement from 1 June on."""

    def __init__(self, world: Any, relay_db: Database) -> None:
        self.world, self.relay_db = world, relay_db
        self.db, self.clock, self.tenant_id = world.db, world.clock, world.tenant_id

    async def agree(self, item: AgreementItem = FIFTEEN, until: str | None = None) -> None:
        async with self.db.transaction(self.tenant_id) as tx:
            await agreements.draft_agreement(
                tx, number="R-1", party_id=self.world.party_id, items=[item], now=self.clock.now(), actor=SELLER,
                valid_from=instant("2026-06-01T00:00+02:00"), valid_to=None if until is None else instant(until),
            )  # fmt: skip
            await agreements.approve_agreement(tx, number="R-1", now=self.clock.now(), actor=HEAD)

    async def amend(self, since: str, *items: AgreementItem) -> None:
        async with self.db.transaction(self.tenant_id) as tx:
            await agreements.amend_agreement(
                tx, number="R-1", items=items, valid_from=instant(since), valid_to=None, now=self.clock.now(),
                actor=SELLER,
            )  # fmt: skip
            await agreements.approve_agreement(tx, number="R-1", now=self.clock.now(), actor=HEAD)
        await self.deliver()

    async def terminate(self, at: str) -> None:
        async with self.db.transaction(self.tenant_id) as tx:
            await agreements.terminate_agreement(
                tx, number="R-1", at=instant(at), now=self.clock.now(), actor=HEAD
            )
        await self.deliver()

    async def deliver(self) -> None:
        await deliver_events(db=self.db, relay_db=self.relay_db, clock=self.clock)

    async def product(self, product_id: ProductId) -> Product:
        async with self.db.transaction(self.tenant_id) as tx:
            return await inventory.find_product(tx, product_id)

    async def bill(self, at: str) -> list[tuple[str, int]]:
        """Bill at ``at``; return price id and net cents of each line of the new bill."""
        self.clock.set(instant(at))
        before = {one.id for one in await self._bills()}
        report = await billing.run_bills(
            db=self.db, tenant_id=self.tenant_id, clock=self.clock, until=instant(at)
        )
        assert report.failed == 0
        (new,) = [one for one in await self._bills() if one.id not in before]
        found = await billing.get_bill(db=self.db, tenant_id=self.tenant_id, key=str(new.id))
        return [(line.item.price_id, line.net_minor) for line in found.lines]

    async def _bills(self) -> Sequence[Any]:
        return (await billing.list_bills(db=self.db, tenant_id=self.tenant_id, page=PageRequest())).items


@pytest.fixture
async def story(
    settings: Settings, db: Database, clock: MovableClock, tenant_id: TenantId
) -> AsyncIterator[Story]:
    clock.set(instant("2026-06-11T14:03+02:00"))
    relay_db = await open_relay(settings)
    world = await builders().operator(db, clock, tenant_id)
    async with db.transaction(tenant_id) as tx:
        await billing.set_approval(tx, approval=Approval.NONE, actor=SYSTEM, now=clock.now())
    made = Story(world, relay_db)
    await made.deliver()  # the subscribers begin with what is published from now on
    yield made
    await relay_db.close()


async def test_an_agreed_price_reaches_the_bill(story: Story) -> None:
    await story.agree()
    await story.world.mobile()
    # 20 of 30 days of 15.00 = 10.00; July in advance.
    assert sorted(await story.bill("2026-07-01T00:30+02:00")) == [
        ("activation", 990), ("monthly", 1000), ("monthly", 1500),
    ]  # fmt: skip


async def test_an_agreed_percentage_reaches_the_bill_and_ends_with_the_agreement(story: Story) -> None:
    half = AgreementItem("flex-m", (NegotiatedPrice("monthly", percent=Decimal(50)),))
    await story.agree(half, until="2026-07-16T00:00+02:00")
    await story.world.mobile()
    # 20/30 × 10.00 = 6.67; 15/31 of July at 10.00 = 4.84 and 16/31 at 20.00 = 10.32.
    found = sorted(await story.bill("2026-07-01T00:30+02:00"))
    assert [net for _, net in found] == [990, 484, 667, 1032]


async def test_a_terminated_agreement_ends_the_prices_that_came_from_it(story: Story) -> None:
    await story.agree()
    product = await story.world.mobile()
    await story.bill("2026-07-01T00:30+02:00")
    story.clock.set(instant("2026-07-10T12:00+02:00"))
    await story.terminate("2026-07-16T00:00+02:00")
    (override,) = (await story.product(product.id)).overrides
    assert override.valid_to == instant("2026-07-16T00:00+02:00")
    # 16 of the 31 days of July, billed at 15.00, cost 20.00: 15.00 × 16/31 = 7.74 go back, 20.00 × 16/31 = 10.32 come.
    found = await story.bill("2026-08-01T00:30+02:00")
    assert sum(net for _, net in found) == 2000 + 1032 - 774
    await story.deliver()
    assert len((await story.product(product.id)).overrides) == 1


async def test_an_amendment_brings_its_prices_to_who_has_those_of_before(story: Story) -> None:
    await story.agree()
    product = await story.world.mobile()
    await story.bill("2026-07-01T00:30+02:00")
    await story.amend("2026-08-01T00:00+02:00", TWELVE)
    assert await story.bill("2026-08-01T00:30+02:00") == [("monthly", 1200)]
    before, after = (await story.product(product.id)).overrides
    assert (before.valid_to, after.valid_from) == (instant("2026-08-01T00:00+02:00"),) * 2
    await story.terminate("2026-09-01T00:00+02:00")
    assert await story.bill("2026-09-01T00:30+02:00") == [("monthly", 2000)]


async def test_an_agreement_that_ends_before_its_amendment_ends_the_prices_of_both(story: Story) -> None:
    await story.agree()
    product = await story.world.mobile()
    await story.bill("2026-07-01T00:30+02:00")
    await story.amend("2026-09-01T00:00+02:00", TWELVE)
    await story.terminate("2026-08-01T00:00+02:00")
    before, after = (await story.product(product.id)).overrides
    assert before.valid_to == instant("2026-08-01T00:00+02:00")
    assert after.valid_to == after.valid_from, "never in force"
    assert await story.bill("2026-08-01T00:30+02:00") == [("monthly", 2000)]
    assert await story.bill("2026-09-01T00:30+02:00") == [("monthly", 2000)]


async def test_an_amendment_without_the_offering_ends_its_prices(story: Story) -> None:
    await story.agree()
    await story.world.mobile()
    await story.bill("2026-07-01T00:30+02:00")
    other = AgreementItem("flex-l", (NegotiatedPrice("monthly", Decimal(1)),))
    await story.amend("2026-08-01T00:00+02:00", other)
    assert await story.bill("2026-08-01T00:30+02:00") == [("monthly", 2000)]


async def test_what_the_customer_alone_was_promised_stays_before_an_amendment(story: Story) -> None:
    await story.agree()
    ten = PriceChange(price_id="monthly", price=Decimal("10.00"), reason="goodwill")
    await story.world.done(builders().add(overrides=(ten,)))
    await story.bill("2026-07-01T00:30+02:00")
    await story.amend("2026-08-01T00:00+02:00", TWELVE)
    assert await story.bill("2026-08-01T00:30+02:00") == [("monthly", 1000)]


async def test_an_order_of_later_whose_agreement_was_terminated_meanwhile_pays_the_list(story: Story) -> None:
    await story.agree()
    order = await story.world.place(builders().add(), at="2026-07-11T00:00+02:00")
    await story.terminate("2026-07-01T00:00+02:00")
    story.clock.set(instant("2026-07-11T00:00+02:00"))
    await story.world.work()
    assert await story.world.state(order) is OrderState.COMPLETED
    await story.deliver()
    # 21/31 × 20.00 = 13.55.
    assert sorted(await story.bill("2026-08-01T00:30+02:00")) == [
        ("activation", 990), ("monthly", 1355), ("monthly", 2000),
    ]  # fmt: skip


async def test_a_price_that_was_agreed_for_one_offering_is_not_that_of_the_next(story: Story) -> None:
    """Both plans call their price "monthly"."""
    await story.agree()
    product = await story.world.mobile()
    await story.bill("2026-07-01T00:30+02:00")
    story.clock.set(instant("2026-07-11T09:00+02:00"))
    change = ItemRequest(action=Action.CHANGE, product_id=product.id, offering="flex-l")
    await story.world.done(change)
    after = await story.product(product.id)
    assert after.offering_id != product.offering_id
    # July: 15.00 less 21/31 × 15.00 = 10.16 unused, 21/31 × 20.00 = 13.55 of Flex L; August 20.00.
    found = await story.bill("2026-08-01T00:30+02:00")
    assert sum(net for name, net in found if name == "monthly") == 2000 + 1355 - 1016
