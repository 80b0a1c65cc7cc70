"""The control plane on a real PostgreSQL, with a shard in this process."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.base.web.errors import status_of
from farwire.charging import service
from farwire.charging.model import CommandKind, ResultCode, Unit
from farwire.charging.model.state import DAY_US
from farwire.charging.model.terms import PlanDocument
from farwire.charging.service.serving import open_missing
from farwire.charging.shard.homes import vshard_of
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import AccountId, ProductId, TenantId, uuid7
from tests.billing.world import World
from tests.charging.desk import CLERK, GO_5, a_desk, open_one, sell_go_5
from tests.charging.play import EURO, MB


async def test_go_5_is_sold_by_its_price_plan_and_two_short_documents(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    await sell_go_5(db, tenant_id, clock)
    account = await open_one(db, tenant_id, clock)
    async with a_desk(db, tmp_path, clock) as desk:
        await service.make_live(desk.client, db=db, tenant_id=tenant_id, account=account, now=clock.now())
        async with db.transaction(tenant_id) as tx:
            offer = await service.offer_number(tx, offering=GO_5, now=clock.now())
        for kind, amount, subject in ((CommandKind.TOP_UP, 10 * EURO, 0), (CommandKind.PURCHASE, 0, offer)):
            answer = await service.command(
                desk.client, account=account, kind=kind, key=f"{kind}", amount=amount, subject=subject
            )
            assert answer.result == ResultCode.SUCCESS
        seen = (await service.inspect(desk.client, account=account)).seen
    assert seen is not None
    assert {(one.unit, one.amount) for one in seen.balances} == {
        (Unit.MONEY, 5 * EURO),
        (Unit.OCTETS, 2_000 * MB),
    }
    (holding,) = seen.holdings
    assert holding.ends_at - holding.started_at == 7 * 86_400_000_000


async def test_an_account_is_opened_once_and_found_by_who_it_is(
    db: Database, tenant_id: TenantId, clock: MovableClock
) -> None:
    await sell_go_5(db, tenant_id, clock)
    first, again = await open_one(db, tenant_id, clock), await open_one(db, tenant_id, clock)
    assert first == again
    other = await open_one(db, tenant_id, clock, key="sub-2", circle="sub-1")
    assert vshard_of(other.number) == vshard_of(first.number)
    assert other.number != first.number
    async with db.transaction(tenant_id) as tx:
        assert await service.find_account(tx, name="491511") == first
        assert await service.find_account(tx, name=str(first.number)) == first
        assert await service.erase_identities(tx, number=first.number, now=clock.now(), actor=CLERK) == 1
        with pytest.raises(NotFound) as caught:
            await service.find_account(tx, name="491511")
    assert caught.value.code == "charging.account_unknown"
    with pytest.raises(Conflict) as refused:
        async with db.transaction(tenant_id) as tx:
            await service.open_account(
                tx, offering=GO_5, key="sub-1", now=clock.now(), actor=CLERK, cycle_day=9
            )
    assert refused.value.code == "charging.key_reused"


async def test_an_account_that_nobody_would_owe_for_is_not_opened(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId, clock: MovableClock
) -> None:
    await sell_go_5(db, tenant_id, clock)
    given = {"offering": GO_5, "key": "lost", "now": clock.now(), "actor": CLERK}
    async with db.transaction(tenant_id) as tx:
        with pytest.raises(Conflict) as alone:
            await service.open_account(tx, **given)
    assert alone.value.code == "charging.company_missing"
    foreign = await World(db, clock, other_tenant_id).account()
    for account_id in (AccountId(uuid7()), foreign.id):
        async with db.transaction(tenant_id) as tx:
            with pytest.raises(Invalid) as refused:
                await service.open_account(tx, account_id=account_id, **given)
        assert refused.value.code == "charging.billing_account_unknown"
    async with db.transaction(tenant_id) as tx:
        assert (await service.list_accounts(tx)).total == 0


async def test_a_product_that_nobody_knows_has_no_account(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId, clock: MovableClock
) -> None:
    await sell_go_5(db, tenant_id, clock)
    theirs = World(db, clock, other_tenant_id)
    foreign = await theirs.product(await theirs.account(), await theirs.plan())
    for product_id in (ProductId(uuid7()), foreign.id):
        with pytest.raises(Invalid) as refused:
            async with db.transaction(tenant_id) as tx:
                await service.open_account(
                    tx, offering=GO_5, key="lost", now=clock.now(), actor=CLERK, product_id=product_id
                )
        assert (refused.value.code, refused.value.field) == ("charging.product_unknown", "product_id")
        assert status_of(refused.value)[0] == 422
    async with db.transaction(tenant_id) as tx:
        assert (await service.list_accounts(tx)).total == 0


async def test_a_shard_learns_of_new_terms_and_keeps_what_was_sold(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    await sell_go_5(db, tenant_id, clock)
    account = await open_one(db, tenant_id, clock)
    async with a_desk(db, tmp_path, clock) as desk:
        assert not await desk.tariffs.reload(db, clock=clock), "nothing is new"
        async with db.transaction(tenant_id) as tx:
            document = PlanDocument(offering=GO_5, active_days=7)
            terms = await service.set_plan_terms(tx, document=document, now=clock.now(), actor=CLERK)
        assert terms.number is not None
        assert terms.number > account.plan
        assert desk.tariffs.plan(terms.number) is None
        assert await desk.tariffs.reload(db, clock=clock)
        later, before = desk.tariffs.plan(terms.number), desk.tariffs.plan(account.plan)
        assert later is not None
        assert before is not None
        assert (before.active_us, later.active_us) == (90 * DAY_US, 7 * DAY_US)
        assert await open_missing(db=db, clock=clock, runner=desk.runner) == 1
        assert await open_missing(db=db, clock=clock, runner=desk.runner) == 0
        assert (await service.inspect(desk.client, account=account)).seen is not None
        assert desk.tariffs.is_emergency(account.plan, "110")
        assert desk.tariffs.is_emergency(0, "911"), "also where the plan is unknown"


async def test_another_tenants_account_is_unknown(
    db: Database, tenant_id: TenantId, other_tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> None:
    await sell_go_5(db, tenant_id, clock)
    await sell_go_5(db, other_tenant_id, clock)
    mine = await open_one(db, tenant_id, clock)
    theirs = await open_one(db, other_tenant_id, clock)
    assert mine.number != theirs.number
    assert mine.plan != theirs.plan
    async with db.transaction(tenant_id) as tx:
        my_offer = await service.offer_number(tx, offering=GO_5, now=clock.now())
        assert await service.offerings_of_offers(tx, numbers=[my_offer]) == {my_offer: GO_5}
    async with db.transaction(other_tenant_id) as tx:
        with pytest.raises(NotFound) as caught:
            await service.account_numbered(tx, number=mine.number)
        assert caught.value.code == "charging.account_unknown"
        assert await service.offerings_of_offers(tx, numbers=[my_offer]) == {}
    async with a_desk(db, tmp_path, clock) as desk:
        await open_missing(db=db, clock=clock, runner=desk.runner)
        crossed = replace(mine, tenant_number=theirs.tenant_number)
        assert (await service.inspect(desk.client, account=crossed)).seen is None
        done = await service.command(
            desk.client, account=crossed, kind=CommandKind.TOP_UP, key="k", amount=EURO
        )
        assert done.result == ResultCode.UNKNOWN_USER
