"""Usage prices that a customer negotiated: the plan with these prices in place of its own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final

import msgspec

from farwire.catalog.model import Discount, PricePlan, UsagePrice

OVERRIDE: Final = "override"


@dataclass(frozen=True, slots=True, order=True)
class UsageOverride:
    """The price ``price_id`` is ``price`` for what the plan's price is for, or ``percent`` of the plan's price.

    Exactly one of them is given; ``because`` names it in explanations.
    """

    price_id: str
    price: Decimal | None = None
    percent: Decimal | None = None
    because: str = ""


def with_overrides(plan: PricePlan, overrides: Sequence[UsageOverride]) -> PricePlan:
    """Return ``plan`` with the negotiated prices; the same plan where none of ``overrides`` is for its usage.

    A price takes the place of a deck, of tiers, of packages and of the record's own price. A percentage multiplies
    what the record costs, its connect fee included, as a discount does.
    """
    own = {one.price_id: one for one in overrides}
    found = [own[price.id] for price in plan.usage if price.id in own]
    if not found:
        return plan
    usage = tuple(_priced(price, own[price.id]) if price.id in own else price for price in plan.usage)
    shares = tuple(
        Discount(OVERRIDE, 100 - one.percent, (one.price_id,)) for one in found if one.percent is not None
    )
    return msgspec.structs.replace(plan, usage=usage, discounts=(*plan.discounts, *shares))


def _priced(price: UsagePrice, override: UsageOverride) -> UsagePrice:
    if override.price is None:
        return price
    return msgspec.structs.replace(
        price,
        price=override.price,
        tiers=None,
        package=None,
        deck="",
        source=None,
        markup_percent=Decimal(0),
    )
