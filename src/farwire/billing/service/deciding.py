"""What a person decides on a run: approve, reject, cancel, draft one account again; and what helps to decide."""

from __future__ import annotations

from datetime import datetime

from farwire.account import service as accounts
from farwire.base import audit
from farwire.base.storage import Database, Tx
from farwire.billing.model import Finding, Outcome, Run, RunState
from farwire.billing.model.run import approve, cancel, expect, reject
from farwire.billing.service.checking import check_drafts
from farwire.billing.service.discard import discard_some
from farwire.billing.service.policy import account_unknown
from farwire.billing.service.report import known_run
from farwire.billing.service.run import draft_due
from farwire.billing.store import findings as finding_store
from farwire.billing.store import runs as run_store
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import AccountId, BillRunId, TenantId
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import SYSTEM, Actor
from farwire.usage import service as usage

MAX_REASON = 200


async def _locked(tx: Tx, run_id: BillRunId) -> Run:
    await run_store.lock_billing(tx)
    return await known_run(tx, run_id)


async def _save(tx: Tx, run: Run, actor: Actor, act: str, now: datetime) -> Run:
    await run_store.save_run(tx, run)
    await audit.record(
        tx,
        actor=actor,
        action=f"billing.{act}",
        subject=str(run.id),
        at=now,
        detail={"state": run.state.value},
    )
    return run


def checked_reason(reason: str) -> str:
    """Return ``reason`` if it says something. Raises ``Invalid`` (``billing.reason``)."""
    if reason.strip() and len(reason) <= MAX_REASON and "\x00" not in reason:
        return reason.strip()
    raise Invalid(
        f"a reason has 1 to {MAX_REASON} characters",
        code="billing.reason",
        field="reason",
        value=reason[:80],
        fix="say why",
    )


async def approve_run(tx: Tx, *, run_id: BillRunId, actor: Actor, now: datetime) -> Run:
    """Approve the drafts of a run; ``advance_run`` then issues those without an error.

    Approving twice by the same actor changes nothing. Raises ``NotFound`` (``billing.run_unknown``), ``Conflict``
    (``billing.run_state``), ``Forbidden`` (``authz.four_eyes``).
    """
    run = await _locked(tx, run_id)
    if run.state in (RunState.APPROVED, RunState.ISSUING, RunState.COMPLETED) and run.decided_by == actor:
        return run
    return await _save(tx, approve(run, actor=actor, now=now), actor, "run_approved", now)


async def reject_run(tx: Tx, *, run_id: BillRunId, reason: str, actor: Actor, now: datetime) -> Run:
    """Reject the drafts of a run; ``advance_run`` then gives them up, and the next run drafts them again.

    Raises ``NotFound`` (``billing.run_unknown``), ``Conflict`` (``billing.run_state``), ``Invalid``
    (``billing.reason``).
    """
    run = await _locked(tx, run_id)
    after = reject(run, actor=actor, reason=checked_reason(reason), now=now)
    return await _save(tx, after, actor, "run_rejection", now)


async def cancel_run(tx: Tx, *, run_id: BillRunId, actor: Actor, now: datetime) -> Run:
    """Stop a run after its present batch: what is issued stays, the other drafts are given up by ``advance_run``.

    Raises ``NotFound`` (``billing.run_unknown``), ``Conflict`` (``billing.run_state``).
    """
    run = await _locked(tx, run_id)
    return await _save(tx, cancel(run, actor=actor, now=now), actor, "run_cancellation", now)


async def cancel_runs(
    *, db: Database, tenant_id: TenantId, now: datetime, actor: Actor = SYSTEM
) -> tuple[Run, ...]:
    """Stop every unfinished run of the tenant as ``cancel_run`` does; return them."""
    async with db.transaction(tenant_id) as tx:
        await run_store.lock_billing(tx)
        return tuple(
            [
                await cancel_run(tx, run_id=run.id, actor=actor, now=now)
                for run in await run_store.unfinished_runs(tx)
                if run.state is not RunState.DISCARDING
            ]
        )


async def rerun_account(
    tx: Tx, *, run_id: BillRunId, account_id: AccountId, actor: Actor, now: datetime
) -> tuple[Outcome, ...]:
    """Draft one account of a run that awaits approval again, by what is known now, and check it.

    Returns the outcome of each of its cycles, none where nothing is due (it may be on hold). Raises ``NotFound``
    (``billing.run_unknown``, ``account.unknown``), ``Conflict`` (``billing.run_state``).
    """
    run = await _locked(tx, run_id)
    expect(run, RunState.AWAITING_APPROVAL)
    account = (await accounts.accounts_by_id(tx=tx, account_ids=[account_id])).get(account_id)
    if account is None:
        raise account_unknown(account_id)
    await discard_some(tx, run, code="billing.rerun", message="", at=now, limit=1, account_ids=[account_id])
    outcomes: list[Outcome] = []
    while entries := await draft_due(tx, run, [account], now):
        outcomes.extend(entry.outcome for entry in entries)
        if Outcome.FAILED in outcomes:
            break
    suspended = await usage.suspended_counts(tx)
    await check_drafts(tx, run, suspended=suspended, after=None, limit=1_000, account_id=account_id)
    await audit.record(
        tx,
        actor=actor,
        action="billing.account_rerun",
        subject=str(account_id),
        at=now,
        detail={"run": str(run_id), "cycles": len(outcomes)},
    )
    return tuple(outcomes)


async def run_findings(
    *, db: Database, tenant_id: TenantId, run_id: BillRunId, page: PageRequest
) -> Page[Finding]:
    """Return a page of what the checks found in a run, errors first. Raises ``NotFound`` (``billing.run_unknown``)."""
    async with db.transaction(tenant_id) as tx:
        await known_run(tx, run_id)
        items, total = await finding_store.list_findings(tx, run_id, offset=page.offset, limit=page.limit)
    return Page(items, total, page.offset, page.limit)
