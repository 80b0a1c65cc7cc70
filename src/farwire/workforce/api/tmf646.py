"""TMF646: appointments and searches of free time, as documents."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.workforce.api.tmf646_tables import ALL

API: Final = Api(
    number="646",
    title="Appointments",
    path="appointment",
    resources=tuple(Resource(one, "workforce", Permission.ORDER_READ, Permission.ORDER_WRITE) for one in ALL),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
