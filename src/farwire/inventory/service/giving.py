"""Give what is reserved to products: many at once, in the same few statements as one.

A number that is given to a product does two things: the resource is assigned, and usage under it belongs to the
product. This and ``take_back`` do both; nobody else should do one without the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from farwire.base import eventbus
from farwire.base.storage import Tx
from farwire.inventory import events
from farwire.inventory.model import Assignment, Product, Resource, ResourceState, check_active, identifiers
from farwire.inventory.service.products import find_product, get_products, reassign_each
from farwire.inventory.service.resources import locked_resource
from farwire.inventory.service.subscribers import ensure_subscriber_keys
from farwire.inventory.store import reservations
from farwire.inventory.store import resources as store
from farwire.kernel.errors import Conflict, NotFound
from farwire.kernel.ids import ProductId, ResourceId, ServiceId


@dataclass(frozen=True, slots=True)
class Gift:
    """What is reserved under ``key`` goes to the product, for one of its services, from ``at`` on."""

    key: str
    product_id: ProductId
    service_id: ServiceId | None
    at: datetime


async def give_resources(
    tx: Tx,
    *,
    key: str,
    product_id: ProductId,
    service_id: ServiceId | None = None,
    at: datetime,
    now: datetime,
) -> tuple[Resource, ...]:
    """Give everything that is reserved under ``key`` to the product from ``at`` on, and let usage follow.

    A number or a SIM names its holder in usage records: its identifiers (MSISDN, IMSI) become subscribers of the
    product at ``at``. ``at`` may be in the past, from the product's start on. Idempotent. Publishes
    ``resource_assigned``. Raises ``NotFound`` (``inventory.unknown``, ``inventory.reservation_unknown``), ``Conflict``
    (``inventory.resource_state``, ``inventory.held_then``, ``inventory.not_active``), ``Overlap``.
    """
    return (await give_each(tx, [Gift(key, product_id, service_id, at)], now=now))[key]


async def give_each(tx: Tx, gifts: Sequence[Gift], *, now: datetime) -> Mapping[str, tuple[Resource, ...]]:
    """Give what each key reserves, as ``give_resources`` does, all or none; return it by key."""
    held = await reservations.held_by_keys(tx, [one.key for one in gifts])
    for gift in gifts:
        if gift.key not in held:
            raise NotFound(
                "nothing is reserved under this key",
                code="inventory.reservation_unknown",
                field="key",
                value=gift.key,
                fix="it was released or has expired: reserve again",
            )
    by_key = {gift.key: gift for gift in gifts}
    for gift in gifts:
        if gift != by_key[gift.key]:
            raise _not_reserved(held[gift.key][0])
    given = await _assign(tx, [(one, gift) for gift in by_key.values() for one in held[gift.key]], now)
    return {gift.key: tuple(given[one.id] for one in held[gift.key]) for gift in gifts}


async def assign_resource(
    tx: Tx,
    *,
    resource_id: ResourceId,
    key: str,
    product_id: ProductId,
    service_id: ServiceId | None = None,
    at: datetime,
    now: datetime,
) -> Resource:
    """Give one resource that ``key`` reserved to the product; see ``give_resources``."""
    resource = await locked_resource(tx, resource_id)
    return (await _assign(tx, [(resource, Gift(key, product_id, service_id, at))], now))[resource_id]


async def _assign(
    tx: Tx, wanted: Sequence[tuple[Resource, Gift]], now: datetime
) -> Mapping[ResourceId, Resource]:
    """Assign locked resources; those that are assigned so already stay as they are. Return all of them."""
    there = {one.id: one for one, gift in wanted if _has(one, gift)}
    new = [(one, gift) for one, gift in wanted if one.id not in there]
    if not new:
        return there
    for one, gift in new:
        if one.key != gift.key or one.state is not ResourceState.RESERVED:
            raise _not_reserved(one)
    found = await get_products(tx, list({gift.product_id for _, gift in new}))
    for _, gift in new:
        check_active(found.get(gift.product_id) or await find_product(tx, gift.product_id), gift.at)
    await _check_given_back(tx, new)
    await store.set_assigned(tx, [(one.id, gift.product_id, gift.service_id, gift.at) for one, gift in new])
    assigned = await store.resources(tx, [one.id for one, _ in new])
    await _follow(tx, [(assigned[one.id], gift) for one, gift in new], found)
    facts = (events.resource_assigned(tx.tenant_id, assigned[one.id], gift.at, now) for one, gift in new)
    await eventbus.publish_many(tx, facts)
    return there | assigned


def _not_reserved(one: Resource) -> Conflict:
    return Conflict(
        f"the resource is {one.state}, and not reserved for this",
        code="inventory.resource_state",
        field="resource",
        value=one.id,
        fix="reserve again",
    )


def _has(one: Resource, gift: Gift) -> bool:
    held = one.state is ResourceState.ASSIGNED and one.product_id == gift.product_id
    return held and one.key == gift.key


async def _check_given_back(tx: Tx, new: Sequence[tuple[Resource, Gift]]) -> None:
    given_back = await store.given_back_at(tx, [one.id for one, _ in new])
    for one, gift in new:
        until = given_back.get(one.id)
        if until is not None and gift.at < until:
            raise Conflict(
                "another product had the resource then",
                code="inventory.held_then",
                field="at",
                value=gift.at,
                fix="give it from a later time on",
            )


async def _follow(tx: Tx, given: Sequence[tuple[Resource, Gift]], found: Mapping[ProductId, Product]) -> None:
    """Let usage under the resources' numbers and IMSIs belong to their products."""
    named = [(kind, value, gift) for one, gift in given for kind, value in identifiers(one)]
    if not named:
        return
    keys = await ensure_subscriber_keys(tx, [value for _, value, _ in named])
    rows: dict[datetime, list[tuple[ProductId, Assignment]]] = defaultdict(list)
    for kind, value, gift in named:
        until = found[gift.product_id].ended_at
        rows[gift.at].append((gift.product_id, Assignment(keys[value], kind, gift.at, until)))
    for at, assignments in rows.items():
        await reassign_each(tx, assignments, at=at)
