"""Accounts that are not billed for a while, what their next bill would be, and what runs did with them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from farwire.account import service as accounts
from farwire.base import audit
from farwire.base.storage import Database, Tx
from farwire.billing.model import Bill, Hold, JournalEntry
from farwire.billing.service.deciding import checked_reason
from farwire.billing.service.draft import preview_cycle
from farwire.billing.service.policy import account_unknown
from farwire.billing.store import holds as store
from farwire.billing.store import journal as journal_store
from farwire.billing.store import runs as run_store
from farwire.kernel.errors import Conflict, Invalid
from farwire.kernel.ids import AccountId, BillRunId, TenantId
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import Actor
from farwire.kernel.time import Period, local_date, zone


async def hold_account(
    tx: Tx,
    *,
    account_id: AccountId,
    reason: str,
    actor: Actor,
    now: datetime,
    until: datetime | None = None,
) -> Hold:
    """Bill the account no more until it is released, or until ``until`` has come. A new hold takes an old one's place.

    A draft that it has is given up when its run issues; what is due meanwhile is billed afterwards, cycle by cycle.
    Raises ``NotFound`` (``account.unknown``), ``Invalid`` (``billing.hold_until``, ``billing.reason``).
    """
    if until is not None and until <= now:
        raise Invalid(
            "a hold ends in the future",
            code="billing.hold_until",
            field="until",
            value=until.isoformat(),
            fix="give a later time, or none",
        )
    hold = Hold(account_id, checked_reason(reason), actor, now, until)
    if account_id not in await accounts.accounts_by_id(tx=tx, account_ids=[account_id]):
        raise account_unknown(account_id)
    await run_store.lock_billing(tx)
    await store.add_hold(tx, hold)
    detail = {"until": None if until is None else until.isoformat()}
    await audit.record(
        tx, actor=actor, action="billing.account_held", subject=str(account_id), at=now, detail=detail
    )
    return hold


async def release_account(tx: Tx, *, account_id: AccountId, actor: Actor, now: datetime) -> None:
    """Let the account be billed again. Raises ``Conflict`` (``billing.not_held``)."""
    await run_store.lock_billing(tx)
    if not await store.release(tx, account_id, actor, now):
        raise Conflict(
            "the account is not on hold", code="billing.not_held", field="account", value=account_id
        )
    await audit.record(
        tx, actor=actor, action="billing.account_released", subject=str(account_id), at=now, detail={}
    )


async def list_holds(*, db: Database, tenant_id: TenantId, now: datetime, page: PageRequest) -> Page[Hold]:
    """Return a page of the accounts that are on hold now, the longest held first."""
    async with db.transaction(tenant_id) as tx:
        items, total = await store.list_standing(tx, now, offset=page.offset, limit=page.limit)
    return Page(items, total, page.offset, page.limit)


async def preview_bill(
    tx: Tx, *, account_id: AccountId, now: datetime, issue_on: date | None = None
) -> Bill | None:
    """Return what the next bill of the account would be if its cycle ended with what is known now; None for no bill.

    Cycles that would be empty are passed over, up to that of ``now``. With its unbilled usage, its open credits and
    its taxes, by the calculation of a draft. Nothing is saved or taken. Raises ``NotFound`` (``account.unknown``),
    ``Conflict`` and others as a draft would fail.
    """
    found = await accounts.accounts_by_id(tx=tx, account_ids=[account_id])
    account = found.get(account_id)
    if account is None:
        raise account_unknown(account_id)
    done = await journal_store.done_until(tx, [account_id])
    since = done[account_id][0] if account_id in done else account.opened_at
    cycle: Period = account.cycle.containing(since)
    day = issue_on or local_date(now, zone(account.zone))
    while True:
        bill = await preview_cycle(tx, account=account, cycle=cycle, issue_on=day, now=now)
        if bill is not None or cycle.end > now:
            return bill
        cycle = account.cycle.next(cycle)


@dataclass(frozen=True, slots=True)
class JournalLine:
    """What one run did with one cycle of an account."""

    entry: JournalEntry
    run_id: BillRunId


async def account_journal(
    *, db: Database, tenant_id: TenantId, account_id: AccountId, page: PageRequest
) -> Page[JournalLine]:
    """Return a page of what runs did with the cycles of an account, newest first."""
    async with db.transaction(tenant_id) as tx:
        found, total = await journal_store.account_journal(
            tx, account_id, offset=page.offset, limit=page.limit
        )
    return Page(tuple(JournalLine(entry, run_id) for entry, run_id in found), total, page.offset, page.limit)
