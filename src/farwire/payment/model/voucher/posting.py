"""What vouchers book. A sold voucher is a debt to whoever holds it; using it makes it a balance, time makes it ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from uuid import UUID

from farwire.kernel.ids import AccountId, EntryId, LegalEntityId, uuid7
from farwire.kernel.money import Money
from farwire.ledger.model import Book, Entry, Posting
from farwire.payment.model.payment import clearing_book
from farwire.payment.model.voucher.batch import Sale, Undone
from farwire.payment.model.voucher.redemption import CreditOrder


def _entry(
    entity: LegalEntityId,
    source: str,
    key: str,
    day: date,
    at: datetime,
    sides: Sequence[tuple[Book, Money, AccountId | None]],
) -> Entry:
    postings = tuple(
        Posting(book, money.currency, money.amount_minor, 0, account)
        for book, money, account in sides
        if money.amount_minor
    )
    return Entry(EntryId(uuid7(at)), entity, day, at, source, key, postings)


def sale_entry(sale: Sale, day: date, at: datetime) -> Entry:
    """Return the booking of vouchers that are sold: what is paid and the commission against what they are worth."""
    paid = Book.RECEIVABLE if sale.buyer.method is None else clearing_book(sale.buyer.method)
    sides = (
        (paid, sale.price, sale.buyer.account_id),
        (Book.DEALER_COMMISSION, sale.value - sale.price, None),
        (Book.VOUCHERS_SOLD, -sale.value, None),
    )
    return _entry(sale.legal_entity_id, "voucher_sold", str(sale.id), day, at, sides)


def cancellation_entry(sale: Sale, undone: Undone, day: date, at: datetime) -> Entry:
    """Return the booking of sold vouchers that are cancelled: their part of the sale, the other way round."""
    paid = Book.RECEIVABLE if sale.buyer.method is None else clearing_book(sale.buyer.method)
    sides = (
        (Book.VOUCHERS_SOLD, undone.value, None),
        (paid, -undone.price, sale.buyer.account_id),
        (Book.DEALER_COMMISSION, undone.price - undone.value, None),
    )
    return _entry(sale.legal_entity_id, "voucher_cancelled", str(undone.id), day, at, sides)


def redemption_entry(order: CreditOrder, day: date, at: datetime) -> Entry:
    """Return the booking of a voucher that is used: what we owed its holder is now a prepaid balance."""
    sides = (
        (Book.VOUCHERS_SOLD, order.value, None),
        (Book.PREPAID, -order.value, order.asked.account_id),
    )
    return _entry(order.legal_entity_id, "voucher_redeemed", order.key, day, at, sides)


def topup_entry(order: CreditOrder, day: date, at: datetime) -> Entry:
    """Return the booking of a payment that tops a balance up."""
    account = order.asked.account_id
    sides = ((Book.CUSTOMER_CREDIT, order.value, account), (Book.PREPAID, -order.value, account))
    return _entry(order.legal_entity_id, "topup", order.key, day, at, sides)


def topup_short_entry(order: CreditOrder, short: Money, day: date, at: datetime) -> Entry:
    """Return the booking of what was spent of a top-up whose payment was taken back: the customer owes it."""
    account = order.asked.account_id
    sides = ((Book.RECEIVABLE, short, account), (Book.PREPAID, -short, account))
    return _entry(order.legal_entity_id, "topup_short", order.key, day, at, sides)


def handed_over_entries(
    order: CreditOrder,
    company: LegalEntityId,
    value: Money,
    name: str,
    days: Mapping[LegalEntityId, date],
    at: datetime,
) -> tuple[Entry, ...]:
    """Return the bookings of a balance that ``company`` owes where another one was paid: that one hands the debt over.

    Below 0 it gets it back. Between them stands 1060, as for transfers. Nothing where it is the same company.
    """
    paid = order.legal_entity_id
    if company == paid or not value.amount_minor:
        return ()
    gives = ((Book.PREPAID, value, order.asked.account_id), (Book.TOPUPS_TO_ACCOUNT, -value, None))
    takes = ((Book.TOPUPS_TO_ACCOUNT, value, None), (Book.PREPAID, -value, None))
    return (
        _entry(paid, name, f"{order.key} from", days[paid], at, gives),
        _entry(company, name, f"{order.key} to", days[company], at, takes),
    )


def expiry_entry(
    entity: LegalEntityId, batch_id: UUID, first: int, value: Money, day: date, at: datetime
) -> Entry:
    """Return the booking of sold vouchers that nobody used in time. ``first`` is the first serial number of them."""
    sides = ((Book.VOUCHERS_SOLD, value, None), (Book.VOUCHER_BREAKAGE, -value, None))
    return _entry(entity, "voucher_expired", f"{batch_id} {first}", day, at, sides)
