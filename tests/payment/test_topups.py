"""Mobile money that tops a prepaid balance up: once, and back as far as the balance has it."""

from __future__ import annotations

import pytest

from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import TenantId, uuid7
from farwire.ledger.model import Book
from farwire.payment import service as payments
from farwire.payment.events import TOPUP_PAID, TOPUP_REVERSED
from farwire.payment.model import ChargeState, ItemKind, Notice
from farwire.payment.model.voucher import CreditOrder
from farwire.payment.service import voucher as vouchers

from .test_gateways import tell
from .test_mobile_money import METHOD, confirmed, paid_unasked, taken_back
from .till import ANNA, EVERYTHING, Till, eur


async def pushed(till: Till, amount: str = "20.00", subscriber: str = "s-1", key: str = "k1") -> ChargeState:
    async with till.db.transaction(till.tenant_id) as tx:
        charge = await payments.take_payment(
            tx,
            account_id=till.accounts["100001"].id,
            method=METHOD,
            token="wallet-1",
            amount=eur(amount),
            now=till.clock.now(),
            actor=ANNA,
            key=key,
            topup_for=subscriber,
        )
    return charge.state


async def orders(till: Till) -> tuple[CreditOrder, ...]:
    async with till.db.transaction(till.tenant_id) as tx:
        page = await vouchers.list_credit_orders(tx, page=EVERYTHING, waiting_only=False, vouchers=False)
        assert (await vouchers.list_credit_orders(tx, page=EVERYTHING, waiting_only=False)).total == 0
    return page.items


async def told_types(till: Till) -> list[str]:
    async with till.db.transaction(till.tenant_id) as tx:
        rows = await tx.fetch(
            "SELECT type FROM base.outbox WHERE tenant_id = $1 AND type LIKE '%topup%' ORDER BY position",
            tx.tenant_id,
        )
    return [row["type"] for row in rows]


async def topped_up(till: Till) -> CreditOrder:
    await till.account()
    await pushed(till)
    await tell(till, METHOD, await confirmed(till))
    (order,) = await orders(till)
    return order


async def test_a_push_that_the_payer_confirms_tops_up_once_however_often_it_is_told(till: Till) -> None:
    await till.bill(await till.account(), "58.14")
    assert await pushed(till) is ChargeState.PENDING
    notice = await confirmed(till)
    for _ in range(3):
        await tell(till, METHOD, notice)
    (order,) = await orders(till)
    assert (order.asked.subscriber, order.value, order.serial) == ("s-1", eur("20.00"), None)
    books = await till.books()
    assert (books[Book.PREPAID], books[Book.RECEIVABLE]) == (-2000, 5814)
    assert await told_types(till) == [TOPUP_PAID]
    await till.sound()


async def test_a_payer_tops_up_by_himself(till: Till) -> None:
    await till.account()
    notice = Notice("mm-1", "done", "EUR", 500, till.clock.now().isoformat(), account="100001", topup="s-1")
    for _ in range(3):
        await tell(till, METHOD, notice)
    (order,) = await orders(till)
    assert order.value == eur("5.00")
    assert await till.books() == {Book.MOBILE_MONEY_CLEARING: 500, Book.PREPAID: -500}


@pytest.mark.parametrize("topup", ["x" * 81, "\n", " "])
async def test_a_name_that_is_none_never_stops_the_money(till: Till, topup: str) -> None:
    await till.account()
    notice = Notice("mm-1", "done", "EUR", 500, till.clock.now().isoformat(), account="100001", topup=topup)
    payment = await tell(till, METHOD, notice)
    assert payment is not None
    assert payment.left_minor == 500
    assert await orders(till) == ()


async def test_what_waited_in_suspense_can_top_up_by_hand(till: Till) -> None:
    account = await till.account()
    payment = await paid_unasked(till)
    now = till.clock.now()
    async with till.db.transaction(till.tenant_id) as tx:
        given = {"payment_id": payment.id, "now": now, "actor": ANNA}
        with pytest.raises(Conflict) as refused:
            await payments.top_up(tx, subscriber="s-1", **given)
        assert refused.value.code == "payment.nothing_left"
        await payments.assign_payment(tx, account_id=account.id, **given)
        first = await payments.top_up(tx, subscriber="s-1", **given)
        assert await payments.top_up(tx, subscriber="s-1", **given) == first
        with pytest.raises(Conflict) as refused:
            await payments.top_up(tx, subscriber="s-2", **given)
        assert refused.value.code == "payment.topped_up"
    assert await till.books() == {Book.MOBILE_MONEY_CLEARING: 500, Book.PREPAID: -500}


@pytest.mark.parametrize(
    ("short", "books"), [("0.00", {}), ("7.50", {Book.RECEIVABLE: 750, Book.PREPAID: -750})]
)
async def test_a_top_up_that_is_taken_back_leaves_what_was_spent_as_a_debt(
    till: Till, short: str, books: dict[Book, int]
) -> None:
    order = await topped_up(till)
    for _ in range(2):
        await tell(till, METHOD, await taken_back(till))
    assert await told_types(till) == [TOPUP_PAID, TOPUP_REVERSED]
    assert await till.books() == {}
    for missing in (short, "1.00"):
        async with till.db.transaction(till.tenant_id) as tx:
            settled = await payments.topup_taken_back(
                tx, key=order.key, short=eur(missing), now=till.clock.now()
            )
        assert settled.short_minor == eur(short).amount_minor
    assert await till.books() == books
    async with till.db.transaction(till.tenant_id) as tx:
        debts = (await payments.list_open_items(tx, page=EVERYTHING)).items
    assert [(one.kind, one.open_minor) for one in debts] == ([(ItemKind.DEBT, 750)] if books else [])
    await till.sound()


async def test_what_charging_cannot_have_said_is_refused(till: Till, other_tenant_id: TenantId) -> None:
    order = await topped_up(till)
    now = till.clock.now()
    async with till.db.transaction(till.tenant_id) as tx:
        with pytest.raises(NotFound):
            await payments.topup_taken_back(tx, key=order.key, short=eur("0"), now=now)
    await tell(till, METHOD, await taken_back(till))
    for short in ("20.01", "-0.01"):
        with pytest.raises(Invalid):
            async with till.db.transaction(till.tenant_id) as tx:
                await payments.topup_taken_back(tx, key=order.key, short=eur(short), now=now)
    for tenant, key in ((other_tenant_id, order.key), (till.tenant_id, str(uuid7(now)))):
        with pytest.raises(NotFound):
            async with till.db.transaction(tenant) as tx:
                await payments.topup_taken_back(tx, key=key, short=eur("0"), now=now)
