"""Accounting periods: calendar months of a legal entity, and where a booking goes when its month is closed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Final

from farwire.kernel.errors import Invalid
from farwire.kernel.ids import LegalEntityId
from farwire.kernel.time import Period, zone

_MONTH: Final = re.compile(r"([0-9]{4})-(0[1-9]|1[0-2])")


class PeriodState(StrEnum):
    """The states of an accounting period."""

    OPEN = "open"
    """Anything can be booked into it."""
    CLOSING = "closing"
    """Only the closing itself books into it: recognition and accruals."""
    CLOSED = "closed"
    """Nothing is booked into it: late facts go into the first open period."""


@dataclass(frozen=True, slots=True)
class AccountingPeriod:
    """A calendar month of a legal entity's zone, named by its first day.

    ``number`` counts the months of the fiscal year from 1, ``revision`` how often its closing began. A reopening that
    one person asked for waits with ``reopen_by`` and ``reopen_reason`` for the second.
    """

    legal_entity_id: LegalEntityId
    month: date
    state: PeriodState
    fiscal_year: int
    number: int
    revision: int = 0
    changed_at: datetime | None = None
    reopen_by: str = ""
    reopen_reason: str = ""

    @property
    def last_day(self) -> date:
        """Return the last day of the month."""
        return last_of_month(self.month)


def first_of_month(day: date) -> date:
    """Return the first day of the month of ``day``."""
    return day.replace(day=1)


def days_by_month(period: Period, zone_name: str) -> Mapping[date, int]:
    """Return how many local days of ``period`` each month has, in order."""
    first, after_last = period.local_days(zone(zone_name))
    days: Counter[date] = Counter()
    day = first
    while day < after_last:
        following = min(next_month(day), after_last)
        days[first_of_month(day)] += (following - day).days
        day = following
    return days


def next_month(day: date) -> date:
    """Return the first day of the month after that of ``day``."""
    return (day.replace(day=28) + timedelta(days=4)).replace(day=1)


def last_of_month(day: date) -> date:
    """Return the last day of the month of ``day``."""
    return next_month(day) - timedelta(days=1)


def month_named(text: str, *, field: str = "month") -> date:
    """Return the first day of the month ``text``, e.g. 2026-06. Raises ``Invalid`` (``ledger.month``)."""
    found = _MONTH.fullmatch(text)
    if found is None or not 1 <= int(found[1]) <= 9998:
        raise Invalid(
            "not a month", code="ledger.month", field=field, value=text, fix="write YYYY-MM, e.g. 2026-06"
        )
    return date(int(found[1]), int(found[2]), 1)


def open_day(wanted: date, shut: AbstractSet[date]) -> date:
    """Return ``wanted`` if its month is later than the last one ``shut``, else the first day after that one.

    A month before a closed one is closed with it: what was booked into it would change the opening of the closed one.
    """
    last = max(shut, default=None)
    return wanted if last is None or first_of_month(wanted) > last else next_month(last)
