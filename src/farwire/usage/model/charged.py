"""Usage that online charging has charged: a record of what was used and taken, complete when it comes."""

from __future__ import annotations

from datetime import datetime

import msgspec

from farwire.kernel.ids import PlanVersionId, ProductId, UsageId
from farwire.rating.model import UsageKind


class ChargedUsage(msgspec.Struct, frozen=True, gc=False):
    """One rating group of a session, or one event. ``charge_nano`` is what it cost in all, the overrun included.

    ``subscriber`` is the number of the account of online charging. ``quantity`` is in base units of ``kind``.
    """

    usage_id: UsageId
    kind: UsageKind
    started_at: datetime
    ended_at: datetime
    quantity: int
    subscriber: int
    product_id: ProductId | None
    rating_group: int
    price: int
    charge_nano: int
    currency: str


class OwedUsage(msgspec.Struct, frozen=True, gc=False, kw_only=True):
    """What online charging has priced and a bill is to collect. It is rated when it comes.

    ``key`` names it among what its source records. A negative ``charge_nano`` gives money back. Without ``price_id``
    the network named the amount itself.
    """

    key: str
    kind: UsageKind
    started_at: datetime
    quantity: int
    destination: str = ""
    """The prefix that decided the price, where one did: the number itself stays with the network."""
    rating_group: int
    product_id: ProductId
    plan_version_id: PlanVersionId
    charge_nano: int
    currency: str
    price_id: str = ""
    label: str
    billed_quantity: int
    tariff_version: str = ""
    explanation: str = ""


class OwedTotal(msgspec.Struct, frozen=True):
    """What is recorded of charged usage for bills in one currency: in all, and what of it is on one already."""

    currency: str
    nano: int
    billed_nano: int
    count: int
