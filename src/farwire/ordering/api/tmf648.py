"""TMF648: quotes, as documents."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.ordering.api.tmf648_tables import ALL

API: Final = Api(
    number="648",
    title="Quotes",
    path="quoteManagement",
    resources=tuple(Resource(one, "ordering", Permission.ORDER_READ, Permission.ORDER_WRITE) for one in ALL),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
