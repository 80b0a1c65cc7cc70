"""Service instances: what of a product runs in the network."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import datetime

from farwire.base import eventbus
from farwire.base.storage import Tx
from farwire.inventory import events
from farwire.inventory.model import Service, ServiceChange, ServiceState, check_service_change
from farwire.inventory.service.products import find_product, get_products
from farwire.inventory.store import services as store
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import ProductId, ServiceId
from farwire.kernel.page import Page, PageRequest


async def add_service(tx: Tx, service: Service) -> None:
    """Add a service to its product. Idempotent by its id. Raises ``NotFound`` (``inventory.unknown``)."""
    await add_services(tx, [service])


async def add_services(tx: Tx, services: Sequence[Service]) -> None:
    """Add services to their products, as ``add_service`` does. Publishes ``service_added`` of each new one."""
    known = await get_products(tx, list({one.product_id for one in services}))
    for one in services:
        if one.product_id not in known:
            await find_product(tx, one.product_id)
    by_id = {one.id: one for one in services}
    new = await store.add_services(tx, list(by_id.values()))
    await eventbus.publish_many(tx, [events.service_added(tx.tenant_id, by_id[one]) for one in new])


async def services_of_products(
    tx: Tx, product_ids: Sequence[ProductId]
) -> Mapping[ProductId, tuple[Service, ...]]:
    """Return the services of each product, ended ones too, in the order of their making, in one statement."""
    found: dict[ProductId, list[Service]] = defaultdict(list)
    for service in await store.services_of_products(tx, product_ids):
        found[service.product_id].append(service)
    return {product_id: tuple(services) for product_id, services in found.items()}


async def change_service_state(tx: Tx, *, service_id: ServiceId, state: ServiceState, at: datetime) -> None:
    """Let the service be in ``state`` from ``at`` on; the same state again changes nothing.

    Publishes ``service_standing_changed``.
    Raises ``NotFound`` (``inventory.service_unknown``), ``Conflict`` (``inventory.service_state``).
    """
    service = await store.locked_service(tx, service_id)
    if service is None:
        raise NotFound(
            "there is no such service", code="inventory.service_unknown", field="service", value=service_id
        )
    if service.state is state:
        return
    check_service_change(service, state, at)
    await store.add_change(tx, service_id, len(service.changes), state, at)
    change = ServiceChange(at, state)
    await eventbus.publish(tx, events.service_state_changed(tx.tenant_id, service, change))


async def change_services(tx: Tx, attributes: Mapping[ServiceId, Mapping[str, str]]) -> None:
    """Let services have other characteristics: all of each. Those that are not known are left out."""
    await store.set_attributes(tx, attributes)


async def find_service(tx: Tx, service_id: ServiceId) -> Service | None:
    """Return one service, or None."""
    return await store.service(tx, service_id)


async def erase_services(tx: Tx, product_ids: Sequence[ProductId]) -> int:
    """Forget what was chosen for the products' services; return how many had something. What they were stays."""
    return await store.blank_attributes(tx, product_ids)


async def list_services(
    tx: Tx, *, page: PageRequest, product_id: ProductId | None = None, state: ServiceState | None = None
) -> Page[Service]:
    """Return a page of the tenant's services."""
    items, total = await store.list_services(tx, product_id, state, page.limit, page.offset)
    return Page(tuple(items), total, page.offset, page.limit)
