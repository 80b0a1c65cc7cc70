"""What the catalogue's rules make of the items of an order, with the facts of its places and what pools have left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from farwire.base.storage import Tx
from farwire.catalog import service as catalog
from farwire.catalog.model import (
    ProductSpecification,
    Realisation,
    Refusal,
    Sellable,
    ServiceSpecification,
    realise,
    typed,
)
from farwire.inventory import service as inventory
from farwire.kernel.ids import ProductId
from farwire.ordering.model import SITE_KINDS, Action, Held, ItemRequest, OrderRequest, Standing

ROUNDS: Final = 10
"""How often pools are asked for: a pool that has none left leads to another."""
_MAKES: Final = frozenset({Action.ADD, Action.CHANGE, Action.MOVE, Action.MODIFY})


@dataclass(frozen=True, slots=True)
class Asked:
    """An item whose services are to be found: what it is of, with what, where, and what the product has now."""

    number: int
    item: ItemRequest
    product: ProductSpecification
    services: tuple[ServiceSpecification, ...]
    place: str
    before: Standing

    def values(self) -> Mapping[str, bool | int | str]:
        """Return what is chosen: what the product has, and what the item says instead."""
        return {**typed(self.product.characteristics, self.before.chosen()), **self.item.characteristics}

    def chooses(self) -> bool:
        """Return whether it depends on what pools have left how the item is realised."""
        rules = (*self.product.rules, *(rule for one in self.services for rule in one.rules))
        needs = (need for one in self.services for need in one.resources)
        return any(len(rule.services) > 1 for rule in rules) or any(need.otherwise for need in needs)

    def own(self) -> Counter[str]:
        """Return what the product has of each pool and can go on having: it does not take that from anybody."""
        leaves = SITE_KINDS if self.item.action is Action.MOVE else frozenset[str]()
        return Counter(one.pool for one in self.before.held if one.kind not in leaves)


async def realise_items(
    tx: Tx, asked: list[Asked], facts: Mapping[str, Mapping[str, str]]
) -> Mapping[int, Realisation]:
    """Return the services of each item, by its number.

    Items are looked at one by one: two that want the last port of a pool are both taken, and the second one waits.
    """
    left: dict[str, int] = {}
    found: dict[int, Realisation] = {}
    for _ in range(ROUNDS):
        for one in asked:
            own = one.own()
            found[one.number] = realise(
                one.product,
                one.services,
                one.values(),
                place=facts.get(one.place, {}),
                free={pool: count + own[pool] for pool, count in left.items()},
                has=()
                if one.item.action is Action.MOVE
                else [each.specification for each in one.before.parts],
            )
        pools = {pool for one in asked if one.chooses() for pool in found[one.number].asked} - left.keys()
        if not pools:
            break
        left |= {**dict.fromkeys(pools, 0), **await inventory.left_in(tx, pools=sorted(pools))}
    return found


def lacking(asked: list[Asked], found: Mapping[int, Realisation]) -> Iterator[Refusal]:
    """Yield why items cannot be delivered; where only stock is missing, they can be ordered and wait."""
    for one in asked:
        for lack in found[one.number].lacks:
            if not lack.short:
                yield Refusal(
                    "ordering.not_deliverable",
                    f"{lack.of}: {lack.why}",
                    f"items[{one.number}].{'place' if 'place.' in lack.why else 'characteristics'}",
                    one.place,
                    "farwire order decompose shows what the rules say; order another offering or for another place",
                )


async def asked_of(
    tx: Tx,
    request: OrderRequest,
    sold: Mapping[int, Sellable],
    held: Mapping[ProductId, Held],
    standings: Mapping[ProductId, Standing],
    at: datetime,
) -> list[Asked]:
    """Return the items of an order that change what products are made of."""
    codes = {one.specification for one in held.values() if one.specification}
    known = await catalog.specifications_of(tx, products=sorted(codes), at=at) if codes else {}
    found = []
    for number, item in enumerate(request.items, 1):
        if item.action not in _MAKES or (item.action is Action.MODIFY and not item.characteristics):
            continue
        has = None if item.product_id is None else held.get(item.product_id)
        before = Standing() if item.product_id is None else standings.get(item.product_id, Standing())
        product, services = None, tuple[ServiceSpecification, ...]()
        if number in sold:
            product, services = sold[number].product_specification, sold[number].service_specifications
        elif has is not None and item.action in (Action.MODIFY, Action.MOVE):
            product, services = known.get(has.specification, (None, ()))
        if product is None:
            continue
        place = item.place or (has.product.place_at(at) if has is not None else "")
        found.append(Asked(number, item, product, services, place, before))
    return found
