"""The facts that the catalogue publishes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from farwire.base.eventbus import Event, new_event
from farwire.catalog.model import DocumentVersion, Entry, Lifecycle, PlanVersion
from farwire.kernel.ids import TenantId

PLAN_PUBLISHED = "farwire.catalog.plan_published.v1"
CATALOGUE_PUBLISHED = "farwire.catalog.catalogue_published.v1"
LIFECYCLE_CHANGED = "farwire.catalog.lifecycle_changed.v1"
OFFERING_CREATED = "farwire.catalog.product_offering_created.v1"
OFFERING_CHANGED = "farwire.catalog.product_offering_changed.v1"
OFFERING_STATE_CHANGED = "farwire.catalog.product_offering_state_changed.v1"
OFFERING_DELETED = "farwire.catalog.product_offering_deleted.v1"


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


def catalogue_published(
    tenant_id: TenantId, publication_id: UUID, versions: Sequence[DocumentVersion], now: datetime
) -> Event:
    """Return the fact that a catalogue file was published, with the versions that were new in it."""
    return new_event(
        tenant_id=tenant_id,
        type=CATALOGUE_PUBLISHED,
        subject=str(publication_id),
        occurred_at=now,
        recorded_at=now,
        data={
            "publication_id": str(publication_id),
            "documents": [
                {"kind": one.entry.kind.value, "code": one.entry.code, "number": one.number}
                for one in versions
            ],
        },
    )


def offering_told(tenant_id: TenantId, event_type: str, offering_id: UUID, now: datetime) -> Event:
    """Return the fact that an offering is new or has a new version of its document; it says no more than which."""
    return new_event(
        tenant_id=tenant_id,
        type=event_type,
        subject=str(offering_id),
        occurred_at=now,
        recorded_at=now,
        data={"api": "620", "type": "ProductOffering", "id": str(offering_id)},
    )


def lifecycle_changed(tenant_id: TenantId, entry: Entry, to: Lifecycle, now: datetime) -> Event:
    """Return the fact that a specification or an offering came into another state of its life."""
    return new_event(
        tenant_id=tenant_id,
        type=LIFECYCLE_CHANGED,
        subject=str(entry.id),
        occurred_at=now,
        recorded_at=now,
        data={
            "kind": entry.kind.value,
            "code": entry.code,
            "from": entry.lifecycle.value,
            "to": to.value,
        },
    )
