"""TMF649: thresholds, their rules and jobs, as documents."""

from __future__ import annotations

from typing import Final

from farwire.assurance.api.tmf649_tables import ALL
from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, Version, tmf_routes
from farwire.base.web import AnyRoute

API: Final = Api(
    number="649",
    title="Thresholds",
    path="performanceThresholding",
    versions=(Version.V5,),
    resources=tuple(
        Resource(one, "assurance", Permission.ASSURANCE_READ, Permission.ASSURANCE_WRITE) for one in ALL
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
