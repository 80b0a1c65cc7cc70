"""What a prepaid offer earns later: its price is earned over the local days that it lasts, as recurring charges are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Final

from farwire.base.storage import Tx
from farwire.charging.model.answers import MovementKind
from farwire.charging.model.booking import Pair
from farwire.charging.service.taxing import Taxes
from farwire.charging.service.terms import Sold, sold_as_offers
from farwire.charging.store.books import Placed
from farwire.kernel.money import split
from farwire.kernel.time import Period, local_date, zone
from farwire.ledger.model import Book, days_by_month

DEFERRED: Final = Pair(Book.DEFERRED_REVENUE, Book.REVENUE_RECURRING)
MOST_DAYS: Final = 1_100
"""What lasts longer, or without end, is earned at once."""


class Deferrals:
    """The offers of one batch, each looked for once."""

    def __init__(self, sold: Mapping[int, Sold]) -> None:
        self._sold = sold

    @classmethod
    async def load(cls, tx: Tx, moved: Sequence[Placed]) -> Deferrals:
        """Return how long the offers last that were bought."""
        bought = {one.movement.reason for one in moved if one.movement.kind == MovementKind.PURCHASE}
        return cls(await sold_as_offers(tx, numbers=bought))

    def later(self, moved: Sequence[Placed], taxes: Taxes, day: date) -> dict[date, int]:
        """Return what purchases earn after the month of ``day``, by which they are booked, without tax, by month.

        The day of purchase counts, as the price plan's zone has it: that may be of another month than ``day``.
        """
        months: dict[date, int] = defaultdict(int)
        for one in moved:
            is_bought = one.movement.kind == MovementKind.PURCHASE
            sold = self._sold.get(one.movement.reason) if is_bought else None
            if sold is None or not 0 < sold.days <= MOST_DAYS:
                continue
            gross = -one.movement.amount
            days = _days(one, sold)
            parts = split(gross - taxes.of(one.movement, one.at).of(gross), list(days.values()))
            for month, part in zip(days, parts, strict=True):
                if month > day:
                    months[month] += part
        return {month: nano for month, nano in sorted(months.items()) if nano}


def _days(one: Placed, sold: Sold) -> Mapping[date, int]:
    tz = zone(sold.zone)
    first = local_date(one.at, tz)
    return days_by_month(Period.of_days(first, first + timedelta(days=sold.days), tz), sold.zone)
