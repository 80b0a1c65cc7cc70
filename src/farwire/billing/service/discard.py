"""Give drafts up: their usage is free again, their credits open, their prices charged as far as before. Exactly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from farwire.base.storage import Tx
from farwire.billing.model import JournalEntry, Outcome, Run
from farwire.billing.store import bills as bill_store
from farwire.billing.store import charged as charged_store
from farwire.billing.store import credits as credit_store
from farwire.billing.store import findings as finding_store
from farwire.billing.store import journal as journal_store
from farwire.kernel.ids import AccountId
from farwire.usage import service as usage


async def discard_accounts(
    tx: Tx, run: Run, since: Mapping[AccountId, datetime], why: Mapping[AccountId, JournalEntry], at: datetime
) -> int:
    """Give up what ``run`` drafted for accounts from a cycle on, and journal ``why``; return how many drafts.

    Later cycles of an account go with the first one, because they were calculated on it. Set-based.
    """
    if not since:
        return 0
    bill_ids = await journal_store.discard(tx, run.id, since, why)
    await usage.unmark_bills(tx, bill_ids=bill_ids, at=at)
    await credit_store.take_back(tx, bill_ids)
    await charged_store.restore(tx, since)
    await finding_store.delete_findings(tx, run.id, bill_ids)
    await bill_store.delete_drafts(tx, bill_ids)
    return len(bill_ids)


async def discard_some(
    tx: Tx,
    run: Run,
    *,
    code: str,
    message: str,
    at: datetime,
    limit: int,
    account_ids: Sequence[AccountId] | None = None,
) -> int:
    """Give up what ``run`` drafted for up to ``limit`` accounts, or for ``account_ids``; return how many accounts."""
    since = await journal_store.settled_by(tx, run.id, limit=limit, account_ids=account_ids)
    why = {
        account_id: JournalEntry(account_id, end, Outcome.DISCARDED, code, message)
        for account_id, end in since.items()
    }
    await discard_accounts(tx, run, since, why, at)
    return len(since)
