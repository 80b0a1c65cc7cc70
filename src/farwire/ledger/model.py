"""Entries, postings and the chart of accounts, as values. Debits are positive, credits negative."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from farwire.kernel.errors import check
from farwire.kernel.ids import AccountId, EntryId, LegalEntityId
from farwire.kernel.money import Currency


class BookKind(StrEnum):
    """The kinds of book accounts that a first bill needs."""

    ASSET = "asset"
    LIABILITY = "liability"
    REVENUE = "revenue"


class Book(StrEnum):
    """The chart of accounts of a legal entity; the values are the codes."""

    RECEIVABLE = "1200"
    REMAINDER = "1290"
    TAX_PAYABLE = "2200"
    REVENUE_RECURRING = "4000"
    REVENUE_ONE_OFF = "4100"
    REVENUE_USAGE = "4200"


CHART: Final = MappingProxyType(
    {
        Book.RECEIVABLE: ("Accounts receivable", BookKind.ASSET),
        Book.REMAINDER: ("Remainder of posting", BookKind.ASSET),
        Book.TAX_PAYABLE: ("Tax payable", BookKind.LIABILITY),
        Book.REVENUE_RECURRING: ("Revenue, recurring", BookKind.REVENUE),
        Book.REVENUE_ONE_OFF: ("Revenue, one-off", BookKind.REVENUE),
        Book.REVENUE_USAGE: ("Revenue, usage", BookKind.REVENUE),
    }
)


@dataclass(frozen=True, slots=True)
class Posting:
    """One side of an entry: ``amount_minor`` whole minor units plus ``remainder_nano`` nano-units of the major unit."""

    book: Book
    currency: Currency
    amount_minor: int
    remainder_nano: int = 0
    account_id: AccountId | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A booking that sums to 0. (``source``, ``key``) names it once and for all, e.g. ("bill", a bill's id)."""

    id: EntryId
    legal_entity_id: LegalEntityId
    booked_on: date
    recorded_at: datetime
    source: str
    key: str
    postings: tuple[Posting, ...]

    def __post_init__(self) -> None:
        minor: dict[Currency, int] = defaultdict(int)
        nano: dict[Currency, int] = defaultdict(int)
        for posting in self.postings:
            minor[posting.currency] += posting.amount_minor
            nano[posting.currency] += posting.remainder_nano
        balanced = not any(minor.values()) and not any(nano.values())
        check(balanced, "ledger.imbalance", "the postings of an entry sum to 0")


@dataclass(frozen=True, slots=True)
class Balance:
    """The sum of a book account in one currency. The sums are unbounded integers."""

    legal_entity_id: LegalEntityId
    book: Book
    name: str
    currency: Currency
    amount_minor: int
    remainder_nano: int
