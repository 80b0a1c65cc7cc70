"""TMF651: agreements and their specifications, as documents."""

from __future__ import annotations

from typing import Final

from farwire.agreement.api.tmf651_tables import ALL
from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute

API: Final = Api(
    number="651",
    title="Agreements",
    path="agreementManagement",
    resources=tuple(
        Resource(one, "agreement", Permission.AGREEMENT_READ, Permission.AGREEMENT_WRITE) for one in ALL
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
