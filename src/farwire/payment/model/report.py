"""What an account owes: its age, and the statement of its movements."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from farwire.kernel.ids import AccountId, EntryId
from farwire.kernel.money import Currency

BUCKETS: Final = ("not_due", "1_30", "31_60", "61_90", "over_90")
"""Days after the due date."""


def bucket_of(due_on: date, on: date) -> str:
    """Return the bucket of a bill due on ``due_on``, seen on ``on``. On its due day it is not overdue."""
    late = (on - due_on).days
    if late <= 0:
        return "not_due"
    return BUCKETS[min((late - 1) // 30 + 1, 4)]


@dataclass(frozen=True, slots=True)
class Ageing:
    """What one account owes in one currency by age, and the credit that it has (≥ 0). Minor units."""

    account_id: AccountId
    currency: Currency
    not_due: int
    days_1_30: int
    days_31_60: int
    days_61_90: int
    over_90: int
    credit: int

    @property
    def owed(self) -> int:
        """Return the sum of what is open, whatever its age."""
        return self.not_due + self.days_1_30 + self.days_31_60 + self.days_61_90 + self.over_90


@dataclass(frozen=True, slots=True)
class Standing:
    """What an account owes and the credit that it has, in one currency, as the ledger knew it at a time."""

    currency: Currency
    owed_minor: int
    credit_minor: int

    @property
    def balance_minor(self) -> int:
        """Return what is to be paid; negative: the customer has money with us."""
        return self.owed_minor - self.credit_minor


@dataclass(frozen=True, slots=True)
class Movement:
    """One booking that changed what an account owes. ``text`` is the number of its document."""

    entry_id: EntryId
    booked_on: date
    source: str
    text: str
    amount_minor: int
    balance_minor: int


@dataclass(frozen=True, slots=True)
class Statement:
    """The movements of one account and currency in the days ``[first, after_last)``."""

    currency: Currency
    opening_minor: int
    movements: tuple[Movement, ...]
    closing_minor: int
