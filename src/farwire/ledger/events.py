"""The facts that the books publish."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from farwire.base.eventbus.model import Event, new_event
from farwire.kernel.ids import TenantId
from farwire.ledger.model import AccountingPeriod

PERIOD_CLOSED: Final = "farwire.ledger.period_closed.v1"


def period_closed(period: AccountingPeriod, *, tenant_id: TenantId, at: datetime) -> Event:
    """Return the fact that nothing is booked into ``period`` any more."""
    return new_event(
        tenant_id=tenant_id,
        type=PERIOD_CLOSED,
        subject=str(period.legal_entity_id),
        occurred_at=at,
        recorded_at=at,
        data={
            "legal_entity_id": str(period.legal_entity_id),
            "month": f"{period.month:%Y-%m}",
            "fiscal_year": period.fiscal_year,
            "number": period.number,
            "revision": period.revision,
        },
    )
