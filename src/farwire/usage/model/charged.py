"""Usage that online charging has charged: a record of what was used and taken, complete when it comes."""

from __future__ import annotations

from datetime import datetime

import msgspec

from farwire.kernel.ids import ProductId, UsageId
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


class ChargedTotal(msgspec.Struct, frozen=True):
    """Sum of charged usage in one currency. ``nano`` is unbounded."""

    currency: str
    nano: int
    count: int
