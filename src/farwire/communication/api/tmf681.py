"""TMF681: messages, as documents."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.communication.api.tmf681_tables import ALL

API: Final = Api(
    number="681",
    title="Communication",
    path="communicationManagement",
    resources=tuple(
        Resource(one, "communication", Permission.MESSAGE_READ, Permission.MESSAGE_WRITE) for one in ALL
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
