"""Use cases of the books: post, reverse, close periods, report, export."""

from farwire.ledger.service.periods import (
    approve_reopening,
    begin_closing,
    end_closing,
    entity_of,
    get_period,
    list_periods,
    own_books,
    request_reopening,
    set_own_book,
)
from farwire.ledger.service.posting import (
    KeyReused,
    account_balance,
    booking_days,
    post_entries,
    reverse_entries,
    source_balance,
    trial_balance,
)
from farwire.ledger.service.reporting import (
    account_movements,
    account_sums,
    control_totals,
    general_ledger,
    journal,
    list_postings,
    period_balance,
)

__all__ = [
    "KeyReused",
    "account_balance",
    "account_movements",
    "account_sums",
    "approve_reopening",
    "begin_closing",
    "booking_days",
    "control_totals",
    "end_closing",
    "entity_of",
    "general_ledger",
    "get_period",
    "journal",
    "list_periods",
    "list_postings",
    "own_books",
    "period_balance",
    "post_entries",
    "request_reopening",
    "reverse_entries",
    "set_own_book",
    "source_balance",
    "trial_balance",
]
