"""TMF701: flows and specifications of flows and tasks, as documents."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.process.api.tmf701_tables import ALL

API: Final = Api(
    number="701",
    title="Process flows",
    path="processFlowManagement",
    resources=tuple(Resource(one, "process", Permission.ORDER_READ, Permission.ORDER_WRITE) for one in ALL),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
