"""What happened to a product, and how it stood at a time: read from its dated records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from farwire.inventory.model.product import PriceOverride, Product, ProductState, SuspensionReason
from farwire.kernel.ids import PlanVersionId, SubscriberKey


@dataclass(frozen=True, slots=True)
class Fact:
    """At ``at`` something began or ended to hold. ``what``: started, plan_changed, suspended and so on."""

    at: datetime
    what: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a product stood at a time."""

    at: datetime
    state: ProductState
    plan_version_id: PlanVersionId | None
    suspended_for: tuple[SuspensionReason, ...]
    recurring_percent: int
    overrides: tuple[PriceOverride, ...]
    place: str
    subscribers: tuple[SubscriberKey, ...]


def standing_at(product: Product, at: datetime) -> Standing:
    """Return how the product stood at ``at``. Outside its life nothing holds."""
    runs = product.active_at(at)
    prices = dict.fromkeys(one.price_id for one in product.overrides) if runs else {}
    held = (product.override_at(price_id, at) for price_id in prices)
    return Standing(
        at,
        product.state_at(at),
        product.plan_at(at),
        tuple(sorted(product.suspended_for(at))) if runs else (),
        product.recurring_percent_at(at) if runs else 100,
        tuple(one for one in held if one is not None),
        product.place_at(at) if runs else "",
        tuple(one.subscriber_key for one in product.assignments if one.covers(at)) if runs else (),
    )


def history(product: Product) -> tuple[Fact, ...]:
    """Return every dated fact of the product, oldest first; of one time in the order of causes. No personal data."""
    return tuple(sorted(_facts(product), key=lambda fact: fact.at))


def _facts(product: Product) -> Iterator[Fact]:
    yield Fact(product.started_at, "started")
    for change in product.plans:
        what = "priced" if change.valid_from <= product.started_at else "plan_changed"
        yield Fact(change.valid_from, what, str(change.plan_version_id))
    for place in product.places:
        yield Fact(place.valid_from, "placed" if place.valid_from <= product.started_at else "moved")
    if product.commitment is not None:
        yield Fact(
            product.commitment.starts_at, "committed", f"until {product.commitment.ends_at.isoformat()}"
        )
    for assigned in product.assignments:
        yield Fact(assigned.valid_from, "subscriber_assigned", assigned.kind)
        if assigned.valid_to is not None:
            yield Fact(assigned.valid_to, "subscriber_ended", assigned.kind)
    for override in product.overrides:
        yield Fact(override.valid_from, "price_overridden", override.price_id)
        if override.valid_to is not None:
            yield Fact(override.valid_to, "override_ended", override.price_id)
    for one in product.suspensions:
        yield Fact(one.valid_from, "suspended", f"{one.reason}, {one.recurring_percent} % charged")
        if one.valid_to is not None:
            yield Fact(one.valid_to, "resumed", one.reason.value)
    if product.ended_at is not None:
        yield Fact(product.ended_at, "ended", "" if product.end_reason is None else product.end_reason.value)
