"""TMF687: stocks of products as documents, and tasks that check, adjust and reserve what is in them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.inventory.api.stock_answers import CHECK, QUERY
from farwire.inventory.api.stock_work import ADJUST, RESERVE, change_reservation, check_stock
from farwire.inventory.api.tmf687_tables import ALL

_MORE: Final[Mapping[str, Mapping[str, Any]]] = {
    "ProductStock": {"check": check_stock},
    "AdjustProductStock": {"work": ADJUST},
    "CheckProductStock": {"work": CHECK},
    "QueryProductStock": {"work": QUERY},
    "ReserveProductStock": {"work": RESERVE, "changed": change_reservation},
}

API: Final = Api(
    number="687",
    title="Stock",
    path="stock",
    resources=tuple(
        Resource(one, "inventory", Permission.RESOURCE_READ, Permission.RESOURCE_WRITE, **_MORE[one.type])
        for one in ALL
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
