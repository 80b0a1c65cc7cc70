"""The facts that activation publishes: ids, adapters and names of attributes, never what they hold."""

from __future__ import annotations

from datetime import datetime

from farwire.activation.model import Finding
from farwire.base.canonical import JSON
from farwire.base.eventbus import Event, new_event
from farwire.kernel.ids import TenantId

DRIFT_FOUND = "farwire.activation.drift_found.v1"
DRIFT_REPAIRED = "farwire.activation.drift_repaired.v1"


def drift_found(tenant_id: TenantId, finding: Finding, now: datetime) -> Event:
    """Return the fact that the network differs from what was applied."""
    return _of(DRIFT_FOUND, tenant_id, finding, now)


def drift_repaired(tenant_id: TenantId, finding: Finding, now: datetime) -> Event:
    """Return the fact that it no longer does, since what was applied was applied again."""
    return _of(DRIFT_REPAIRED, tenant_id, finding, now)


def _of(type_: str, tenant_id: TenantId, finding: Finding, now: datetime) -> Event:
    data: dict[str, JSON] = {"adapter": finding.adapter, "kind": finding.kind.value}
    if finding.target_id is not None:
        data["target_id"] = str(finding.target_id)
    if finding.attributes:
        data["attributes"] = list(finding.attributes)
    return new_event(
        tenant_id=tenant_id,
        type=type_,
        subject=str(finding.id),
        occurred_at=now,
        recorded_at=now,
        data=data,
    )
