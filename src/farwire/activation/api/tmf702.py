"""TMF702: resources that are configured in the network by a worker, and monitors of that."""

from __future__ import annotations

from typing import Final

from farwire.activation.api.configuring import GONE, Configured
from farwire.activation.api.tmf702_tables import MONITOR, RESOURCE
from farwire.activation.model import ACTIVE, SUSPENDED
from farwire.base.tmf import Api, Document, tmf_routes
from farwire.base.web import AnyRoute

_STATES: Final = {"unlocked": ACTIVE, "locked": SUSPENDED, "shutdown": GONE}


def _wanted(document: Document) -> str | None:
    return _STATES.get(str(document.get("administrativeState")))


API: Final = Api(
    number="702",
    title="Resource activation",
    path="ResourceActivationAndConfiguration",
    resources=Configured("702", RESOURCE, _wanted).bound(MONITOR),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
