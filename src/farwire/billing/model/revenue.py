"""When a bill line is earned: what its days before the booking earn at once, what later months earn, to the unit."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from typing import Final

import msgspec

from farwire.billing.model.bill import Bill, LineKind
from farwire.kernel.ids import AccountId, BillId, EntryId, uuid7
from farwire.kernel.money import Currency, split
from farwire.kernel.time import Period, zone
from farwire.ledger.model import Book, Entry, Posting, book_of_revenue, days_by_month

SOURCE: Final = "bill"
"""The source of the entries of bills in the ledger; their key is the bill's id."""

NET_BOOKS: Final = frozenset(
    {
        Book.REVENUE_RECURRING,
        Book.REVENUE_ONE_OFF,
        Book.REVENUE_USAGE,
        Book.CREDITS_GIVEN,
        Book.DEFERRED_REVENUE,
    }
)
"""Where the net of a bill is booked."""


class Share(msgspec.Struct, frozen=True):
    """What a line earns in one month: minor units, and nano-units of what posting rounded off."""

    month: date
    amount_minor: int
    remainder_nano: int


@dataclass(frozen=True, slots=True)
class Earning:
    """How a line is earned: at once, and month by month. All parts sum to the line exactly."""

    at_once: tuple[int, int]
    later: tuple[Share, ...]


class TimedLine(msgspec.Struct, frozen=True):
    """A line that is earned over its period, as far as the books need it."""

    bill_id: BillId
    number: int
    kind: LineKind
    period: Period
    net_minor: int
    remainder_nano: int


class Deferral(msgspec.Struct, frozen=True):
    """A part of a bill line that ``month`` earns."""

    bill_id: BillId
    line: int
    book: Book
    currency: Currency
    share: Share


@lru_cache(maxsize=4096)
def _days_over_and_later(period: Period, zone_name: str, booked_on: date) -> tuple[int, Mapping[date, int]]:
    """Return how many days of ``period`` are over when it is booked, and those of later by month.

    Thousands of bills ask the same.
    """
    first, after_last = period.local_days(zone(zone_name))
    if after_last <= booked_on:
        return (after_last - first).days, {}
    later = Period.of_days(max(first, booked_on), after_last, zone(zone_name))
    return max((booked_on - first).days, 0), days_by_month(later, zone_name)


def earn(*, net_minor: int, remainder_nano: int, period: Period, zone_name: str, booked_on: date) -> Earning:
    """Return how a line booked on ``booked_on`` is earned over the local days of its ``period``.

    Days before the booking are earned at once; the day of the booking and later ones by their months. What does not
    divide goes to the largest remainders, the earlier part first.
    """
    over, months = _days_over_and_later(period, zone_name, booked_on)
    if not months:
        return Earning((net_minor, remainder_nano), ())
    weights = [over, *months.values()]
    minors, nanos = split(net_minor, weights), split(remainder_nano, weights)
    shares = tuple(
        Share(month, minor, nano)
        for month, minor, nano in zip(months, minors[1:], nanos[1:], strict=True)
        if minor or nano
    )
    return Earning((minors[0], nanos[0]), shares)


def deferrals_of(line: TimedLine, *, bill: Bill, booked_on: date) -> tuple[Deferral, ...]:
    """Return what of ``line`` is earned after the bill is booked. Only recurring charges are earned over time."""
    if line.kind is not LineKind.RECURRING:
        return ()
    earning = earn(
        net_minor=line.net_minor,
        remainder_nano=line.remainder_nano,
        period=line.period,
        zone_name=bill.zone,
        booked_on=booked_on,
    )
    book = book_of_revenue(line.kind.value)
    return tuple(Deferral(bill.id, line.number, book, bill.currency, share) for share in earning.later)


def entry_of(
    bill: Bill,
    sums: Mapping[LineKind, tuple[int, int]],
    deferrals: Sequence[Deferral],
    *,
    booked_on: date,
    at: datetime,
) -> Entry:
    """Return the booking of a bill.

    ``sums`` has the net (minor) and the remainder (nano) of each kind of line; what ``deferrals`` name of it is not
    earned yet.
    """
    unit = bill.currency
    earned: dict[Book, tuple[int, int]] = {}
    for kind, (net, nano) in sorted(sums.items()):
        book = book_of_revenue(kind.value)
        before = earned.get(book, (0, 0))
        earned[book] = (before[0] + net, before[1] + nano)
    deferred_minor = deferred_nano = 0
    for deferral in deferrals:
        net, nano = earned[deferral.book]
        earned[deferral.book] = (net - deferral.share.amount_minor, nano - deferral.share.remainder_nano)
        deferred_minor += deferral.share.amount_minor
        deferred_nano += deferral.share.remainder_nano
    remainder = sum(nano for _, nano in sums.values())
    postings = (
        Posting(Book.RECEIVABLE, unit, bill.total_minor, 0, bill.account_id),
        *(Posting(book, unit, -net, -nano) for book, (net, nano) in earned.items()),
        Posting(Book.DEFERRED_REVENUE, unit, -deferred_minor, -deferred_nano),
        Posting(Book.TAX_PAYABLE, unit, -bill.tax_minor),
        Posting(Book.REMAINDER, unit, 0, remainder),
    )
    kept = tuple(p for p in postings if p.amount_minor or p.remainder_nano or p.book is Book.RECEIVABLE)
    occurred_on = None if booked_on == bill.issue_on else bill.issue_on
    return Entry(
        EntryId(uuid7(at)), bill.legal_entity_id, booked_on, at, SOURCE, str(bill.id), kept, occurred_on
    )


@dataclass(frozen=True, slots=True)
class Accrual:
    """What an account's lines of one kind earned by the end of a month and no bill of it charged. Minor units."""

    account_id: AccountId
    book: Book
    currency: Currency
    amount_minor: int


def earned_before(kind: LineKind, net_minor: int, period: Period, end: datetime, zone_name: str) -> int:
    """Return what of a line is earned before the instant ``end``, the start of a local day.

    Charges over time earn by their local days; what is due once is earned when it happens. A credit counts when it is
    given, so nothing of it is earned before its bill.
    """
    if kind is LineKind.CREDIT or period.start >= end:
        return 0
    if kind is LineKind.ONE_OFF or period.end <= end:
        return net_minor
    before, after = period.cut(end)
    days = (before.days(zone(zone_name)), after.days(zone(zone_name)))
    return split(net_minor, days)[0]
