"""TMF908: devices, their specifications, data, events and alarms, as documents."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.iot.api.tmf908_tables import ALL

API: Final = Api(
    number="908",
    title="IoT devices",
    path="iotdevicemanagement",
    resources=tuple(Resource(one, "iot", Permission.DEVICE_READ, Permission.DEVICE_WRITE) for one in ALL),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
