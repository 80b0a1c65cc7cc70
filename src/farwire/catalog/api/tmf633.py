"""TMF633: catalogues, categories, candidates and specifications of services, as documents."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.tmf_bulk import bulk_resources, bulk_routes
from farwire.base.web import AnyRoute
from farwire.catalog.api.tmf633_tables import ALL

API: Final = Api(
    number="633",
    title="Service catalogue",
    path="serviceCatalogManagement",
    resources=(
        *(Resource(one, "catalog", Permission.CATALOG_READ, Permission.CATALOG_PUBLISH) for one in ALL),
        *bulk_resources("633", "catalog", Permission.CATALOG_READ, Permission.CATALOG_PUBLISH),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = (*tmf_routes(API), *bulk_routes(API))
