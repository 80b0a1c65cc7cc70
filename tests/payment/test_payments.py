"""Payments as a cashier meets them: whole, in part, too much, twice, unmatched, taken back."""

from __future__ import annotations

import asyncio
from datetime import date, timedelta

import pytest

from farwire.base.eventbus.service import list_events
from farwire.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from farwire.kernel.ids import AccountId, PaymentId, TenantId, uuid7
from farwire.kernel.money import Money
from farwire.ledger.model import Book
from farwire.payment import service as payments
from farwire.payment.events import PAYMENT_RECEIVED, PAYMENT_REVERSED, REFUND_PAID
from farwire.payment.model import MethodKind, PaymentState, RefundState

from .till import ANNA, BEN, EVERYTHING, Till, eur


async def test_the_golden_bill_is_paid_and_the_balance_is_zero(till: Till) -> None:
    account = await till.account()
    await till.bill(account, "58.14")
    paid = await till.pay(account, "58.14", method=MethodKind.CARD)
    assert (paid.state, paid.left_minor) == (PaymentState.DONE, 0)
    assert await till.open() == {}
    assert await till.books() == {Book.CARD_CLEARING: 5814, Book.REVENUE_RECURRING: -5814}
    async with till.db.transaction(till.tenant_id) as tx:
        (standing,) = await payments.standing(tx, account_id=account.id, at=till.clock.now())
        events = await list_events(tx=tx, type_prefix=PAYMENT_RECEIVED)
    assert standing.balance_minor == 0
    assert [event.data["amount_minor"] for _, event in events] == [5814]
    await till.sound()


async def test_a_part_is_put_against_the_oldest_due(till: Till) -> None:
    account = await till.account()
    june = await till.bill(account, "20.00", on=date(2026, 6, 1))
    july = await till.bill(account, "30.00", on=date(2026, 7, 1))
    await till.pay(account, "25.00")
    assert await till.open() == {july.number: 2500}
    assert june.number not in await till.open()
    await till.sound()


async def test_the_bill_that_the_payer_names_comes_first(till: Till) -> None:
    account = await till.account()
    june = await till.bill(account, "20.00", on=date(2026, 6, 1))
    july = await till.bill(account, "30.00", on=date(2026, 7, 1))
    await till.pay(None, "30.00", reference=july.number)
    assert await till.open() == {june.number: 2000}
    await till.sound()


async def test_what_is_too_much_stays_as_credit_and_pays_the_next_bill(till: Till) -> None:
    account = await till.account()
    await till.bill(account, "20.00")
    paid = await till.pay(account, "50.00")
    assert paid.left_minor == 3000
    assert (await till.books())[Book.CUSTOMER_CREDIT] == -3000
    august = await till.bill(account, "45.00", on=date(2026, 8, 1))
    assert await till.open() == {august.number: 1500}
    assert Book.CUSTOMER_CREDIT not in await till.books()
    await till.sound()


async def test_credit_can_wait_until_somebody_puts_it_against_a_bill(till: Till) -> None:
    account = await till.account()
    paid = await till.pay(account, "50.00")
    first = await till.bill(account, "20.00", use_credit=False)
    second = await till.bill(account, "20.00", use_credit=False)
    assert await till.open() == {first.number: 2000, second.number: 2000}
    async with till.db.transaction(till.tenant_id) as tx:
        given = {"payment_id": paid.id, "now": till.clock.now(), "actor": ANNA}
        (match,) = await payments.allocate_payment(tx, number=second.number, **given)
        assert (match.item.number, match.amount_minor) == (second.number, 2000)
        (match,) = await payments.allocate_payment(tx, **given)
        assert match.item.number == first.number
        assert await payments.allocate_payment(tx, **given) == ()
        parts = await payments.payment_items(tx, payment_id=paid.id)
    assert sorted((item.number, minor) for item, minor in parts) == [
        (first.number, 2000),
        (second.number, 2000),
    ]
    await till.sound()


async def test_a_credit_note_pays_bills_without_touching_the_ledger(till: Till) -> None:
    account = await till.account()
    await till.bill(account, "20.00")
    note = await till.bill(account, "-30.00")
    assert await till.open() == {note.number: -1000}
    assert (await till.books())[Book.RECEIVABLE] == -1000
    await till.sound()


async def test_telling_a_payment_again_changes_nothing(till: Till) -> None:
    account = await till.account()
    await till.bill(account, "20.00")
    first = await till.pay(account, "20.00", "bank-7")
    books = await till.books()
    assert (await till.pay(account, "20.00", "bank-7")).id == first.id
    assert await till.books() == books
    with pytest.raises(payments.ReferenceReused):
        await till.pay(account, "21.00", "bank-7")
    other = await till.pay(account, "20.00", "bank-7", method=MethodKind.CASH)
    assert other.id != first.id


async def test_eight_clients_telling_one_payment_at_once_make_one(till: Till) -> None:
    account = await till.account()
    bill = await till.bill(account, "50.00")
    told = await asyncio.gather(*(till.pay(account, "20.00", "same") for _ in range(8)))
    assert len({payment.id for payment in told}) == 1
    assert await till.open() == {bill.number: 3000}
    await till.sound()


async def test_payments_at_once_never_allocate_more_than_is_open(till: Till) -> None:
    account = await till.account()
    await till.bill(account, "50.00")
    await asyncio.gather(*(till.pay(account, "20.00", f"tx-{n}") for n in range(6)))
    assert await till.open() == {}
    assert (await till.books())[Book.CUSTOMER_CREDIT] == -7000
    await till.sound()


async def test_nobody_known_waits_in_suspense_until_it_is_assigned(till: Till) -> None:
    account = await till.account()
    bill = await till.bill(account, "20.00")
    lost = await till.pay(None, "25.00", number="no such number")
    assert (lost.state, lost.reason) == (PaymentState.UNMATCHED, "account_unknown")
    assert (await till.books())[Book.PAYMENT_SUSPENSE] == -2500
    async with till.db.transaction(till.tenant_id) as tx:
        assert await list_events(tx=tx, type_prefix=PAYMENT_RECEIVED) == []
        given = {"payment_id": lost.id, "account_id": account.id, "now": till.clock.now(), "actor": ANNA}
        found = await payments.assign_payment(tx, **given)
        assert (found.state, found.left_minor) == (PaymentState.DONE, 500)
        assert (await payments.assign_payment(tx, **given)).id == lost.id
        assert len(await list_events(tx=tx, type_prefix=PAYMENT_RECEIVED)) == 1
    assert bill.number not in await till.open()
    await till.sound()


async def test_money_in_another_currency_waits_in_suspense(till: Till) -> None:
    account = await till.account()
    now = till.clock.now()
    async with till.db.transaction(till.tenant_id) as tx:
        payment = await payments.receive_payment(
            tx,
            method=MethodKind.BANK_TRANSFER,
            external_reference="x",
            amount=Money.of("10", "USD"),
            received_at=now,
            now=now,
            actor=ANNA,
            account_id=account.id,
        )
        assert payment.reason == "other_currency"
        with pytest.raises(Conflict) as refused:
            await payments.assign_payment(
                tx, payment_id=payment.id, account_id=account.id, now=now, actor=ANNA
            )
    assert refused.value.code == "payment.other_currency"


async def test_money_paid_to_another_company_is_not_assigned(till: Till) -> None:
    first = await till.company("AA")
    second = await till.company("BB")
    account = await till.account(entity=second)
    lost = await till.pay(None, "10.00", entity=first.id)
    with pytest.raises(Conflict) as refused:
        async with till.db.transaction(till.tenant_id) as tx:
            await payments.assign_payment(
                tx, payment_id=lost.id, account_id=account.id, now=till.clock.now(), actor=ANNA
            )
    assert refused.value.code == "payment.other_company"


async def test_a_reversal_opens_again_what_was_paid(till: Till) -> None:
    account = await till.account()
    bill = await till.bill(account, "20.00")
    paid = await till.pay(account, "25.00")
    for _ in range(2):
        async with till.db.transaction(till.tenant_id) as tx:
            ended = await payments.reverse_payment(
                tx, payment_id=paid.id, reason="returned debit", now=till.clock.now(), actor=ANNA
            )
    assert (ended.state, ended.left_minor, ended.state.tmf_status) == (PaymentState.REVERSED, 0, "canceled")
    assert await till.open() == {bill.number: 2000}
    assert await till.books() == {Book.RECEIVABLE: 2000, Book.REVENUE_RECURRING: -2000}
    async with till.db.transaction(till.tenant_id) as tx:
        assert len(await list_events(tx=tx, type_prefix=PAYMENT_REVERSED)) == 1
    await till.pay(account, "20.00", "again")
    assert await till.open() == {}
    await till.sound()


async def test_a_refund_needs_a_second_person(till: Till) -> None:
    account = await till.account()
    paid = await till.pay(account, "50.00")
    now = till.clock.now()
    async with till.db.transaction(till.tenant_id) as tx:
        refund = await payments.request_refund(
            tx, payment_id=paid.id, amount=eur("30.00"), reason="moved away", now=now, actor=ANNA
        )
    assert await till.books() == {
        Book.BANK: 5000,
        Book.CUSTOMER_CREDIT: -2000,
        Book.REFUND_PAYABLE: -3000,
    }
    with pytest.raises(Forbidden) as refused:
        async with till.db.transaction(till.tenant_id) as tx:
            await payments.approve_refund(tx, refund_id=refund.id, now=now, actor=ANNA)
    assert refused.value.code == "authz.four_eyes"
    for _ in range(2):
        async with till.db.transaction(till.tenant_id) as tx:
            done = await payments.approve_refund(
                tx, refund_id=refund.id, now=now, actor=BEN, external_reference="sepa-1"
            )
    assert (done.state, done.external_reference) == (RefundState.PAID, "sepa-1")
    assert await till.books() == {Book.BANK: 2000, Book.CUSTOMER_CREDIT: -2000}
    async with till.db.transaction(till.tenant_id) as tx:
        assert len(await list_events(tx=tx, type_prefix=REFUND_PAID)) == 1
        with pytest.raises(Conflict) as late:
            await payments.deny_refund(tx, refund_id=refund.id, now=now, actor=BEN)
    assert late.value.code == "payment.refund_decided"
    await till.sound()


async def test_the_database_itself_wants_two_people(till: Till) -> None:
    account = await till.account()
    paid = await till.pay(account, "5.00")
    now = till.clock.now()
    async with till.db.transaction(till.tenant_id) as tx:
        refund = await payments.request_refund(
            tx, payment_id=paid.id, amount=eur("5.00"), reason="", now=now, actor=ANNA
        )
    with pytest.raises(Exception, match="refund_four_eyes"):
        async with till.db.transaction(till.tenant_id) as tx:
            await tx.execute(
                "UPDATE payment.refund SET state = 'paid', decided_kind = requested_kind, "
                "decided_by = requested_by, decided_at = now() WHERE tenant_id = $1 AND refund_id = $2",
                till.tenant_id,
                refund.id,
            )


async def test_what_pays_a_bill_cannot_be_refunded_and_a_denied_refund_is_credit_again(till: Till) -> None:
    account = await till.account()
    await till.bill(account, "40.00")
    paid = await till.pay(account, "50.00")
    now = till.clock.now()
    with pytest.raises(Conflict) as refused:
        async with till.db.transaction(till.tenant_id) as tx:
            await payments.request_refund(
                tx, payment_id=paid.id, amount=eur("10.01"), reason="", now=now, actor=ANNA
            )
    assert refused.value.code == "payment.refund_too_large"
    async with till.db.transaction(till.tenant_id) as tx:
        refund = await payments.request_refund(
            tx, payment_id=paid.id, amount=eur("10.00"), reason="", now=now, actor=ANNA
        )
    with pytest.raises(Conflict) as kept:
        async with till.db.transaction(till.tenant_id) as tx:
            await payments.reverse_payment(tx, payment_id=paid.id, reason="", now=now, actor=ANNA)
    assert kept.value.code == "payment.refunded"
    async with till.db.transaction(till.tenant_id) as tx:
        await payments.deny_refund(tx, refund_id=refund.id, now=now, actor=BEN)
    assert (await till.books())[Book.CUSTOMER_CREDIT] == -1000
    await till.sound()


async def test_a_credit_note_can_be_paid_out(till: Till) -> None:
    account = await till.account()
    note = await till.bill(account, "-30.00")
    now = till.clock.now()
    async with till.db.transaction(till.tenant_id) as tx:
        refund = await payments.request_credit_refund(
            tx,
            open_item_id=note.id,
            method=MethodKind.BANK_TRANSFER,
            amount=eur("30.00"),
            reason="",
            now=now,
            actor=ANNA,
        )
        await payments.approve_refund(tx, refund_id=refund.id, now=now, actor=BEN, external_reference="s")
    assert await till.books() == {Book.BANK: -3000, Book.REVENUE_RECURRING: 3000}
    assert await till.open() == {}
    await till.sound()


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"amount": eur("0.00")}, "payment.amount"),
        ({"amount": eur("-1.00")}, "payment.amount"),
        ({"external_reference": " "}, "payment.reference"),
        ({"external_reference": "x" * 201}, "payment.reference"),
        ({"reference": "4242 4242 4242 4242"}, "payment.card_number"),
    ],
)
async def test_bad_input_leaves_no_trace(till: Till, changes: dict[str, object], code: str) -> None:
    account = await till.account()
    now = till.clock.now()
    given = {
        "method": MethodKind.CASH,
        "external_reference": "r",
        "amount": eur("1.00"),
        "received_at": now,
        "now": now,
        "actor": ANNA,
        "account_id": account.id,
    }
    with pytest.raises(Invalid) as refused:
        async with till.db.transaction(till.tenant_id) as tx:
            await payments.receive_payment(tx, **{**given, **changes})  # type: ignore[arg-type]
    assert refused.value.code == code
    assert await till.books() == {}


async def test_unknown_things_are_not_found_also_those_of_another_tenant(
    till: Till, other_tenant_id: TenantId
) -> None:
    account = await till.account()
    paid = await till.pay(account, "5.00")
    now = till.clock.now()
    async with till.db.transaction(other_tenant_id) as tx:
        with pytest.raises(NotFound):
            await payments.get_payment(tx, payment_id=paid.id)
        with pytest.raises(NotFound):
            await payments.reverse_payment(tx, payment_id=paid.id, reason="", now=now, actor=ANNA)
        with pytest.raises(NotFound):
            await payments.add_method(
                tx, account_id=account.id, kind=MethodKind.CARD, token="tok", now=now, actor=ANNA
            )
        assert (await payments.list_payments(tx, page=EVERYTHING)).total == 0
        assert (await payments.list_open_items(tx, page=EVERYTHING)).total == 0
    with pytest.raises(NotFound):
        async with till.db.transaction(till.tenant_id) as tx:
            await payments.get_payment(tx, payment_id=PaymentId(uuid7()))
    with pytest.raises(NotFound):
        async with till.db.transaction(till.tenant_id) as tx:
            await payments.receive_payment(
                tx,
                method=MethodKind.CASH,
                external_reference="r",
                amount=eur("1.00"),
                received_at=now,
                now=now,
                actor=ANNA,
                account_id=AccountId(uuid7()),
            )


async def test_ageing_puts_each_bill_where_its_due_date_says(till: Till) -> None:
    account, other = await till.account(), await till.account("100002")
    on = date(2026, 10, 1)
    for late, amount in ((0, "1.00"), (1, "2.00"), (30, "4.00"), (31, "8.00"), (90, "16.00"), (91, "32.00")):
        await till.bill(account, amount, on=on - timedelta(days=late), days=0)
    await till.pay(other, "7.00")
    async with till.db.transaction(till.tenant_id) as tx:
        page = await payments.ageing(tx, on=on, page=EVERYTHING)
        ((entity, total),) = await payments.ageing_totals(tx, on=on)
        earlier = await payments.ageing(tx, on=date(2026, 7, 2), page=EVERYTHING)
    rows = {row.account_id: row for row in page.items}
    mine = rows[account.id]
    assert (mine.not_due, mine.days_1_30, mine.days_31_60, mine.days_61_90, mine.over_90) == (
        100,
        600,
        800,
        1600,
        3200,
    )
    assert (rows[other.id].owed, rows[other.id].credit) == (0, 700)
    assert (entity, total.owed, total.credit) == (account.legal_entity_id, 6300, 700)
    assert [row.owed for row in earlier.items if row.account_id == account.id] == [3200]


async def test_ageing_of_a_past_day_knows_later_payments_not(till: Till) -> None:
    account = await till.account()
    await till.bill(account, "20.00", on=date(2026, 6, 1))
    till.clock.advance(timedelta(days=40))
    await till.pay(account, "20.00")
    async with till.db.transaction(till.tenant_id) as tx:
        before = await payments.ageing(tx, on=date(2026, 7, 1), page=EVERYTHING)
        after = await payments.ageing(tx, on=date(2026, 8, 1), page=EVERYTHING)
    assert [row.days_1_30 for row in before.items] == [2000]
    assert after.items == ()


async def test_a_statement_shows_opening_movements_and_closing(till: Till) -> None:
    account = await till.account()
    await till.bill(account, "20.00", on=date(2026, 5, 1))
    bill = await till.bill(account, "30.00", on=date(2026, 6, 1))
    till.clock.advance(timedelta(seconds=1))
    paid = await till.pay(account, "60.00", "bank-1")
    async with till.db.transaction(till.tenant_id) as tx:
        (found,) = await payments.statement(
            tx, account_id=account.id, first=date(2026, 6, 1), after_last=date(2026, 7, 1)
        )
    assert (found.opening_minor, found.closing_minor) == (2000, -1000)
    assert [(one.text, one.amount_minor, one.balance_minor) for one in found.movements] == [
        (bill.number, 3000, 5000),
        (paid.external_reference, -6000, -1000),
    ]


async def test_the_balance_of_a_time_is_what_was_known_then(till: Till) -> None:
    account = await till.account()
    await till.bill(account, "20.00")
    before = till.clock.now()
    till.clock.advance(timedelta(hours=1))
    await till.pay(account, "50.00")
    async with till.db.transaction(till.tenant_id) as tx:
        (then,) = await payments.standing(tx, account_id=account.id, at=before)
        (now,) = await payments.standing(tx, account_id=account.id, at=till.clock.now())
    assert (then.owed_minor, then.credit_minor, then.balance_minor) == (2000, 0, 2000)
    assert (now.owed_minor, now.credit_minor, now.balance_minor) == (0, 3000, -3000)
