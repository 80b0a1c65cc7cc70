"""TMF679: checks and queries of what can be sold to whom: tasks that answer."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.tmf_tasks import by_the_server
from farwire.base.web import AnyRoute
from farwire.qualification.api.offering_work import CHECK, QUERY
from farwire.qualification.api.tmf679_tables import ALL

API: Final = Api(
    number="679",
    title="Offering qualification",
    path="productOfferingQualification",
    resources=tuple(
        Resource(
            one,
            "qualification",
            Permission.ORDER_READ,
            Permission.ORDER_WRITE,
            work=CHECK if one.type == CHECK.target.type else QUERY,
            changed=by_the_server(),
        )
        for one in ALL
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
