"""Use cases of the books: post, reverse, close periods, report, export."""

from farwire.ledger.service.posting import (
    KeyReused,
    account_balance,
    booking_days,
    post_entries,
    reverse_entries,
    source_balance,
    trial_balance,
)

__all__ = [
    "KeyReused",
    "account_balance",
    "booking_days",
    "post_entries",
    "reverse_entries",
    "source_balance",
    "trial_balance",
]
