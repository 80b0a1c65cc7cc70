"""Product orders and their items, as values. What was asked for are documents; how far it is are states."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, TypeAlias, Union

import msgspec

from farwire.base.canonical import JSON
from farwire.inventory.model import SuspensionReason
from farwire.kernel.ids import AccountId, OrderId, OrderItemId, PartyId, PlanVersionId, ProductId

Value: TypeAlias = Union[bool, int, str]  # noqa: UP007
"""The value of a characteristic. Decimals are texts."""


class Action(StrEnum):
    """What an item does to a product."""

    ADD = "add"
    CHANGE = "change"
    """Another offering for the same product: its plan, its services."""
    MODIFY = "modify"
    """Another price for a while, or other characteristics."""
    MOVE = "move"
    """Another place for the same product."""
    SUSPEND = "suspend"
    RESUME = "resume"
    CEASE = "cease"


class OrderState(StrEnum):
    """The states of an order (TMF622, ProductOrderStateType)."""

    ACKNOWLEDGED = "acknowledged"
    """Taken and valid; its work is due."""
    REJECTED = "rejected"
    PENDING = "pending"
    """Waits for its date."""
    HELD = "held"
    """Waits for somebody: a verification, a release, a decision about a task that failed."""
    IN_PROGRESS = "in_progress"
    PENDING_CANCELLATION = "pending_cancellation"
    """What was done is being undone."""
    CANCELLED = "cancelled"
    COMPLETED = "completed"
    PARTIAL = "partial"
    """Ended: some items completed, others not."""
    FAILED = "failed"

    @property
    def ended(self) -> bool:
        """Return whether nothing more happens to such an order by itself."""
        return self in ENDED


ENDED: Final = frozenset(
    {
        OrderState.REJECTED,
        OrderState.CANCELLED,
        OrderState.COMPLETED,
        OrderState.PARTIAL,
        OrderState.FAILED,
    }
)


class Jeopardy(StrEnum):
    """How an order that is not done stands to its due date."""

    AT_RISK = "at_risk"
    """The date is near, or the next try comes after it."""
    MISSED = "missed"


class ItemState(StrEnum):
    """The states of an item; they follow from its tasks."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    HELD = "held"
    """A task is in fallout."""
    COMPLETED = "completed"
    ROLLING_BACK = "rolling_back"
    ROLLBACK_FAILED = "rollback_failed"
    CANCELLED = "cancelled"
    FAILED = "failed"
    REJECTED = "rejected"


ASKS_KYC: Final = "asks_kyc"
"""The detail of an item that gives out a SIM where the law asks for a verified customer."""


class HoldReason(StrEnum):
    """Why an order is not begun although its date has come."""

    KYC = "kyc"
    """The country asks for a verified customer before a SIM is given out."""
    MANUAL = "manual"


class Asked(msgspec.Struct, frozen=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """A part of what was asked for, as a document: in a request, in a file and in the database it is the same."""


class PriceChange(Asked, frozen=True):
    """A price of the plan that this customer pays otherwise: exactly one of ``price`` and ``percent``.

    It holds from the item's date until ``until`` (exclusive; None is without end). ``reason`` is shown on the bill's
    explanation.
    """

    price_id: str
    reason: str
    price: Decimal | None = None
    percent: Decimal | None = None
    until: datetime | None = None


class ItemRequest(Asked, frozen=True, kw_only=True):
    """One line of an order as it was asked for. Which fields an action reads: docs/ordering.md."""

    action: Action = Action.ADD
    offering: str = ""
    """The code, for add and change."""
    product_id: ProductId | None = None
    """The product, for everything but add."""
    parent: int | None = None
    """For add: the number (from 1) of the bundle's item in this order."""
    number: str = ""
    """For add: a phone number that the customer brings; without it one comes from the pool."""
    place: str = ""
    """For add and move: the site."""
    characteristics: Mapping[str, Value] = {}
    overrides: tuple[PriceChange, ...] = ()
    reason: SuspensionReason | None = None
    """For suspend and resume."""
    recurring_percent: int | None = None
    """For suspend: what is charged of recurring prices meanwhile; None is what the tenant's policy says."""
    withdrawal: bool | None = None
    """For cease: whether it is a withdrawal; None is whenever the withdrawal period allows it."""


class OrderRequest(Asked, frozen=True, kw_only=True):
    """An order as it was asked for. ``requested_at`` None means as soon as it can be done."""

    account_id: AccountId
    items: tuple[ItemRequest, ...]
    requested_at: datetime | None = None
    channel: str = ""


@dataclass(frozen=True, slots=True)
class OrderItem:
    """An item with what was decided about it.

    ``product_id`` is the product that it makes or changes, ``plan_version_id`` the prices that were sold.
    ``effective_at`` is the instant from which the change counts, fixed when the work begins. ``final`` says that its
    point of no return is passed. ``ends_as`` is what it is after a rollback.
    """

    id: OrderItemId
    number: int
    request: ItemRequest
    product_id: ProductId
    plan_version_id: PlanVersionId | None = None
    state: ItemState = ItemState.PENDING
    effective_at: datetime | None = None
    final: bool = False
    ends_as: ItemState = ItemState.CANCELLED
    reason: str = ""
    details: Mapping[str, JSON] = field(default_factory=dict)
    """What was agreed when it was placed: the terms, the prices of an agreement, the services."""


@dataclass(frozen=True, slots=True)
class ProductOrder:
    """An order. ``version`` counts its amendments from 1.

    ``requested_at`` is what was asked for, ``starts_at`` the instant at which its work is due, ``released_at`` when it
    was last released from a hold, ``started_at`` when its first task began. ``holds`` is why it waits.
    ``due_by`` is until when it is to be done, ``jeopardy`` what was said about that date, once.
    """

    id: OrderId
    key: str
    account_id: AccountId
    party_id: PartyId
    state: OrderState
    items: tuple[OrderItem, ...]
    placed_at: datetime
    starts_at: datetime
    requested_at: datetime | None = None
    version: int = 1
    channel: str = ""
    holds: frozenset[HoldReason] = frozenset()
    released_at: datetime | None = None
    started_at: datetime | None = None
    ended_at: datetime | None = None
    due_by: datetime | None = None
    jeopardy: Jeopardy | None = None
    reason: str = ""
