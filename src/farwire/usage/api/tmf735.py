"""TMF735: transactions of call data records, as documents."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, Version, tmf_routes
from farwire.base.web import AnyRoute
from farwire.usage.api.tmf735_tables import ALL

API: Final = Api(
    number="735",
    title="CDR transactions",
    path="cdrTransactionManagement",
    versions=(Version.V5,),
    resources=tuple(Resource(one, "usage", Permission.USAGE_READ, Permission.USAGE_IMPORT) for one in ALL),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
