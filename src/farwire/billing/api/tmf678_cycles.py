"""TMF678 billCycle: the cycles for which bills were issued. Nothing is kept of them: they follow from the bills."""

from __future__ import annotations

from datetime import datetime

from farwire.base.storage import Tx
from farwire.base.tmf import Document, Wanted, stored_time
from farwire.billing import service
from farwire.billing.model.cycles import BilledCycle
from farwire.kernel.page import Page


def to_tmf_cycle(cycle: BilledCycle) -> Document:
    """Return a cycle as TMF678 shows it; its days are those of the accounts' zone."""
    first, last = cycle.days
    return {
        "id": cycle.id,
        "@type": "BillCycle",
        "name": f"{first.isoformat()} to {last.isoformat()}",
        "billingPeriod": f"{first.isoformat()}/{last.isoformat()}",
        "billingDate": f"{cycle.issued_on.isoformat()}T00:00:00.000Z",
        "paymentDueDate": f"{cycle.due_on.isoformat()}T00:00:00.000Z",
        "validFor": {
            "startDateTime": stored_time(cycle.period.start),
            "endDateTime": stored_time(cycle.period.end),
        },
    }


async def find_cycle(tx: Tx, key: str, _now: datetime) -> Document | None:
    """Return the cycle that is called ``key``."""
    found = await service.billed_cycles(tx)
    return next((to_tmf_cycle(one) for one in found if one.id == key), None)


async def page_of_cycles(tx: Tx, wanted: Wanted) -> Page[Document]:
    """Return a page of the cycles, the newest first."""
    found = await service.billed_cycles(tx)
    part = found[wanted.offset : wanted.offset + wanted.limit]
    return Page(tuple(map(to_tmf_cycle, part)), len(found), wanted.offset, wanted.limit)
