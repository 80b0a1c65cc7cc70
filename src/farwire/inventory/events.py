"""The facts that the inventory publishes: ids, codes and times, never a number of a person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from farwire.base.canonical import JSON
from farwire.base.eventbus import Event, new_event
from farwire.inventory.model import (
    Element,
    EndReason,
    Link,
    PoolCount,
    Product,
    Resource,
    Service,
    ServiceChange,
    SuspensionReason,
)
from farwire.kernel.ids import PlanVersionId, ProductId, TenantId

PRODUCT_ADDED = "farwire.inventory.product_added.v1"
PRODUCT_SUSPENDED = "farwire.inventory.product_suspended.v1"
PRODUCT_RESUMED = "farwire.inventory.product_resumed.v1"
PRODUCT_ENDED = "farwire.inventory.product_ended.v1"
PLAN_CHANGED = "farwire.inventory.plan_changed.v1"
PRODUCT_MOVED = "farwire.inventory.product_moved.v1"
RESOURCE_ASSIGNED = "farwire.inventory.resource_assigned.v1"
RESOURCE_RETURNED = "farwire.inventory.resource_returned.v1"
RESOURCE_RETIRED = "farwire.inventory.resource_retired.v1"
POOL_USED = "farwire.inventory.pool_used.v1"
NETWORK = "farwire.inventory.network_"
"""How the types of facts about the network begin. Each fact has the ``sequence`` of its change: one more than that of
the tenant's change before it. Who follows them and misses a number reads the network anew."""
ELEMENT_ADDED = "farwire.inventory.network_element_added.v1"
ELEMENT_CHANGED = "farwire.inventory.network_element_changed.v1"
ELEMENT_ENDED = "farwire.inventory.network_element_ended.v1"
LINK_ADDED = "farwire.inventory.network_link_added.v1"
LINK_ENDED = "farwire.inventory.network_link_ended.v1"
NETWORK_IMPORTED = "farwire.inventory.network_imported.v1"
SERVICE_ADDED = "farwire.inventory.service_added.v1"
SERVICE_STATE_CHANGED = "farwire.inventory.service_standing_changed.v1"


def product_added(tenant_id: TenantId, product: Product, now: datetime | None) -> Event:
    """Return the fact that a customer has a product from its start on."""
    data: dict[str, JSON] = {"offering_id": str(product.offering_id)}
    if product.order_id is not None:
        data["order_id"] = str(product.order_id)
    return _of_product(PRODUCT_ADDED, tenant_id, product, data, product.started_at, now)


def product_suspended(
    tenant_id: TenantId, product: Product, reason: SuspensionReason, at: datetime, now: datetime | None
) -> Event:
    """Return the fact that there is a reason, perhaps one of several, for which the product is suspended."""
    data: dict[str, JSON] = {"reason": reason.value}
    return _of_product(PRODUCT_SUSPENDED, tenant_id, product, data, at, now)


def product_resumed(
    tenant_id: TenantId,
    product: Product,
    reason: SuspensionReason,
    serves: bool,
    at: datetime,
    now: datetime | None,
) -> Event:
    """Return the fact that a reason for a suspension is gone; ``serves`` tells whether it was the last."""
    data: dict[str, JSON] = {"reason": reason.value, "serves": serves}
    return _of_product(PRODUCT_RESUMED, tenant_id, product, data, at, now)


def product_ended(
    tenant_id: TenantId, product: Product, reason: EndReason, at: datetime, now: datetime | None
) -> Event:
    """Return the fact that the product ends at ``at`` (exclusive)."""
    return _of_product(PRODUCT_ENDED, tenant_id, product, {"reason": reason.value}, at, now)


def plan_changed(
    tenant_id: TenantId, product: Product, plan: PlanVersionId, at: datetime, now: datetime | None
) -> Event:
    """Return the fact that another plan version prices the product from ``at`` on."""
    return _of_product(PLAN_CHANGED, tenant_id, product, {"plan_version_id": str(plan)}, at, now)


def product_moved(tenant_id: TenantId, product: Product, at: datetime, now: datetime | None) -> Event:
    """Return the fact that the product is at another place from ``at`` on. Where that is, is not told."""
    return _of_product(PRODUCT_MOVED, tenant_id, product, {}, at, now)


def resource_assigned(tenant_id: TenantId, resource: Resource, at: datetime, now: datetime) -> Event:
    """Return the fact that a product has the resource from ``at`` on. The resource's value is not told."""
    return _of_resource(RESOURCE_ASSIGNED, tenant_id, resource, resource.product_id, at, now)


def resource_returned(tenant_id: TenantId, resource: Resource, at: datetime, now: datetime) -> Event:
    """Return the fact that a product has the resource no more. ``resource`` is as it was before."""
    return _of_resource(RESOURCE_RETURNED, tenant_id, resource, resource.product_id, at, now)


def resource_retired(tenant_id: TenantId, resource: Resource, now: datetime) -> Event:
    """Return the fact that a resource is out of its pool for good."""
    return _of_resource(RESOURCE_RETIRED, tenant_id, resource, None, now, now)


def service_added(tenant_id: TenantId, service: Service) -> Event:
    """Return the fact that a service of a product is there, in its first state."""
    return _of_service(SERVICE_ADDED, tenant_id, service, service.changes[0])


def pool_used(tenant_id: TenantId, counted: PoolCount, now: datetime) -> Event:
    """Return the fact that so much of a pool is in use that somebody should know."""
    pool = counted.pool
    data: dict[str, JSON] = {
        "pool": pool.name,
        "kind": pool.kind.value,
        "percent": counted.used_percent,
        "warn_percent": pool.warn_percent,
    }
    return new_event(
        tenant_id=tenant_id, type=POOL_USED, subject=str(pool.id), occurred_at=now, recorded_at=now, data=data
    )


def service_state_changed(tenant_id: TenantId, service: Service, change: ServiceChange) -> Event:
    """Return the fact that a service is in another state from the time of ``change`` on."""
    return _of_service(SERVICE_STATE_CHANGED, tenant_id, service, change)


def _of_service(kind: str, tenant_id: TenantId, service: Service, change: ServiceChange) -> Event:
    about = {"service_id": str(service.id), "product_id": str(service.product_id)}
    return new_event(
        tenant_id=tenant_id,
        type=kind,
        subject=str(service.id),
        occurred_at=change.valid_from,
        recorded_at=change.valid_from,
        data={**about, "specification": service.specification, "state": change.state.value},
    )


def _of_product(
    kind: str,
    tenant_id: TenantId,
    product: Product,
    data: Mapping[str, JSON],
    at: datetime,
    now: datetime | None,
) -> Event:
    return new_event(
        tenant_id=tenant_id,
        type=kind,
        subject=str(product.id),
        occurred_at=at,
        recorded_at=now or at,
        data={"product_id": str(product.id), "account_id": str(product.account_id), **data},
    )


def _of_resource(
    kind: str,
    tenant_id: TenantId,
    resource: Resource,
    product_id: ProductId | None,
    at: datetime,
    now: datetime,
) -> Event:
    return new_event(
        tenant_id=tenant_id,
        type=kind,
        subject=str(resource.id),
        occurred_at=at,
        recorded_at=now,
        data={
            "resource_id": str(resource.id),
            "kind": resource.kind.value,
            "pool": resource.pool,
            **({} if product_id is None else {"product_id": str(product_id)}),
        },
    )


def element_added(tenant_id: TenantId, sequence: int, element: Element, now: datetime) -> Event:
    """Return the fact that an element is there from its start on."""
    return _of_element(ELEMENT_ADDED, tenant_id, sequence, element, element.started_at, now)


def element_changed(tenant_id: TenantId, sequence: int, element: Element, now: datetime) -> Event:
    """Return the fact that an element stands otherwise, or elsewhere, since ``element.since``."""
    return _of_element(ELEMENT_CHANGED, tenant_id, sequence, element, element.since, now)


def element_ended(tenant_id: TenantId, sequence: int, element: Element, now: datetime) -> Event:
    """Return the fact that an element has ended, and every link of it with it."""
    return _of_element(ELEMENT_ENDED, tenant_id, sequence, element, element.ended_at or now, now)


def link_added(tenant_id: TenantId, sequence: int, link: Link, now: datetime) -> Event:
    """Return the fact that two elements are linked."""
    return _of_link(LINK_ADDED, tenant_id, sequence, link, link.valid_from, now)


def link_ended(tenant_id: TenantId, sequence: int, link: Link, now: datetime) -> Event:
    """Return the fact that a link holds no more."""
    return _of_link(LINK_ENDED, tenant_id, sequence, link, link.valid_to or now, now)


def network_imported(tenant_id: TenantId, sequence: int, elements: int, links: int, now: datetime) -> Event:
    """Return the fact that a part of a file added so many elements and links. Which ones, is not told."""
    data: dict[str, JSON] = {"sequence": sequence, "elements": elements, "links": links}
    return _of_network(NETWORK_IMPORTED, tenant_id, f"network-{sequence}", data, now, now)


def _of_element(
    kind: str, tenant_id: TenantId, sequence: int, element: Element, at: datetime, now: datetime
) -> Event:
    data: dict[str, JSON] = {
        "sequence": sequence,
        "element_id": element.id,
        "name": element.name,
        "layer": element.layer.value,
        "kind": element.kind,
        "state": element.state.value,
    }
    if element.service_id is not None:
        data["service_id"] = str(element.service_id)
    return _of_network(kind, tenant_id, f"element-{element.id}", data, at, now)


def _of_link(kind: str, tenant_id: TenantId, sequence: int, link: Link, at: datetime, now: datetime) -> Event:
    data: dict[str, JSON] = {
        "sequence": sequence,
        "from_id": link.start,
        "to_id": link.end,
        "kind": link.kind.value,
        "protection": link.protection,
    }
    return _of_network(kind, tenant_id, f"link-{link.start}-{link.end}", data, at, now)


def _of_network(
    kind: str, tenant_id: TenantId, subject: str, data: Mapping[str, JSON], at: datetime, now: datetime
) -> Event:
    return new_event(
        tenant_id=tenant_id, type=kind, subject=subject, occurred_at=at, recorded_at=now, data=data
    )
