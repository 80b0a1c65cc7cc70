"""Holds, previews and the journal of one account."""

from __future__ import annotations

from datetime import timedelta

import pytest

from farwire.base.storage import Database
from farwire.billing import service as billing
from farwire.billing.model import Bill, LineKind, Outcome
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import AccountId, TenantId
from farwire.kernel.page import PageRequest
from farwire.kernel.time import instant
from farwire.usage import service as usage

from .test_approval import ANNA, AUGUST, JULY, decide, rows, start
from .test_credit import credited
from .world import World


async def hold(world: World, account_id: AccountId, *, hours: int = 0) -> None:
    now = world.clock.now()
    async with world.db.transaction(world.tenant_id) as tx:
        await billing.hold_account(
            tx,
            account_id=account_id,
            reason="disputed",
            actor=ANNA,
            now=now,
            until=now + timedelta(hours=hours) if hours else None,
        )


async def release(world: World, account_id: AccountId) -> None:
    async with world.db.transaction(world.tenant_id) as tx:
        await billing.release_account(tx, account_id=account_id, actor=ANNA, now=world.clock.now())


async def preview(world: World, account_id: AccountId) -> Bill | None:
    async with world.db.transaction(world.tenant_id, read_only=True) as tx:
        return await billing.preview_bill(tx, account_id=account_id, now=world.clock.now())


async def test_an_account_on_hold_gets_no_bill_and_all_of_them_afterwards(world: World) -> None:
    held, free = await world.many(2, await world.plan())
    world.clock.set(instant(JULY))
    await hold(world, held.id)
    assert (await world.run(JULY)).issued == 1
    assert [bill.account_id for bill in await world.bills()] == [free.id]
    page = await billing.list_holds(
        db=world.db, tenant_id=world.tenant_id, now=world.clock.now(), page=PageRequest()
    )
    assert [(one.account_id, one.reason) for one in page.items] == [(held.id, "disputed")]
    await release(world, held.id)
    with pytest.raises(Conflict):
        await release(world, held.id)
    assert (await world.run(AUGUST)).issued == 3
    assert len(await world.bills(held)) == 2
    await world.sound()


async def test_a_hold_that_ran_out_holds_no_more(world: World) -> None:
    (account,) = await world.many(1, await world.plan())
    world.clock.set(instant(JULY))
    await hold(world, account.id, hours=2)
    assert (await world.run(JULY)).issued == 0
    world.clock.advance(timedelta(hours=2))
    assert (await world.run(JULY)).issued == 1


async def test_a_hold_after_the_draft_keeps_the_bill_from_being_issued(world: World) -> None:
    held, free = await world.many(2, await world.plan())
    report = await start(world, AUGUST)
    await hold(world, held.id)
    done = await decide(world, report)
    assert (done.issued, done.discarded) == (2, 2)
    assert {bill.account_id for bill in await world.bills()} == {free.id}
    journal = await billing.account_journal(
        db=world.db, tenant_id=world.tenant_id, account_id=held.id, page=PageRequest()
    )
    assert [(line.entry.outcome, line.entry.code, line.entry.message) for line in journal.items] == [
        (Outcome.DISCARDED, "billing.account_held", "disputed")
    ] * 2
    await release(world, held.id)
    assert (await world.run(AUGUST)).issued == 2
    numbers = sorted(bill.sequence or 0 for bill in await world.bills())
    assert numbers == [1, 2, 3, 4]
    await world.sound()


async def test_a_preview_is_the_bill_that_comes_and_takes_nothing(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    used = await world.rated(product, "other", "0.63", at="2026-06-20T10:00Z", quantity=420)
    await credited(world, account.id, "5.00")
    world.clock.set(instant(JULY))
    tables = ("usage.record", "billing.charged", "billing.credit", "billing.credit_use", "billing.bill")
    before = [await rows(world, table) for table in tables]
    shown = await preview(world, account.id)
    assert shown is not None
    assert [await rows(world, table) for table in tables] == before
    await world.run()
    bill = await world.only_bill()
    assert (shown.lines, shown.taxes) == (bill.lines, bill.taxes)
    assert (shown.net_minor, shown.total_minor) == (3886, 4624)
    assert {line.item.kind for line in shown.lines} == set(LineKind)
    async with world.db.transaction(world.tenant_id) as tx:
        assert (await usage.usage_record(tx, usage_id=used)).bill_id == bill.id
    following = await preview(world, account.id)
    assert following is not None
    assert following.net_minor == 2000


async def test_an_account_without_anything_has_no_next_bill(world: World) -> None:
    account = await world.account()
    assert await preview(world, account.id) is None


async def test_what_was_rated_late_stands_on_the_next_bill_with_its_own_period_and_price(
    world: World,
) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    await world.run(JULY)
    await world.rated(product, "other", "0.18", at="2026-06-25T10:00Z")
    await world.rated(product, "other", "0.09", at="2026-07-20T10:00Z")
    await world.run(AUGUST)
    late, current = [line for line in (await world.bills())[-1].lines if line.item.kind is LineKind.USAGE]
    assert (late.amount_minor, current.amount_minor) == (18, 9)
    assert late.item.period.start == instant("2026-06-25T10:00Z")
    assert late.item.plan_version_id == product.plans[0].plan_version_id


async def test_a_hold_needs_an_account_a_reason_and_a_future(
    world: World, db: Database, other_tenant_id: TenantId
) -> None:
    account = await world.account()
    with pytest.raises(Invalid):
        await hold(world, account.id, hours=-1)
    other = World(db, world.clock, other_tenant_id)
    with pytest.raises(NotFound):
        await hold(other, account.id)
    with pytest.raises(NotFound):
        await preview(other, account.id)
    with pytest.raises(Conflict):
        await release(other, account.id)
