"""The bill run: rate → draft → check → approve → issue, in batches. It can be killed at any moment and goes on."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final

from farwire.account import service as accounts
from farwire.account.model import BillingAccount
from farwire.base import audit
from farwire.base.clock import Clock
from farwire.base.collecting import rarely_collecting
from farwire.base.eventbus import publish
from farwire.base.storage import Database, Tx, plan_as_lookups
from farwire.billing.events import run_ended
from farwire.billing.model import (
    Approval,
    JournalEntry,
    Outcome,
    Run,
    RunReport,
    RunState,
    Scope,
    Thresholds,
    due_cycle,
)
from farwire.billing.model.checks import USUAL
from farwire.billing.model.run import advanced
from farwire.billing.service.checking import check_drafts
from farwire.billing.service.discard import discard_some
from farwire.billing.service.draft import draft_cycle
from farwire.billing.service.issue import issue_batch
from farwire.billing.service.report import known_run, run_report
from farwire.billing.service.starting import EVERYBODY, start_run, usual_issue_day
from farwire.billing.store import charged as charged_store
from farwire.billing.store import holds as hold_store
from farwire.billing.store import journal as journal_store
from farwire.billing.store import runs as run_store
from farwire.billing.store.findings import Place
from farwire.kernel.ids import AccountId, BillRunId, TenantId
from farwire.kernel.tenancy import SYSTEM, Actor
from farwire.kernel.time import Period
from farwire.usage import service as usage

BATCH: Final = 1_000
"""Accounts per transaction: a few megabytes, and what a crash can lose."""
STATEMENT_TIMEOUT_S: Final = 300.0

Progress = Callable[[str, int, int], None]
"""Called with the phase (rate, draft, check, issue, discard), how much is done, and of how much."""


def _quiet(_phase: str, _done: int, _total: int) -> None:
    return None


@dataclass(frozen=True, slots=True)
class _Work:
    """What the phases of one run share."""

    db: Database
    tenant_id: TenantId
    clock: Clock
    batch: int
    progress: Progress


async def advance_run(
    *,
    db: Database,
    tenant_id: TenantId,
    clock: Clock,
    run_id: BillRunId,
    batch: int = BATCH,
    progress: Progress = _quiet,
) -> RunReport:
    """Take a run as far as it goes by itself: to its approval, or to its end; return where it is.

    Idempotent and restartable: a run that was interrupted goes on and ends with the totals and numbers of one that was
    not. Several at once share the work. Raises ``NotFound`` (``billing.run_unknown``).
    """
    work = _Work(db, tenant_id, clock, batch, progress)
    with rarely_collecting():
        while True:
            async with db.transaction(tenant_id, read_only=True) as tx:
                run = await known_run(tx, run_id)
            phase = _PHASES.get(run.state)
            if phase is None:
                break
            await phase(work, run)
            await _finish_phase(work, run)
    async with db.transaction(tenant_id) as tx:
        return await run_report(tx, run_id)


async def run_bills(
    *,
    db: Database,
    tenant_id: TenantId,
    clock: Clock,
    until: datetime,
    issue_on: date | None = None,
    approval: Approval | None = None,
    scope: Scope = EVERYBODY,
    thresholds: Thresholds = USUAL,
    batch: int = BATCH,
    actor: Actor = SYSTEM,
    progress: Progress = _quiet,
) -> RunReport:
    """Start a run or go on with it, and take it as far as it goes: ``start_run``, then ``advance_run``.

    ``issue_on`` is the bills' date, today by default. With ``approval`` none it is one call from usage to numbered
    bills; where a second person must approve it stops there, and the same call goes on afterwards. One bad account is
    journaled and does not stop the others.
    """
    now = clock.now()
    day = issue_on or await usual_issue_day(db=db, tenant_id=tenant_id, now=now)
    async with db.transaction(tenant_id) as tx:
        run = await start_run(
            tx,
            until=until,
            issue_on=day,
            now=now,
            actor=actor,
            approval=approval,
            scope=scope,
            thresholds=thresholds,
        )
    return await advance_run(
        db=db, tenant_id=tenant_id, clock=clock, run_id=run.id, batch=batch, progress=progress
    )


async def _finish_phase(work: _Work, run: Run) -> None:
    """Take the run to the next state, unless another process or a person did meanwhile."""
    now = work.clock.now()
    async with work.db.transaction(work.tenant_id, statement_timeout_s=STATEMENT_TIMEOUT_S) as tx:
        await run_store.lock_billing(tx)
        current = await known_run(tx, run.id)
        if current.state is not run.state:
            return
        after = advanced(current, now)
        await run_store.save_run(tx, after)
        if not after.state.ended:
            return
        await charged_store.forget_empty(tx, run.id)
        await publish(tx, run_ended(after, tenant_id=tx.tenant_id, at=now))
        report = await run_report(tx, run.id)
        detail = {"billed": report.billed, "failed": report.failed, "issued": report.issued}
        await audit.record(
            tx,
            actor=after.decided_by or after.started_by,
            action=f"billing.run_{after.state.value}",
            subject=str(run.id),
            at=now,
            detail=detail,
        )


async def _goes_on(tx: Tx, run: Run) -> bool:
    """Return whether the run is still in this phase and nobody asked it to stop. Call it under the lock."""
    current = await known_run(tx, run.id)
    return current.state is run.state and not current.cancel_requested


async def _rate(work: _Work, _run: Run) -> None:
    """Rate what waits, so that nothing that came in by now is left to the next bill."""
    await usage.rate_usage(
        db=work.db,
        tenant_id=work.tenant_id,
        clock=work.clock,
        progress=lambda done: work.progress("rate", done, done),
    )


async def _draft_all(work: _Work, run: Run) -> None:
    """Draft all that is due."""
    async with work.db.transaction(work.tenant_id, read_only=True) as tx:
        total = 1 if run.scope.account_id else await accounts.count_accounts(tx=tx)
    after: AccountId | None = None
    done = 0
    while True:
        async with work.db.transaction(work.tenant_id, read_only=True) as tx:
            chunk = await _accounts_after(tx, run, after, work.batch)
        if not chunk:
            return
        of_scope = [one for one in chunk if run.scope.cycle_day in (None, one.cycle_day)]
        if of_scope and not await _draft_chunk(work, run, of_scope):
            return
        after = chunk[-1].id
        done += len(chunk)
        work.progress("draft", done, max(done, total))


async def _accounts_after(tx: Tx, run: Run, after: AccountId | None, limit: int) -> Sequence[BillingAccount]:
    only = run.scope.account_id
    if only is None:
        return await accounts.accounts_after(tx=tx, after=after, limit=limit)
    found = await accounts.accounts_by_id(tx=tx, account_ids=[only])
    return [] if after is not None else list(found.values())


async def _draft_chunk(work: _Work, run: Run, chunk: Sequence[BillingAccount]) -> bool:
    """Draft every due cycle of these accounts, oldest first, one transaction per cycle; return False where it stops."""
    open_accounts = {account.id: account for account in chunk}
    while open_accounts:
        async with work.db.transaction(work.tenant_id, statement_timeout_s=STATEMENT_TIMEOUT_S) as tx:
            await plan_as_lookups(tx)
            await run_store.lock_billing(tx)
            if not await _goes_on(tx, run):
                return False
            outcomes = await draft_due(tx, run, list(open_accounts.values()), work.clock.now())
        if outcomes is None:
            return True
        for entry in outcomes:
            if entry.outcome is Outcome.FAILED:
                del open_accounts[entry.account_id]
    return True


async def draft_due(
    tx: Tx, run: Run, chunk: Sequence[BillingAccount], now: datetime
) -> Sequence[JournalEntry] | None:
    """Draft the oldest due cycle of these accounts; None where nothing is due. Call it under the billing lock."""
    due = await _due(tx, run, chunk, now)
    if not due:
        return None
    cycle, members = min(due.items(), key=lambda group: group[0])
    return await draft_cycle(tx, run=run, cycle=cycle, accounts=members, now=now)


async def _due(
    tx: Tx, run: Run, chunk: Sequence[BillingAccount], now: datetime
) -> dict[Period, list[BillingAccount]]:
    """Return the next due cycle of each account, without those on hold and those that another run has in hand."""
    account_ids = [account.id for account in chunk]
    done = await journal_store.done_until(tx, account_ids)
    held = await hold_store.standing(tx, account_ids, now)
    elsewhere = {other.id for other in await run_store.unfinished_runs(tx)} - {run.id}
    due: dict[Period, list[BillingAccount]] = defaultdict(list)
    known: dict[tuple[int, str, datetime], Period | None] = {}
    for account in chunk:
        since, by = done.get(account.id, (account.opened_at, None))
        if account.id in held or by in elsewhere:
            continue
        key = (account.cycle_day, account.zone, since)
        if key not in known:
            known[key] = due_cycle(account.cycle, since, run.until)
        cycle = known[key]
        if cycle is not None:
            due[cycle].append(account)
    return due


async def _check_all(work: _Work, run: Run) -> None:
    """Check every draft of the run."""
    async with work.db.transaction(work.tenant_id, read_only=True) as tx:
        suspended = await usage.suspended_counts(tx)
    place: Place | None = None
    done = 0
    while True:
        async with work.db.transaction(work.tenant_id, statement_timeout_s=STATEMENT_TIMEOUT_S) as tx:
            await plan_as_lookups(tx)
            await run_store.lock_billing(tx)
            if not await _goes_on(tx, run):
                return
            count, place = await check_drafts(tx, run, suspended=suspended, after=place, limit=work.batch)
        if place is None:
            return
        done += count
        work.progress("check", done, done)


async def _begin_issuing(_work: _Work, _run: Run) -> None:
    """An approved run has nothing to do before it issues."""


async def _issue_all(work: _Work, run: Run) -> None:
    """Issue the drafts of the run in their order."""
    done = 0
    while True:
        async with work.db.transaction(work.tenant_id, statement_timeout_s=STATEMENT_TIMEOUT_S) as tx:
            await plan_as_lookups(tx)
            await run_store.lock_billing(tx)
            if not await _goes_on(tx, run):
                return
            count = await issue_batch(tx, run, limit=work.batch, at=work.clock.now())
        if not count:
            return
        done += count
        work.progress("issue", done, done)


async def _discard_all(work: _Work, run: Run) -> None:
    """Give the drafts of the run up."""
    code = f"billing.run_{(run.ends_as or RunState.CANCELLED).value}"
    done = 0
    while True:
        async with work.db.transaction(work.tenant_id, statement_timeout_s=STATEMENT_TIMEOUT_S) as tx:
            await run_store.lock_billing(tx)
            if (await known_run(tx, run.id)).state is not run.state:
                return
            count = await discard_some(
                tx, run, code=code, message=run.reason, at=work.clock.now(), limit=work.batch
            )
        if not count:
            return
        done += count
        work.progress("discard", done, done)


_PHASES: Final[dict[RunState, Callable[[_Work, Run], Awaitable[None]]]] = {
    RunState.RATING: _rate,
    RunState.DRAFTING: _draft_all,
    RunState.CHECKING: _check_all,
    RunState.APPROVED: _begin_issuing,
    RunState.ISSUING: _issue_all,
    RunState.DISCARDING: _discard_all,
}
"""What a run does in each state; in the others it waits or is over."""
