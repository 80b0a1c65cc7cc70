"""The facts that billing publishes."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from farwire.base.eventbus.model import Event, new_event
from farwire.billing.model import Bill
from farwire.kernel.ids import TenantId

BILL_ISSUED: Final = "farwire.billing.bill_issued.v1"


def bill_issued(bill: Bill, *, tenant_id: TenantId, at: datetime) -> Event:
    """Return the fact that ``bill`` got its number and was booked at ``at``. Amounts in minor units."""
    return new_event(
        tenant_id=tenant_id,
        type=BILL_ISSUED,
        subject=str(bill.account_id),
        occurred_at=at,
        recorded_at=at,
        data={
            "bill_id": str(bill.id),
            "number": bill.number,
            "account_id": str(bill.account_id),
            "cycle_start": bill.cycle.start.isoformat(),
            "cycle_end": bill.cycle.end.isoformat(),
            "due_on": bill.due_on.isoformat(),
            "currency": bill.currency.code,
            "net_minor": bill.net_minor,
            "tax_minor": bill.tax_minor,
            "total_minor": bill.total_minor,
        },
    )
