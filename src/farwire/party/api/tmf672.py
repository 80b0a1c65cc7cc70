"""TMF672: roles and permissions of users, as documents, and the answer whether something is permitted."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.party.api.permission_check import ANSWERED
from farwire.party.api.tmf672_tables import ALL, CHECK_PERMISSION

API: Final = Api(
    number="672",
    title="User roles",
    path="rolesAndPermissions",
    resources=(
        *(Resource(one, "party", Permission.PARTY_READ, Permission.PARTY_WRITE) for one in ALL),
        # Whoever reads parties may ask: nothing is written.
        Resource(CHECK_PERMISSION, "party", Permission.PARTY_READ, Permission.PARTY_READ, behaviour=ANSWERED),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
