"""The facts that payment publishes."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from farwire.base.canonical import JSON
from farwire.base.eventbus.model import Event, new_event
from farwire.kernel.ids import TenantId
from farwire.payment.model import OpenItem, Payment, Refund

PAYMENT_RECEIVED: Final = "farwire.payment.payment_received.v1"
PAYMENT_REVERSED: Final = "farwire.payment.payment_reversed.v1"
REFUND_PAID: Final = "farwire.payment.refund_paid.v1"
BILL_STATE_CHANGED: Final = "farwire.payment.bill_state_changed.v1"


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


def payment_reversed(payment: Payment, *, tenant_id: TenantId, at: datetime) -> Event:
    """Return the fact that a payment was taken back."""
    return new_event(
        tenant_id=tenant_id,
        type=PAYMENT_REVERSED,
        subject=str(payment.id),
        occurred_at=at,
        recorded_at=at,
        data=_payment_data(payment),
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
            "account_id": str(refund.account_id),
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
