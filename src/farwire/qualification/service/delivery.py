"""Whether an offering can be delivered at a place: by the rules of the catalogue, what lies there, and what is free."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from farwire.base.storage import Tx
from farwire.catalog.model import Lack, Sellable, Value, configure, realise
from farwire.inventory import service as inventory
from farwire.qualification.model import NOT_DELIVERABLE, Reason
from farwire.qualification.service.coverage import facts_at

ROUNDS: Final = 10
"""How often pools are asked for: a pool that has none left leads to another."""


async def against_delivery(
    tx: Tx, *, sold: Sellable, place: str, values: Mapping[str, Value]
) -> tuple[Reason, ...]:
    """Return why the offering cannot be delivered at the place now; a port that an order would wait for is a reason.

    An offering that takes nothing from anywhere is delivered everywhere.
    """
    product = sold.product_specification
    if product is None or not (product.rules or any(one.rules for one in sold.service_specifications)):
        return ()
    _, refusals = configure(product.characteristics, values)
    if refusals:
        return tuple(Reason(one.code, one.message) for one in refusals)
    facts = (await facts_at(tx, [place])).get(place, {})
    left: dict[str, int] = {}
    lacks: tuple[Lack, ...] = ()
    for _ in range(ROUNDS):
        found = realise(product, sold.service_specifications, values, place=facts, free=left)
        lacks, new = found.lacks, found.asked - left.keys()
        if not new:
            break
        left |= {**dict.fromkeys(new, 0), **await inventory.left_in(tx, pools=sorted(new))}
    return tuple(Reason(NOT_DELIVERABLE, f"{one.of}: {one.why}") for one in lacks)
