"""Mobile money that comes three times, late, out of order or never; that nobody can match; that is taken back."""

from __future__ import annotations

import asyncio
import itertools
from dataclasses import replace
from datetime import timedelta

import pytest

from farwire.kernel.errors import Conflict, Invalid
from farwire.kernel.ids import TenantId
from farwire.ledger.model import Book
from farwire.payment import service as payments
from farwire.payment.model import ChargeState, ItemKind, MethodKind, Notice, Payment, PaymentState
from farwire.payment.simulator import MOBILE_MONEY

from .test_gateways import take, tell
from .till import ANNA, BEN, EVERYTHING, Till, eur

METHOD = MethodKind.MOBILE_MONEY


async def confirmed(till: Till, key: str = "k1") -> Notice:
    async with till.db.transaction(till.tenant_id) as tx:
        return await MOBILE_MONEY.confirm(tx, key=key, at=till.clock.now())


async def taken_back(till: Till, key: str = "k1") -> Notice:
    async with till.db.transaction(till.tenant_id) as tx:
        return await MOBILE_MONEY.take_back(tx, key=key, at=till.clock.now())


async def ask(till: Till) -> int:
    return await payments.ask_gateways(db=till.db, tenant_id=till.tenant_id, now=till.clock.now())


async def paid_unasked(till: Till, account: str = "who?", amount: str = "5.00") -> Payment:
    async with till.db.transaction(till.tenant_id) as tx:
        notice = await MOBILE_MONEY.pay_by_oneself(
            tx, reference="mm-9", account=account, amount=eur(amount), at=till.clock.now()
        )
    payment = await tell(till, METHOD, notice)
    assert payment is not None
    return payment


async def test_a_lost_notice_is_asked_for_and_its_late_coming_changes_nothing(till: Till) -> None:
    await till.bill(await till.account(), "58.14")
    await take(till, METHOD, "wallet-1")
    notice = await confirmed(till)
    assert await ask(till) == 0
    till.clock.advance(timedelta(minutes=1))
    assert await ask(till) == 1
    assert await ask(till) == 0
    assert (await take(till, METHOD, "wallet-1")).state is ChargeState.DONE
    told = [await tell(till, METHOD, notice) for _ in range(3)]
    assert len({one.id for one in told if one}) == 1
    assert await till.books() == {Book.MOBILE_MONEY_CLEARING: 5814, Book.REVENUE_RECURRING: -5814}
    await till.sound()


async def test_a_payer_who_never_answers_is_asked_about_less_and_less_and_given_up(till: Till) -> None:
    await till.account()
    await take(till, METHOD, "wallet-1")
    asked_at = []
    for minute in range(1, 17 * 60 + 20):
        till.clock.advance(timedelta(minutes=1))
        async with till.db.transaction(till.tenant_id) as tx:
            before = await tx.fetchval("SELECT asked FROM payment.charge WHERE tenant_id = $1", tx.tenant_id)
        if minute in ahead:
            await ask(till)
            async with till.db.transaction(till.tenant_id) as tx:
                after = await tx.fetchval(
                    "SELECT asked FROM payment.charge WHERE tenant_id = $1", tx.tenant_id
                )
            asked_at += [minute] if after > before else []
    assert asked_at == [1, 3, 7, 15, 31, 63, 127, 255, 511, 1023]
    assert (await take(till, METHOD, "wallet-1")).state is ChargeState.FAILED
    payment = await tell(till, METHOD, await confirmed(till))
    assert payment is not None
    assert (await take(till, METHOD, "wallet-1")).state is ChargeState.DONE


ahead = set(
    itertools.chain.from_iterable((one - 1, one) for one in (1, 3, 7, 15, 31, 63, 127, 255, 511, 1023))
)


async def test_a_phone_number_that_has_the_check_digit_of_a_card_is_asked_like_any_other(till: Till) -> None:
    await till.account()
    assert (await take(till, METHOD, "2348031234561")).state is ChargeState.PENDING


async def test_a_refusal_is_learnt_by_asking(till: Till) -> None:
    await till.account()
    await take(till, METHOD, "wallet-1")
    async with till.db.transaction(till.tenant_id) as tx:
        await MOBILE_MONEY.decline(tx, key="k1", at=till.clock.now())
    till.clock.advance(timedelta(minutes=1))
    assert await ask(till) == 1
    assert (await take(till, METHOD, "wallet-1")).reason == "payer_refused"
    assert await till.books() == {}


async def test_asking_and_the_notice_at_once_are_one_payment(till: Till) -> None:
    await till.account()
    await take(till, METHOD, "wallet-1")
    notice = await confirmed(till)
    till.clock.advance(timedelta(minutes=1))
    await asyncio.gather(*(tell(till, METHOD, notice) for _ in range(3)), ask(till), ask(till))
    assert await till.books() == {Book.MOBILE_MONEY_CLEARING: 5814, Book.CUSTOMER_CREDIT: -5814}
    await till.sound()


async def test_what_a_provider_takes_back_opens_the_bill_again_however_often_it_tells(till: Till) -> None:
    account = await till.account()
    bill = await till.bill(account, "50.00")
    await take(till, METHOD, "wallet-1")
    await tell(till, METHOD, await confirmed(till))
    assert await till.open(account) == {}
    notice = await taken_back(till)
    told = [await tell(till, METHOD, notice) for _ in range(3)]
    assert {one.state for one in told if one} == {PaymentState.REVERSED}
    assert await till.open(account) == {bill.number: 5000}
    assert await till.books() == {Book.RECEIVABLE: 5000, Book.REVENUE_RECURRING: -5000}
    await till.sound()


@pytest.mark.parametrize("order", sorted(set(itertools.permutations(("paid", "paid", "back", "back")))))
async def test_in_any_order_a_payment_that_was_taken_back_is_nothing(
    till: Till, order: tuple[str, ...]
) -> None:
    await till.account()
    await take(till, METHOD, "wallet-1")
    notices = {"paid": await confirmed(till), "back": await taken_back(till)}
    for one in order:
        await tell(till, METHOD, notices[one])
    assert await till.books() == {}
    async with till.db.transaction(till.tenant_id) as tx:
        (payment,) = (await payments.list_payments(tx, page=EVERYTHING)).items
    assert payment.state is PaymentState.REVERSED
    await till.sound()


async def test_what_was_refunded_before_it_was_taken_back_is_a_debt(till: Till) -> None:
    account = await till.account()
    await take(till, METHOD, "wallet-1")
    payment = await tell(till, METHOD, await confirmed(till))
    assert payment is not None
    now = till.clock.now()
    async with till.db.transaction(till.tenant_id) as tx:
        given = {"payment_id": payment.id, "reason": "moved", "now": now, "actor": ANNA}
        done = await payments.request_refund(tx, amount=eur("20.00"), **given)
        await payments.approve_refund(tx, refund_id=done.id, now=now, actor=BEN)
        await payments.request_refund(tx, amount=eur("5.00"), **given)
    await tell(till, METHOD, await taken_back(till))
    async with till.db.transaction(till.tenant_id) as tx:
        (debt,) = (await payments.list_open_items(tx, page=EVERYTHING, account_id=account.id)).items
    assert (debt.kind, debt.open_minor) == (ItemKind.DEBT, 2000)
    assert await till.books() == {Book.RECEIVABLE: 2000, Book.MOBILE_MONEY_CLEARING: -2000}
    await till.sound()


async def test_a_part_is_not_taken_back(till: Till) -> None:
    await till.account()
    await take(till, METHOD, "wallet-1")
    await tell(till, METHOD, await confirmed(till))
    notice = await taken_back(till)
    with pytest.raises(Invalid) as refused:
        await tell(till, METHOD, Notice(notice.reference, "reversed", "EUR", 1, notice.at))
    assert refused.value.code == "payment.reversal_amount"
    await till.sound()


async def test_what_nobody_can_match_goes_back_as_a_whole_by_two_people(till: Till) -> None:
    await till.account()
    payment = await paid_unasked(till)
    now = till.clock.now()
    async with till.db.transaction(till.tenant_id) as tx:
        given = {"payment_id": payment.id, "reason": "unknown payer", "now": now, "actor": ANNA}
        with pytest.raises(Invalid):
            await payments.request_refund(tx, amount=eur("4.99"), **given)
        refund = await payments.request_refund(tx, amount=eur("5.00"), **given)
    with pytest.raises(Conflict) as refused:
        async with till.db.transaction(till.tenant_id) as tx:
            await payments.assign_payment(
                tx, payment_id=payment.id, account_id=till.accounts["100001"].id, now=now, actor=ANNA
            )
    assert refused.value.code == "payment.refunded"
    async with till.db.transaction(till.tenant_id) as tx:
        paid = await payments.approve_refund(tx, refund_id=refund.id, now=now, actor=BEN)
    assert (paid.account_id, paid.external_reference[:3]) == (None, "mo_")
    assert await till.books() == {}
    await till.sound()


async def test_what_waits_in_suspense_is_taken_back_too(till: Till) -> None:
    await till.account()
    payment = await paid_unasked(till)
    notice = Notice(payment.external_reference, "reversed", "EUR", 500, till.clock.now().isoformat())
    ended = await tell(till, METHOD, notice)
    assert ended is not None
    assert ended.state is PaymentState.REVERSED
    assert await till.books() == {}


async def test_another_tenants_notice_takes_nothing_back(till: Till, other_tenant_id: TenantId) -> None:
    await till.account()
    await take(till, METHOD, "wallet-1")
    payment = await tell(till, METHOD, await confirmed(till))
    assert payment is not None
    other = replace(till, tenant_id=other_tenant_id, entity=None, accounts={})
    await other.company("SR")
    notice = await taken_back(till)
    assert await tell(other, METHOD, notice) is None
    assert (await till.books())[Book.CUSTOMER_CREDIT] == -5814
    assert await other.books() == {}
