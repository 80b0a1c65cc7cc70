"""Product instances with their dated plans and dated subscribers, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from farwire.kernel.errors import Invalid
from farwire.kernel.ids import AccountId, OfferingId, PlanVersionId, ProductId, SubscriberKey


@dataclass(frozen=True, slots=True)
class PlanChange:
    """From ``valid_from`` on (UTC) the product is priced by the plan version."""

    valid_from: datetime
    plan_version_id: PlanVersionId


@dataclass(frozen=True, slots=True)
class Assignment:
    """In ``[valid_from, valid_to)`` the subscriber's usage belongs to the product. ``kind``: msisdn, imsi and so on."""

    subscriber_key: SubscriberKey
    kind: str
    valid_from: datetime
    valid_to: datetime | None = None

    def covers(self, at: datetime) -> bool:
        """Return whether the assignment holds at ``at``."""
        return self.valid_from <= at and (self.valid_to is None or at < self.valid_to)


@dataclass(frozen=True, slots=True)
class Product:
    """What a customer has: an offering, its plan versions in the order of their time, its subscribers over time.

    ``ended_at`` is exclusive; None while it runs. A product that ends at its start was ceased on activation.
    """

    id: ProductId
    account_id: AccountId
    offering_id: OfferingId
    started_at: datetime
    plans: tuple[PlanChange, ...]
    ended_at: datetime | None = None
    assignments: tuple[Assignment, ...] = ()

    def __post_init__(self) -> None:
        if not self.plans or self.plans[0].valid_from > self.started_at:
            raise Invalid(
                "a product has a plan from its start on", code="inventory.plan_missing", field="plans"
            )
        if self.ended_at is not None and self.ended_at < self.started_at:
            raise Invalid(
                "a product ends after it starts", code="inventory.ended_before_start", field="ended_at"
            )

    def active_at(self, at: datetime) -> bool:
        """Return whether the product runs at ``at``."""
        return self.started_at <= at and (self.ended_at is None or at < self.ended_at)

    def plan_at(self, at: datetime) -> PlanVersionId | None:
        """Return the plan version that prices the product at ``at``, or None outside its life."""
        if not self.active_at(at):
            return None
        return next(change.plan_version_id for change in reversed(self.plans) if change.valid_from <= at)

    def serves(self, subscriber_key: SubscriberKey, at: datetime) -> bool:
        """Return whether usage of the subscriber at ``at`` belongs to this product."""
        return self.active_at(at) and any(
            assigned.subscriber_key == subscriber_key and assigned.covers(at) for assigned in self.assignments
        )
