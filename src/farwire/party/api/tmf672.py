"""TMF672: roles and permissions of users, as documents."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.party.api.tmf672_tables import ALL

API: Final = Api(
    number="672",
    title="User roles",
    path="rolesAndPermissions",
    resources=tuple(Resource(one, "party", Permission.PARTY_READ, Permission.PARTY_WRITE) for one in ALL),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
