"""TMF641: orders of services as documents, and tasks that cancel them."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from farwire.base.authz import Permission
from farwire.base.storage import Tx
from farwire.base.tmf import Api, Document, Resource, tmf_routes
from farwire.base.web import AnyRoute
from farwire.inventory import service as inventory
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import ServiceId
from farwire.ordering.api.cancel_work import cancelling
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


ORDERS: Final = Resource(
    SERVICE_ORDER, "ordering", Permission.ORDER_READ, Permission.ORDER_WRITE, check=_known_services
)
CANCELLATIONS: Final = cancelling(
    "641", CANCEL_SERVICE_ORDER, SERVICE_ORDER, named="serviceOrder", items="serviceOrderItem"
)
API: Final = Api(
    number="641",
    title="Service orders",
    path="serviceOrdering",
    resources=(ORDERS, CANCELLATIONS),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
