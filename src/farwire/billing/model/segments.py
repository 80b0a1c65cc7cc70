"""A product's life, cut by all that changes what it costs: plans, overrides, suspensions, routes, its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from farwire.account.model import BillingAccount, ChargeKind
from farwire.billing.model.routes import UNSHARED, Shares, route_days
from farwire.catalog.model import PricePlan, Recurring
from farwire.inventory.model import EndReason, PlanChange, PriceOverride, Product, Suspension
from farwire.kernel.time import local_date, local_midnight
from farwire.rating.model.spans import ProductSpan, market_discounts, serves
from farwire.rating.model.terms import PLAIN, Stretch, Terms

_BY_DAYS: Final = Terms(by_days=True)
_NOTHING: Final = Terms(shares=(1, 0), own=1)
"""Of a price that is for customers elsewhere, or for others."""


@dataclass(frozen=True, slots=True)
class Market:
    """Where and what a customer is, as far as prices differ by it; what it was before, with when that ended."""

    region: str = ""
    segment: str = ""
    former: tuple[tuple[datetime, str, str], ...] = ()

    @classmethod
    def of(cls, account: BillingAccount) -> Market:
        """Return the market of an account over time."""
        former = tuple((one.valid_to, one.terms.region, one.terms.segment) for one in account.former)
        return cls(account.region, account.segment, former)


ANYBODY: Final = Market()
"""A customer of no region and segment."""


def plan_spans(product: Product, customer: Market) -> tuple[ProductSpan, ...]:
    """Return the plans that the product has or had with their times, without those replaced before they began.

    Changes to the plan version that it has already change nothing. The span of a plan that was to begin after the
    product's end is empty: what was paid for it comes back.
    """
    changes: list[PlanChange] = []
    for change in product.plans:
        if changes and max(changes[-1].valid_from, product.started_at) >= change.valid_from:
            changes.pop()
        if not changes or changes[-1].plan_version_id != change.plan_version_id:
            changes.append(change)
    found = []
    for number, change in enumerate(changes):
        start = max(change.valid_from, product.started_at)
        replaced = changes[number + 1].valid_from if number + 1 < len(changes) else None
        ends = [at for at in (replaced, product.ended_at) if at is not None]
        earlier = None if start == product.started_at else product.started_at
        end = min(ends, default=None)
        version = change.plan_version_id
        found.append(
            ProductSpan(start, end, customer.region, customer.segment, earlier, version, customer.former)
        )
    return tuple(found)


def stretches(
    product: Product,
    plan: PricePlan,
    price: Recurring,
    span: ProductSpan,
    to: date,
    tz: ZoneInfo,
    shares: Shares = UNSHARED,
) -> tuple[Stretch, ...]:
    """Return the days of ``span`` before ``to`` by the terms of a recurring price of ``plan``; neighbours differ."""
    first = local_date(span.start, tz)
    if to <= first:
        return ()
    by_market = price.regions or price.segments or any(one.regions or one.segments for one in plan.discounts)
    moving = bool(by_market and span.former)
    if shares.whole and not (product.suspensions or product.overrides or moving):
        held = market_discounts(plan, price.id, span, span.start) if by_market else None
        whole = _BY_DAYS if withdrawn(product) else PLAIN
        return (Stretch(first, to, whole if held is None else replace(whole, discounts=held)),)
    dated = (*_cuts(product, tz, shares), *(local_date(at, tz) for at, _, _ in span.former))
    cuts = {first, to, *(day for day in dated if first < day < to)}
    found: list[Stretch] = []
    for day, following in pairwise(sorted(cuts)):
        last = local_midnight(following, tz) - timedelta.resolution
        terms = _NOTHING
        if not moving or serves(price, span, last):
            held = market_discounts(plan, price.id, span, last)
            terms = terms_on(product, price.id, ChargeKind.RECURRING, day, tz, shares, held)
        if found and found[-1].terms == terms:
            found[-1] = Stretch(found[-1].first, following, found[-1].terms)
        else:
            found.append(Stretch(day, following, terms))
    return tuple(found)


def terms_on(
    product: Product,
    price_id: str,
    kind: ChargeKind,
    day: date,
    tz: ZoneInfo,
    shares: Shares,
    discounts: tuple[str, ...] | None = None,
) -> Terms:
    """Return the terms of a price on a local day: those that hold when the day ends, as a change day is of the new.

    ``discounts`` are those by region or segment that are for the customer then (``market_discounts``).
    """
    override = _override_on(product.overrides, price_id, day, tz)
    percent = _recurring_percent_on(product.suspensions, day, tz) if kind is ChargeKind.RECURRING else 100
    weights, own = ((), 0) if shares.whole else shares.on(day, kind, tz)
    terms = Terms(
        price=None if override is None else override.price,
        percent=None if override is None else override.percent,
        recurring_percent=percent,
        by_days=kind is ChargeKind.RECURRING and withdrawn(product),
        shares=weights,
        own=own,
        discounts=discounts,
        because="" if override is None else override.name,
    )
    return PLAIN if terms == PLAIN else terms


def withdrawn(product: Product) -> bool:
    """Return whether the customer withdrew: then it pays by days, and nothing once."""
    return product.end_reason is EndReason.WITHDRAWAL


def _cuts(product: Product, tz: ZoneInfo, shares: Shares) -> Iterator[date]:
    dated: Sequence[Suspension | PriceOverride] = (*product.suspensions, *product.overrides)
    for one in dated:
        yield local_date(one.valid_from, tz)
        if one.valid_to is not None:
            yield local_date(one.valid_to, tz)
    for route in shares.routes:
        yield from route_days(route, tz)


def _holds_on(one: Suspension | PriceOverride, day: date, tz: ZoneInfo) -> bool:
    return local_date(one.valid_from, tz) <= day and (
        one.valid_to is None or day < local_date(one.valid_to, tz)
    )


def _override_on(
    overrides: Sequence[PriceOverride], price_id: str, day: date, tz: ZoneInfo
) -> PriceOverride | None:
    """Return the override of that day: of several the last added."""
    return next((o for o in reversed(overrides) if o.price_id == price_id and _holds_on(o, day, tz)), None)


def _recurring_percent_on(suspensions: Sequence[Suspension], day: date, tz: ZoneInfo) -> int:
    """Return the least that any suspension of that day leaves."""
    return min((s.recurring_percent for s in suspensions if _holds_on(s, day, tz)), default=100)
