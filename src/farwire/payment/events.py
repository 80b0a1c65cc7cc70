"""The facts that payment publishes."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from farwire.base.canonical import JSON
from farwire.base.eventbus.model import Event, new_event
from farwire.kernel.ids import TenantId
from farwire.payment.model import OpenItem, Payment, Refund
from farwire.payment.model.voucher import Attempt, CreditOrder, Guard

PAYMENT_RECEIVED: Final = "farwire.payment.payment_received.v1"
PAYMENT_REVERSED: Final = "farwire.payment.payment_reversed.v1"
REFUND_PAID: Final = "farwire.payment.refund_paid.v1"
BILL_STATE_CHANGED: Final = "farwire.payment.bill_state_changed.v1"
VOUCHER_REDEEMED: Final = "farwire.payment.voucher_redeemed.v1"
TOPUP_PAID: Final = "farwire.payment.topup_paid.v1"
TOPUP_REVERSED: Final = "farwire.payment.topup_reversed.v1"
VOUCHER_GUESSING_NOTICED: Final = "farwire.payment.voucher_guessing_noticed.v1"


def _payment_data(payment: Payment) -> dict[str, JSON]:
    return {
        "payment_id": str(payment.id),
        "account_id": str(payment.account_id),
        "method": payment.method.value,
        "currency": payment.currency.code,
        "amount_minor": payment.amount_minor,
    }


def payment_received(payment: Payment, *, tenant_id: TenantId, at: datetime) -> Event:
    """Return the fact that an account's payment is there: when it came in, or left suspense."""
    return new_event(
        tenant_id=tenant_id,
        type=PAYMENT_RECEIVED,
        subject=str(payment.id),
        occurred_at=payment.received_at,
        recorded_at=at,
        data=_payment_data(payment) | {"left_minor": payment.left_minor},
    )


def payment_reversed(payment: Payment, *, tenant_id: TenantId, at: datetime, debt_minor: int = 0) -> Event:
    """Return the fact that a payment was taken back; ``debt_minor`` of it had been refunded and is owed again."""
    return new_event(
        tenant_id=tenant_id,
        type=PAYMENT_REVERSED,
        subject=str(payment.id),
        occurred_at=at,
        recorded_at=at,
        data=_payment_data(payment) | {"debt_minor": debt_minor},
    )


def refund_paid(refund: Refund, *, tenant_id: TenantId, at: datetime) -> Event:
    """Return the fact that money went back to a customer."""
    return new_event(
        tenant_id=tenant_id,
        type=REFUND_PAID,
        subject=str(refund.id),
        occurred_at=at,
        recorded_at=at,
        data={
            "refund_id": str(refund.id),
            "account_id": None if refund.account_id is None else str(refund.account_id),
            "currency": refund.currency.code,
            "amount_minor": refund.amount_minor,
        },
    )


def paid_state(item: OpenItem, open_minor: int) -> str:
    """Return how far a bill is paid when ``open_minor`` of it is open: open, partially_paid, settled."""
    if open_minor == item.amount_minor:
        return "open"
    return "partially_paid" if open_minor else "settled"


def bill_state_changed(item: OpenItem, open_minor: int, *, tenant_id: TenantId, at: datetime) -> Event:
    """Return the fact that a bill is paid further than before, or less far; its subject is the bill."""
    return new_event(
        tenant_id=tenant_id,
        type=BILL_STATE_CHANGED,
        subject=str(item.document_id),
        occurred_at=at,
        recorded_at=at,
        data={
            "document_id": str(item.document_id),
            "account_id": str(item.account_id),
            "state": paid_state(item, open_minor),
            "currency": item.currency.code,
            "open_minor": open_minor,
        },
    )


def voucher_redeemed(order: CreditOrder, *, tenant_id: TenantId, at: datetime) -> Event:
    """Return the fact that a voucher was used: its value is to be credited once, under ``key``.

    For whom, ``payment.service.get_credit_order`` says: an event tells no phone number.
    """
    account = order.asked.account_id
    return new_event(
        tenant_id=tenant_id,
        type=VOUCHER_REDEEMED,
        subject=order.key,
        occurred_at=order.redeemed_at,
        recorded_at=at,
        data={
            "key": order.key,
            "account_id": None if account is None else str(account),
            "currency": order.value.currency.code,
            "amount_minor": order.value.amount_minor,
            "serial": order.serial,
            "extra": order.extra,
        },
    )


def voucher_guessing_noticed(guard: Guard, attempt: Attempt, *, tenant_id: TenantId) -> Event:
    """Return the fact that codes are being guessed: by the subscriber of the try, or all over the tenant."""
    return new_event(
        tenant_id=tenant_id,
        type=VOUCHER_GUESSING_NOTICED,
        subject=str(attempt.id),
        occurred_at=attempt.at,
        recorded_at=attempt.at,
        data={
            "attempt_id": str(attempt.id),
            "scope": "subscriber" if guard.subscriber else "tenant",
            "failures": guard.failures,
            "since": guard.since.isoformat(),
            "locked_until": None if guard.locked_until is None else guard.locked_until.isoformat(),
        },
    )


def _topup(fact: str, order: CreditOrder, *, tenant_id: TenantId, at: datetime) -> Event:
    account = order.asked.account_id
    return new_event(
        tenant_id=tenant_id,
        type=fact,
        subject=order.key,
        occurred_at=at,
        recorded_at=at,
        data={
            "key": order.key,
            "account_id": None if account is None else str(account),
            "payment_id": str(order.payment_id),
            "currency": order.value.currency.code,
            "amount_minor": order.value.amount_minor,
        },
    )


def topup_paid(order: CreditOrder, *, tenant_id: TenantId, at: datetime) -> Event:
    """Return the fact that a payment tops a balance up: it is to be credited once, under ``key``."""
    return _topup(TOPUP_PAID, order, tenant_id=tenant_id, at=at)


def topup_reversed(order: CreditOrder, *, tenant_id: TenantId, at: datetime) -> Event:
    """Return the fact that the payment of a top-up was taken back: the balance gives back what it still has."""
    return _topup(TOPUP_REVERSED, order, tenant_id=tenant_id, at=at)
