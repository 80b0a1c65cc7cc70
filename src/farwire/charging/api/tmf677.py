"""TMF677: queries and reports of what is used up, as documents."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.charging.api.tmf677_tables import ALL

API: Final = Api(
    number="677",
    title="Usage consumption",
    path="usageConsumption",
    resources=tuple(
        Resource(one, "charging", Permission.BALANCE_READ, Permission.BALANCE_WRITE) for one in ALL
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
