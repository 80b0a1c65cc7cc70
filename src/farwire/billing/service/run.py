"""The bill run: drafts in batches over all accounts, then numbers in order. It can be killed and run again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Final

from farwire.account import service as accounts
from farwire.account.model import BillingAccount
from farwire.base import audit
from farwire.base.clock import Clock
from farwire.base.collecting import rarely_collecting
from farwire.base.storage import Database, Tx, plan_as_lookups
from farwire.billing.model import JournalEntry, Outcome, Run, RunReport, RunState, due_cycle
from farwire.billing.service.draft import draft_cycle
from farwire.billing.service.issue import issue_batch
from farwire.billing.store import bills as bill_store
from farwire.billing.store import runs as run_store
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.ids import AccountId, BillRunId, TenantId, uuid7
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import SYSTEM, Actor
from farwire.kernel.time import Period, local_date, zone
from farwire.tenant import service as tenants

BATCH: Final = 1_000
"""Accounts per transaction: a few megabytes, and what a crash can lose."""
STATEMENT_TIMEOUT_S: Final = 300.0

Progress = Callable[[str, int, int], None]
"""Called with the phase (``draft``, ``issue``), how much is done, and of how much."""


def _quiet(_phase: str, _done: int, _total: int) -> None:
    return None


async def run_bills(
    *,
    db: Database,
    tenant_id: TenantId,
    clock: Clock,
    until: datetime,
    issue_on: date | None = None,
    batch: int = BATCH,
    actor: Actor = SYSTEM,
    progress: Progress = _quiet,
) -> RunReport:
    """Bill every cycle that ends at or before ``until`` and is not billed yet; return how it went.

    Idempotent and restartable: an interrupted run with the same ``until`` goes on, under its own issue date, and ends
    with the totals and numbers of one that was not interrupted. ``issue_on`` is the bills' date, today in the tenant's
    zone by default. One bad account is journaled and does not stop the others. Raises ``Invalid``
    (``billing.until_future``).
    """
    now = clock.now()
    if until > now:
        raise Invalid(
            "a cycle that has not ended cannot be billed",
            code="billing.until_future",
            field="until",
            value=until.isoformat(),
            fix="give a time that is past",
        )
    tenant = await tenants.get_tenant(db=db, tenant_id=tenant_id)
    wanted = Run(
        BillRunId(uuid7(now)),
        until,
        issue_on or local_date(now, zone(tenant.zone)),
        RunState.RUNNING,
        cancel_requested=False,
        started_at=now,
    )
    async with db.transaction(tenant_id) as tx:
        await run_store.lock_billing(tx)
        run = await run_store.start_run(tx, wanted)
        total = await accounts.count_accounts(tx=tx)
    with rarely_collecting():
        whole = await _draft_all(db, tenant_id, clock, run, batch, total, progress)
        if whole:
            whole = await _issue_all(db, tenant_id, clock, run, batch, progress)
    return await _finish(db, tenant_id, clock, run, actor, whole=whole)


async def _draft_all(
    db: Database, tenant_id: TenantId, clock: Clock, run: Run, batch: int, total: int, progress: Progress
) -> bool:
    """Draft all that is due; return False where the run was cancelled."""
    after: AccountId | None = None
    done = 0
    while True:
        async with db.transaction(tenant_id, read_only=True) as tx:
            chunk = await accounts.accounts_after(tx=tx, after=after, limit=batch)
        if not chunk:
            return True
        if not await _draft_chunk(db, tenant_id, clock, run, chunk):
            return False
        after = chunk[-1].id
        done += len(chunk)
        progress("draft", done, max(done, total))


async def _draft_chunk(
    db: Database, tenant_id: TenantId, clock: Clock, run: Run, chunk: Sequence[BillingAccount]
) -> bool:
    """Draft every due cycle of these accounts, oldest first, one transaction per cycle; return False if cancelled."""
    open_accounts = {account.id: account for account in chunk}
    while open_accounts:
        async with db.transaction(tenant_id, statement_timeout_s=STATEMENT_TIMEOUT_S) as tx:
            await plan_as_lookups(tx)
            await run_store.lock_billing(tx)
            if await _cancelled(tx, run):
                return False
            due = await _due(tx, run, list(open_accounts.values()))
            if not due:
                return True
            cycle, members = min(due.items(), key=lambda group: group[0])
            outcomes = await draft_cycle(tx, run=run, cycle=cycle, accounts=members, now=clock.now())
        for entry in outcomes:
            if entry.outcome is Outcome.FAILED:
                del open_accounts[entry.account_id]
    return True


async def _due(tx: Tx, run: Run, chunk: Sequence[BillingAccount]) -> dict[Period, list[BillingAccount]]:
    done = await run_store.done_until(tx, [account.id for account in chunk])
    due: dict[Period, list[BillingAccount]] = defaultdict(list)
    known: dict[tuple[int, str, datetime], Period | None] = {}
    for account in chunk:
        since = done.get(account.id, account.opened_at)
        key = (account.cycle_day, account.zone, since)
        if key not in known:
            known[key] = due_cycle(account.cycle, since, run.until)
        cycle = known[key]
        if cycle is not None:
            due[cycle].append(account)
    return due


async def _issue_all(
    db: Database, tenant_id: TenantId, clock: Clock, run: Run, batch: int, progress: Progress
) -> bool:
    """Issue all drafts of the tenant in their order; return False where the run was cancelled."""
    issued = 0
    while True:
        async with db.transaction(tenant_id) as tx:
            if await _cancelled(tx, run):
                return False
        count = await issue_batch(db=db, tenant_id=tenant_id, clock=clock, limit=batch)
        if not count:
            return True
        issued += count
        progress("issue", issued, issued)


async def _cancelled(tx: Tx, run: Run) -> bool:
    current = await run_store.get_run(tx, run.id)
    return current is None or current.cancel_requested


async def _finish(
    db: Database, tenant_id: TenantId, clock: Clock, run: Run, actor: Actor, *, whole: bool
) -> RunReport:
    now = clock.now()
    async with db.transaction(tenant_id) as tx:
        state = RunState.COMPLETED if whole else RunState.CANCELLED
        await run_store.finish_run(tx, run.id, state, now)
        report = await _report(tx, run.id)
        detail = {"billed": report.billed, "failed": report.failed, "issued": report.issued}
        await audit.record(
            tx, actor=actor, action=f"billing.run_{state.value}", subject=str(run.id), at=now, detail=detail
        )
    return report


async def _report(tx: Tx, run_id: BillRunId) -> RunReport:
    run = await run_store.get_run(tx, run_id)
    if run is None:
        raise NotFound("there is no such bill run", code="billing.run_unknown", field="run", value=run_id)
    counts = await run_store.journal_counts(tx, run_id)
    return RunReport(
        run,
        counts.get(Outcome.BILLED, 0),
        counts.get(Outcome.EMPTY, 0),
        counts.get(Outcome.FAILED, 0),
        await bill_store.count_issued(tx, run_id),
    )


async def cancel_runs(*, db: Database, tenant_id: TenantId) -> int:
    """Ask the tenant's unfinished runs to stop after their present batch; return how many there are.

    Drafts stay and get their numbers in the next run.
    """
    async with db.transaction(tenant_id) as tx:
        return await run_store.request_cancel(tx)


async def list_runs(*, db: Database, tenant_id: TenantId, page: PageRequest) -> Page[Run]:
    """Return a page of runs, newest first."""
    async with db.transaction(tenant_id) as tx:
        items, total = await run_store.list_runs(tx, offset=page.offset, limit=page.limit)
    return Page(items, total, page.offset, page.limit)


async def run_failures(
    *, db: Database, tenant_id: TenantId, run_id: BillRunId, page: PageRequest
) -> Page[JournalEntry]:
    """Return a page of the accounts that failed in a run, with code and words."""
    async with db.transaction(tenant_id) as tx:
        items, total = await run_store.failures(tx, run_id, offset=page.offset, limit=page.limit)
    return Page(items, total, page.offset, page.limit)
