"""The pure core of the books: entries, postings, the chart, accounting periods. Import its public names from here."""

from farwire.ledger.model.chart import CHART, Book, BookKind, OwnBook, book_of_revenue
from farwire.ledger.model.entry import Balance, Entry, Posting, reversed_entry
from farwire.ledger.model.period import (
    AccountingPeriod,
    PeriodState,
    days_by_month,
    first_of_month,
    last_of_month,
    month_named,
    next_month,
    open_day,
)
from farwire.ledger.model.report import AccountMovement, ControlTotal, JournalRow, LedgerRow, TrialRow

__all__ = [
    "CHART",
    "AccountMovement",
    "AccountingPeriod",
    "Balance",
    "Book",
    "BookKind",
    "ControlTotal",
    "Entry",
    "JournalRow",
    "LedgerRow",
    "OwnBook",
    "PeriodState",
    "Posting",
    "TrialRow",
    "book_of_revenue",
    "days_by_month",
    "first_of_month",
    "last_of_month",
    "month_named",
    "next_month",
    "open_day",
    "reversed_entry",
]
