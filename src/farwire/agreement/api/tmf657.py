"""TMF657: objectives and specifications of service levels, as documents."""

from __future__ import annotations

from typing import Final

from farwire.agreement.api.tmf657_tables import ALL
from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute

API: Final = Api(
    number="657",
    title="Service quality",
    path="serviceQualityManagement",
    resources=tuple(
        Resource(one, "agreement", Permission.AGREEMENT_READ, Permission.AGREEMENT_WRITE) for one in ALL
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
