"""What a command does to a product: pure decisions. A record is added or closed, never removed.

Commands may be back-dated within the product's life: each says from when it holds.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from farwire.inventory.model.product import (
    EndReason,
    PlaceChange,
    PlanChange,
    Product,
    Suspension,
    SuspensionReason,
)
from farwire.kernel.errors import Conflict, Invalid
from farwire.kernel.ids import PlanVersionId

MAX_PLACE: Final = 500


@dataclass(frozen=True, slots=True)
class Closing:
    """The suspension at ``index`` of ``Product.suspensions`` now ends at ``valid_to``."""

    index: int
    valid_to: datetime


@dataclass(frozen=True, slots=True)
class Resumed:
    """What resuming closes, and whether the product serves again: no other reason is left at that time."""

    product: Product
    closings: tuple[Closing, ...]
    serves: bool


def check_active(product: Product, at: datetime) -> None:
    """Raise ``Conflict`` (``inventory.not_active``) where the product does not run at ``at``."""
    if not product.active_at(at):
        raise Conflict(
            "the product is not active then",
            code="inventory.not_active",
            field="at",
            value=at,
            fix="name a time from its start on and before its end",
        )


def end_overrides(product: Product, at: datetime) -> Product:
    """Return ``product`` without the prices that were agreed for the plan that ends at ``at``.

    Ids of prices, such as "monthly", are the same in many plans: what was agreed for one is not for the next. What is
    agreed for a plan that follows later stays.
    """
    following = [one.valid_from for one in product.plans if one.valid_from > at]
    return replace(
        product,
        overrides=tuple(
            replace(one, valid_to=max(at, one.valid_from))
            if (one.valid_to is None or one.valid_to > at)
            and not any(start <= one.valid_from for start in following)
            else one
            for one in product.overrides
        ),
    )


def replan(product: Product, plan_version_id: PlanVersionId, at: datetime) -> PlanChange | None:
    """Return the plan change to add, None where it is there already.

    It holds until the next change, if a later one exists. Raises ``Conflict`` (``inventory.not_active``,
    ``inventory.plan_changed_then``: another plan was chosen for that very time).
    """
    check_active(product, at)
    same = next((change for change in product.plans if change.valid_from == at), None)
    if same is None:
        return PlanChange(at, plan_version_id)
    if same.plan_version_id != plan_version_id:
        raise Conflict(
            "the product changes to another plan at that very time",
            code="inventory.plan_changed_then",
            field="at",
            value=at,
            fix="change it at a later time",
        )
    return None


def relocate(product: Product, place: str, at: datetime) -> PlaceChange | None:
    """Return the change of place to add, None where the product is there already.

    It holds until the next move, if a later one exists. Raises ``Invalid`` (``inventory.place``), ``Conflict``
    (``inventory.not_active``).
    """
    if not place.strip() or len(place) > MAX_PLACE or not place.isprintable():
        raise Invalid(
            f"a place has 1 to {MAX_PLACE} printable characters", code="inventory.place", field="place"
        )
    check_active(product, at)
    return None if product.place_at(at) == place else PlaceChange(at, place)


def suspend(
    product: Product, reason: SuspensionReason, at: datetime, recurring_percent: int
) -> Suspension | None:
    """Return the suspension to add, None where the product is suspended for that reason at that time already.

    A back-dated one ends where a later one for the same reason starts, or the product ended. Raises ``Invalid``
    (``inventory.percent``), ``Conflict`` (``inventory.not_active``, ``inventory.suspended_otherwise``: with another
    percentage).
    """
    if not 0 <= recurring_percent <= 100:
        raise Invalid(
            "a suspension charges 0 to 100 percent",
            code="inventory.percent",
            field="recurring_percent",
            value=recurring_percent,
        )
    check_active(product, at)
    own = [one for one in product.suspensions if one.reason is reason]
    held = next((one for one in own if one.holds_at(at)), None)
    if held is not None:
        if held.recurring_percent != recurring_percent:
            raise Conflict(
                f"the product is suspended for {reason} at {held.recurring_percent} percent",
                code="inventory.suspended_otherwise",
                field="recurring_percent",
                value=recurring_percent,
                fix="resume it first, then suspend it anew",
            )
        return None
    starts = [one.valid_from for one in own if one.valid_from > at and not one.is_empty]
    ends = [] if product.ended_at is None else [product.ended_at]
    later = min(starts + ends, default=None)
    return Suspension(reason, at, later, recurring_percent)


def resume(product: Product, reason: SuspensionReason, at: datetime) -> Resumed:
    """Return what resuming from ``at`` on closes: the suspension of that time, and what follows it without a gap.

    Where the product is not suspended for the reason at ``at``, nothing is closed. Raises ``Conflict``
    (``inventory.not_active``).
    """
    check_active(product, at)
    indexed = [(i, one) for i, one in enumerate(product.suspensions) if one.reason is reason]
    closings: list[Closing] = []
    held = next(((i, one) for i, one in indexed if one.holds_at(at)), None)
    while held is not None:
        index, one = held
        closings.append(Closing(index, max(one.valid_from, at)))
        until = one.valid_to
        held = next(((i, s) for i, s in indexed if s.valid_from == until and not s.is_empty), None)
    after = _closed(product, closings)
    return Resumed(after, tuple(closings), bool(closings) and not after.suspended_for(at))


def _closed(product: Product, closings: list[Closing]) -> Product:
    ends = {one.index: one.valid_to for one in closings}
    return replace(
        product,
        suspensions=tuple(
            replace(one, valid_to=ends[index]) if index in ends else one
            for index, one in enumerate(product.suspensions)
        ),
    )


def end(product: Product, at: datetime, reason: EndReason) -> tuple[Product, tuple[Closing, ...]] | None:
    """Return the ended product with what that closes, None where it ended then already.

    ``at`` is exclusive and may be the start. Raises ``Conflict`` (``inventory.ended``) where it ended at another time
    or for another reason, or ``at`` is before its start.
    """
    if product.ended_at == at and product.end_reason in (None, reason):
        return None
    if product.ended_at is not None or at < product.started_at:
        raise Conflict("the product cannot end then", code="inventory.ended", field="at", value=at)
    closings = [
        Closing(index, max(one.valid_from, at))
        for index, one in enumerate(product.suspensions)
        if one.valid_to is None or one.valid_to > at
    ]
    ended = replace(_closed(product, closings), ended_at=at, end_reason=reason)
    return ended, tuple(closings)
