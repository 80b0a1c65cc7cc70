"""A product's time on one plan, and which prices and discounts are for its customer then."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from farwire.catalog.model import Discount, OneOff, PricePlan, Recurring
from farwire.kernel.ids import PlanVersionId
from farwire.kernel.time import BillCycle, add_months, local_date


@dataclass(frozen=True, slots=True)
class ProductSpan:
    """The life of a product on one plan: from ``start``, to ``end`` where it has one.

    ``product_start`` is when the product itself began, where that was on an earlier plan. ``former`` are the regions
    and segments before ``region`` and ``segment``, each with the time until which both held, oldest first.
    """

    start: datetime
    end: datetime | None = None
    region: str = ""
    segment: str = ""
    product_start: datetime | None = None
    plan_version_id: PlanVersionId | None = None
    former: tuple[tuple[datetime, str, str], ...] = ()

    def market_at(self, at: datetime) -> tuple[str, str]:
        """Return the customer's region and segment at ``at``."""
        for valid_to, region, segment in self.former:
            if at < valid_to:
                return region, segment
        return self.region, self.segment


def serves(price: Recurring | OneOff, span: ProductSpan, at: datetime | None = None) -> bool:
    """Return whether ``price`` is for customers like that of ``span``, now or ``at`` a time."""
    region, segment = (span.region, span.segment) if at is None else span.market_at(at)
    return (not price.regions or region in price.regions) and (
        not price.segments or segment in price.segments
    )


def ever_serves(price: Recurring | OneOff, span: ProductSpan) -> bool:
    """Return whether ``price`` is or was for customers like that of ``span``."""
    times = (None, *(valid_to - timedelta.resolution for valid_to, _, _ in span.former))
    return any(serves(price, span, at) for at in times)


def market_discounts(
    plan: PricePlan, price_id: str, span: ProductSpan, at: datetime
) -> tuple[str, ...] | None:
    """Return the ids of a price's discounts by region or segment that are for the customer at ``at``.

    None where the price has no such discount.
    """
    found = [one for one in plan.discounts if price_id in one.prices and (one.regions or one.segments)]
    return tuple(one.id for one in found if _is_for(one, span, at)) if found else None


def _is_for(discount: Discount, span: ProductSpan, at: datetime) -> bool:
    region, segment = span.market_at(at)
    return (not discount.regions or region in discount.regions) and (
        not discount.segments or segment in discount.segments
    )


def discounted(
    discount: Discount,
    span: ProductSpan,
    at: datetime,
    day: date,
    cycle: BillCycle,
    held: tuple[str, ...] | None,
) -> bool:
    """Return whether ``discount`` holds for a period that starts at ``at`` on ``day``.

    ``held`` are the market's discounts by which it is charged (``Terms.discounts``); None: those of today's facts.
    """
    first_day = local_date(span.product_start or span.start, cycle.tz)
    by_market = bool(discount.regions or discount.segments)
    return (
        (discount.id in held if by_market and held is not None else _is_for(discount, span, at))
        and (discount.valid_from is None or discount.valid_from <= at)
        and (discount.valid_to is None or at < discount.valid_to)
        and (not discount.months or day < add_months(first_day, discount.months, first_day.day))
    )
