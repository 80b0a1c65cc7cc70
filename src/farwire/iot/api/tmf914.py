"""TMF914: services of devices with their catalogue, tests and problems, as documents."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.tmf_bulk import bulk_resources, bulk_routes
from farwire.base.web import AnyRoute
from farwire.iot.api.tmf914_tables import ALL

API: Final = Api(
    number="914",
    title="IoT services",
    path="iotservicemanagement",
    resources=(
        *(Resource(one, "iot", Permission.DEVICE_READ, Permission.DEVICE_WRITE) for one in ALL),
        *bulk_resources("914", "iot", Permission.DEVICE_READ, Permission.DEVICE_WRITE),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = (*tmf_routes(API), *bulk_routes(API))
