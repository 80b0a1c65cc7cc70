"""The facts that usage publishes. Types are versioned; data holds counts, codes and ids, never personal data."""

from __future__ import annotations

from datetime import datetime

import msgspec

from farwire.base.eventbus import Event, new_event
from farwire.kernel.ids import ImportId, TenantId
from farwire.usage.model import Crossing, Totals

IMPORTED = "farwire.usage.imported.v1"
SUSPENDED = "farwire.usage.suspended.v1"
RECYCLED = "farwire.usage.recycled.v1"
RATED = "farwire.usage.rated.v1"
ALLOWANCE_USED = "farwire.usage.allowance_used.v1"


def imported(tenant_id: TenantId, import_id: ImportId, totals: Totals, at: datetime) -> Event:
    """Return the fact that an import is finished, with its control totals."""
    return _event(IMPORTED, tenant_id, str(import_id), at, {"totals": msgspec.to_builtins(totals)})


def suspended(tenant_id: TenantId, import_id: ImportId, totals: Totals, at: datetime) -> Event:
    """Return the fact that rows of an import are in suspense, by reason."""
    reasons = {
        place.partition(":")[2]: count
        for place, count in totals.row_reasons.items()
        if place.startswith("suspended:")
    }
    return _event(
        SUSPENDED, tenant_id, str(import_id), at, {"rows": totals.rows_suspended, "reasons": reasons}
    )


def recycled(tenant_id: TenantId, counts: dict[str, int], at: datetime) -> Event:
    """Return the fact that suspended rows and usages were tried again, with what came of it."""
    return _event(RECYCLED, tenant_id, "usage", at, {"counts": counts})


def rated(tenant_id: TenantId, counts: dict[str, int], at: datetime) -> Event:
    """Return the fact that a batch of usages was rated: counts by outcome."""
    return _event(RATED, tenant_id, "usage", at, {"counts": counts})


def allowance_used(tenant_id: TenantId, crossing: Crossing, recorded_at: datetime) -> Event:
    """Return the fact that a product has used so many per cent of an allowance in one of its periods.

    ``at`` is when the usage started that reached it, ``used`` and ``amount`` are in base units of ``unit``.
    """
    return new_event(
        tenant_id=tenant_id,
        type=ALLOWANCE_USED,
        subject=str(crossing.product_id),
        occurred_at=crossing.at,
        recorded_at=recorded_at,
        data={
            "product_id": str(crossing.product_id),
            "allowance_id": crossing.allowance_id,
            "label": crossing.label,
            "percent": crossing.percent,
            "used": crossing.used,
            "amount": crossing.amount,
            "unit": crossing.unit,
            "at": crossing.at.isoformat(),
        },
    )


def _event(kind: str, tenant_id: TenantId, subject: str, at: datetime, data: dict[str, object]) -> Event:
    return new_event(
        tenant_id=tenant_id,
        type=kind,
        subject=subject,
        occurred_at=at,
        recorded_at=at,
        data=data,  # type: ignore[arg-type]  # built from counts and text alone
    )
