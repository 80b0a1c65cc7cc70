"""TMF674: sites, as documents."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.location.api.tmf674_tables import ALL

API: Final = Api(
    number="674",
    title="Sites",
    path="geographicSiteManagement",
    resources=tuple(
        Resource(one, "location", Permission.LOCATION_READ, Permission.LOCATION_WRITE) for one in ALL
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
