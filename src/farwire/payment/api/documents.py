"""Payments, open items, refunds and methods as JSON."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Final

import msgspec

from farwire.base.web import MoneyDocument, shown_actor, timestamp
from farwire.payment.model import Charge, MethodKind, OpenItem, Payment, PaymentMethod, Refund

PAYMENTS: Final = "/farwire/v1/payments"
REFUNDS: Final = "/farwire/v1/refunds"
METHODS: Final = "/farwire/v1/paymentMethods"
Text = Annotated[str, msgspec.Meta(max_length=200)]
Needed = Annotated[str, msgspec.Meta(min_length=1, max_length=200, pattern=r"\S")]


class PaymentItemDocument(msgspec.Struct, frozen=True, rename="camel"):
    """How much of a payment pays a document."""

    open_item_id: str
    number: str
    amount: MoneyDocument


class PaymentDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="Payment"
):
    """Money that came in. ``left`` is neither put against a bill nor refunded."""

    id: str
    href: str
    state: str
    method: str
    external_reference: str
    amount: MoneyDocument
    left: MoneyDocument
    received_at: str
    booked_on: str
    account_id: str | None = None
    reference: str = ""
    reason: str = ""
    items: list[PaymentItemDocument] | None = None


class PaymentCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Money that came in. The same method and externalReference again is the same payment."""

    account_id: str
    method: MethodKind
    external_reference: Needed
    amount: MoneyDocument
    reference: Text = ""


class ChargeCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Money that the gateway of the method shall collect. The same key again is the same charge."""

    account_id: str
    method: MethodKind
    token: Needed
    amount: MoneyDocument
    key: Needed
    reference: Text = ""
    topup_for: Annotated[
        str, msgspec.Meta(max_length=80, description="Whose prepaid balance it tops up; else it pays bills.")
    ] = ""


class ChargeDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="Charge"
):
    """How a charge stands; ``paymentId`` is there once the money is."""

    id: str
    account_id: str
    method: str
    key: str
    state: str
    amount: MoneyDocument
    reason: str = ""
    payment_id: str | None = None


class NoticeCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What a gateway tells: ``payload`` is JSON as text, ``signature`` its HMAC-SHA256 with the gateway's secret."""

    method: MethodKind
    payload: Annotated[str, msgspec.Meta(min_length=2, max_length=20_000)]
    signature: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class NoticeReply(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """The payment that the notice belongs to; none where money was denied."""

    payment_id: str | None = None


class AllocationCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The bill that a payment shall pay; without one the oldest due."""

    number: Text = ""


class AssignmentCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The account that a payment in suspense belongs to."""

    account_id: str


class ReversalCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Why a payment is taken back."""

    reason: Needed


class OpenItemDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="OpenItem"
):
    """A bill that is to be paid or a credit note (negative), and what of it is open."""

    id: str
    account_id: str
    kind: str
    document_id: str
    number: str
    issued_on: str
    due_on: str
    amount: MoneyDocument
    open: MoneyDocument


class RefundCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """How much of what is left of a payment shall go back."""

    payment_id: str
    amount: MoneyDocument
    reason: Needed


class ApprovalCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The bank's or the till's name for money that was paid out by hand."""

    external_reference: Text = ""


class RefundDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="Refund"
):
    """Money that goes back: one person asks, another approves."""

    id: str
    href: str
    state: str
    method: str
    amount: MoneyDocument
    reason: str
    requested_by: str
    requested_at: str
    account_id: str | None = None
    payment_id: str | None = None
    decided_by: str | None = None
    decided_at: str | None = None
    external_reference: str = ""


class MethodCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A token of a gateway, never a card number. ``expires`` is a month, e.g. 2028-06."""

    account_id: str
    kind: MethodKind
    token: Needed
    brand: Text = ""
    last4: Annotated[str, msgspec.Meta(pattern=r"^([0-9]{4})?$")] = ""
    expires: Annotated[str, msgspec.Meta(pattern=r"^(20[0-9]{2}-(0[1-9]|1[0-2]))?$")] = ""
    preferred: bool = True


class MethodDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="PaymentMethod"
):
    """A way in which an account pays by itself. The token is never shown."""

    id: str
    href: str
    account_id: str
    kind: str
    preferred: bool
    added_at: str
    brand: str = ""
    last4: str = ""
    expires: str | None = None
    removed_at: str | None = None


def to_payment(payment: Payment, items: tuple[tuple[OpenItem, int], ...] | None = None) -> PaymentDocument:
    """Return a payment as JSON; with ``items`` what it pays, too."""
    parts = None
    if items is not None:
        parts = [
            PaymentItemDocument(str(item.id), item.number, MoneyDocument.of(minor, payment.currency))
            for item, minor in items
        ]
    return PaymentDocument(
        id=str(payment.id),
        href=f"{PAYMENTS}/{payment.id}",
        state=payment.state.value,
        method=payment.method.value,
        external_reference=payment.external_reference,
        amount=MoneyDocument.of(payment.amount_minor, payment.currency),
        left=MoneyDocument.of(payment.left_minor, payment.currency),
        received_at=timestamp(payment.received_at),
        booked_on=payment.booked_on.isoformat(),
        account_id=None if payment.account_id is None else str(payment.account_id),
        reference=payment.reference,
        reason=payment.reason,
        items=parts,
    )


def to_charge(charge: Charge) -> ChargeDocument:
    """Return a charge as JSON."""
    return ChargeDocument(
        id=str(charge.id),
        account_id=str(charge.account_id),
        method=charge.method.value,
        key=charge.key,
        state=charge.state.name.lower(),
        amount=MoneyDocument.of(charge.amount_minor, charge.currency),
        reason=charge.reason,
        payment_id=None if charge.payment_id is None else str(charge.payment_id),
    )


def to_open_item(item: OpenItem) -> OpenItemDocument:
    """Return an open item as JSON."""
    return OpenItemDocument(
        id=str(item.id),
        account_id=str(item.account_id),
        kind=item.kind.value,
        document_id=str(item.document_id),
        number=item.number,
        issued_on=item.issued_on.isoformat(),
        due_on=item.due_on.isoformat(),
        amount=MoneyDocument.of(item.amount_minor, item.currency),
        open=MoneyDocument.of(item.open_minor, item.currency),
    )


def to_refund(refund: Refund) -> RefundDocument:
    """Return a refund as JSON."""
    by = refund.decided_by
    return RefundDocument(
        id=str(refund.id),
        href=f"{REFUNDS}/{refund.id}",
        state=refund.state.value,
        account_id=None if refund.account_id is None else str(refund.account_id),
        method=refund.method.value,
        amount=MoneyDocument.of(refund.amount_minor, refund.currency),
        reason=refund.reason,
        requested_by=shown_actor(refund.requested_by),
        requested_at=timestamp(refund.requested_at),
        payment_id=None if refund.payment_id is None else str(refund.payment_id),
        decided_by=None if by is None else shown_actor(by),
        decided_at=None if refund.decided_at is None else timestamp(refund.decided_at),
        external_reference=refund.external_reference,
    )


def to_method(method: PaymentMethod) -> MethodDocument:
    """Return a method as JSON, without its token."""
    return MethodDocument(
        id=str(method.id),
        href=f"{METHODS}/{method.id}",
        account_id=str(method.account_id),
        kind=method.kind.value,
        preferred=method.preferred,
        added_at=timestamp(method.added_at),
        brand=method.brand,
        last4=method.last4,
        expires=None if method.expires is None else f"{method.expires:%Y-%m}",
        removed_at=None if method.removed_at is None else timestamp(method.removed_at),
    )


def month(text: str) -> date | None:
    """Return the first day of the month ``text``, or None where it is empty."""
    return date.fromisoformat(f"{text}-01") if text else None
