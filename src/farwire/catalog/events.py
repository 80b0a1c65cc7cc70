"""The facts that the catalogue publishes."""

from __future__ import annotations

from datetime import datetime

from farwire.base.eventbus import Event, new_event
from farwire.catalog.model import PlanVersion
from farwire.kernel.ids import TenantId

PLAN_PUBLISHED = "farwire.catalog.plan_published.v1"


def plan_published(tenant_id: TenantId, version: PlanVersion, now: datetime) -> Event:
    """Return the fact that a plan version was published. ``occurred_at`` is when, not when it comes into force."""
    return new_event(
        tenant_id=tenant_id,
        type=PLAN_PUBLISHED,
        subject=str(version.offering_id),
        occurred_at=now,
        recorded_at=now,
        data={
            "plan_version_id": str(version.id),
            "offering": version.plan.offering,
            "number": version.number,
            "digest": version.digest,
            "valid_from": version.plan.valid_from.isoformat(),
        },
    )
