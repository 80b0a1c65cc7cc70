"""Show what an order would be decomposed into before anything is ordered: services, resources, tasks, with reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from farwire.base.clock import Clock
from farwire.base.storage import Tx
from farwire.catalog.model import Lack, Need, Refusal
from farwire.inventory import service as inventory
from farwire.ordering.model import ItemRequest, OrderRequest, Part, Step, normalised
from farwire.ordering.service.place import check, parts_after, steps_of


@dataclass(frozen=True, slots=True)
class Decomposed:
    """What an item would be decomposed into.

    ``parts`` are the services that the product will have, those that realise others behind them; ``steps`` the tasks,
    which wait for each other by their numbers from 1. ``lacks`` say what is missing for the time being.
    """

    number: int
    item: ItemRequest
    parts: tuple[Part, ...]
    steps: tuple[Step, ...]
    lacks: tuple[Lack, ...] = ()


@dataclass(frozen=True, slots=True)
class Decomposition:
    """An order's items, every reason against it, and what the pools that it takes from have left, at most 1,000."""

    items: tuple[Decomposed, ...]
    refusals: tuple[Refusal, ...]
    left: Mapping[str, int]

    def left_for(self, need: Need) -> int:
        """Return how many the pool of a need has left; none where there is no such pool."""
        return self.left.get(need.pool, 0)


async def preview_decomposition(*, tx: Tx, clock: Clock, request: OrderRequest) -> Decomposition:
    """Return what the order would be decomposed into. Nothing is written. Raises ``NotFound`` (``account.unknown``)."""
    request = normalised(request)
    checked = await check(tx=tx, clock=clock, request=request)
    parts = parts_after(request, checked.known, clock.now())
    items = tuple(
        Decomposed(
            number,
            item,
            parts[number],
            tuple(steps_of(item, parts[number], checked.known)),
            checked.known.realised[number].lacks if number in checked.known.realised else (),
        )
        for number, item in enumerate(request.items, 1)
    )
    pools = {need.pool for one in items for part in one.parts for need in part.needs}
    left = await inventory.left_in(tx, pools=sorted(pools - {""}))
    return Decomposition(items, checked.refusals, left)
