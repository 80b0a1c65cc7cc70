"""What movements of money are on the books: between which two books, exactly, and in whole minor units. Pure.

What a prepaid balance holds is owed to its customer. Vouchers and payments put it there and book it themselves
(``payment``); here is what becomes of it. Sums are exact. The ledger gets the growth of the rounded running total, so
that whole minor units never stray from what is exact by more than half of one, however small the movements are.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from farwire.charging.model.answers import Movement, MovementKind
from farwire.charging.model.state import OVERRUN, Unit
from farwire.kernel.money import Currency, post
from farwire.ledger.model import Book, Posting

PAID: Final = -1
"""Reason of a top-up or debit that ``payment`` has booked itself."""

_OTHER: Final = MappingProxyType(
    {
        MovementKind.USAGE: Book.REVENUE_USAGE,
        MovementKind.OVERRUN: Book.REVENUE_USAGE,
        MovementKind.DEBIT: Book.TOPUPS_TO_ACCOUNT,
        MovementKind.REFUND: Book.CREDITS_GIVEN,
        MovementKind.TOP_UP: Book.TOPUPS_TO_ACCOUNT,
        MovementKind.TRANSFER_OUT: Book.TOPUPS_TO_ACCOUNT,
        MovementKind.TRANSFER_IN: Book.TOPUPS_TO_ACCOUNT,
        MovementKind.TRANSFER_BACK: Book.TOPUPS_TO_ACCOUNT,
        MovementKind.LOAN: Book.PREPAID_LOANS,
        MovementKind.LOAN_FEE: Book.REVENUE_ONE_OFF,
        MovementKind.LOAN_REPAID: Book.PREPAID_LOANS,
        MovementKind.PURCHASE: Book.REVENUE_RECURRING,
        MovementKind.GRANT: Book.CREDITS_GIVEN,
        MovementKind.ROLLED_OVER: Book.PREPAID_BREAKAGE,
        MovementKind.FORFEITED: Book.PREPAID_BREAKAGE,
        MovementKind.ADJUSTMENT: Book.CREDITS_GIVEN,
    }
)
_BY_PAYMENT: Final = frozenset({int(MovementKind.TOP_UP), int(MovementKind.DEBIT)})


class Pair(NamedTuple):
    """Two books: what is added to a balance is a credit of ``own`` and a debit of ``other``."""

    own: Book
    other: Book


def is_paid(movement: Movement) -> bool:
    """Tell whether ``payment`` has booked what moved: a voucher, a top-up by a payment, or its taking back."""
    if movement.kind == MovementKind.VOUCHER:
        return True
    return movement.kind in _BY_PAYMENT and movement.reason == PAID


def sums_of(movements: Iterable[Movement]) -> dict[Pair, int]:
    """Return what the movements of prepaid accounts in one currency add, by pair of books, in nano-units.

    Units of allowances are on no book: what they cost was earned when they were bought. The fee of a loan is owed,
    and earned, when it is lent (``reason`` of the movement).
    """
    sums: dict[Pair, int] = defaultdict(int)
    for one in movements:
        if one.unit != Unit.MONEY or is_paid(one):
            continue
        own = Book.PREPAID_OVERRUN if one.balance == OVERRUN else Book.PREPAID
        sums[Pair(own, _OTHER[MovementKind(one.kind)])] += one.amount
        if one.kind == MovementKind.LOAN and one.reason:
            sums[Pair(Book.REVENUE_ONE_OFF, Book.PREPAID_LOANS)] += one.reason
    return {pair: nano for pair, nano in sums.items() if nano}


def postings_of(totals: Mapping[Pair, tuple[int, int]], unit: Currency) -> tuple[Posting, ...]:
    """Return the postings that take each pair from the first running total to the second; they sum to 0 exactly."""
    minor: dict[Book, int] = defaultdict(int)
    nano: dict[Book, int] = defaultdict(int)
    for pair, (before, after) in totals.items():
        grown = post(after, unit).money.amount_minor - post(before, unit).money.amount_minor
        rest = after - before - grown * unit.nano_per_minor
        minor[pair.own] -= grown
        nano[pair.own] -= rest
        minor[pair.other] += grown
        nano[pair.other] += rest
    return tuple(
        Posting(book, unit, minor[book], nano[book]) for book in sorted(minor) if minor[book] or nano[book]
    )
