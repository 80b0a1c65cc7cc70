"""TMF656: problems of services, and tasks that acknowledge and group several at once."""

from __future__ import annotations

from typing import Final

from farwire.assurance.api.problem_work import WORK
from farwire.assurance.api.tmf656_tables import ALL
from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute

API: Final = Api(
    number="656",
    title="Service problems",
    path="serviceProblemManagement",
    resources=tuple(
        Resource(
            one, "assurance", Permission.ASSURANCE_READ, Permission.ASSURANCE_WRITE, work=WORK.get(one.type)
        )
        for one in ALL
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
