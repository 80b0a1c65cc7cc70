"""The facts that agreements publish."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from farwire.agreement.model import Agreement
from farwire.base.eventbus import Event, new_event
from farwire.kernel.ids import TenantId

AGREEMENT_DRAFTED: Final = "farwire.agreement.drafted.v1"
AGREEMENT_APPROVED: Final = "farwire.agreement.approved.v1"
AGREEMENT_TERMINATED: Final = "farwire.agreement.terminated.v1"
AGREEMENT_WITHDRAWN: Final = "farwire.agreement.withdrawn.v1"


def agreement_event(event_type: str, agreement: Agreement, *, tenant_id: TenantId, at: datetime) -> Event:
    """Return a fact about one version of an agreement."""
    return new_event(
        tenant_id=tenant_id,
        type=event_type,
        subject=str(agreement.party_id),
        occurred_at=at,
        recorded_at=at,
        data={
            "agreement_id": str(agreement.id),
            "number": agreement.number,
            "version": agreement.version,
            "party_id": str(agreement.party_id),
            "valid_from": agreement.valid_from.isoformat(),
            "valid_to": "" if agreement.valid_to is None else agreement.valid_to.isoformat(),
        },
    )
