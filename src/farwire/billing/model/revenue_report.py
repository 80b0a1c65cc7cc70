"""What a month earned, and from where."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from farwire.billing.model.revenue import NET_BOOKS, SOURCE
from farwire.kernel.money import Currency
from farwire.ledger.model import Book, JournalRow

EARNED: Final = "revenue_earned"
"""The source of entries that earn what was deferred."""
UNBILLED: Final = "unbilled"
"""The source of entries for what is earned and not billed by the end of a month."""
UNBILLED_BACK: Final = "unbilled_reversed"
"""The source of entries that take them back at the start of the next month."""


@dataclass(frozen=True, slots=True)
class RevenueRow:
    """The net revenue of one month and currency, in minor units.

    ``billed`` is what bills and credit notes charged, ``deferred`` what of it later months earn, ``recognised`` what
    earlier bills left to this one, ``unbilled`` what was earned and not billed by its end, ``reversed`` what the month
    before had counted so. ``earned`` = billed − deferred + recognised + unbilled − reversed, as the books say.
    """

    month: date
    currency: Currency
    billed: int
    deferred: int
    recognised: int
    unbilled: int
    reversed: int
    earned: int


def revenue_rows(journal: Sequence[JournalRow]) -> tuple[RevenueRow, ...]:
    """Return one row per month and currency of a company's summary journal."""
    sums: dict[tuple[date, str], dict[str, int]] = defaultdict(lambda: defaultdict(int))
    units: dict[str, Currency] = {}
    for row in journal:
        if row.book not in NET_BOOKS:
            continue
        units[row.currency.code] = row.currency
        one = sums[row.month, row.currency.code]
        net = row.credit_minor - row.debit_minor
        if row.source == SOURCE:
            one["billed"] += net
        if row.book is Book.DEFERRED_REVENUE:
            one["deferred"] += net if row.source == SOURCE else 0
            continue
        one["earned"] += net
        if row.source in (EARNED, UNBILLED, UNBILLED_BACK):
            one[row.source] += net
    return tuple(
        RevenueRow(
            month,
            units[code],
            one["billed"],
            one["deferred"],
            one[EARNED],
            one[UNBILLED],
            -one[UNBILLED_BACK],
            one["earned"],
        )
        for (month, code), one in sorted(sums.items())
    )
