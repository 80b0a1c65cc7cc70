"""TMF646: appointments that book time of technicians, and searches of their free time."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.tmf_tasks import by_the_server
from farwire.base.web import AnyRoute
from farwire.workforce.api.calendar import SEARCH, check_appointment
from farwire.workforce.api.tmf646_tables import APPOINTMENT, SEARCH_TIME_SLOT

_READ, _WRITE = Permission.ORDER_READ, Permission.ORDER_WRITE
API: Final = Api(
    number="646",
    title="Appointments",
    path="appointment",
    resources=(
        Resource(APPOINTMENT, "workforce", _READ, _WRITE, check=check_appointment),
        Resource(SEARCH_TIME_SLOT, "workforce", _READ, _WRITE, work=SEARCH, changed=by_the_server("status")),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
