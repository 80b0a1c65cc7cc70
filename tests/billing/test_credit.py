"""Credits: what is given is on bills or open, never lost, never more than a bill charges."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farwire.account.model import TaxClass, TaxContext
from farwire.base.authz import SecondPersonMissing
from farwire.base.storage import Database
from farwire.billing import service as billing
from farwire.billing.model import (
    Calculated,
    Credit,
    CreditState,
    Item,
    LineKind,
    calculate,
    with_credits,
)
from farwire.country.service import load_pack
from farwire.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from farwire.kernel.ids import AccountId, CreditId, PlanVersionId, ProductId, TenantId, uuid7
from farwire.kernel.money import Money, currency
from farwire.kernel.page import PageRequest
from farwire.kernel.time import Period
from farwire.ledger import service as ledger
from farwire.ledger.model import Book

from .test_approval import ANNA, AUGUST, BERT, JULY, decide, start
from .world import World

EUR = currency("EUR")
JUNE = Period(datetime(2026, 5, 31, 22, tzinfo=UTC), datetime(2026, 6, 30, 22, tzinfo=UTC))


async def credited(
    world: World,
    account_id: AccountId,
    net: str,
    *,
    key: str = "k",
    approve: bool = True,
    tax: str = "standard",
) -> CreditId:
    async with world.db.transaction(world.tenant_id) as tx:
        credit_id = await billing.add_credit(
            tx,
            account_id=account_id,
            product_id=None,
            net=Money.of(net, "EUR"),
            reason="ticket 4711",
            label="Goodwill",
            tax_category=tax,
            key=key,
            requested_by=ANNA,
            now=world.clock.now(),
        )
        if approve:
            await billing.approve_credit(tx, credit_id=credit_id, actor=BERT, now=world.clock.now())
    return credit_id


async def credit(world: World, credit_id: CreditId) -> Credit:
    async with world.db.transaction(world.tenant_id) as tx:
        return await billing.get_credit(tx, credit_id=credit_id)


async def test_a_credit_is_a_line_of_its_own_with_its_tax_on_the_next_bill(world: World) -> None:
    account = await world.account()
    await world.product(account, await world.plan())
    credit_id = await credited(world, account.id, "5.00")
    await world.run()
    bill = await world.only_bill()
    line = bill.lines[-1]
    # 9.90 + 20/30 × 20.00 = 13.33 + 20.00 = 43.23, less 5.00: 38.23; VAT 19 % = 7.26
    assert (bill.net_minor, bill.tax_minor, bill.total_minor) == (3823, 726, 4549)
    assert (line.item.kind, line.item.label, line.amount_minor) == (LineKind.CREDIT, "Goodwill", -500)
    explained = await billing.explain_line(
        db=world.db, tenant_id=world.tenant_id, bill=bill, number=line.number, page=PageRequest()
    )
    assert explained.credit is not None
    assert (explained.credit.reason, explained.credit.given_minor, explained.credit.open_minor) == (
        "ticket 4711",
        500,
        0,
    )
    found = await credit(world, credit_id)
    assert (found.state, found.applied_minor, found.open_minor) == (CreditState.APPLIED, 500, 0)
    async with world.db.transaction(world.tenant_id) as tx:
        balance = {one.book: one.amount_minor for one in await ledger.trial_balance(tx=tx)}
    assert balance[Book.CREDITS_GIVEN] == 500
    await world.sound()


async def test_a_credit_larger_than_the_bill_is_carried_forward_until_it_is_used_up(world: World) -> None:
    account = await world.account()
    await world.product(account, await world.plan())
    credit_id = await credited(world, account.id, "50.00")
    await world.run(JULY)
    await world.run(AUGUST)
    first, second = await world.bills()
    # June charges 43.23, August 20.00: 43.23 and then the 6.77 that are left.
    assert (first.net_minor, first.tax_minor, first.total_minor) == (0, 0, 0)
    assert (first.lines[-1].amount_minor, second.lines[-1].amount_minor) == (-4323, -677)
    assert first.lines[-1].item.detail["open_minor"] == 677
    assert (second.net_minor, second.tax_minor, second.total_minor) == (1323, 251, 1574)
    assert (await credit(world, credit_id)).state is CreditState.APPLIED
    await world.sound()


async def test_a_rejected_run_opens_its_credits_again(world: World) -> None:
    account = await world.account()
    await world.product(account, await world.plan())
    credit_id = await credited(world, account.id, "5.00")
    report = await start(world)
    assert (await credit(world, credit_id)).state is CreditState.APPLIED
    await decide(world, report, reject="wrong")
    found = await credit(world, credit_id)
    assert (found.state, found.applied_minor) == (CreditState.APPROVED, 0)
    await decide(world, await start(world))
    assert (await world.only_bill()).net_minor == 3823
    await world.sound()


async def test_only_an_approved_credit_is_applied_and_only_a_second_person_approves(world: World) -> None:
    account = await world.account()
    await world.product(account, await world.plan())
    credit_id = await credited(world, account.id, "5.00", approve=False)
    now = world.clock.now()
    async with world.db.transaction(world.tenant_id) as tx:
        with pytest.raises(SecondPersonMissing):
            await billing.approve_credit(tx, credit_id=credit_id, actor=ANNA, now=now)
    refused = await credited(world, account.id, "7.00", key="other", approve=False)
    async with world.db.transaction(world.tenant_id) as tx:
        await billing.reject_credit(tx, credit_id=refused, actor=BERT, now=now)
    async with world.db.transaction(world.tenant_id) as tx:
        with pytest.raises(Conflict) as raised:
            await billing.approve_credit(tx, credit_id=refused, actor=BERT, now=now)
    assert raised.value.code == "billing.credit_state"
    await world.run()
    assert (await world.only_bill()).net_minor == 4323
    assert [(await credit(world, one)).open_minor for one in (credit_id, refused)] == [0, 0]


async def test_asking_twice_with_one_key_gives_one_credit(world: World) -> None:
    account = await world.account()
    first = await credited(world, account.id, "5.00")
    assert await credited(world, account.id, "5.00", approve=False) == first
    with pytest.raises(Conflict) as raised:
        await credited(world, account.id, "6.00", approve=False)
    assert raised.value.code == "billing.key_reused"


@pytest.mark.parametrize(("net", "key", "code"), [("0", "k", "credit_amount"), ("1", " ", "credit_text")])
async def test_what_is_no_credit_is_refused(world: World, net: str, key: str, code: str) -> None:
    account = await world.account()
    with pytest.raises(Invalid) as raised:
        await credited(world, account.id, net, key=key)
    assert raised.value.code == f"billing.{code}"


async def test_an_unknown_account_and_another_currency_are_refused(
    world: World, db: Database, other_tenant_id: TenantId
) -> None:
    account = await world.account()
    credit_id = await credited(world, account.id, "5.00")
    with pytest.raises(NotFound):
        await credited(World(db, world.clock, other_tenant_id), account.id, "5.00")
    async with db.transaction(other_tenant_id) as tx:
        with pytest.raises(NotFound):
            await billing.approve_credit(tx, credit_id=credit_id, actor=BERT, now=world.clock.now())
    async with world.db.transaction(world.tenant_id) as tx:
        with pytest.raises(Conflict) as raised:
            await billing.add_credit(
                tx,
                account_id=account.id,
                product_id=None,
                net=Money.of("5", "JPY"),
                reason="r",
                label="l",
                tax_category="standard",
                key="yen",
                requested_by=ANNA,
                now=world.clock.now(),
            )
    assert raised.value.code == "billing.currency_mismatch"
    assert issubclass(SecondPersonMissing, Forbidden)


def item(net: int, category: str, place: int, *, includes_tax: bool = False) -> Item:
    """Return a charge; ``place`` is where it stands among others."""
    return Item(
        LineKind.ONE_OFF,
        ProductId(UUID(int=place + 1)),
        PlanVersionId(UUID(int=1)),
        "price",
        "label",
        category,
        includes_tax,
        EUR,
        JUNE,
        net * EUR.nano_per_minor,
        1,
        "piece",
        0,
        {},
    )


def a_credit(net: int, category: str) -> Credit:
    return Credit(
        CreditId(uuid7()),
        AccountId(uuid7()),
        None,
        EUR,
        net,
        "r",
        "l",
        category,
        str(uuid7()),
        CreditState.APPROVED,
        ANNA,
        JUNE.start,
    )


CATEGORIES = st.sampled_from(["standard", "books", "telecom"])


@given(
    charges=st.lists(
        st.tuples(st.integers(-5_000, 20_000), CATEGORIES, st.booleans()), min_size=1, max_size=6
    ),
    asked=st.lists(st.tuples(st.integers(1, 30_000), CATEGORIES), max_size=4),
)
@settings(max_examples=200)
def test_what_is_given_is_applied_or_open_and_no_bill_falls_below_zero_by_it(
    charges: list[tuple[int, str, bool]], asked: list[tuple[int, str]]
) -> None:
    context = TaxContext(load_pack("DE"), TaxClass.STANDARD, None, None, ZoneInfo("Europe/Berlin"))

    def bill_of(items: object) -> Calculated:
        return calculate(items, EUR, context)  # type: ignore[arg-type]

    known = {"standard", "telecom"} | ({"books"} if "books" in context.pack.tax.categories else set())
    items = [
        item(net, c if c in known else "standard", n, includes_tax=gross)
        for n, (net, c, gross) in enumerate(charges)
    ]
    given_ = [a_credit(net, c if c in known else "standard") for net, c in asked]
    found = with_credits(items, given_, JUNE, bill_of)
    plain = bill_of(items)
    applied = {use.credit_id: use.net_minor for use in found.uses}
    lines = [line for line in found.calculated.lines if line.item.kind is LineKind.CREDIT]
    assert sum(applied.values()) == -sum(line.net_minor for line in lines)
    assert all(0 < applied.get(one.id, 1) <= one.net_minor for one in given_)
    assert found.calculated.total_minor >= min(0, plain.total_minor)
    for line in lines:
        detail = line.item.detail
        assert detail["given_minor"] == detail["applied_minor"] + detail["open_minor"]  # type: ignore[operator]
    assert Decimal(found.calculated.net_minor) == plain.net_minor - sum(applied.values())


async def test_credits_follow_one_another_over_months_and_nothing_is_lost(world: World) -> None:
    account = await world.account()
    await world.product(account, await world.plan())
    for key, net in (("a", "30.00"), ("b", "25.00"), ("c", "9.99")):
        await credited(world, account.id, net, key=key)
    for until in (JULY, AUGUST, "2026-09-01T00:00+02:00"):
        await world.run(until)
    page = await billing.list_credits(
        db=world.db, tenant_id=world.tenant_id, page=PageRequest(), account_id=account.id
    )
    applied = sum(one.applied_minor for one in page.items)
    on_bills = -sum(
        line.net_minor
        for bill in await world.bills()
        for line in bill.lines
        if line.item.kind is LineKind.CREDIT
    )
    assert applied == on_bills == 6499
    assert sum(one.net_minor for one in page.items) == applied + sum(one.open_minor for one in page.items)
    await world.sound()
