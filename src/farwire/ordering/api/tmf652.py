"""TMF652: orders of resources as documents, and tasks that cancel them."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.ordering.api.cancel_work import cancelling
from farwire.ordering.api.tmf652_tables import CANCEL_RESOURCE_ORDER, RESOURCE_ORDER

API: Final = Api(
    number="652",
    title="Resource orders",
    path="resourceOrderingManagement",
    resources=(
        Resource(RESOURCE_ORDER, "ordering", Permission.ORDER_READ, Permission.ORDER_WRITE),
        cancelling("652", CANCEL_RESOURCE_ORDER, RESOURCE_ORDER, named="resourceOrder", items="orderItem"),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
