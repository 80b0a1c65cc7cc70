"""TMF687: stocks of products and what is done with them, as documents."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.inventory.api.tmf687_tables import ALL

API: Final = Api(
    number="687",
    title="Stock",
    path="stock",
    resources=tuple(
        Resource(one, "inventory", Permission.RESOURCE_READ, Permission.RESOURCE_WRITE) for one in ALL
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
