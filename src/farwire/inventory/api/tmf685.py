"""TMF685: pools, reservations and what is put in and taken out, as documents."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, Version, tmf_routes
from farwire.base.web import AnyRoute
from farwire.inventory.api.tmf685_tables import ALL

API: Final = Api(
    number="685",
    title="Resource pools",
    path="resourcePoolManagement",
    aliases={Version.V5: ("/tmf-api/resourcePool/v5", "/resourcePool/v5")},  # what clients of v5 ask
    resources=tuple(
        Resource(one, "inventory", Permission.RESOURCE_READ, Permission.RESOURCE_WRITE) for one in ALL
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
