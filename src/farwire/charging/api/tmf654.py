"""TMF654: buckets are the balances of charging accounts; what is done to them is done by their shards."""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Behaviour, Descriptor, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.charging.api import tmf654_doing as doing
from farwire.charging.api import tmf654_reserving as reserving
from farwire.charging.api import tmf654_tables as tables
from farwire.charging.api.tmf654_reading import ACCUMULATED, BUCKETS, HISTORY

_READ, _WRITE = Permission.BALANCE_READ, Permission.BALANCE_WRITE


def _shown(one: Descriptor, behaviour: Behaviour) -> Resource:
    return Resource(one, "charging", _READ, _WRITE, behaviour=behaviour)


API: Final = Api(
    number="654",
    title="Prepay balances",
    path="prepayBalanceManagement",
    resources=(
        _shown(tables.BUCKET, BUCKETS),
        Resource(tables.TOPUP_BALANCE, "charging", _READ, _WRITE, work=doing.top_up, changed=doing.changed),
        Resource(
            tables.ADJUST_BALANCE, "charging", _READ, _WRITE, work=reserving.adjust, changed=doing.changed
        ),
        Resource(
            tables.TRANSFER_BALANCE, "charging", _READ, _WRITE, work=doing.TRANSFERS, changed=doing.changed
        ),
        Resource(
            *(tables.RESERVE_BALANCE, "charging", _READ, _WRITE),
            work=reserving.RESERVATIONS,
            changed=reserving.changed,
            removed=reserving.removed,
        ),
        _shown(tables.ACCUMULATED_BALANCE, ACCUMULATED),
        _shown(tables.BALANCE_ACTION_HISTORY, HISTORY),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
