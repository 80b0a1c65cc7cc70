"""TMF654: buckets and what is done with them, as documents."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.charging.api.tmf654_tables import ALL

API: Final = Api(
    number="654",
    title="Prepay balances",
    path="prepayBalanceManagement",
    resources=tuple(
        Resource(one, "charging", Permission.BALANCE_READ, Permission.BALANCE_WRITE) for one in ALL
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
