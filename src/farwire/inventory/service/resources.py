"""Resources in use: who has which number, SIM or port, and who had it before; here they come back."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from farwire.base import eventbus
from farwire.base.storage import Tx
from farwire.inventory import events
from farwire.inventory.model import (
    NewResource,
    Resource,
    ResourceKind,
    ResourceState,
    ResourceUse,
    check_resource,
    identifiers,
    number_of,
)
from farwire.inventory.service.subscribers import subscriber_keys
from farwire.inventory.store import products, reservations
from farwire.inventory.store import resources as store
from farwire.kernel.errors import Conflict, Invalid, NotFound, check
from farwire.kernel.ids import ProductId, ResourceId
from farwire.kernel.page import Page, PageRequest


async def return_resource(tx: Tx, *, resource_id: ResourceId, at: datetime, now: datetime) -> Resource:
    """Take the resource from its product at ``at`` (exclusive); it rests as long as its pool says, counted from ``at``.

    Usage under it no longer belongs to the product. A resource that no product has stays as it is. Publishes
    ``resource_returned``. Raises ``NotFound`` (``inventory.resource_unknown``), ``Conflict`` (``inventory.held_then``:
    it was given later than ``at``).
    """
    resource = await locked_resource(tx, resource_id)
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
    return await locked_resource(tx, resource_id)


async def take_back(tx: Tx, *, product_id: ProductId, at: datetime, now: datetime) -> tuple[Resource, ...]:
    """Take everything from the product that it has, e.g. because it ends at ``at``; see ``return_resource``."""
    held = await store.resources_of_products(tx, [product_id])
    return tuple([await return_resource(tx, resource_id=one.id, at=at, now=now) for one in held])


async def retire_resource(tx: Tx, *, resource_id: ResourceId, now: datetime) -> None:
    """Take an unused resource out of its pool for good. Idempotent. Publishes ``resource_retired``.

    Raises ``NotFound`` (``inventory.resource_unknown``), ``Conflict`` (``inventory.resource_state``).
    """
    resource = await locked_resource(tx, resource_id)
    if resource.state is ResourceState.RETIRED:
        return
    if not await store.set_retired(tx, resource_id):
        raise Conflict(
            f"the resource is {resource.state}",
            code="inventory.resource_state",
            field="resource",
            value=resource_id,
            fix="release it or take it back first",
        )
    await eventbus.publish(tx, events.resource_retired(tx.tenant_id, resource, now))


async def locked_resource(tx: Tx, resource_id: ResourceId) -> Resource:
    """Return the resource as nobody else can change it before the transaction ends. Raises ``NotFound``."""
    await store.lock_resource(tx, resource_id)
    return await get_resource(tx, resource_id=resource_id)


async def get_resource(tx: Tx, *, resource_id: ResourceId) -> Resource:
    """Return the resource as it stands. Raises ``NotFound`` (``inventory.resource_unknown``)."""
    found = (await store.resources(tx, [resource_id])).get(resource_id)
    if found is None:
        raise NotFound(
            "there is no such resource",
            code="inventory.resource_unknown",
            field="resource",
            value=resource_id,
        )
    return found


async def resource_valued(tx: Tx, *, kind: ResourceKind, value: str, scope: str = "") -> Resource:
    """Return the resource with that value in the scope. Raises ``NotFound`` (``inventory.resource_unknown``)."""
    plain = value.removeprefix("+")
    try:
        check_resource(kind, NewResource(plain))
        found = await store.resource_valued(tx, kind, plain, scope, number_of(kind, plain))
    except Invalid:
        found = None
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


async def last_values(
    tx: Tx, *, kind: ResourceKind, product_ids: Sequence[ProductId], before: datetime
) -> Mapping[ProductId, str]:
    """Return the last number (SIM, port) that each product got before ``before``, in one statement."""
    return await store.last_values(tx, kind, product_ids, before)


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


async def holder_at(
    tx: Tx, *, kind: ResourceKind, value: str, at: datetime, scope: str = ""
) -> ResourceUse | None:
    """Return who had the number (or SIM, or port) at ``at``. Raises ``NotFound`` (``inventory.resource_unknown``)."""
    resource = await resource_valued(tx, kind=kind, value=value, scope=scope)
    for use in await store.uses(tx, resource.id):
        if use.valid_from <= at and (use.valid_to is None or at < use.valid_to):
            return use
    return None
