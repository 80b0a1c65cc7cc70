"""Service instances: what of a product runs in the network (TMF638)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from farwire.kernel.errors import Conflict
from farwire.kernel.ids import ProductId, ServiceId


class ServiceState(StrEnum):
    """Where a service is in its life (TMF638, ServiceStateType)."""

    DESIGNED = "designed"
    RESERVED = "reserved"
    INACTIVE = "inactive"
    ACTIVE = "active"
    SUSPENDED = "suspended"
    TERMINATED = "terminated"


_NEXT: Final[Mapping[ServiceState, frozenset[ServiceState]]] = {
    ServiceState.DESIGNED: frozenset(ServiceState) - {ServiceState.DESIGNED, ServiceState.SUSPENDED},
    ServiceState.RESERVED: frozenset({ServiceState.INACTIVE, ServiceState.ACTIVE, ServiceState.TERMINATED}),
    ServiceState.INACTIVE: frozenset({ServiceState.ACTIVE, ServiceState.TERMINATED}),
    ServiceState.ACTIVE: frozenset({ServiceState.INACTIVE, ServiceState.SUSPENDED, ServiceState.TERMINATED}),
    ServiceState.SUSPENDED: frozenset({ServiceState.ACTIVE, ServiceState.TERMINATED}),
    ServiceState.TERMINATED: frozenset(),
}


@dataclass(frozen=True, slots=True)
class ServiceChange:
    """From ``valid_from`` on (UTC) the service is in ``state``."""

    valid_from: datetime
    state: ServiceState


@dataclass(frozen=True, slots=True)
class Service:
    """A service of a product, made from the specification with that code, with the history of its states.

    ``attributes`` are its characteristics; they never hold personal data (a number is a resource).
    """

    id: ServiceId
    product_id: ProductId
    specification: str
    changes: tuple[ServiceChange, ...]
    attributes: Mapping[str, str] = field(default_factory=dict)
    supports: ServiceId | None = None
    """The service of the same product that stands on this one."""

    @property
    def state(self) -> ServiceState:
        """Return the state that was entered last."""
        return self.changes[-1].state

    def state_at(self, at: datetime) -> ServiceState | None:
        """Return the state at ``at``, None before the service was designed."""
        return next((one.state for one in reversed(self.changes) if one.valid_from <= at), None)


def check_service_change(service: Service, state: ServiceState, at: datetime) -> None:
    """Raise ``Conflict`` (``inventory.service_state``) where the service cannot enter ``state`` at ``at``."""
    if state in _NEXT[service.state] and at >= service.changes[-1].valid_from:
        return
    raise Conflict(
        f"a service that is {service.state} since {service.changes[-1].valid_from.isoformat()} "
        f"cannot become {state} then",
        code="inventory.service_state",
        field="state",
        value=state.value,
        fix="possible: " + (", ".join(sorted(_NEXT[service.state])) or "nothing, it has ended"),
    )
