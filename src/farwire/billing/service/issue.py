"""Issue drafts: numbers without gaps, postings, events, in one ordered step per batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from farwire.base.clock import Clock
from farwire.base.eventbus.service import publish_many
from farwire.base.storage import Database, Tx, plan_as_lookups
from farwire.billing.events import bill_issued
from farwire.billing.model import Bill, BillState, LineKind, legal_number
from farwire.billing.store import bills as bill_store
from farwire.billing.store import runs as run_store
from farwire.kernel.errors import check
from farwire.kernel.ids import EntryId, LegalEntityId, TenantId, uuid7
from farwire.ledger import service as ledger
from farwire.ledger.model import Book, Entry, Posting

SOURCE: Final = "bill"
_REVENUE: Final = {
    LineKind.RECURRING: Book.REVENUE_RECURRING,
    LineKind.ONE_OFF: Book.REVENUE_ONE_OFF,
    LineKind.USAGE: Book.REVENUE_USAGE,
}


def entry_of(bill: Bill, sums: Mapping[LineKind, tuple[int, int]], at: datetime) -> Entry:
    """Return the booking of a bill. ``sums`` has the net (minor) and the remainder (nano) of each kind of line."""
    unit = bill.currency
    postings = [Posting(Book.RECEIVABLE, unit, bill.total_minor, 0, bill.account_id)]
    for kind, book in _REVENUE.items():
        net, remainder = sums.get(kind, (0, 0))
        postings.append(Posting(book, unit, -net, -remainder))
    postings.append(Posting(Book.TAX_PAYABLE, unit, -bill.tax_minor))
    postings.append(Posting(Book.REMAINDER, unit, 0, sum(remainder for _, remainder in sums.values())))
    kept = tuple(p for p in postings if p.amount_minor or p.remainder_nano or p.book is Book.RECEIVABLE)
    return Entry(EntryId(uuid7(at)), bill.legal_entity_id, bill.issue_on, at, SOURCE, str(bill.id), kept)


async def _numbered(tx: Tx, drafts: Sequence[Bill], at: datetime) -> list[Bill]:
    """Return the drafts with their numbers, in their order. The series stays locked until the commit."""
    wanted = Counter((draft.legal_entity_id, draft.fiscal_year) for draft in drafts)
    following: dict[tuple[LegalEntityId, int], int] = {}
    for series, count in sorted(wanted.items()):
        following[series] = await run_store.take_numbers(tx, *series, count)
    issued: list[Bill] = []
    for draft in drafts:
        series = (draft.legal_entity_id, draft.fiscal_year)
        sequence = following[series]
        following[series] = sequence + 1
        number = legal_number(draft.seller.number_prefix, draft.fiscal_year, sequence)
        issued.append(replace(draft, state=BillState.ISSUED, sequence=sequence, number=number, issued_at=at))
    return issued


async def issue_batch(*, db: Database, tenant_id: TenantId, clock: Clock, limit: int) -> int:
    """Issue up to ``limit`` drafts, earliest cycle and lowest account first; return how many.

    One transaction: a crash leaves either all of it or nothing, so no number is used twice or left out.
    """
    async with db.transaction(tenant_id) as tx:
        await plan_as_lookups(tx)
        await run_store.lock_billing(tx)
        drafts = await bill_store.drafts(tx, limit)
        if not drafts:
            return 0
        at = clock.now()
        issued = await _numbered(tx, drafts, at)
        sums = await bill_store.sums_by_kind(tx, [bill.id for bill in issued])
        entries = [entry_of(bill, sums.get(bill.id, {}), at) for bill in issued]
        posted = await ledger.post_entries(tx=tx, entries=entries)
        check(posted == len(issued), "billing.booked_before", "a draft was already in the ledger")
        await bill_store.issue(tx, issued, at)
        await publish_many(tx, (bill_issued(bill, tenant_id=tenant_id, at=at) for bill in issued))
    return len(issued)
