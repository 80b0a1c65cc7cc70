"""TMF673: addresses as documents, their parts by themselves, and their validation against what is stored."""

from __future__ import annotations

from functools import partial
from typing import Final

from farwire.base.authz import Permission
from farwire.base.tmf import Api, Behaviour, Resource, tmf_routes
from farwire.base.tmf.descriptor import PARENT
from farwire.base.web import AnyRoute
from farwire.location.api.addresses import find_part, page_of_parts, validate, with_ids, with_ids_again
from farwire.location.api.tmf673_tables import (
    GEOGRAPHIC_ADDRESS,
    GEOGRAPHIC_ADDRESS_VALIDATION,
    GEOGRAPHIC_SUB_ADDRESS,
)

_bound = partial(Resource, context="location", read=Permission.LOCATION_READ, write=Permission.LOCATION_WRITE)
_PARTS: Final = Behaviour(find_part, page_of_parts, native=frozenset({PARENT.name}))

API: Final = Api(
    number="673",
    title="Addresses",
    path="geographicAddressManagement",
    resources=(
        _bound(GEOGRAPHIC_ADDRESS_VALIDATION, work=validate),
        _bound(GEOGRAPHIC_ADDRESS, work=with_ids, changed=with_ids_again),
        _bound(GEOGRAPHIC_SUB_ADDRESS, behaviour=_PARTS),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
