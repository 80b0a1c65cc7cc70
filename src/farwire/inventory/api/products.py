"""Products and services over HTTP, read only: orders change them."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import msgspec

from farwire.base.authz import Permission
from farwire.base.web import (
    AnyRoute,
    ById,
    Call,
    Method,
    Nothing,
    PageQuery,
    Reply,
    Route,
    page_reply,
)
from farwire.inventory import service
from farwire.inventory.api.documents import (
    BASE,
    ProductDetailDocument,
    ProductDocument,
    ServiceDocument,
    Time,
    product_detail,
    product_document,
    resource_document,
    service_document,
)
from farwire.inventory.model import ProductState, ServiceState
from farwire.kernel.ids import AccountId, ProductId

TAG: Final = "Products and services"


class ProductQuery(PageQuery, frozen=True, kw_only=True, rename="camel"):
    """Filters of the list."""

    account_id: UUID | None = None
    state: ProductState | None = None


class AtQuery(msgspec.Struct, frozen=True):
    """The time at which one looks."""

    at: Time | None = None


class ServiceQuery(PageQuery, frozen=True, kw_only=True, rename="camel"):
    """Filters of the list."""

    product_id: UUID | None = None
    state: ServiceState | None = None


async def list_products(call: Call[Nothing, ProductQuery, None]) -> Reply:
    """Return a page of products as they stand now."""
    now, query = call.now(), call.query
    async with call.transaction() as tx:
        page = await service.list_products(
            tx,
            page=query.page(),
            at=now,
            account_id=None if query.account_id is None else AccountId(query.account_id),
            state=query.state,
        )
    return page_reply(page, lambda one: product_document(one, now, call.principal))


async def get_product(call: Call[ById, AtQuery, None]) -> Reply:
    """Return a product as it stands or stood, with all that is known about it."""
    product_id = ProductId(call.path.id)
    async with call.transaction() as tx:
        product = await service.find_product(tx, product_id)
        services = (await service.services_of_products(tx, [product_id])).get(product_id, ())
        held = (await service.resources_of_products(tx, [product_id])).get(product_id, ())
    resources = [resource_document(one, call.principal) for one in held]
    return Reply(product_detail(product, call.query.at or call.now(), services, resources, call.principal))


async def list_services(call: Call[Nothing, ServiceQuery, None]) -> Reply:
    """Return a page of services."""
    query = call.query
    async with call.transaction() as tx:
        page = await service.list_services(
            tx,
            page=query.page(),
            product_id=None if query.product_id is None else ProductId(query.product_id),
            state=query.state,
        )
    return page_reply(page, service_document)


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=f"{BASE}/products",
        handler=list_products,
        summary="List products",
        tag=TAG,
        permission=Permission.PRODUCT_READ,
        response=list[ProductDocument],
        query_type=ProductQuery,
        description="Ordered by their start. `state` is the one of now.",
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/products/{{id}}",
        handler=get_product,
        summary="Get a product and its history",
        tag=TAG,
        permission=Permission.PRODUCT_READ,
        response=ProductDetailDocument,
        path_type=ById,
        query_type=AtQuery,
        description="With `at`, its state is the one of that time; history and resources are always all there are now.",
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/services",
        handler=list_services,
        summary="List services",
        tag=TAG,
        permission=Permission.PRODUCT_READ,
        response=list[ServiceDocument],
        query_type=ServiceQuery,
        description="In the order of their making.",
    ),
)
