"""Recurring and one-off charges of a product: exact nano-units with their explanation, for billing to sum and post.

Days are local calendar days of the bill cycle's zone. The day on which a product starts counts, the day on
which it ends does not: a change from one plan to another pays each day once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import lru_cache
from typing import Final

import msgspec

from farwire.catalog.model import Discount, Every, FirstPeriod, OneOff, PricePlan, Prorate, Recurring, Trigger
from farwire.kernel.errors import check
from farwire.kernel.money import Nano, int64, nano, round_half_up
from farwire.kernel.time import BillCycle, Period, add_months, local_date, local_midnight
from farwire.rating.model.compile import ratio
from farwire.rating.model.explanation import Factor

NOTHING_CHARGED: Final[Mapping[str, datetime]] = {}


@dataclass(frozen=True, slots=True)
class ProductSpan:
    """The life of a product on one plan: from ``start``, to ``end`` where it has one.

    ``product_start`` is when the product itself began, where that was on an earlier plan.
    """

    start: datetime
    end: datetime | None = None
    region: str = ""
    segment: str = ""
    product_start: datetime | None = None


class RecurringExplanation(msgspec.Struct, frozen=True, omit_defaults=True):
    """``total_nano`` = half-up of price × days / of_days × Π factors, negative where it gives back."""

    offering: str
    price_id: str
    currency: str
    price_nano: int
    first_day: str
    """The first local day that the charge is for, ISO 8601."""
    after_last_day: str
    days: int = 0
    of_days: int = 0
    """The local days of the whole period; 0 for a one-off charge."""
    sign: int = 1
    factors: tuple[Factor, ...] = ()
    trigger: str = ""
    total_nano: Nano = Nano(0)

    @property
    def last_day(self) -> str:
        """Return the last local day that the charge is for, ISO 8601."""
        return (date.fromisoformat(self.after_last_day) - timedelta(days=1)).isoformat()


@dataclass(frozen=True, slots=True)
class PlannedCharge:
    """A charge that is due for ``period``. ``nano`` is negative where what was paid in advance is given back."""

    price_id: str
    label: str
    tax: str
    period: Period
    nano: Nano
    currency: str
    explanation: RecurringExplanation


def recurring_charges(
    plan: PricePlan,
    span: ProductSpan,
    *,
    cycle: BillCycle,
    bill_period: Period,
    charged_to: Mapping[str, datetime] = NOTHING_CHARGED,
) -> tuple[PlannedCharge, ...]:
    """Return what the recurring prices of ``plan`` cost on the bill for ``bill_period``.

    An advance price is due to the end of the period after ``bill_period``, one in arrears to the end of
    ``bill_period``. ``charged_to`` says, by price id, up to when earlier bills have charged (what
    ``recurring_charged_to`` said with the last bill); an absent price has never been charged. Each period costs
    what is due for it now, less what was due for it then, so that no day is paid twice and what a product that
    has ended paid in advance comes back.
    """
    charges: list[PlannedCharge] = []
    first_day = local_date(span.start, cycle.tz)
    for price in plan.recurring:
        if not _serves(price, span):
            continue
        target = _target(price, span, cycle, bill_period)
        before = charged_to.get(price.id)
        done = first_day if before is None else local_date(before, cycle.tz)
        # What a new customer pays for the first days is no rule for a change of plan: that pays each day once.
        rule = price.first_period if span.product_start is None else FirstPeriod.PRORATE
        for whole in _periods(price, first_day, (min(done, target), max(done, target)), cycle):
            due = _due_days(price, rule, whole, first_day, target)
            due -= _due_days(price, rule, whole, first_day, done)
            if due:
                charges.append(_recurring(plan, price, span, cycle, whole, (done, target), due))
    return tuple(charges)


def recurring_charged_to(
    plan: PricePlan, span: ProductSpan, *, cycle: BillCycle, bill_period: Period
) -> Mapping[str, datetime]:
    """Return, by price id, up to when ``plan`` is charged once the bill for ``bill_period`` is made."""
    return {
        price.id: local_midnight(_target(price, span, cycle, bill_period), cycle.tz)
        for price in plan.recurring
        if _serves(price, span)
    }


def one_off_charges(
    plan: PricePlan, span: ProductSpan, *, trigger: Trigger, at: datetime, cycle: BillCycle
) -> tuple[PlannedCharge, ...]:
    """Return the one-off prices that ``trigger`` makes due at ``at``."""
    day = local_date(at, cycle.tz)
    period = Period.of_days(day, day + timedelta(days=1), cycle.tz)
    charges = []
    for price in plan.one_off:
        if price.on is not trigger or not _serves(price, span):
            continue
        factors = _factors(plan, price.id, span, period.start, day, cycle)
        charges.append(_planned(plan, price, period, cycle, (1, 1), 1, factors, trigger.value))
    return tuple(charges)


def verify_recurring(explanation: RecurringExplanation) -> Nano:
    """Return the charge that ``explanation`` adds up to. Raises ``Defect`` (``rating.explanation``) if it does not."""
    days, of_days = (explanation.days, explanation.of_days) if explanation.of_days else (1, 1)
    total = _amount(explanation.price_nano, (days, of_days), explanation.sign, explanation.factors)
    check(total == explanation.total_nano, "rating.explanation", "the parts do not add up to the total")
    return total


def _serves(price: Recurring | OneOff, span: ProductSpan) -> bool:
    return (not price.regions or span.region in price.regions) and (
        not price.segments or span.segment in price.segments
    )


def _target(price: Recurring, span: ProductSpan, cycle: BillCycle, bill_period: Period) -> date:
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


def _due_days(
    price: Recurring, rule: FirstPeriod, whole: tuple[date, date], first_day: date, to: date
) -> int:
    """Return how many of the days of the period ``whole`` are due when the product is charged up to ``to``."""
    start, end = max(whole[0], first_day), min(whole[1], to)
    if end <= start:
        return 0
    of_days = (whole[1] - whole[0]).days
    if start > whole[0] and rule is FirstPeriod.FREE:
        return 0
    if start > whole[0] and rule is FirstPeriod.FULL:
        return of_days
    return (end - start).days if price.prorate is Prorate.DAY else of_days


def _recurring(
    plan: PricePlan,
    price: Recurring,
    span: ProductSpan,
    cycle: BillCycle,
    whole: tuple[date, date],
    window: tuple[date, date],
    due: int,
) -> PlannedCharge:
    first_day = local_date(span.start, cycle.tz)
    start = max(whole[0], first_day)
    part = (max(start, min(window)), min(whole[1], max(window)))
    period = Period.of_days(*part, cycle.tz)
    # Discounts are those of the period's own start, so that what is given back was charged alike.
    factors = _factors(plan, price.id, span, local_midnight(start, cycle.tz), start, cycle)
    share = (abs(due), (whole[1] - whole[0]).days)
    return _planned(plan, price, period, cycle, share, 1 if due > 0 else -1, factors)


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
    plan: PricePlan, price_id: str, span: ProductSpan, at: datetime, day: date, cycle: BillCycle
) -> tuple[Factor, ...]:
    return tuple(
        Factor(discount.id, *ratio(100 - discount.percent))
        for discount in plan.discounts
        if price_id in discount.prices and _discounted(discount, span, at, day, cycle)
    )


def _discounted(discount: Discount, span: ProductSpan, at: datetime, day: date, cycle: BillCycle) -> bool:
    first_day = local_date(span.product_start or span.start, cycle.tz)
    return (
        (not discount.regions or span.region in discount.regions)
        and (not discount.segments or span.segment in discount.segments)
        and (discount.valid_from is None or discount.valid_from <= at)
        and (discount.valid_to is None or at < discount.valid_to)
        and (not discount.months or day < add_months(first_day, discount.months, first_day.day))
    )


def _amount(price_nano: int, share: tuple[int, int], sign: int, factors: tuple[Factor, ...]) -> Nano:
    numerator, denominator = sign * price_nano * share[0], share[1]
    for factor in factors:
        numerator *= factor.numerator
        denominator *= factor.denominator
    return Nano(int64(round_half_up(numerator, denominator)))


_nano = lru_cache(maxsize=4096)(nano)
"""Prices of plans are few, and each is charged thousands of times."""


def _planned(
    plan: PricePlan,
    price: Recurring | OneOff,
    period: Period,
    cycle: BillCycle,
    share: tuple[int, int],
    sign: int,
    factors: tuple[Factor, ...],
    trigger: str = "",
) -> PlannedCharge:
    first, after_last = period.local_days(cycle.tz)
    price_nano = _nano(price.price)
    total = _amount(price_nano, share, sign, factors)
    explanation = RecurringExplanation(
        offering=plan.offering,
        price_id=price.id,
        currency=plan.currency,
        price_nano=price_nano,
        first_day=first.isoformat(),
        after_last_day=after_last.isoformat(),
        days=0 if trigger else share[0],
        of_days=0 if trigger else share[1],
        sign=sign,
        factors=factors,
        trigger=trigger,
        total_nano=total,
    )
    label = price.label or price.id
    return PlannedCharge(price.id, label, price.tax, period, total, plan.currency, explanation)
