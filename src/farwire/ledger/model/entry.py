"""Entries and postings, as values."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, datetime

import msgspec

from farwire.kernel.errors import check
from farwire.kernel.ids import AccountId, EntryId, LegalEntityId, uuid7
from farwire.kernel.money import Currency
from farwire.ledger.model.chart import Book


class Posting(msgspec.Struct, frozen=True):
    """One side of an entry: ``amount_minor`` whole minor units plus ``remainder_nano`` nano-units of the major unit."""

    book: Book
    currency: Currency
    amount_minor: int
    remainder_nano: int = 0
    account_id: AccountId | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """A booking that sums to 0. (``source``, ``key``) names it once and for all, e.g. ("bill", a bill's id).

    ``occurred_on`` is the day of the fact where the books of that day are closed, so that it is booked on a later
    ``booked_on``; None means the same day. ``reverses`` is the entry that it takes back.
    """

    id: EntryId
    legal_entity_id: LegalEntityId
    booked_on: date
    recorded_at: datetime
    source: str
    key: str
    postings: tuple[Posting, ...]
    occurred_on: date | None = None
    reverses: EntryId | None = None

    def __post_init__(self) -> None:
        minor: dict[Currency, int] = defaultdict(int)
        nano: dict[Currency, int] = defaultdict(int)
        for posting in self.postings:
            minor[posting.currency] += posting.amount_minor
            nano[posting.currency] += posting.remainder_nano
        balanced = not any(minor.values()) and not any(nano.values())
        check(balanced, "ledger.imbalance", "the postings of an entry sum to 0")

    def moved_to(self, day: date) -> Entry:
        """Return the entry booked on ``day``; the day of the fact is kept."""
        if day == self.booked_on:
            return self
        return replace(self, booked_on=day, occurred_on=self.occurred_on or self.booked_on)


def reversed_entry(entry: Entry, *, source: str, key: str, booked_on: date, at: datetime) -> Entry:
    """Return the entry that takes ``entry`` back: the same postings with the other sign."""
    postings = tuple(
        msgspec.structs.replace(
            posting, amount_minor=-posting.amount_minor, remainder_nano=-posting.remainder_nano
        )
        for posting in entry.postings
    )
    return Entry(
        EntryId(uuid7(at)),
        entry.legal_entity_id,
        booked_on,
        at,
        source,
        key,
        postings,
        reverses=entry.id,
    )


@dataclass(frozen=True, slots=True)
class Balance:
    """The sum of a book account in one currency. The sums are unbounded integers."""

    legal_entity_id: LegalEntityId
    book: Book
    name: str
    currency: Currency
    amount_minor: int
    remainder_nano: int
