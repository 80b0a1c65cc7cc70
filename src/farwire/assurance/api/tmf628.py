"""TMF628: collection jobs and specifications of indicators, as documents."""

from __future__ import annotations

from typing import Final

from farwire.assurance.api.tmf628_tables import ALL
from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute

API: Final = Api(
    number="628",
    title="Performance",
    path="performance",
    resources=tuple(
        Resource(one, "assurance", Permission.ASSURANCE_READ, Permission.ASSURANCE_WRITE) for one in ALL
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
