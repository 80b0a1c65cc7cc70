"""Issue drafts: numbers without gaps, postings, events, in one ordered step per batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from farwire.base.clock import Clock
from farwire.base.eventbus.service import publish_many
from farwire.base.storage import Database, Tx, plan_as_lookups
from farwire.billing.events import bill_issued
from farwire.billing.model import Bill, BillState, legal_number
from farwire.billing.service.revenue import book_bills
from farwire.billing.store import bills as bill_store
from farwire.billing.store import runs as run_store
from farwire.kernel.ids import LegalEntityId, TenantId


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
        await book_bills(tx, issued, at)
        await bill_store.issue(tx, issued, at)
        await publish_many(tx, (bill_issued(bill, tenant_id=tenant_id, at=at) for bill in issued))
    return len(issued)
