"""TMF620 Product Catalog Management: offerings that begin as drafts and are published; the rest as documents."""

from __future__ import annotations

from typing import Any, Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Behaviour, Resource, tmf_routes
from farwire.base.tmf_bulk import bulk_resources, bulk_routes
from farwire.base.web import AnyRoute
from farwire.catalog.api.tmf620_offerings import create, delete, find, page, patch
from farwire.catalog.api.tmf620_tables import CATALOG, CATEGORY, OFFERING, PRICE, SPECIFICATION
from farwire.catalog.events import (
    LIFECYCLE_CHANGED,
    OFFERING_CHANGED,
    OFFERING_CREATED,
    OFFERING_DELETED,
    OFFERING_STATE_CHANGED,
    PLAN_PUBLISHED,
)


def _bound(descriptor: Any, **more: Any) -> Resource:
    return Resource(descriptor, "catalog", Permission.CATALOG_READ, Permission.CATALOG_PUBLISH, **more)


_TOLD: Final = {
    PLAN_PUBLISHED: "AttributeValueChange",
    LIFECYCLE_CHANGED: "StateChange",
    OFFERING_CREATED: "Create",
    OFFERING_CHANGED: "AttributeValueChange",
    OFFERING_STATE_CHANGED: "StateChange",
    OFFERING_DELETED: "Delete",
}
"""What the catalogue publishes of offerings; of two that tell the same, drafts are told by the last."""

_OFFERINGS: Final = Behaviour(find, page, create, patch, delete, beside=(OFFERING.type,))

API: Final = Api(
    number="620",
    title="Product catalogue",
    path="productCatalogManagement",
    resources=(
        _bound(OFFERING, behaviour=_OFFERINGS, events=_TOLD),
        *(_bound(one) for one in (PRICE, SPECIFICATION, CATEGORY, CATALOG)),
        *bulk_resources("620", "catalog", Permission.CATALOG_READ, Permission.CATALOG_PUBLISH),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = (*tmf_routes(API), *bulk_routes(API))
