"""Reports over the books, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from farwire.kernel.ids import AccountId, EntryId, LegalEntityId
from farwire.kernel.money import Currency
from farwire.ledger.model.chart import Book


@dataclass(frozen=True, slots=True)
class TrialRow:
    """One book of a trial balance: what it opened with, debits and credits (≥ 0), what it closed with. Minor units.

    ``code`` and ``name`` are those of the legal entity's own accountants where it has them.
    """

    legal_entity_id: LegalEntityId
    book: Book
    code: str
    name: str
    currency: Currency
    opening_minor: int
    debit_minor: int
    credit_minor: int
    remainder_nano: int = 0

    @property
    def closing_minor(self) -> int:
        """Return the balance at the end."""
        return self.opening_minor + self.debit_minor - self.credit_minor


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One posting of the general ledger, in the order of the export: day, entry, number."""

    legal_entity_id: LegalEntityId
    booked_on: date
    occurred_on: date
    entry_id: EntryId
    source: str
    key: str
    number: int
    book: Book
    code: str
    name: str
    account_id: AccountId | None
    currency: Currency
    amount_minor: int
    remainder_nano: int


@dataclass(frozen=True, slots=True)
class JournalRow:
    """All postings of a month from one source to one book: a summary journal for an accounting system."""

    legal_entity_id: LegalEntityId
    month: date
    source: str
    book: Book
    code: str
    name: str
    currency: Currency
    postings: int
    debit_minor: int
    credit_minor: int
    remainder_nano: int


@dataclass(frozen=True, slots=True)
class AccountMovement:
    """What one entry changed on the books of a customer."""

    entry_id: EntryId
    booked_on: date
    source: str
    key: str
    currency: Currency
    amount_minor: int


@dataclass(frozen=True, slots=True)
class ControlTotal:
    """What an export holds of one currency: to be compared with what was imported."""

    currency: Currency
    postings: int
    debit_minor: int
    credit_minor: int
    remainder_nano: int
