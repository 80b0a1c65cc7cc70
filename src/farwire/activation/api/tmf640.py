"""TMF640: services to activate, and monitors, as documents."""

from __future__ import annotations

from typing import Final

from farwire.activation.api.tmf640_tables import ALL
from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute

API: Final = Api(
    number="640",
    title="Service activation",
    path="ServiceActivationAndConfiguration",
    resources=tuple(
        Resource(one, "activation", Permission.RESOURCE_READ, Permission.RESOURCE_WRITE) for one in ALL
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
