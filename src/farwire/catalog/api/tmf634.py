"""TMF634: catalogues, categories, candidates and specifications of resources, as documents."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.tmf_bulk import bulk_resources, bulk_routes
from farwire.base.web import AnyRoute
from farwire.catalog.api.tmf634_tables import ALL

API: Final = Api(
    number="634",
    title="Resource catalogue",
    path="resourceCatalog",
    resources=(
        *(Resource(one, "catalog", Permission.CATALOG_READ, Permission.CATALOG_PUBLISH) for one in ALL),
        *bulk_resources("634", "catalog", Permission.CATALOG_READ, Permission.CATALOG_PUBLISH),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = (*tmf_routes(API), *bulk_routes(API))
