"""TMF642: alarms, and what is done with several at once: tasks change the alarms that they name."""

from __future__ import annotations

from typing import Final

from farwire.assurance.api.alarm_work import ALARMS, WORK
from farwire.assurance.api.tmf642_tables import ALARM, ALL
from farwire.base.authz import Permission
from farwire.base.tmf import Api, Descriptor, Resource, tmf_routes
from farwire.base.web import AnyRoute


def _bound(one: Descriptor) -> Resource:
    if one is ALARM:
        return ALARMS
    read, write = Permission.ASSURANCE_READ, Permission.ASSURANCE_WRITE
    return Resource(one, "assurance", read, write, work=WORK[one.type])


API: Final = Api(
    number="642",
    title="Alarms",
    path="alarm",
    resources=tuple(_bound(one) for one in ALL),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
