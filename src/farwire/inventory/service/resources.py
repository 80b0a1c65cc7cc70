"""Resources in use: who has which number, SIM or port, since when, and who had it before.

A number that is given to a product does two things: the resource is assigned, and usage under it belongs to the
product. ``give_resources`` and ``take_back`` do both; nobody else should do one without the other.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from farwire.base import eventbus
from farwire.base.storage import Tx
from farwire.inventory import events
from farwire.inventory.model import (
    Product,
    Resource,
    ResourceKind,
    ResourceState,
    ResourceUse,
    check_active,
    identifiers,
)
from farwire.inventory.service.products import find_product, reassign
from farwire.inventory.service.subscribers import ensure_subscriber_keys, subscriber_keys
from farwire.inventory.store import products, reservations
from farwire.inventory.store import resources as store
from farwire.kernel.errors import Conflict, NotFound, check
from farwire.kernel.ids import ProductId, ResourceId, ServiceId
from farwire.kernel.page import Page, PageRequest


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
    held = await reservations.held_by(tx, key)
    if not held:
        raise NotFound(
            "nothing is reserved under this key",
            code="inventory.reservation_unknown",
            field="key",
            value=key,
            fix="it was released or has expired: reserve again",
        )
    return tuple(
        [
            await assign_resource(
                tx, resource_id=one.id, key=key, product_id=product_id, service_id=service_id, at=at, now=now
            )
            for one in held
        ]
    )


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
    """Give one resource that ``key`` reserves to the product; see ``give_resources``."""
    resource = await _locked(tx, resource_id)
    if resource.key == key and resource.state is ResourceState.ASSIGNED and resource.product_id == product_id:
        return resource
    if resource.key != key or resource.state is not ResourceState.RESERVED:
        raise Conflict(
            f"the resource is {resource.state}, and not reserved for this",
            code="inventory.resource_state",
            field="resource",
            value=resource_id,
            fix="reserve again",
        )
    product = await find_product(tx, product_id)
    check_active(product, at)
    await _check_given_back(tx, resource_id, at)
    await store.set_assigned(tx, resource_id, product_id, service_id, at)
    assigned = await _locked(tx, resource_id)
    await _follow(tx, assigned, product, at)
    await eventbus.publish(tx, events.resource_assigned(tx.tenant_id, assigned, at, now))
    return assigned


async def _check_given_back(tx: Tx, resource_id: ResourceId, at: datetime) -> None:
    past = await store.uses(tx, resource_id)
    if past and past[-1].valid_to is not None and at < past[-1].valid_to:
        raise Conflict(
            "another product had the resource then",
            code="inventory.held_then",
            field="at",
            value=at,
            fix="give it from a later time on",
        )


async def _follow(tx: Tx, resource: Resource, product: Product, at: datetime) -> None:
    """Let usage under the resource's number and IMSI belong to the product from ``at`` on."""
    kinds = {value: kind for kind, value in identifiers(resource)}
    for value, subscriber in (await ensure_subscriber_keys(tx, list(kinds))).items():
        await reassign(
            tx,
            subscriber_key=subscriber,
            product_id=product.id,
            kind=kinds[value],
            at=at,
            until=product.ended_at,
        )


async def return_resource(tx: Tx, *, resource_id: ResourceId, at: datetime, now: datetime) -> Resource:
    """Take the resource from its product at ``at`` (exclusive); it rests as long as its pool says, counted from ``at``.

    Usage under it no longer belongs to the product. A resource that no product has stays as it is. Publishes
    ``resource_returned``. Raises ``NotFound`` (``inventory.resource_unknown``), ``Conflict`` (``inventory.held_then``:
    it was given later than ``at``).
    """
    resource = await _locked(tx, resource_id)
    if resource.product_id is None:
        return resource
    last = (await store.uses(tx, resource_id))[-1]
    if at < last.valid_from:
        raise Conflict(
            "the product got the resource later than that", code="inventory.held_then", field="at", value=at
        )
    pool = await store.pool_named(tx, resource.pool)
    days = 0 if pool is None else pool.quarantine_days
    rests_until = at + timedelta(days=days)
    await store.set_returned(tx, resource_id, at, rests_until if rests_until > now else None)
    keys = await subscriber_keys(tx, [value for _, value in identifiers(resource)])
    if keys:
        await products.close_assignments(tx, resource.product_id, list(keys.values()), at)
    if resource.key is not None:
        await reservations.close_empty_reservations(tx, [resource.key])
    await eventbus.publish(tx, events.resource_returned(tx.tenant_id, resource, at, now))
    return await _locked(tx, resource_id)


async def take_back(tx: Tx, *, product_id: ProductId, at: datetime, now: datetime) -> tuple[Resource, ...]:
    """Take everything from the product that it has, e.g. because it ends at ``at``; see ``return_resource``."""
    held = await store.resources_of_products(tx, [product_id])
    return tuple([await return_resource(tx, resource_id=one.id, at=at, now=now) for one in held])


async def retire_resource(tx: Tx, *, resource_id: ResourceId) -> None:
    """Take an unused resource out of its pool for good. Idempotent.

    Raises ``NotFound`` (``inventory.resource_unknown``), ``Conflict`` (``inventory.resource_state``).
    """
    resource = await _locked(tx, resource_id)
    if resource.state is not ResourceState.RETIRED and not await store.set_retired(tx, resource_id):
        raise Conflict(
            f"the resource is {resource.state}",
            code="inventory.resource_state",
            field="resource",
            value=resource_id,
            fix="release it or take it back first",
        )


async def _locked(tx: Tx, resource_id: ResourceId) -> Resource:
    await store.lock_resource(tx, resource_id)
    found = (await store.resources(tx, [resource_id])).get(resource_id)
    if found is None:
        raise NotFound(
            "there is no such resource",
            code="inventory.resource_unknown",
            field="resource",
            value=resource_id,
        )
    return found


async def get_resource(tx: Tx, *, resource_id: ResourceId) -> Resource:
    """Return the resource. Raises ``NotFound`` (``inventory.resource_unknown``)."""
    return await _locked(tx, resource_id)


async def resource_valued(tx: Tx, *, kind: ResourceKind, value: str) -> Resource:
    """Return the resource with that value. Raises ``NotFound`` (``inventory.resource_unknown``)."""
    found = await store.resource_valued(tx, kind, value.removeprefix("+"))
    if found is None:
        raise NotFound(f"no pool has this {kind}", code="inventory.resource_unknown", field="value")
    return found


async def resources_of_products(
    tx: Tx, product_ids: Sequence[ProductId]
) -> Mapping[ProductId, tuple[Resource, ...]]:
    """Return what each product has now, by kind and value, in one statement."""
    found: dict[ProductId, list[Resource]] = defaultdict(list)
    for one in await store.resources_of_products(tx, product_ids):
        check(one.product_id is not None, "inventory.resource_owner")
        if one.product_id is not None:
            found[one.product_id].append(one)
    return {product_id: tuple(held) for product_id, held in found.items()}


async def list_resources(
    tx: Tx,
    *,
    page: PageRequest,
    pool: str | None = None,
    state: ResourceState | None = None,
    product_id: ProductId | None = None,
    kind: ResourceKind | None = None,
) -> Page[Resource]:
    """Return a page of the tenant's resources by kind and value."""
    items, total = await store.list_resources(
        tx, pool=pool, state=state, product_id=product_id, kind=kind, limit=page.limit, offset=page.offset
    )
    return Page(tuple(items), total, page.offset, page.limit)


async def resource_history(tx: Tx, *, resource_id: ResourceId) -> tuple[ResourceUse, ...]:
    """Return who had the resource, oldest first, those whose person was erased apart."""
    return tuple(await store.uses(tx, resource_id))


async def holder_at(tx: Tx, *, kind: ResourceKind, value: str, at: datetime) -> ResourceUse | None:
    """Return who had the number (or SIM, or port) at ``at``. Raises ``NotFound`` (``inventory.resource_unknown``)."""
    resource = await resource_valued(tx, kind=kind, value=value)
    for use in await store.uses(tx, resource.id):
        if use.valid_from <= at and (use.valid_to is None or at < use.valid_to):
            return use
    return None
