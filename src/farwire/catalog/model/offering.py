"""Offerings and the versions of their price plans in time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from farwire.catalog.model.lifecycle import Lifecycle
from farwire.catalog.model.plan import PricePlan
from farwire.kernel.errors import Conflict
from farwire.kernel.ids import OfferingId, PlanVersionId


@dataclass(frozen=True, slots=True)
class ProductOffering:
    """Something that a tenant sells. Source: TMF620, ProductOffering."""

    id: OfferingId
    code: str
    name: str
    lifecycle: Lifecycle


@dataclass(frozen=True, slots=True)
class PlanVersion:
    """A published price plan. It never changes; a product keeps the version that it was sold with."""

    id: PlanVersionId
    offering_id: OfferingId
    number: int
    """1, 2, 3 … in the order of publishing."""
    digest: str
    plan: PricePlan
    published_at: datetime

    @property
    def valid_from(self) -> datetime:
        """Return the first instant at which it can be sold."""
        return self.plan.valid_from


def in_force(versions: Sequence[PlanVersion], at: datetime) -> PlanVersion | None:
    """Return the version to sell at the instant ``at``: the one that started last and has not ended, or None."""
    started = [version for version in versions if version.valid_from <= at]
    if not started:
        return None
    latest = max(started, key=lambda version: version.valid_from)
    end = latest.plan.valid_to
    return latest if end is None or at < end else None


def check_fits(versions: Sequence[PlanVersion], plan: PricePlan) -> None:
    """Refuse a plan whose time overlaps a published version of its offering.

    A version without an end lasts until the next one starts, so only a stated end, or the same start, can
    overlap. Raises ``Conflict`` (``catalog.version_overlap``).
    """
    for version in versions:
        other = version.plan
        earlier, later = (other, plan) if other.valid_from <= plan.valid_from else (plan, other)
        same_start = other.valid_from == plan.valid_from
        if same_start or (earlier.valid_to is not None and earlier.valid_to > later.valid_from):
            end = "its successor" if other.valid_to is None else other.valid_to.isoformat()
            raise Conflict(
                f"version {version.number} of {plan.offering} is already published from "
                f"{other.valid_from.isoformat()} to {end}",
                code="catalog.version_overlap",
                field="valid_from",
                value=plan.valid_from.isoformat(),
                fix="a published version never changes: publish from another time",
            )
