"""Payments that are taken back: by us, or by a provider, whose word is a fact also before we heard of the money."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime

from farwire.base.eventbus.service import publish
from farwire.base.storage import Tx
from farwire.kernel.errors import Conflict, FarwireError, Invalid
from farwire.kernel.ids import OpenItemId, PaymentId, uuid7
from farwire.kernel.money import Money
from farwire.kernel.tenancy import Actor
from farwire.ledger import service as ledger
from farwire.payment.events import payment_reversed
from farwire.payment.model import (
    ItemKind,
    MethodKind,
    OpenItem,
    Payment,
    PaymentState,
    refuse_card_number,
    reversal_entry,
)
from farwire.payment.service.items import add_open_items
from farwire.payment.service.receiving import MAX_REFERENCE, get_payment, note, payment_items
from farwire.payment.service.refunding import deny_refund
from farwire.payment.service.settling import booking_dates, day_of, tell_states
from farwire.payment.service.topping_up import reverse_topup
from farwire.payment.store import items as item_store
from farwire.payment.store import methods
from farwire.payment.store import payments as store


async def reverse_payment(
    tx: Tx, *, payment_id: PaymentId, reason: str, now: datetime, actor: Actor, refunded_is_debt: bool = False
) -> Payment:
    """Take a payment back (returned debit, chargeback, mistake): what it paid is open again. Idempotent.

    What was refunded of it is owed again with ``refunded_is_debt``, as an open item of the kind debt. Raises
    ``NotFound`` (``payment.unknown``) and without it ``Conflict`` (``payment.refunded``).
    """
    refuse_card_number(reason, field="reason")
    payment = await get_payment(tx, payment_id=payment_id)
    if payment.account_id is not None:
        await item_store.lock_accounts(tx, [payment.account_id])
    await store.lock_payment(tx, payment_id)
    payment = await get_payment(tx, payment_id=payment_id)
    if payment.state is PaymentState.REVERSED:
        return payment
    debt_minor = await store.refunded(tx, payment_id)
    if debt_minor and not refunded_is_debt:
        raise Conflict(
            "some of the payment was refunded or is going to be",
            code="payment.refunded",
            field="payment",
            value=payment_id,
            fix="deny the refund first, or settle the difference with the bank",
        )
    topped_minor = await reverse_topup(tx, payment_id, now)
    parts = await payment_items(tx, payment_id=payment_id)
    day = day_of(await booking_dates(tx, now), payment.legal_entity_id)
    if parts:
        back = [(uuid7(now), item, minor) for item, minor in parts]
        await item_store.take_back(tx, payment_id, back, day, now)
        await tell_states(tx, [(item, -minor) for item, minor in parts], now)
    await store.end_payment(tx, payment_id, reason[:MAX_REFERENCE])
    await ledger.post_entries(tx=tx, entries=[reversal_entry(payment, day, now, topped_minor=topped_minor)])
    await _owe(tx, payment, debt_minor, day, now)
    ended = replace(payment, state=PaymentState.REVERSED, left_minor=0, reason=reason[:MAX_REFERENCE])
    if payment.state is PaymentState.DONE:
        event = payment_reversed(ended, tenant_id=tx.tenant_id, at=now, debt_minor=debt_minor)
        await publish(tx, event)
    await note(tx, actor, "payment.reversed", ended, now)
    return ended


async def _owe(tx: Tx, payment: Payment, minor: int, day: date, now: datetime) -> None:
    """Leave what was refunded of a payment that is taken back as an open item, due at once."""
    if not minor or payment.account_id is None:
        return
    item = OpenItem(
        OpenItemId(uuid7(now)),
        payment.account_id,
        payment.legal_entity_id,
        ItemKind.DEBT,
        payment.id,
        f"taken back {payment.external_reference}",
        day,
        day,
        payment.currency,
        minor,
        minor,
    )
    await add_open_items(tx, [item], now=now)


async def take_back(
    tx: Tx, *, method: MethodKind, reference: str, amount: Money, reason: str, now: datetime, actor: Actor
) -> Payment | None:
    """Take the payment ``reference`` back; return it, or None where it is to come: it is taken back then.

    What is left of it goes first; bills that it had paid are open again; what had been refunded is a debt. Refunds that
    wait are denied. Idempotent. A part of a payment is not taken back: raises ``Invalid``
    (``payment.reversal_amount``).
    """
    payment = await store.payment_by_reference(tx, method, reference)
    if payment is None:
        await methods.add_early_reversal(tx, method, reference, amount, reason, now)
        return None
    if payment.state is PaymentState.REVERSED:
        return payment
    if payment.amount != amount:
        raise Invalid(
            f"the payment is {payment.amount}, and {amount} of it were taken back",
            code="payment.reversal_amount",
            field="amount",
            value=str(amount),
            fix="settle a part by hand: reverse the payment and take the rest in under another reference",
        )
    for refund_id in await store.waiting_refunds(tx, payment.id):
        await deny_refund(tx, refund_id=refund_id, now=now, actor=actor)
    return await reverse_payment(
        tx, payment_id=payment.id, reason=_plain(reason), now=now, actor=actor, refunded_is_debt=True
    )


def _plain(reason: str) -> str:
    """Return what a provider gave as its reason, unless it may not be kept: that never stops the fact."""
    try:
        return refuse_card_number(reason, field="reason") or "taken back by its provider"
    except FarwireError:
        return "taken back by its provider"


async def take_back_if_told(tx: Tx, payment: Payment, *, now: datetime, actor: Actor) -> Payment:
    """Take a payment back at once if that was told before it came; return it as it is then."""
    told = await methods.early_reversal(tx, payment.method, payment.external_reference)
    if told is None:
        return payment
    amount, reason = told
    ended = await take_back(
        tx,
        method=payment.method,
        reference=payment.external_reference,
        amount=amount,
        reason=reason,
        now=now,
        actor=actor,
    )
    return payment if ended is None else ended
