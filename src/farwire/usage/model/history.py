"""Usage that was rated, as what rates it again needs to read it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from farwire.kernel.ids import ProductId, UsageId


class RatedUsage(msgspec.Struct, frozen=True, gc=False):
    """A rated usage with what it was charged, ``charge_nano`` of ``currency``."""

    usage_id: UsageId
    product_id: ProductId
    kind: str
    started_at: datetime
    quantity: int
    destination: str
    direction: str
    visited_network: str
    rating_group: int | None
    external_charge_nano: int | None
    external_currency: str
    charge_nano: int
    currency: str
    price_id: str
