"""Start a bill run, or find the unfinished one that it is."""

from __future__ import annotations

from datetime import date, datetime
from typing import Final

from farwire.account import service as accounts
from farwire.base import audit
from farwire.base.storage import Database, Tx
from farwire.billing.model import Approval, Run, RunState, Scope, Thresholds
from farwire.billing.model.checks import USUAL
from farwire.billing.service.policy import account_unknown, approval_of_run
from farwire.billing.store import runs as run_store
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import BillRunId, TenantId, uuid7
from farwire.kernel.tenancy import Actor
from farwire.kernel.time import local_date, zone
from farwire.tenant import service as tenants

EVERYBODY: Final = Scope()


async def start_run(
    tx: Tx,
    *,
    until: datetime,
    issue_on: date,
    now: datetime,
    actor: Actor,
    approval: Approval | None = None,
    scope: Scope = EVERYBODY,
    thresholds: Thresholds = USUAL,
) -> Run:
    """Return the unfinished run over the cycles that end by ``until``, or a new one, which has done nothing yet.

    ``issue_on`` is the bills' date; ``approval`` is that of the tenant's policy unless given. Raises ``Invalid``
    (``billing.until_future``, ``billing.cycle_day``, ``billing.thresholds``), ``NotFound`` (``account.unknown``).
    """
    _check(until, now, thresholds)
    await _check_scope(tx, scope)
    await run_store.lock_billing(tx)
    wanted = Run(
        BillRunId(uuid7(now)),
        until,
        issue_on,
        RunState.RATING,
        cancel_requested=False,
        started_at=now,
        approval=approval or await approval_of_run(tx),
        scope=scope,
        thresholds=thresholds,
        started_by=actor,
    )
    run = await run_store.start_run(tx, wanted)
    if run.id == wanted.id:
        detail = {"until": until.isoformat(), "approval": run.approval.value}
        await audit.record(
            tx, actor=actor, action="billing.run_started", subject=str(run.id), at=now, detail=detail
        )
    return run


def _check(until: datetime, now: datetime, thresholds: Thresholds) -> None:
    if until > now:
        raise Invalid(
            "a cycle that has not ended cannot be billed",
            code="billing.until_future",
            field="until",
            value=until.isoformat(),
            fix="give a time that is past",
        )
    if thresholds.growth_percent < 100 or thresholds.growth_from_minor < 0:
        raise Invalid(
            "a bill grows beyond 100 % of the last one",
            code="billing.thresholds",
            field="growth_percent",
            value=thresholds.growth_percent,
            fix="at least 100",
        )


async def usual_issue_day(*, db: Database, tenant_id: TenantId, now: datetime) -> date:
    """Return the date of the bills of a run that names none: today in the tenant's zone."""
    tenant = await tenants.get_tenant(db=db, tenant_id=tenant_id)
    return local_date(now, zone(tenant.zone))


async def _check_scope(tx: Tx, scope: Scope) -> None:
    if scope.cycle_day is not None and not 1 <= scope.cycle_day <= 31:
        raise Invalid(
            "a cycle day is a day of the month",
            code="billing.cycle_day",
            field="cycle_day",
            value=scope.cycle_day,
            fix="use 1 to 31",
        )
    if scope.account_id is not None:
        found = await accounts.accounts_by_id(tx=tx, account_ids=[scope.account_id])
        if scope.account_id not in found:
            raise account_unknown(scope.account_id)
