"""Time: aware UTC instants, half-open periods, and bill cycles that keep their anchor day in local time."""

from __future__ import annotations

import calendar
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from farwire.kernel.errors import Invalid


@lru_cache(maxsize=1024)
def zone(name: str) -> ZoneInfo:
    """Return the IANA zone ``name``. Raises ``Invalid`` (``time.zone_unknown``)."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise Invalid(
            f"time zone {name!r} is unknown",
            code="time.zone_unknown",
            field="zone",
            value=name,
            fix="use an IANA name such as Europe/Berlin",
        ) from None


def as_utc(value: datetime, *, field: str = "time") -> datetime:
    """Return ``value`` in UTC. Raises ``Invalid`` (``time.zone_missing``) for a naive time."""
    if value.tzinfo is UTC:
        return value
    if value.utcoffset() is None:
        raise Invalid(
            f"{field} has no time zone",
            code="time.zone_missing",
            field=field,
            value=value.isoformat(),
            fix="add Z or an offset such as +02:00",
        )
    return value.astimezone(UTC)


def instant(text: str, *, field: str = "time") -> datetime:
    """Return the UTC instant that an ISO 8601 ``text`` with a zone names.

    Raises ``Invalid``: ``time.malformed``, or ``time.zone_missing`` where the text has no Z and no offset.
    """
    try:
        parsed = datetime.fromisoformat(text)
        if parsed.utcoffset() is not None:
            return parsed.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Invalid(
            f"{field} is not a time",
            code="time.malformed",
            field=field,
            value=text,
            fix="use ISO 8601 with a zone, e.g. 2026-06-01T00:00:00Z",
        ) from None
    return as_utc(parsed, field=field)


def local_midnight(day: date, tz: ZoneInfo) -> datetime:
    """Return the UTC instant at which ``day`` starts in ``tz`` (the first that exists, where midnight is skipped)."""
    return _midnight(day, tz)


def local_date(at: datetime, tz: ZoneInfo) -> date:
    """Return the calendar day of the instant ``at`` in ``tz``."""
    return _date(at, tz)


# Days and their boundaries are asked for again and again while thousands of accounts share a cycle: without these
# memos they were a third of a bill. They sit behind the public functions, whose signatures are checked.
_MEMO: Final = 8192


@lru_cache(maxsize=_MEMO)
def _midnight(day: date, tz: ZoneInfo) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=tz).astimezone(UTC)


@lru_cache(maxsize=_MEMO)
def _date(at: datetime, tz: ZoneInfo) -> date:
    return as_utc(at).astimezone(tz).date()


@dataclass(frozen=True, slots=True, order=True)
class Period:
    """The half-open time ``[start, end)`` between two UTC instants. Never empty."""

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        if self.start.tzinfo is not UTC or self.end.tzinfo is not UTC:
            object.__setattr__(self, "start", as_utc(self.start, field="start"))
            object.__setattr__(self, "end", as_utc(self.end, field="end"))
        if self.start >= self.end:
            raise Invalid(
                "a period ends after it starts",
                code="time.period_empty",
                field="end",
                value=self.end.isoformat(),
                fix=f"use an end after {self.start.isoformat()}",
            )

    @classmethod
    def of_days(cls, first: date, after_last: date, tz: ZoneInfo) -> Period:
        """Return the period of the local days ``[first, after_last)``."""
        return _of_days(first, after_last, tz)

    @property
    def duration(self) -> timedelta:
        """Return the exact length (23 or 25 hours for the local days on which clocks change)."""
        return self.end - self.start

    @property
    def duration_s(self) -> int:
        """Return the length in whole seconds."""
        return self.duration // timedelta(seconds=1)

    def __contains__(self, at: datetime) -> bool:
        return self.start <= at < self.end

    def intersect(self, other: Period) -> Period | None:
        """Return the common part, or None."""
        start, end = max(self.start, other.start), min(self.end, other.end)
        return Period(start, end) if start < end else None

    def cut(self, at: datetime) -> tuple[Period, ...]:
        """Return the one or two parts that ``at`` cuts this period into. They sum to the whole."""
        if self.start < at < self.end:
            return Period(self.start, at), Period(at, self.end)
        return (self,)

    def local_days(self, tz: ZoneInfo) -> tuple[date, date]:
        """Return the local days ``[first, after_last)`` that this period touches."""
        last = local_date(self.end - timedelta(microseconds=1), tz)
        return local_date(self.start, tz), last + timedelta(days=1)

    def days(self, tz: ZoneInfo) -> int:
        """Return how many local days this period touches. A day begun counts."""
        first, after_last = self.local_days(tz)
        return (after_last - first).days


@lru_cache(maxsize=_MEMO)
def _of_days(first: date, after_last: date, tz: ZoneInfo) -> Period:
    return Period(_midnight(first, tz), _midnight(after_last, tz))


def add_months(day: date, months: int, anchor_day: int) -> date:
    """Return the ``anchor_day`` of the month ``months`` after that of ``day``, or its last day where it is shorter."""
    index = day.year * 12 + day.month - 1 + months
    year, month = divmod(index, 12)
    return date(year, month + 1, min(anchor_day, calendar.monthrange(year, month + 1)[1]))


@dataclass(frozen=True, slots=True)
class BillCycle:
    """Periods of ``months`` months from a kept anchor day: 31 gives 28 February and then 31 March."""

    anchor_day: int
    tz: ZoneInfo
    months: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.anchor_day <= 31:
            raise Invalid(
                "a cycle day is a day of the month",
                code="time.anchor_day",
                field="anchor_day",
                value=self.anchor_day,
                fix="use 1 to 31",
            )
        if not 1 <= self.months <= 120:
            raise Invalid(
                "a cycle has 1 to 120 months", code="time.cycle_months", field="months", value=self.months
            )

    def boundary_after(self, day: date) -> date:
        """Return the first cycle boundary after the local ``day``."""
        boundary = self._boundary_on_or_before(day)
        return add_months(boundary, self.months, self.anchor_day)

    def _boundary_on_or_before(self, day: date) -> date:
        # Cycles of several months start in January of the year 0, so that they do not depend on the question.
        back = (day.year * 12 + day.month - 1) % self.months
        boundary = add_months(day, -back, self.anchor_day)
        return boundary if boundary <= day else add_months(boundary, -self.months, self.anchor_day)

    def containing(self, at: datetime) -> Period:
        """Return the cycle period that holds the instant ``at``."""
        return self._holding(local_date(at, self.tz))

    @lru_cache(maxsize=_MEMO)  # noqa: B019 - a cycle is a value: equal ones share their periods
    def _holding(self, day: date) -> Period:
        first = self._boundary_on_or_before(day)
        return Period.of_days(first, self.boundary_after(day), self.tz)

    def next(self, period: Period) -> Period:
        """Return the cycle period that starts where ``period`` ends."""
        return self.containing(period.end)

    def periods(self, span: Period) -> Iterator[Period]:
        """Yield the whole cycle periods that overlap ``span``, in order."""
        period = self.containing(span.start)
        while period.start < span.end:
            yield period
            period = self.next(period)
