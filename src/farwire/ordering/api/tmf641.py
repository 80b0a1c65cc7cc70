"""TMF641: orders of services and requests to cancel them, as documents."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from farwire.base.authz import Permission
from farwire.base.storage import Tx
from farwire.base.tmf import Api, Descriptor, Document, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.inventory import service as inventory
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import ServiceId
from farwire.ordering.api.tmf641_tables import CANCEL_SERVICE_ORDER, SERVICE_ORDER

_OF_A_SERVICE: Final = frozenset({"modify", "delete"})
"""Actions of an item that change a service which is there."""


async def _known_services(tx: Tx, document: Document) -> None:
    """Raise ``Invalid`` (``tmf.reference_unknown``, 422) for an item that changes a service that is not there."""
    for number, item in enumerate(document["serviceOrderItem"]):
        service = item.get("service")
        if item.get("action") not in _OF_A_SERVICE or not isinstance(service, dict):
            continue
        key = service.get("id")
        try:
            found = await inventory.find_service(tx, ServiceId(UUID(str(key))))
        except ValueError:
            found = None
        if found is None:
            raise Invalid(
                "there is no Service with this id",
                code="tmf.reference_unknown",
                field=f"$.serviceOrderItem[{number}].service.id",
                value=key,
                fix="name a service of the inventory",
            )


def _bound(descriptor: Descriptor) -> Resource:
    rule = _known_services if descriptor is SERVICE_ORDER else None
    return Resource(descriptor, "ordering", Permission.ORDER_READ, Permission.ORDER_WRITE, check=rule)


API: Final = Api(
    number="641",
    title="Service orders",
    path="serviceOrdering",
    resources=(_bound(SERVICE_ORDER), _bound(CANCEL_SERVICE_ORDER)),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
