"""Product instances with their dated plans and dated subscribers, as values."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from farwire.kernel.errors import Invalid
from farwire.kernel.ids import (
    AccountId,
    AgreementId,
    OfferingId,
    OrderId,
    OverrideId,
    PlanVersionId,
    ProductId,
    SubscriberKey,
)


class ProductState(StrEnum):
    """What a product is at a time; it follows from its dates (TMF637, ProductStatusType)."""

    PENDING_ACTIVE = "pending_active"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"


class SuspensionReason(StrEnum):
    """Why a product is suspended. It serves again when no reason is left."""

    DUNNING = "dunning"
    FRAUD = "fraud"
    CUSTOMER = "customer"
    LOST_SIM = "lost_sim"
    REGULATOR = "regulator"


class EndReason(StrEnum):
    """Why a product ended."""

    CEASE = "cease"
    WITHDRAWAL = "withdrawal"
    """Within the withdrawal period: one-off prices come back, no early-termination fee."""
    REPLACED = "replaced"
    """Another product took its place (a move, a change of offering): no early-termination fee."""


def _holds(valid_from: datetime, valid_to: datetime | None, at: datetime) -> bool:
    return valid_from <= at and (valid_to is None or at < valid_to)


@dataclass(frozen=True, slots=True)
class PlanChange:
    """From ``valid_from`` on (UTC) the product is priced by the plan version."""

    valid_from: datetime
    plan_version_id: PlanVersionId


@dataclass(frozen=True, slots=True)
class PlaceChange:
    """From ``valid_from`` on (UTC) the product is at ``place``: a site or an address, in the operator's words.

    It is personal. ``repr`` does not show it, and it is empty once its customer was erased.
    """

    valid_from: datetime
    place: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Assignment:
    """In ``[valid_from, valid_to)`` the subscriber's usage belongs to the product. ``kind``: msisdn, imsi and so on."""

    subscriber_key: SubscriberKey
    kind: str
    valid_from: datetime
    valid_to: datetime | None = None

    def covers(self, at: datetime) -> bool:
        """Return whether the assignment holds at ``at``."""
        return _holds(self.valid_from, self.valid_to, at)


@dataclass(frozen=True, slots=True)
class Suspension:
    """In ``[valid_from, valid_to)`` the product is suspended for ``reason``; without ``valid_to`` until it is resumed.

    ``recurring_percent`` (0 to 100) is what is charged of recurring prices meanwhile.
    """

    reason: SuspensionReason
    valid_from: datetime
    valid_to: datetime | None = None
    recurring_percent: int = 100

    @property
    def is_empty(self) -> bool:
        """Return whether it was undone: it ended when it began."""
        return self.valid_to is not None and self.valid_to <= self.valid_from

    def holds_at(self, at: datetime) -> bool:
        """Return whether the product is suspended for the reason at ``at``."""
        return _holds(self.valid_from, self.valid_to, at)


@dataclass(frozen=True, slots=True)
class PriceOverride:
    """In ``[valid_from, valid_to)`` the price ``price_id`` of the product's plan is another one.

    Exactly one of ``price`` (in the plan's currency, for what the plan's price is for) and ``percent`` (of the plan's
    price) is given. ``agreement_id`` names the agreement that it was negotiated in. Of overlapping ones the last added
    holds.
    """

    id: OverrideId
    price_id: str
    valid_from: datetime
    valid_to: datetime | None = None
    price: Decimal | None = None
    percent: Decimal | None = None
    reason: str = ""
    agreement_id: AgreementId | None = None

    @property
    def name(self) -> str:
        """Return what explanations call it: its reason, its agreement or both."""
        if self.agreement_id is None:
            return self.reason or "price override"
        agreement = f"agreement {self.agreement_id}"
        return f"{self.reason} ({agreement})" if self.reason else agreement


@dataclass(frozen=True, slots=True)
class Commitment:
    """The minimum term that the customer agreed to: ``[starts_at, ends_at)``.

    Ending it before ``ends_at`` costs ``fee`` (in the plan's currency), or ``remaining_percent`` of the recurring
    prices of the rest of the term, unless it is withdrawn within ``withdrawal_days`` of the start. ``notice_days``
    is how long before its end a cease must be asked for.
    """

    starts_at: datetime
    ends_at: datetime
    notice_days: int = 0
    withdrawal_days: int = 0
    fee: Decimal | None = None
    remaining_percent: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """What a customer has: an offering, its plan versions in the order of their time, its subscribers over time.

    ``ended_at`` is exclusive; None while it runs. A product that ends at its start was ceased on activation.
    ``parent_id`` is the bundle that it is a part of, ``order_id`` the order that made it. Suspensions, overrides,
    plans and places are history: they are closed or followed by later ones, never removed.
    """

    id: ProductId
    account_id: AccountId
    offering_id: OfferingId
    started_at: datetime
    plans: tuple[PlanChange, ...]
    ended_at: datetime | None = None
    assignments: tuple[Assignment, ...] = ()
    suspensions: tuple[Suspension, ...] = ()
    overrides: tuple[PriceOverride, ...] = ()
    commitment: Commitment | None = None
    end_reason: EndReason | None = None
    parent_id: ProductId | None = None
    order_id: OrderId | None = None
    places: tuple[PlaceChange, ...] = ()

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

    def suspended_for(self, at: datetime) -> frozenset[SuspensionReason]:
        """Return the reasons for which the product is suspended at ``at``; empty while it serves."""
        return frozenset(one.reason for one in self.suspensions if one.holds_at(at))

    def recurring_percent_at(self, at: datetime) -> int:
        """Return what is charged of recurring prices at ``at``: the least that any suspension of that time says."""
        shares = (one.recurring_percent for one in self.suspensions if one.holds_at(at))
        return min(shares, default=100)

    def override_at(self, price_id: str, at: datetime) -> PriceOverride | None:
        """Return the override of a price at ``at``: of several the last added."""
        found = [o for o in self.overrides if o.price_id == price_id and _holds(o.valid_from, o.valid_to, at)]
        return found[-1] if found else None

    def state_at(self, at: datetime) -> ProductState:
        """Return what the product is at ``at``."""
        if at < self.started_at:
            return ProductState.PENDING_ACTIVE
        if self.ended_at is not None and at >= self.ended_at:
            return ProductState.TERMINATED
        return ProductState.SUSPENDED if self.suspended_for(at) else ProductState.ACTIVE

    def plan_at(self, at: datetime) -> PlanVersionId | None:
        """Return the plan version that prices the product at ``at``, or None outside its life."""
        if not self.active_at(at):
            return None
        return next(change.plan_version_id for change in reversed(self.plans) if change.valid_from <= at)

    def place_at(self, at: datetime) -> str:
        """Return where the product is at ``at``: of several moves of one time the last added; empty where unknown."""
        held = [one for one in reversed(self.places) if one.valid_from <= at]
        return max(held, key=lambda one: one.valid_from).place if held else ""

    def serves(self, subscriber_key: SubscriberKey, at: datetime) -> bool:
        """Return whether usage of the subscriber at ``at`` belongs to this product."""
        return self.active_at(at) and any(
            assigned.subscriber_key == subscriber_key and assigned.covers(at) for assigned in self.assignments
        )
