"""Payments and refunds, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final, cast
from uuid import UUID

from farwire.kernel.errors import check
from farwire.kernel.ids import AccountId, LegalEntityId, OpenItemId, PaymentId, RefundId
from farwire.kernel.money import Currency, Money
from farwire.kernel.tenancy import Actor
from farwire.ledger.model import Book
from farwire.payment.model.item import Credit, CreditKind
from farwire.payment.model.method import MethodKind


class PaymentState(StrEnum):
    """The states of a payment. ``tmf_status`` gives the words of TMF676."""

    UNMATCHED = "unmatched"
    """It came in and nobody knows for whom: it waits in suspense."""
    DONE = "done"
    """It belongs to an account."""
    REVERSED = "reversed"
    """The bank or the card's holder took it back; what it had paid is open again."""

    @property
    def tmf_status(self) -> str:
        """Return the status as TMF676 names it."""
        return {"unmatched": "captured", "done": "done", "reversed": "canceled"}[self.value]


_CLEARING: Final = MappingProxyType(
    {
        MethodKind.CARD: Book.CARD_CLEARING,
        MethodKind.MOBILE_MONEY: Book.MOBILE_MONEY_CLEARING,
        MethodKind.BANK_TRANSFER: Book.BANK,
        MethodKind.DIRECT_DEBIT: Book.BANK,
        MethodKind.CASH: Book.CASH,
    }
)


def clearing_book(method: MethodKind) -> Book:
    """Return where money of this method arrives."""
    return _CLEARING[method]


@dataclass(frozen=True, slots=True)
class Payment:
    """Money that came in. (``method``, ``external_reference``) names it once.

    ``left_minor`` is what is neither put against a bill nor refunded: the customer's credit, or all of it in suspense.
    ``reference`` is what the payer wrote, ``reason`` why it is unmatched or reversed. ``booked_on`` is the day of
    ``received_at`` in the legal entity's zone.
    """

    id: PaymentId
    account_id: AccountId | None
    legal_entity_id: LegalEntityId
    method: MethodKind
    external_reference: str
    reference: str
    currency: Currency
    amount_minor: int
    left_minor: int
    state: PaymentState
    reason: str
    received_at: datetime
    recorded_at: datetime
    booked_on: date

    @property
    def amount(self) -> Money:
        """Return what came in."""
        return Money(self.amount_minor, self.currency)

    def credit(self) -> tuple[Credit, ...]:
        """Return what of it can be put against bills: nothing, or one credit."""
        if self.account_id is None or self.state is not PaymentState.DONE or self.left_minor <= 0:
            return ()
        return (
            Credit(
                CreditKind.PAYMENT,
                self.id,
                self.account_id,
                self.legal_entity_id,
                self.currency,
                self.left_minor,
            ),
        )


class RefundState(StrEnum):
    """The states of a refund (TMF676: pendingAuthorization, done, denied)."""

    REQUESTED = "requested"
    PAID = "paid"
    DENIED = "denied"

    @property
    def tmf_status(self) -> str:
        """Return the status as TMF676 names it."""
        return {"requested": "pendingAuthorization", "paid": "done", "denied": "denied"}[self.value]


@dataclass(frozen=True, slots=True)
class Refund:
    """Money that goes back: from what is left of a payment, or of a credit note. One person asks, another approves.

    Without an account it comes from suspense.
    """

    id: RefundId
    account_id: AccountId | None
    legal_entity_id: LegalEntityId
    payment_id: PaymentId | None
    open_item_id: OpenItemId | None
    method: MethodKind
    currency: Currency
    amount_minor: int
    reason: str
    state: RefundState
    requested_by: Actor
    requested_at: datetime
    decided_by: Actor | None = None
    decided_at: datetime | None = None
    external_reference: str = ""

    @property
    def amount(self) -> Money:
        """Return what goes back."""
        return Money(self.amount_minor, self.currency)

    @property
    def source(self) -> UUID:
        """Return the payment or the credit note that it comes from."""
        found = self.payment_id or self.open_item_id
        check(found, "payment.refund_source", "a refund comes from a payment or a credit note")
        return cast("UUID", found)
