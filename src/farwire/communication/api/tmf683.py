"""TMF683: contacts with a party over any channel, as documents."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.communication.api.tmf683_tables import ALL

API: Final = Api(
    number="683",
    title="Party interactions",
    path="partyInteraction",
    resources=tuple(
        Resource(one, "communication", Permission.PARTY_READ, Permission.PARTY_WRITE) for one in ALL
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
