"""The tax inside what was earned of prepaid money: gross sums by month, book and tax, and the exact part that is tax.

A balance of money can be used for anything that the operator sells: a multi-purpose voucher. So nothing is taxed when
it is filled. What is used of it is the consideration, tax included, at the rates of the day.
Source: Directive 2006/112/EC, Articles 30b and 73a.
"""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from types import MappingProxyType
from typing import Final, NamedTuple

from farwire.charging.model.answers import Movement, MovementKind
from farwire.kernel.money import round_half_up
from farwire.ledger.model import Book

_EARNED: Final = MappingProxyType(
    {
        int(MovementKind.USAGE): Book.REVENUE_USAGE,
        int(MovementKind.OVERRUN): Book.REVENUE_USAGE,
        int(MovementKind.PURCHASE): Book.REVENUE_RECURRING,
        int(MovementKind.REFUND): Book.CREDITS_GIVEN,
    }
)


class Tax(NamedTuple):
    """Which tax, of which month, and what part of the gross it is. ``name`` also says why there is none."""

    month: date
    name: str
    part: Fraction

    def of(self, gross: int) -> int:
        """Return the tax inside ``gross``, rounded half-up."""
        return round_half_up(gross * self.part.numerator, self.part.denominator)


class Earned(NamedTuple):
    """A gross sum that bears one tax, of one book."""

    book: Book
    tax: Tax


def earns(movement: Movement) -> Book | None:
    """Return the book that a movement of money earns on, tax included, or None where nothing is supplied."""
    return _EARNED.get(movement.kind)
