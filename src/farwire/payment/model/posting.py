"""What each act of payment books. Every entry sums to 0."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from farwire.kernel.ids import AccountId, EntryId, LegalEntityId, uuid7
from farwire.kernel.money import Currency
from farwire.ledger.model import Book, Entry, Posting
from farwire.payment.model.item import CreditKind, Match
from farwire.payment.model.payment import Payment, PaymentState, Refund, clearing_book


def _entry(
    entity: LegalEntityId,
    source: str,
    key: str,
    day: date,
    at: datetime,
    unit: Currency,
    sides: Sequence[tuple[Book, int, AccountId | None]],
) -> Entry:
    postings = tuple(Posting(book, unit, minor, 0, account) for book, minor, account in sides if minor)
    return Entry(EntryId(uuid7(at)), entity, day, at, source, key, postings)


def receipt_entry(payment: Payment, at: datetime) -> Entry:
    """Return the booking of money that came in: to the bills that it pays, to the customer's credit, or to suspense."""
    account = payment.account_id
    paid = payment.amount_minor - payment.left_minor
    rest = Book.PAYMENT_SUSPENSE if payment.state is PaymentState.UNMATCHED else Book.CUSTOMER_CREDIT
    sides = (
        (clearing_book(payment.method), payment.amount_minor, None),
        (Book.RECEIVABLE, -paid, account),
        (rest, -payment.left_minor, account),
    )
    return _entry(
        payment.legal_entity_id, "payment", str(payment.id), payment.booked_on, at, payment.currency, sides
    )


def assignment_entry(payment: Payment, day: date, at: datetime) -> Entry:
    """Return the booking of a payment that leaves suspense. ``payment`` is as it is afterwards."""
    account = payment.account_id
    sides = (
        (Book.PAYMENT_SUSPENSE, payment.amount_minor, None),
        (Book.RECEIVABLE, payment.left_minor - payment.amount_minor, account),
        (Book.CUSTOMER_CREDIT, -payment.left_minor, account),
    )
    return _entry(
        payment.legal_entity_id, "payment_assigned", str(payment.id), day, at, payment.currency, sides
    )


def allocation_entry(match: Match, key: str, day: date, at: datetime) -> Entry | None:
    """Return the booking of credit put against a bill; None for a credit note, which is in the receivable already."""
    credit = match.credit
    if credit.kind is CreditKind.CREDIT_NOTE:
        return None
    sides = (
        (Book.CUSTOMER_CREDIT, match.amount_minor, credit.account_id),
        (Book.RECEIVABLE, -match.amount_minor, credit.account_id),
    )
    return _entry(credit.legal_entity_id, "allocation", key, day, at, credit.currency, sides)


def reversal_entry(payment: Payment, day: date, at: datetime, *, topped_minor: int = 0) -> Entry:
    """Return the booking of a payment that is taken back. ``payment`` is as it was before.

    What topped a balance up (``topped_minor``) is taken from prepaid balances; charging says later what was spent.
    What had been refunded is owed again; from suspense it went to nobody who is known, and is lost.
    """
    account = payment.account_id
    unmatched = payment.state is PaymentState.UNMATCHED
    rest = Book.PAYMENT_SUSPENSE if unmatched else Book.CUSTOMER_CREDIT
    sides = (
        (
            Book.WRITE_OFF if unmatched else Book.RECEIVABLE,
            payment.amount_minor - payment.left_minor - topped_minor,
            account,
        ),
        (Book.PREPAID, topped_minor, account),
        (rest, payment.left_minor, account),
        (clearing_book(payment.method), -payment.amount_minor, None),
    )
    return _entry(
        payment.legal_entity_id, "payment_reversed", str(payment.id), day, at, payment.currency, sides
    )


def refund_entry(refund: Refund, day: date, at: datetime, *, denied: bool = False) -> Entry:
    """Return the booking that sets a refund aside, or, ``denied``, that puts it back."""
    origin = Book.CUSTOMER_CREDIT if refund.payment_id is not None else Book.RECEIVABLE
    if refund.account_id is None:
        origin = Book.PAYMENT_SUSPENSE
    amount = -refund.amount_minor if denied else refund.amount_minor
    sides = (
        (origin, amount, refund.account_id),
        (Book.REFUND_PAYABLE, -amount, refund.account_id),
    )
    source = "refund_denied" if denied else "refund_requested"
    return _entry(refund.legal_entity_id, source, str(refund.id), day, at, refund.currency, sides)


def refund_paid_entry(refund: Refund, day: date, at: datetime) -> Entry:
    """Return the booking of a refund that is paid out."""
    sides = (
        (Book.REFUND_PAYABLE, refund.amount_minor, refund.account_id),
        (clearing_book(refund.method), -refund.amount_minor, None),
    )
    return _entry(refund.legal_entity_id, "refund_paid", str(refund.id), day, at, refund.currency, sides)
