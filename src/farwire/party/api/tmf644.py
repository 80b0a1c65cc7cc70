"""TMF644: privacy profiles, agreements and their specifications, as documents."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.party.api.tmf644_tables import ALL

API: Final = Api(
    number="644",
    title="Privacy",
    path="privacyManagement",
    resources=tuple(Resource(one, "party", Permission.PARTY_READ, Permission.PARTY_WRITE) for one in ALL),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
