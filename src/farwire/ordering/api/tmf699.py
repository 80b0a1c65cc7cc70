"""TMF699: leads, as documents."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, Version, tmf_routes
from farwire.base.web import AnyRoute
from farwire.ordering.api.tmf699_tables import ALL

API: Final = Api(
    number="699",
    title="Sales",
    path="sales",
    aliases={Version.V5: ("/tmf-api/salesManagement/v5", "/salesManagement/v5")},  # what clients of v5 ask
    resources=tuple(Resource(one, "ordering", Permission.ORDER_READ, Permission.ORDER_WRITE) for one in ALL),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
