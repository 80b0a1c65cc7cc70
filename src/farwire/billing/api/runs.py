"""Our own API of bill runs: start one, see what its checks found, approve, reject or cancel it.

A run works in the background (`farwire worker`): the answers are 202 until it has come to where it waits.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Final

import msgspec

from farwire.base.authz import Permission
from farwire.base.web import (
    AnyRoute,
    ById,
    Call,
    Method,
    Nothing,
    PageQuery,
    Reply,
    Route,
    page_reply,
    shown_actor,
    timestamp,
)
from farwire.billing import service
from farwire.billing.jobs import enqueue_advance
from farwire.billing.model import (
    Approval,
    Finding,
    Outcome,
    Run,
    RunReport,
    RunState,
    Scope,
    Severity,
    Thresholds,
)
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import AccountId, BillRunId, parse_id
from farwire.kernel.time import as_utc

RUNS: Final = "/farwire/v1/billRuns"
TAG: Final = "Bill runs"
_FIRST_YEAR: Final = 2000
_LAST_YEAR: Final = 2199

Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=200, description="Why, for the record.")]


class BillRunDocument(msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="BillRun"):
    """One bill run. ``errors`` and ``warnings`` count what its checks found; drafts with an error are not issued."""

    id: str
    href: str
    state: RunState
    approval: Approval
    until: str
    issue_on: str
    started_at: str
    started_by: str
    billed: int
    empty: int
    failed: int
    discarded: int
    errors: int
    warnings: int
    issued: int
    finished_at: str | None = None
    decided_by: str | None = None
    reason: str = ""
    account_id: str | None = None
    cycle_day: int | None = None


class BillRunCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A run over every cycle that ends by ``until`` and is not billed yet; of one account or one cycle day if named."""

    until: datetime
    issue_on: date | None = None
    account_id: str | None = None
    cycle_day: Annotated[int, msgspec.Meta(ge=1, le=31)] | None = None
    growth_percent: Annotated[int, msgspec.Meta(ge=100, le=1_000_000)] = 300
    """A bill beyond so many percent of the last one is shown to who approves."""


class RejectionCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Why the drafts of a run are rejected."""

    reason: Reason


class FindingDocument(msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="BillFinding"):
    """What one check found in one draft. An ``error`` keeps the bill from being issued."""

    bill_id: str
    account_id: str
    cycle_end: str
    code: str
    severity: Severity
    message: str


class RerunDocument(msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="BillRerun"):
    """What became of each cycle of an account that was drafted again."""

    account_id: str
    outcomes: list[Outcome]


class RerunCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The account whose draft is given up and calculated again."""

    account_id: str


def to_bill_run(report: RunReport) -> BillRunDocument:
    """Return a run as the API shows it."""
    run = report.run
    decided = run.decided_by
    return BillRunDocument(
        id=str(run.id),
        href=f"{RUNS}/{run.id}",
        state=run.state,
        approval=run.approval,
        until=timestamp(run.until),
        issue_on=run.issue_on.isoformat(),
        started_at=timestamp(run.started_at),
        started_by=shown_actor(run.started_by),
        billed=report.billed,
        empty=report.empty,
        failed=report.failed,
        discarded=report.discarded,
        errors=report.errors,
        warnings=report.warnings,
        issued=report.issued,
        finished_at=None if run.finished_at is None else timestamp(run.finished_at),
        decided_by=None if decided is None else shown_actor(decided),
        reason=run.reason,
        account_id=None if run.scope.account_id is None else str(run.scope.account_id),
        cycle_day=run.scope.cycle_day,
    )


def _finding(found: Finding) -> FindingDocument:
    return FindingDocument(
        str(found.bill_id),
        str(found.account_id),
        timestamp(found.cycle_end),
        found.code,
        found.severity,
        found.message,
    )


async def create_bill_run(call: Call[Nothing, Nothing, BillRunCreate]) -> Reply:
    """Start a bill run, or return the unfinished one with the same ``until`` and scope."""
    body, now = call.body, call.now()
    if not _FIRST_YEAR <= body.until.year <= _LAST_YEAR:
        raise Invalid(
            f"the year is outside {_FIRST_YEAR} to {_LAST_YEAR}",
            code="billing.until",
            field="until",
            value=body.until.isoformat(),
        )
    account = None if body.account_id is None else AccountId(parse_id(body.account_id, field="accountId"))
    day = body.issue_on or await service.usual_issue_day(
        db=call.database, tenant_id=call.principal.tenant_id, now=now
    )
    async with call.transaction() as tx:
        run = await service.start_run(
            tx,
            until=as_utc(body.until, field="until"),
            issue_on=day,
            now=now,
            actor=call.principal.actor,
            scope=Scope(account, body.cycle_day),
            thresholds=Thresholds(growth_percent=body.growth_percent),
        )
        await enqueue_advance(tx, run)
        document = to_bill_run(await service.run_report(tx, run.id))
    return Reply(document, headers={"location": document.href})


async def list_bill_runs(call: Call[Nothing, PageQuery, None]) -> Reply:
    """Return a page of runs, newest first."""
    page = await service.run_reports(
        db=call.database, tenant_id=call.principal.tenant_id, page=call.query.page()
    )
    return page_reply(page, to_bill_run)


async def get_bill_run(call: Call[ById, Nothing, None]) -> Reply:
    """Return one run with its counts."""
    async with call.transaction() as tx:
        return Reply(to_bill_run(await service.run_report(tx, BillRunId(call.path.id))))


async def approve_bill_run(call: Call[ById, Nothing, None]) -> Reply:
    """Approve the drafts of a run; it issues them."""
    async with call.transaction() as tx:
        run = await service.approve_run(
            tx, run_id=BillRunId(call.path.id), actor=call.principal.actor, now=call.now()
        )
        await enqueue_advance(tx, run)
        return Reply(to_bill_run(await service.run_report(tx, run.id)))


async def reject_bill_run(call: Call[ById, Nothing, RejectionCreate]) -> Reply:
    """Reject the drafts of a run; it gives them up."""
    async with call.transaction() as tx:
        run: Run = await service.reject_run(
            tx,
            run_id=BillRunId(call.path.id),
            reason=call.body.reason,
            actor=call.principal.actor,
            now=call.now(),
        )
        await enqueue_advance(tx, run)
        return Reply(to_bill_run(await service.run_report(tx, run.id)))


async def cancel_bill_run(call: Call[ById, Nothing, None]) -> Reply:
    """Stop a run: what is issued stays, the other drafts are given up."""
    async with call.transaction() as tx:
        run = await service.cancel_run(
            tx, run_id=BillRunId(call.path.id), actor=call.principal.actor, now=call.now()
        )
        await enqueue_advance(tx, run)
        return Reply(to_bill_run(await service.run_report(tx, run.id)))


async def list_findings(call: Call[ById, PageQuery, None]) -> Reply:
    """Return a page of what the checks of a run found, errors first."""
    page = await service.run_findings(
        db=call.database,
        tenant_id=call.principal.tenant_id,
        run_id=BillRunId(call.path.id),
        page=call.query.page(),
    )
    return page_reply(page, _finding)


async def rerun_account(call: Call[ById, Nothing, RerunCreate]) -> Reply:
    """Draft one account of a run that awaits approval again."""
    account_id = AccountId(parse_id(call.body.account_id, field="accountId"))
    async with call.transaction() as tx:
        outcomes = await service.rerun_account(
            tx,
            run_id=BillRunId(call.path.id),
            account_id=account_id,
            actor=call.principal.actor,
            now=call.now(),
        )
    return Reply(RerunDocument(str(account_id), list(outcomes)))


def _act(name: str, handler: object, summary: str, permission: Permission, description: str) -> AnyRoute:
    return Route(
        method=Method.POST,
        path=f"{RUNS}/{{id}}/{name}",
        handler=handler,  # type: ignore[arg-type]
        summary=summary,
        tag=TAG,
        permission=permission,
        response=BillRunDocument,
        path_type=ById,
        body_type=RejectionCreate if name == "reject" else None,
        status=202,
        errors=("409",),
        idempotent=True,
        description=description,
    )


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.POST,
        path=RUNS,
        handler=create_bill_run,
        summary="Start a bill run",
        tag=TAG,
        permission=Permission.BILL_RUN,
        response=BillRunDocument,
        body_type=BillRunCreate,
        status=202,
        errors=("404",),
        idempotent=True,
        description="It rates, drafts and checks in the background, then awaits approval. The same until again is the "
        "same run while it is not over.",
    ),
    Route(
        method=Method.GET,
        path=RUNS,
        handler=list_bill_runs,
        summary="List bill runs",
        tag=TAG,
        permission=Permission.BILL_READ,
        response=list[BillRunDocument],
        query_type=PageQuery,
        description="Newest first.",
    ),
    Route(
        method=Method.GET,
        path=f"{RUNS}/{{id}}",
        handler=get_bill_run,
        summary="Get a bill run",
        tag=TAG,
        permission=Permission.BILL_READ,
        response=BillRunDocument,
        path_type=ById,
    ),
    _act(
        "approve",
        approve_bill_run,
        "Approve a bill run",
        Permission.BILL_APPROVE,
        "By another key than the one that started it. Drafts without an error get their numbers.",
    ),
    _act(
        "reject",
        reject_bill_run,
        "Reject a bill run",
        Permission.BILL_APPROVE,
        "Its drafts are given up; the next run drafts them again.",
    ),
    _act(
        "cancel",
        cancel_bill_run,
        "Cancel a bill run",
        Permission.BILL_RUN,
        "Bills that are issued stay; other drafts are given up.",
    ),
    Route(
        method=Method.GET,
        path=f"{RUNS}/{{id}}/findings",
        handler=list_findings,
        summary="List what the checks of a bill run found",
        tag=TAG,
        permission=Permission.BILL_READ,
        response=list[FindingDocument],
        path_type=ById,
        query_type=PageQuery,
    ),
    Route(
        method=Method.POST,
        path=f"{RUNS}/{{id}}/rerun",
        handler=rerun_account,
        summary="Draft one account of a bill run again",
        tag=TAG,
        permission=Permission.BILL_RUN,
        response=RerunDocument,
        path_type=ById,
        body_type=RerunCreate,
        errors=("409",),
        idempotent=True,
    ),
)
