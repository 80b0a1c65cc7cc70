"""The facts that billing publishes."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from farwire.base.canonical import JSON
from farwire.base.eventbus.model import Event, new_event
from farwire.billing.model import Bill, BillKind, Run
from farwire.kernel.ids import TenantId

BILL_ISSUED: Final = "farwire.billing.bill_issued.v1"
BILL_SENT: Final = "farwire.billing.bill_sent.v1"
RUN_ENDED: Final = "farwire.billing.run_ended.v1"
CREDIT_NOTE_ISSUED: Final = "farwire.billing.credit_note_issued.v1"


def issued_event(bill: Bill, *, tenant_id: TenantId, at: datetime) -> Event:
    """Return the fact that a bill or a credit note got its number and was booked at ``at``. Amounts in minor units.

    Those of a credit note are negative; it names the bill that it corrects.
    """
    note = bill.kind is BillKind.CREDIT_NOTE
    data: dict[str, JSON] = {
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
    }
    if bill.corrects is not None:
        data |= {"corrects_bill_id": str(bill.corrects.bill_id), "corrects_number": bill.corrects.number}
    return new_event(
        tenant_id=tenant_id,
        type=CREDIT_NOTE_ISSUED if note else BILL_ISSUED,
        subject=str(bill.account_id),
        occurred_at=at,
        recorded_at=at,
        data=data,
    )


def bill_sent(bill_id: UUID, *, tenant_id: TenantId, at: datetime) -> Event:
    """Return the fact that somebody said that a bill was sent."""
    return new_event(
        tenant_id=tenant_id,
        type=BILL_SENT,
        subject=str(bill_id),
        occurred_at=at,
        recorded_at=at,
        data={"bill_id": str(bill_id)},
    )


def run_ended(run: Run, *, tenant_id: TenantId, at: datetime) -> Event:
    """Return the fact that a run is over: completed, cancelled or rejected."""
    return new_event(
        tenant_id=tenant_id,
        type=RUN_ENDED,
        subject=str(run.id),
        occurred_at=at,
        recorded_at=at,
        data={"run_id": str(run.id), "state": run.state.value},
    )
