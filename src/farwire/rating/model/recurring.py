"""Recurring and one-off charges of a product: exact nano-units with their explanation, for billing to sum and post.

Days are local calendar days of the bill cycle's zone. The day on which a product starts counts, the day on
which it ends does not: a change from one plan to another pays each day once. What is due is a list of parts: days of
one period of a price under the same terms. What was charged before is such a list, too, and a bill is the difference.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec

from farwire.catalog.model import Every, FirstPeriod, OneOff, PricePlan, Prorate, Recurring, Trigger
from farwire.kernel.ids import PlanVersionId
from farwire.kernel.money import Nano, currency, nano
from farwire.kernel.time import BillCycle, Period, add_months, local_date, local_midnight
from farwire.rating.model.compile import ratio
from farwire.rating.model.explanation import Factor
from farwire.rating.model.overrides import OVERRIDE
from farwire.rating.model.recurring_explanation import RecurringExplanation, total_of
from farwire.rating.model.spans import ProductSpan, discounted, serves
from farwire.rating.model.terms import PLAIN, Stretch, Terms, share_of

NOTHING_CHARGED: Final[Mapping[str, datetime]] = {}
SUSPENSION: Final = "suspension"


class PlannedCharge(msgspec.Struct, frozen=True):
    """A charge that is due for ``period``. ``nano`` is negative where what was paid in advance is given back."""

    price_id: str
    label: str
    tax: str
    period: Period
    nano: Nano
    currency: str
    explanation: RecurringExplanation


class Part(msgspec.Struct, frozen=True):
    """The days ``[first, after_last)`` of the period ``whole`` of one price, all under the same terms.

    A part that is ``lump`` costs the whole period, however many of its days it has. ``since`` is the first day of
    the period that the plan serves.
    """

    plan: PricePlan
    plan_version_id: PlanVersionId | None
    price: Recurring
    whole: tuple[date, date]
    first: date
    after_last: date
    terms: Terms
    factors: tuple[Factor, ...]
    since: date
    lump: bool = False

    @property
    def share(self) -> tuple[int, int]:
        """Return how many days of how many are charged."""
        of_days = (self.whole[1] - self.whole[0]).days
        return (of_days if self.lump else (self.after_last - self.first).days), of_days


def recurring_charges(
    plan: PricePlan,
    span: ProductSpan,
    *,
    cycle: BillCycle,
    bill_period: Period,
    charged_to: Mapping[str, datetime] = NOTHING_CHARGED,
) -> tuple[PlannedCharge, ...]:
    """Return what the recurring prices of ``plan``, as they are, cost on the bill for ``bill_period``.

    An advance price is due to the end of the period after ``bill_period``, one in arrears to the end of
    ``bill_period``. ``charged_to`` says, by price id, up to when earlier bills have charged (what
    ``recurring_charged_to`` said with the last bill); an absent price has never been charged.
    """
    charges: list[PlannedCharge] = []
    first_day = local_date(span.start, cycle.tz)
    for price in plan.recurring:
        if not serves(price, span):
            continue
        target = target_day(price, span, cycle, bill_period)
        before = charged_to.get(price.id)
        done = first_day if before is None else local_date(before, cycle.tz)
        now = parts(plan, price, span, (Stretch(first_day, target),), cycle)
        then = parts(plan, price, span, (Stretch(first_day, done),), cycle)
        charges += [planned(part, sign, cycle) for part, sign in difference(then, now)]
    return tuple(charges)


def recurring_charged_to(
    plan: PricePlan, span: ProductSpan, *, cycle: BillCycle, bill_period: Period
) -> Mapping[str, datetime]:
    """Return, by price id, up to when ``plan`` is charged once the bill for ``bill_period`` is made."""
    return {
        price.id: local_midnight(target_day(price, span, cycle, bill_period), cycle.tz)
        for price in plan.recurring
        if serves(price, span)
    }


def one_off_charges(
    plan: PricePlan, span: ProductSpan, *, trigger: Trigger, at: datetime, cycle: BillCycle
) -> tuple[PlannedCharge, ...]:
    """Return the one-off prices, as they are, that ``trigger`` makes due at ``at``."""
    return tuple(
        one_off_charge(plan, price, span, at=at, cycle=cycle)
        for price in plan.one_off
        if price.on is trigger and serves(price, span)
    )


def one_off_charge(
    plan: PricePlan,
    price: OneOff,
    span: ProductSpan,
    *,
    at: datetime,
    cycle: BillCycle,
    terms: Terms = PLAIN,
    sign: int = 1,
) -> PlannedCharge:
    """Return what ``price`` costs once at ``at`` under ``terms``, or gives back where ``sign`` is −1."""
    day = local_date(at, cycle.tz)
    start = local_midnight(day, cycle.tz)
    factors = _factors(plan, price.id, span, start, day, cycle, terms)
    days = (day, day + timedelta(days=1))
    return _planned(plan, price, days, cycle, (0, 0), sign, factors, terms, price.on.value)


def target_day(price: Recurring, span: ProductSpan, cycle: BillCycle, bill_period: Period) -> date:
    """Return the local day up to which the bill for ``bill_period`` charges ``price``."""
    tz = cycle.tz
    first_day, bill_end = local_date(span.start, tz), local_date(bill_period.end, tz)
    if first_day >= bill_end:
        return first_day
    if price.every is Every.CYCLE:
        target = local_date(cycle.next(bill_period).end, tz) if price.in_advance else bill_end
    else:
        # Periods that start with the product are charged whole: when they begin, or when they are over.
        begun = sum(1 for _ in _periods(price, first_day, (first_day, bill_end), cycle))
        target = _boundary(price, first_day, begun)
        if not price.in_advance and target > bill_end:
            target = _boundary(price, first_day, begun - 1)
    if span.end is not None:
        end = local_date(span.end, tz)
        target = min(target, end) if price.in_advance or end > bill_end else end
    return max(target, first_day)


def parts(
    plan: PricePlan,
    price: Recurring,
    span: ProductSpan,
    stretches: Sequence[Stretch],
    cycle: BillCycle,
    since: date | None = None,
) -> Iterator[Part]:
    """Yield what ``price`` costs for ``stretches``, which follow each other from the first day of ``span`` on.

    Only what begins with ``since`` or later: a period that is charged whole is charged with its first day, under the
    terms of that day, so that a cut in its middle never charges it twice.
    """
    first_day = local_date(span.start, cycle.tz)
    version = span.plan_version_id
    since, to = since or first_day, stretches[-1].after_last if stretches else first_day
    # What a new customer pays for the first days is no rule for a change of plan: that pays each day once.
    rule = price.first_period if span.product_start is None else FirstPeriod.PRORATE
    for whole in _periods(price, first_day, (since, to), cycle):
        start, end = max(whole[0], first_day), min(whole[1], to)
        begun = start > whole[0]
        if begun and rule is FirstPeriod.FREE:
            continue
        # Discounts for a time are those of the period's own start, so that what is given back was charged alike.
        at = local_midnight(start, cycle.tz)
        terms = _terms_on(stretches, start)
        if not terms.by_days and (price.prorate is Prorate.NONE or (begun and rule is FirstPeriod.FULL)):
            if since <= start and not terms.pays_nothing:
                factors = _factors(plan, price.id, span, at, start, cycle, terms)
                yield Part(plan, version, price, whole, start, end, terms, factors, start, lump=True)
            continue
        for one in stretches:
            first, after_last = max(start, since, one.first), min(end, one.after_last)
            if first < after_last and not one.terms.pays_nothing:
                factors = _factors(plan, price.id, span, at, start, cycle, one.terms)
                yield Part(plan, version, price, whole, first, after_last, one.terms, factors, start)


def _terms_on(stretches: Sequence[Stretch], day: date) -> Terms:
    return next((one.terms for one in stretches if one.first <= day < one.after_last), stretches[-1].terms)


def difference(then: Iterable[Part], now: Iterable[Part]) -> Iterator[tuple[Part, int]]:
    """Yield what was charged and is not due with −1, then what is due and was not charged with 1.

    Days that were charged at the price of today are left alone, whatever has changed around them.
    """
    old, new = _by_rate(then), _by_rate(now)
    for ours, theirs, sign in ((old, new, -1), (new, old, 1)):
        for rate, (part, days) in ours.items():
            left = days - theirs[rate][1] if rate in theirs else days
            if part.lump and left:
                yield part, sign
            elif left:
                yield from (
                    (msgspec.structs.replace(part, first=a, after_last=b), sign) for a, b in _runs(left)
                )


_Rate = tuple[object, ...]


def _by_rate(found: Iterable[Part]) -> dict[_Rate, tuple[Part, set[int]]]:
    """Return the days that were charged, by all that decides what a day costs, each with a part to make others from."""
    rates: dict[_Rate, tuple[Part, set[int]]] = {}
    for part in found:
        lump = part.first if part.lump else None
        offer = (part.plan.offering, part.plan.currency, part.plan.prices_include_tax)
        terms = (part.terms.price, part.terms.shares, part.terms.own)
        rate = (offer, part.price, part.whole, terms, part.factors, lump)
        days = range(part.first.toordinal(), part.after_last.toordinal())
        rates.setdefault(rate, (part, set()))[1].update(days[:1] if part.lump else days)
    return rates


def _runs(days: set[int]) -> Iterator[tuple[date, date]]:
    """Yield the runs of days that follow each other."""
    first = before = None
    for day in sorted(days):
        if first is None or before is None or day != before + 1:
            if first is not None and before is not None:
                yield date.fromordinal(first), date.fromordinal(before + 1)
            first = day
        before = day
    if first is not None and before is not None:
        yield date.fromordinal(first), date.fromordinal(before + 1)


def planned(part: Part, sign: int, cycle: BillCycle) -> PlannedCharge:
    """Return the charge of ``part``, or what it gives back where ``sign`` is −1."""
    days = (part.first, part.after_last)
    return _planned(part.plan, part.price, days, cycle, part.share, sign, part.factors, part.terms)


def _periods(
    price: Recurring, first_day: date, wanted: tuple[date, date], cycle: BillCycle
) -> Iterator[tuple[date, date]]:
    """Yield the whole periods of ``price`` that overlap the days ``wanted``."""
    if wanted[0] >= wanted[1]:
        return
    if price.every is Every.CYCLE:
        for period in cycle.periods(Period.of_days(*wanted, cycle.tz)):
            yield period.local_days(cycle.tz)
        return
    number = 0
    if price.every is Every.DAYS:
        number = (wanted[0] - first_day).days // price.count
    start = _boundary(price, first_day, number)
    while start < wanted[1]:
        number += 1
        end = _boundary(price, first_day, number)
        if end > wanted[0]:
            yield start, end
        start = end


def _boundary(price: Recurring, first_day: date, number: int) -> date:
    if price.every is Every.DAYS:
        return first_day + timedelta(days=number * price.count)
    return add_months(first_day, number * price.count, first_day.day)


def _factors(
    plan: PricePlan,
    price_id: str,
    span: ProductSpan,
    at: datetime,
    day: date,
    cycle: BillCycle,
    terms: Terms,
) -> tuple[Factor, ...]:
    found = tuple(
        Factor(discount.id, *ratio(100 - discount.percent))
        for discount in plan.discounts
        if price_id in discount.prices and discounted(discount, span, at, day, cycle, terms.discounts)
    )
    if terms is PLAIN:
        return found
    if terms.percent is not None:
        found = (Factor(OVERRIDE, *ratio(terms.percent)), *found)
    if terms.recurring_percent != PLAIN.recurring_percent:
        found = (*found, Factor(SUSPENSION, terms.recurring_percent, 100))
    return found


_nano = lru_cache(maxsize=4096)(nano)
"""Prices of plans are few, and each is charged thousands of times."""


def _planned(
    plan: PricePlan,
    price: Recurring | OneOff,
    days: tuple[date, date],
    cycle: BillCycle,
    share: tuple[int, int],
    sign: int,
    factors: tuple[Factor, ...],
    terms: Terms,
    trigger: str = "",
) -> PlannedCharge:
    price_nano = _nano(price.price if terms.price is None else terms.price)
    total = total_of(price_nano, share, sign, factors)
    if terms.shares:
        total = Nano(share_of(total, terms.shares, terms.own, currency(plan.currency)))
    explanation = RecurringExplanation(
        offering=plan.offering,
        price_id=price.id,
        currency=plan.currency,
        price_nano=price_nano,
        first_day=days[0].isoformat(),
        after_last_day=days[1].isoformat(),
        days=share[0],
        of_days=share[1],
        sign=sign,
        factors=factors,
        trigger=trigger,
        total_nano=total,
        shares=terms.shares,
        own_share=terms.own,
        override=terms.because,
    )
    period = Period.of_days(*days, cycle.tz)
    return PlannedCharge(
        price.id, price.label or price.id, price.tax, period, total, plan.currency, explanation
    )
