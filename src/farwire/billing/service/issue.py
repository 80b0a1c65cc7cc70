"""Issue drafts: numbers without gaps, postings, events, in one ordered step per batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime

from msgspec import structs

from farwire.base.eventbus.service import publish_many
from farwire.base.storage import Tx
from farwire.billing.events import issued_event
from farwire.billing.model import (
    Bill,
    BillKind,
    BillState,
    JournalEntry,
    Outcome,
    Run,
    legal_number,
)
from farwire.billing.service.discard import discard_accounts
from farwire.billing.service.revenue import book_bills
from farwire.billing.store import bills as bill_store
from farwire.billing.store import charged as charged_store
from farwire.billing.store import findings as finding_store
from farwire.billing.store import holds as hold_store
from farwire.billing.store import runs as run_store
from farwire.kernel.ids import AccountId, LegalEntityId

_Series = tuple[LegalEntityId, int, BillKind]


async def _numbered(tx: Tx, drafts: Sequence[Bill], at: datetime) -> list[Bill]:
    """Return the drafts with their numbers, in their order. The series stay locked until the commit."""
    wanted = Counter((draft.legal_entity_id, draft.fiscal_year, draft.kind) for draft in drafts)
    following: dict[_Series, int] = {}
    for series, count in sorted(wanted.items()):
        following[series] = await run_store.take_numbers(tx, *series, count)
    issued: list[Bill] = []
    for draft in drafts:
        series = (draft.legal_entity_id, draft.fiscal_year, draft.kind)
        sequence = following[series]
        following[series] = sequence + 1
        number = legal_number(draft.seller.number_prefix, draft.fiscal_year, sequence)
        issued.append(
            structs.replace(draft, state=BillState.ISSUED, sequence=sequence, number=number, issued_at=at)
        )
    return issued


async def issue_bills(tx: Tx, drafts: Sequence[Bill], at: datetime) -> Sequence[Bill]:
    """Give ``drafts`` their numbers in their order, book them, make them final and say so; return them.

    In one transaction: a crash leaves either all of it or nothing, so no number is used twice or left out.
    """
    issued = await _numbered(tx, drafts, at)
    await book_bills(tx, issued, at)
    await bill_store.issue(tx, issued, at)
    await publish_many(tx, (issued_event(bill, tenant_id=tx.tenant_id, at=at) for bill in issued))
    return issued


async def issue_batch(tx: Tx, run: Run, *, limit: int, at: datetime) -> int:
    """Settle up to ``limit`` drafts of ``run``, earliest cycle and lowest account first; return how many.

    Drafts with an error, and those of accounts on hold, are given up with all later ones of their accounts; the others
    are issued. Call it under the billing lock.
    """
    drafts = await bill_store.drafts(tx, run.id, limit)
    if not drafts:
        return 0
    blocked = await _blocked(tx, run, drafts, at)
    since: dict[AccountId, datetime] = {}
    for draft in drafts:
        if draft.account_id in blocked and blocked[draft.account_id].cycle_end <= draft.cycle.end:
            since.setdefault(draft.account_id, draft.cycle.end)
    await discard_accounts(tx, run, since, blocked, at)
    sound = [
        draft
        for draft in drafts
        if draft.account_id not in since or draft.cycle.end < since[draft.account_id]
    ]
    if sound:
        await issue_bills(tx, sound, at)
        await charged_store.forget(tx, [(bill.account_id, bill.cycle.end) for bill in sound])
    return len(drafts)


async def _blocked(
    tx: Tx, run: Run, drafts: Sequence[Bill], at: datetime
) -> Mapping[AccountId, JournalEntry]:
    """Return why accounts get no bill now, each from its first such cycle on."""
    account_ids = sorted({draft.account_id for draft in drafts})
    blocked: dict[AccountId, JournalEntry] = {}
    for finding in await finding_store.errors_of(tx, run.id, account_ids):
        code = f"billing.check_{finding.code}"
        blocked[finding.account_id] = JournalEntry(
            finding.account_id, finding.cycle_end, Outcome.FAILED, code, finding.message
        )
    for account_id, hold in (await hold_store.standing(tx, account_ids, at)).items():
        first = min(draft.cycle.end for draft in drafts if draft.account_id == account_id)
        blocked[account_id] = JournalEntry(
            account_id, first, Outcome.DISCARDED, "billing.account_held", hold.reason
        )
    return blocked
