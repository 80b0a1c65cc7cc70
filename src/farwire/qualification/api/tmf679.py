"""TMF679: checks and queries of what can be sold to whom, as documents."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.qualification.api.tmf679_tables import ALL

API: Final = Api(
    number="679",
    title="Offering qualification",
    path="productOfferingQualification",
    resources=tuple(
        Resource(one, "qualification", Permission.ORDER_READ, Permission.ORDER_WRITE) for one in ALL
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
