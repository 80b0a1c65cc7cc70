"""TMF621: tickets and their specifications, as documents."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.ticket.api.tmf621_tables import ALL

API: Final = Api(
    number="621",
    title="Trouble tickets",
    path="troubleTicket",
    resources=tuple(Resource(one, "ticket", Permission.TICKET_READ, Permission.TICKET_WRITE) for one in ALL),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
