"""TMF640: services that are configured in the network by a worker, and monitors of that."""

from __future__ import annotations

from typing import Final

from farwire.activation.api.configuring import GONE, Configured
from farwire.activation.api.tmf640_tables import MONITOR, SERVICE
from farwire.activation.model import ACTIVE, SUSPENDED
from farwire.base.tmf import Api, Document, tmf_routes
from farwire.base.web import AnyRoute

_STATES: Final = {"active": ACTIVE, "inactive": SUSPENDED, "terminated": GONE}


def _wanted(document: Document) -> str | None:
    return _STATES.get(str(document.get("state")))


API: Final = Api(
    number="640",
    title="Service activation",
    path="ServiceActivationAndConfiguration",
    resources=Configured("640", SERVICE, _wanted).bound(MONITOR),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
