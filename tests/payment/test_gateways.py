"""The simulated gateways: declines, silence, notices that come three times, late or from strangers."""

from __future__ import annotations

from datetime import timedelta

import pytest

from farwire.kernel.errors import Conflict, Forbidden, Invalid
from farwire.ledger.model import Book
from farwire.payment import service as payments
from farwire.payment.model import ChargeState, MethodKind, Notice, Payment, PaymentState
from farwire.payment.simulator import CARD, MOBILE_MONEY
from farwire.payment.store.simulated import signed

from .till import ANNA, BEN, Till, eur


async def take(till: Till, method: MethodKind, token: str, amount: str = "58.14", key: str = "k1"):
    async with till.db.transaction(till.tenant_id) as tx:
        return await payments.take_payment(
            tx,
            account_id=till.accounts["100001"].id,
            method=method,
            token=token,
            amount=eur(amount),
            now=till.clock.now(),
            actor=ANNA,
            key=key,
        )


async def tell(till: Till, method: MethodKind, notice: Notice) -> Payment | None:
    async with till.db.transaction(till.tenant_id) as tx:
        payload, signature = signed(notice, await payments.gateway_secret(tx, method=method))
    async with till.db.transaction(till.tenant_id) as tx:
        return await payments.hear_notice(
            tx, method=method, payload=payload, signature=signature, now=till.clock.now(), actor=ANNA
        )


async def test_a_card_is_charged_once_however_often_it_is_asked(till: Till) -> None:
    account = await till.account()
    await till.bill(account, "58.14")
    first = await take(till, MethodKind.CARD, "tok_good")
    again = await take(till, MethodKind.CARD, "tok_good")
    assert (first.state, again.payment_id) == (ChargeState.DONE, first.payment_id)
    assert await till.books() == {Book.CARD_CLEARING: 5814, Book.REVENUE_RECURRING: -5814}
    async with till.db.transaction(till.tenant_id) as tx:
        notice = await CARD.notice(tx, key="k1", at=till.clock.now())
    told = await tell(till, MethodKind.CARD, notice)
    assert told is not None
    assert told.id == first.payment_id
    with pytest.raises(Conflict):
        await take(till, MethodKind.CARD, "tok_good", amount="1.00")
    await till.sound()


async def test_a_declined_card_books_nothing(till: Till) -> None:
    account = await till.account()
    bill = await till.bill(account, "58.14")
    charge = await take(till, MethodKind.CARD, "tok_declined")
    assert (charge.state, charge.reason) == (ChargeState.DENIED, "card_declined")
    assert await till.open() == {bill.number: 5814}


async def test_a_silent_gateway_is_believed_when_its_notice_comes_late(till: Till) -> None:
    account = await till.account()
    await till.bill(account, "58.14")
    charge = await take(till, MethodKind.CARD, "tok_silent")
    assert (charge.state, charge.reason) == (ChargeState.PENDING, "timeout")
    async with till.db.transaction(till.tenant_id) as tx:
        given_up = await payments.expire_charge(tx, method=MethodKind.CARD, key="k1")
        notice = await CARD.notice(tx, key="k1", at=till.clock.now())
    assert given_up.state is ChargeState.FAILED
    till.clock.advance(timedelta(days=1))
    payment = await tell(till, MethodKind.CARD, notice)
    assert payment is not None
    assert payment.left_minor == 0
    assert await till.open() == {}
    assert (await take(till, MethodKind.CARD, "tok_silent")).state is ChargeState.DONE
    await till.sound()


async def test_a_notice_that_comes_three_times_is_one_credit(till: Till) -> None:
    account = await till.account()
    await till.bill(account, "58.14")
    assert (await take(till, MethodKind.MOBILE_MONEY, "wallet-1")).state is ChargeState.PENDING
    async with till.db.transaction(till.tenant_id) as tx:
        notice = await MOBILE_MONEY.confirm(tx, key="k1", at=till.clock.now())
    told = [await tell(till, MethodKind.MOBILE_MONEY, notice) for _ in range(3)]
    assert len({one.id for one in told if one}) == 1
    assert await till.books() == {Book.MOBILE_MONEY_CLEARING: 5814, Book.REVENUE_RECURRING: -5814}


async def test_a_payer_who_refuses_pays_nothing(till: Till) -> None:
    account = await till.account()
    bill = await till.bill(account, "58.14")
    await take(till, MethodKind.MOBILE_MONEY, "wallet-1")
    async with till.db.transaction(till.tenant_id) as tx:
        notice = await MOBILE_MONEY.decline(tx, key="k1", at=till.clock.now())
    assert await tell(till, MethodKind.MOBILE_MONEY, notice) is None
    assert (await take(till, MethodKind.MOBILE_MONEY, "wallet-1")).state is ChargeState.DENIED
    assert await till.open() == {bill.number: 5814}


@pytest.mark.parametrize(("account", "state"), [("100001", "done"), ("who?", "unmatched")])
async def test_who_pays_unasked_is_found_by_the_number_or_waits_in_suspense(
    till: Till, account: str, state: str
) -> None:
    await till.account()
    async with till.db.transaction(till.tenant_id) as tx:
        notice = await MOBILE_MONEY.pay_by_oneself(
            tx, reference="mm-9", account=account, amount=eur("5.00"), at=till.clock.now()
        )
    payment = await tell(till, MethodKind.MOBILE_MONEY, notice)
    assert payment is not None
    assert payment.state is PaymentState(state)
    await till.sound()


async def test_a_notice_with_a_wrong_signature_or_shape_is_refused(till: Till) -> None:
    await till.account()
    given = {"method": MethodKind.CARD, "now": till.clock.now(), "actor": ANNA}
    async with till.db.transaction(till.tenant_id) as tx:
        secret = await payments.gateway_secret(tx, method=MethodKind.CARD)
        good, signature = signed(Notice("r", "done", "EUR", 100, "2026-06-01T00:00:00Z"), secret)
        assert await payments.gateway_secret(tx, method=MethodKind.CARD) == secret
    for payload, claimed in ((good + " ", signature), (good, "00"), (good, ""), (good, "ü")):
        with pytest.raises(Forbidden):
            async with till.db.transaction(till.tenant_id) as tx:
                await payments.hear_notice(tx, payload=payload, signature=claimed, **given)
    for notice in (
        Notice("r", "perhaps", "EUR", 100, "2026-06-01T00:00:00Z"),
        Notice("r", "done", "EUR", -100, "2026-06-01T00:00:00Z"),
        Notice("r", "done", "???", 100, "2026-06-01T00:00:00Z"),
        Notice("r", "done", "EUR", 100, "yesterday"),
    ):
        payload, right = signed(notice, secret)
        with pytest.raises(Invalid):
            async with till.db.transaction(till.tenant_id) as tx:
                await payments.hear_notice(tx, payload=payload, signature=right, **given)
    assert await till.books() == {}


async def test_a_gateway_without_a_secret_believes_nobody(till: Till) -> None:
    await till.account()
    payload, signature = signed(Notice("r", "done", "EUR", 100, "2026-06-01T00:00:00Z"), bytes(32))
    with pytest.raises(Forbidden):
        async with till.db.transaction(till.tenant_id) as tx:
            await payments.hear_notice(
                tx,
                method=MethodKind.CARD,
                payload=payload,
                signature=signature,
                now=till.clock.now(),
                actor=ANNA,
            )


async def test_a_refund_goes_through_the_gateway_once(till: Till) -> None:
    await till.account()
    charge = await take(till, MethodKind.CARD, "tok_good", amount="50.00")
    now = till.clock.now()
    assert charge.payment_id is not None
    async with till.db.transaction(till.tenant_id) as tx:
        refund = await payments.request_refund(
            tx, payment_id=charge.payment_id, amount=eur("20.00"), reason="", now=now, actor=ANNA
        )
        for _ in range(2):
            done = await payments.approve_refund(tx, refund_id=refund.id, now=now, actor=BEN)
        assert done.external_reference.startswith("ca_")
        captured, given_back = await tx.fetchrow(
            "SELECT captured_minor, refunded_minor FROM payment.simulated_charge WHERE tenant_id = $1",
            till.tenant_id,
        )
    assert (captured, given_back) == (5000, 2000)
    assert (await till.books())[Book.CARD_CLEARING] == 3000
    await till.sound()


async def test_a_bank_has_no_gateway(till: Till) -> None:
    await till.account()
    with pytest.raises(Invalid) as refused:
        await take(till, MethodKind.BANK_TRANSFER, "x")
    assert refused.value.code == "payment.no_gateway"
