"""What is sold to whom, with what, on which terms: the catalogue, the agreement and the country as orders meet them."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from farwire.account import service as accounts
from farwire.account.model import TermsChange
from farwire.agreement import service as agreements
from farwire.agreement.model import AgreementItem
from farwire.catalog import service as catalog
from farwire.catalog.model import read_catalogue, read_plan
from farwire.inventory.model import SuspensionReason
from farwire.kernel.ids import AccountId, uuid7
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.kernel.time import instant
from farwire.ordering.model import (
    SUSPENSION_PERCENT,
    Action,
    HoldReason,
    ItemRequest,
    OrderRefused,
    OrderState,
)
from farwire.tenant import service as tenants
from farwire.tenant.model import Address

from .test_orders import hlr
from .world import PLAN, World, add, operator

MORE = """
valid_from = 2026-05-01T00:00:00+02:00

[[offerings]]
code = "rival"
name = "Rival"
excludes = ["flex-m"]

[[offerings]]
code = "north"
name = "North"
eligibility = { regions = ["DE-HH", "NG"] }

[[offerings]]
code = "firm"
name = "Firm"
eligibility = { segments = ["business"] }
"""


async def publish(world: World) -> None:
    async with world.db.transaction(world.tenant_id) as tx:
        for code in ("rival", "north", "firm"):
            text = PLAN.format(code=code, start="2026-05-01T00:00:00+02:00", currency="EUR", price="20.00")
            await catalog.publish_plan(tx=tx, clock=world.clock, plan=read_plan(text))
        await catalog.publish_catalogue(tx=tx, clock=world.clock, file=read_catalogue(MORE))


async def refusals(world: World, *items: ItemRequest) -> list[str]:
    with pytest.raises(OrderRefused) as refused:
        await world.place(*items)
    return [one.code for one in refused.value.refusals]


async def test_what_is_published_is_sold_at_once_by_the_process_that_runs(world):
    assert await refusals(world, add("rival")) == ["catalog.offering_unknown"]
    await publish(world)
    await world.done(add("rival"))


async def test_what_excludes_another_is_not_sold_beside_it(world):
    await publish(world)
    assert await refusals(world, add("rival"), add("flex-m")) == ["catalog.excludes"]
    product = await world.mobile()
    assert await refusals(world, add("rival")) == ["catalog.excludes"]
    await world.done(ItemRequest(action=Action.CEASE, product_id=product.id), add("rival"))
    assert await refusals(world, add("flex-m")) == ["catalog.excludes"]


async def test_what_another_order_is_about_to_bring_counts_as_held(world):
    await publish(world)
    first = await world.place(add("flex-m"), at="2026-06-20T00:00+02:00")
    assert await refusals(world, add("rival")) == ["catalog.excludes"]
    await world.place(add("booster"), at="2026-06-20T00:00+02:00")  # which requires flex-m
    await world.cancel(first)
    await world.done(add("rival"))


async def test_two_orders_at_once_do_not_sell_what_excludes_each_other(world):
    await publish(world)
    answers = await asyncio.gather(
        *(world.place(add(code)) for code in ("rival", "flex-m") * 3), return_exceptions=True
    )
    sold = {one.items[0].request.offering for one in answers if not isinstance(one, OrderRefused)}
    assert len(sold) == 1


async def test_an_order_is_amended_to_what_excludes_what_it_was(world):
    from farwire.ordering import service as ordering

    await publish(world)
    order = await world.place(add("flex-m"), at="2026-06-20T00:00+02:00")
    async with world.db.transaction(world.tenant_id) as tx:
        amended = await ordering.amend_order(
            tx=tx, clock=world.clock, order_id=order.id, request=world.request(add("rival"))
        )
    assert amended.items[0].request.offering == "rival"


async def test_what_a_change_brings_counts_before_it_is_done(world):
    await publish(world)
    product = await world.mobile("flex-l")
    change = ItemRequest(action=Action.CHANGE, product_id=product.id, offering="flex-m")
    await world.place(change, at="2026-06-20T00:00+02:00")
    assert await refusals(world, add("rival")) == ["catalog.excludes"]


async def test_a_bundle_without_its_parts_is_not_sold(world):
    assert await refusals(world, add("home")) == ["catalog.bundle_cardinality"]
    many = [add("flex-m", parent=1) for _ in range(5)]
    assert await refusals(world, add("home"), add("fibre-100", parent=1), *many) == [
        "catalog.bundle_cardinality"
    ]


async def test_an_offering_is_sold_where_the_customer_lives_and_to_his_segment(world):
    await publish(world)
    assert set(await refusals(world, add("north"), add("firm"))) == {"catalog.not_eligible"}
    now = world.clock.now()
    async with world.db.transaction(world.tenant_id) as tx:
        await accounts.change_terms(
            tx, account_id=world.account.id, change=TermsChange(segment="business"), valid_from=now, now=now
        )
    await world.done(add("firm"))
    assert await refusals(world, add("north")) == ["catalog.not_eligible"]


async def test_a_country_that_does_not_ask_for_an_identity_lets_the_order_go(db, clock, tenant_id):
    world = await operator(db, clock, tenant_id, verified=False)
    assert (await world.place(add())).holds == {HoldReason.KYC}
    british = await tenants.add_legal_entity(
        db=db, clock=clock, tenant_id=tenant_id, name="Northern Light Ltd", vat_id="GB123456789",
        address=Address("GB", {"street": "High Street", "postcode": "EH1 1AA", "city": "Edinburgh"}),
        country="GB", currency_code="EUR", zone_name="Europe/London", number_prefix="NB",
    )  # fmt: skip
    account = replace(
        world.account,
        id=AccountId(uuid7()),
        number="100002",
        legal_entity_id=british.id,
        zone="Europe/London",
    )
    async with db.transaction(tenant_id) as tx:
        await accounts.add_accounts(tx=tx, accounts=[account])
    world.account = account
    order = await world.place(add())
    assert (order.state, order.holds) == (OrderState.ACKNOWLEDGED, frozenset())


@pytest.mark.parametrize("reason", list(SuspensionReason))
async def test_each_reason_bars_the_line_and_costs_what_it_costs(world, reason):
    product = await world.mobile()
    for action, status, percent in (
        (Action.SUSPEND, "suspended", SUSPENSION_PERCENT[reason]),
        (Action.RESUME, "active", 100),
    ):
        world.clock.advance(instant("2026-06-02T00:00Z") - instant("2026-06-01T00:00Z"))
        await world.done(ItemRequest(action=action, product_id=product.id, reason=reason))
        found = await world.product(product.id)
        assert found.recurring_percent_at(world.clock.now()) == percent
        assert await hlr(world, product.id) == [f"4915100000000 {status}"]


async def test_the_term_of_an_agreement_goes_before_the_offerings_and_its_end_costs_the_fee(world):
    seller, head = Actor(ActorKind.OPERATOR, "seller"), Actor(ActorKind.OPERATOR, "head")
    async with world.db.transaction(world.tenant_id) as tx:
        await agreements.draft_agreement(
            tx, number="R-1", party_id=world.party_id, items=[AgreementItem("flex-l", (), 12)], now=world.clock.now(),
            valid_from=instant("2026-06-01T00:00+02:00"), valid_to=None, actor=seller,
        )  # fmt: skip
        await agreements.approve_agreement(tx, number="R-1", now=world.clock.now(), actor=head)
    product = await world.mobile("flex-l")
    assert product.commitment is not None
    assert product.commitment.ends_at == instant("2027-06-01T00:00+02:00"), "12 months, not 24"
    assert product.commitment.fee == Decimal("50.00")
