"""A product's life, cut by all that changes what it costs: plans, overrides, suspensions, routes, its end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

from farwire.billing.model.routes import UNSHARED, Shares
from farwire.inventory.model import EndReason, PlanChange, PriceOverride, Product, Suspension
from farwire.kernel.time import local_date
from farwire.rating.model.recurring import ProductSpan
from farwire.rating.model.terms import PLAIN, Stretch, Terms

RECURRING: Final = "recurring"
ONE_OFF: Final = "one_off"
_BY_DAYS: Final = Terms(by_days=True)


def plan_spans(product: Product, region: str, segment: str) -> tuple[ProductSpan, ...]:
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
        found.append(ProductSpan(start, end, region, segment, earlier, change.plan_version_id))
    return tuple(found)


def stretches(
    product: Product,
    price_id: str,
    span: ProductSpan,
    to: date,
    tz: ZoneInfo,
    shares: Shares = UNSHARED,
) -> tuple[Stretch, ...]:
    """Return the days of ``span`` before ``to`` by the terms of a recurring price; neighbours differ."""
    first = local_date(span.start, tz)
    if to <= first:
        return ()
    if not (product.suspensions or product.overrides or shares.routes):
        return (Stretch(first, to, _BY_DAYS if withdrawn(product) else PLAIN),)
    cuts = {first, to, *(day for day in _cuts(product, tz, shares) if first < day < to)}
    found: list[Stretch] = []
    for day, following in pairwise(sorted(cuts)):
        terms = terms_on(product, price_id, RECURRING, day, tz, shares)
        if found and found[-1].terms == terms:
            found[-1] = Stretch(found[-1].first, following, found[-1].terms)
        else:
            found.append(Stretch(day, following, terms))
    return tuple(found)


def terms_on(product: Product, price_id: str, kind: str, day: date, tz: ZoneInfo, shares: Shares) -> Terms:
    """Return the terms of a price on a local day: those that hold when the day ends, as a change day is of the new."""
    override = _override_on(product.overrides, price_id, day, tz)
    percent = _recurring_percent_on(product.suspensions, day, tz) if kind == RECURRING else 100
    weights, own = shares.on(day, kind, tz) if shares.routes else ((), 0)
    terms = Terms(
        price=None if override is None else override.price,
        percent=None if override is None else override.percent,
        recurring_percent=percent,
        by_days=kind == RECURRING and withdrawn(product),
        shares=weights,
        own=own,
        because="" if override is None else override_name(override),
    )
    return PLAIN if terms == PLAIN else terms


def withdrawn(product: Product) -> bool:
    """Return whether the customer withdrew: then it pays by days, and nothing once."""
    return product.end_reason is EndReason.WITHDRAWAL


def override_name(override: PriceOverride) -> str:
    """Return why the price is another one, for explanations."""
    if override.agreement_id is not None:
        agreement = f"agreement {override.agreement_id}"
        return f"{override.reason} ({agreement})" if override.reason else agreement
    return override.reason or "price override"


def _cuts(product: Product, tz: ZoneInfo, shares: Shares) -> Iterator[date]:
    dated: Sequence[Suspension | PriceOverride] = (*product.suspensions, *product.overrides)
    for one in dated:
        yield local_date(one.valid_from, tz)
        if one.valid_to is not None:
            yield local_date(one.valid_to, tz)
    for route in shares.routes:
        yield from route.days(tz)


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
