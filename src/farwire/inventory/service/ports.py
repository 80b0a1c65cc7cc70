"""Ports: how many of those in an element nobody has, which, and how they come into a pool."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from farwire.base.storage import Tx
from farwire.inventory.model import Element, ElementId, Resource
from farwire.inventory.service.network import element_named, element_unknown
from farwire.inventory.service.pools import fill_pool, pool_named
from farwire.inventory.store import network, ports, resources
from farwire.kernel.errors import Invalid

MAX_ASKED: Final = 1_000
"""Elements of one question, and ports of one answer for each."""


@dataclass(frozen=True, slots=True)
class Port:
    """A port, and the resource of a pool that it is, if it is one: that is reserved to have the port."""

    element: Element
    resource: Resource | None


@dataclass(frozen=True, slots=True)
class FreePorts:
    """How many ports an element contains, how many of them are free, and the first of those by name."""

    total: int
    free: int
    first: tuple[Port, ...]


async def free_ports(
    tx: Tx, *, element_ids: Sequence[ElementId], kind: str = "port", first: int = 1, now: datetime
) -> Mapping[ElementId, FreePorts]:
    """Return the free elements of a ``kind`` in each of these elements (1 to 1,000), themselves included, at any depth.

    Free is what is in service, in containers that are, gives nothing (carries, serves, protects), and is an available
    resource of a pool or, where it is in none, is joined to nothing. ``first`` of them (0 to 1,000) are told by name.
    To have one, ``reserve_chosen`` its resource. One statement; costs a look-up for each element that is inside. Raises
    ``NotFound`` (``inventory.element_unknown``), ``Invalid`` (``inventory.elements``).
    """
    ids = list(dict.fromkeys(element_ids))
    if not 1 <= len(ids) <= MAX_ASKED or not 0 <= first <= MAX_ASKED:
        raise Invalid(
            f"ask for 1 to {MAX_ASKED} elements, and for at most as many ports of each",
            code="inventory.elements",
            field="element",
            value=len(ids),
        )
    known = await network.elements(tx, ids, now)
    missing = next((one for one in ids if one not in known), None)
    if missing is not None:
        raise element_unknown("element", missing)
    counted = await ports.count_ports(tx, ids, kind, first)
    free = [one for _, _, names in counted.values() for one in names]
    elements = await network.elements(tx, free, now)
    wanted = [one.resource_id for one in elements.values() if one.resource_id is not None]
    held = await resources.resources(tx, wanted)
    found = {
        one.id: Port(one, None if one.resource_id is None else held[one.resource_id])
        for one in elements.values()
    }
    answers = {}
    for one in ids:
        total, count, names = counted.get(one, (0, 0, []))
        answers[one] = FreePorts(total, count, tuple(found[name] for name in names))
    return answers


async def pool_ports(tx: Tx, *, pool: str, element: str, kind: str = "port", now: datetime) -> int:
    """Put the elements of a ``kind`` in an element, at any depth, into a pool; return how many are new in it.

    Each becomes the resource with its name, so that it is reserved and given like any other. Those that are in a pool
    stay as they are. Raises ``NotFound`` (``inventory.element_unknown``), and what ``fill_pool`` raises.
    """
    target = await pool_named(tx, pool)
    await network.lock_network(tx)
    root = await element_named(tx, name=element, at=now)
    new = await ports.elements_to_pool(tx, root.id, kind)
    added = await fill_pool(tx, pool=pool, values=[name for _, name in new])
    await ports.tie(tx, target, [one for one, _ in new])
    return added
