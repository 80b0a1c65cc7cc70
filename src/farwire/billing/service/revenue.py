"""Book bills: revenue earned and deferred, open items; later recognise, accrue, close."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime

from farwire.base.storage import Tx
from farwire.billing.model import Bill, LineKind
from farwire.billing.model.revenue import Deferral, deferrals_of, entry_of
from farwire.billing.store import revenue as store
from farwire.kernel.errors import check
from farwire.kernel.ids import BillId, OpenItemId, uuid7
from farwire.ledger import service as ledger
from farwire.payment import service as payments
from farwire.payment.model import ItemKind, OpenItem


async def book_bills(tx: Tx, issued: Sequence[Bill], at: datetime) -> None:
    """Book issued bills: their entries in the ledger, what is earned later, and their open items.

    Set-based: as many statements for a thousand bills as for one. A bill of a closed month is booked into the first
    open one. Raises ``Defect`` (``billing.booked_before``).
    """
    ids = [bill.id for bill in issued]
    days = await ledger.booking_days(tx=tx, wanted={(bill.legal_entity_id, bill.issue_on) for bill in issued})
    booked_on = {bill.id: days[bill.legal_entity_id, bill.issue_on] for bill in issued}
    by_id = {bill.id: bill for bill in issued}
    deferrals: dict[BillId, list[Deferral]] = defaultdict(list)
    sums: dict[BillId, dict[LineKind, tuple[int, int]]] = defaultdict(dict)
    for line in await store.lines_to_book(tx, ids):
        bill = by_id[line.bill_id]
        net, nano = sums[bill.id].get(line.kind, (0, 0))
        sums[bill.id][line.kind] = (net + line.net_minor, nano + line.remainder_nano)
        deferrals[bill.id].extend(deferrals_of(line, bill=bill, booked_on=booked_on[bill.id]))
    entries = [
        entry_of(bill, sums[bill.id], deferrals[bill.id], booked_on=booked_on[bill.id], at=at)
        for bill in issued
    ]
    posted = await ledger.post_entries(tx=tx, entries=entries)
    check(posted == len(issued), "billing.booked_before", "a draft was already in the ledger")
    await store.add_deferrals(tx, by_id, [one for found in deferrals.values() for one in found])
    await store.add_bookings(tx, [bill for bill in issued if booked_on[bill.id] != bill.issue_on], booked_on)
    corrected = frozenset(bill.corrects.bill_id for bill in issued if bill.corrects is not None)
    await payments.add_open_items(tx, [_open_item(bill, at) for bill in issued], now=at, first=corrected)


def _open_item(bill: Bill, at: datetime) -> OpenItem:
    return OpenItem(
        id=OpenItemId(uuid7(at)),
        account_id=bill.account_id,
        legal_entity_id=bill.legal_entity_id,
        kind=ItemKind(bill.kind.value),
        document_id=bill.id,
        number=bill.number or "",
        issued_on=bill.issue_on,
        due_on=bill.due_on,
        currency=bill.currency,
        amount_minor=bill.total_minor,
        open_minor=bill.total_minor,
    )
