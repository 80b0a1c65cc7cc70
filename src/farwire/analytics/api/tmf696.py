"""TMF696: risk assessments, as documents."""

from __future__ import annotations

from typing import Final

from farwire.analytics.api.tmf696_tables import ALL
from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute

API: Final = Api(
    number="696",
    title="Risk",
    path="riskManagement",
    resources=tuple(Resource(one, "analytics", Permission.PARTY_READ, Permission.PARTY_WRITE) for one in ALL),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
