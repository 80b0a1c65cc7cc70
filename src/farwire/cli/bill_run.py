"""``farwire bill``: run a month, look at what the checks found, approve or reject it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Annotated, Final

import typer

from farwire.account import service as accounts
from farwire.billing import service
from farwire.billing.model import Run, RunReport, RunState, Scope, Thresholds
from farwire.cli.shell import (
    ActorOption,
    ExitCode,
    JsonOption,
    LimitOption,
    OffsetOption,
    Session,
    TenantOption,
    actor_named,
    parse_moment,
    run,
)
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.ids import AccountId, BillRunId, TenantId, parse_id
from farwire.kernel.page import PageRequest
from farwire.kernel.time import zone
from farwire.tenant import service as tenants

RunArgument = Annotated[
    str, typer.Argument(help="The run's id; may be left out where only one run waits.", show_default=False)
]
AccountArgument = Annotated[str, typer.Argument(help="The account's number.")]
ReasonOption = Annotated[str, typer.Option("--reason", help="Why, for the record.")]
_MANY: Final = PageRequest(0, 1000)
_TO_APPROVE: Final = (RunState.AWAITING_APPROVAL, RunState.APPROVED, RunState.ISSUING)


def day_of(text: str, field: str) -> date | None:
    """Return the day that ``text`` names, None for none. Raises ``Invalid`` (``billing.day``)."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid(
            "not a day", code="billing.day", field=field, value=text, fix="write YYYY-MM-DD"
        ) from None


async def account_id_of(session: Session, tenant_id: TenantId, number: str) -> AccountId:
    """Return the id of the account with a number. Raises ``NotFound`` (``account.unknown``)."""
    async with session.db.transaction(tenant_id) as tx:
        return (await accounts.account_numbered(tx=tx, number=number)).id


async def _run_id(
    session: Session, tenant_id: TenantId, text: str, states: Sequence[RunState] = ()
) -> BillRunId:
    if text:
        return BillRunId(parse_id(text, field="run"))
    page = await service.list_runs(db=session.db, tenant_id=tenant_id, page=_MANY)
    found = [one for one in page.items if (one.state in states if states else not one.state.ended)]
    if len(found) == 1:
        return found[0].id
    raise NotFound(
        "no run waits for it" if not found else "several runs wait",
        code="billing.run_unclear",
        field="run",
        fix="start one: farwire bill run" if not found else "name one; see: farwire bill runs",
    )


def run_bills(
    tenant: TenantOption,
    until: Annotated[
        str,
        typer.Option(
            "--until", help="Bill the cycles that end by then: a day in the operator's zone, or a time."
        ),
    ],
    issue_on: Annotated[
        str, typer.Option("--issue-on", help="The date on the bills; today by default.")
    ] = "",
    account: Annotated[str, typer.Option("--account", help="Only this account number.")] = "",
    cycle_day: Annotated[
        int, typer.Option("--cycle-day", min=0, max=31, help="Only accounts of this cycle day; 0 is all.")
    ] = 0,
    growth: Annotated[
        int, typer.Option("--growth", min=100, help="Warn of a bill beyond so many percent of the last one.")
    ] = 300,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", help="A check to leave out, e.g. usage_gone. Repeat it.")
    ] = None,
    batch: Annotated[int, typer.Option("--batch", min=1, max=5000, help="Accounts per transaction.")] = 500,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Rate, draft and check every cycle that is over and not billed yet; then a second person approves.

    It stops where approval is needed; `farwire bill approve --as NAME` goes on and gives the numbers. The same command
    goes on with a run that was interrupted. Exit code 1 if an account failed, a check found an error, or the run was
    cancelled.

    [bold]Examples[/bold]

      farwire bill run --tenant acme --until 2026-07-01

      farwire bill approve --tenant acme --as finance-2
    """

    async def act(session: Session) -> None:
        operator = await tenants.tenant_by_name(db=session.db, name=tenant)
        only = await account_id_of(session, operator.id, account) if account else None
        with session.out.progress("Billing") as report_progress:
            report = await service.run_bills(
                db=session.db,
                tenant_id=operator.id,
                clock=session.clock,
                until=parse_moment(until, field="until", zone_name=operator.zone),
                issue_on=day_of(issue_on, "issue_on"),
                scope=Scope(only, cycle_day or None),
                thresholds=Thresholds(growth_percent=growth, ignored=tuple(ignore or ())),
                batch=batch,
                actor=actor_named(actor),
                progress=lambda _phase, done, _total: report_progress(done),
            )
        await _show_run(session, tenant, operator.id, report)

    run(act, as_json)


async def _show_run(session: Session, tenant: str, tenant_id: TenantId, report: RunReport) -> None:
    failures = await service.run_failures(
        db=session.db, tenant_id=tenant_id, run_id=report.run.id, page=PageRequest(0, 100)
    )
    facts: dict[str, object] = {
        "run": report.run.id,
        "state": report.run.state,
        "billed": report.billed,
        "empty": report.empty,
        "failed": report.failed,
        "discarded": report.discarded,
        "errors": report.errors,
        "warnings": report.warnings,
        "issued": report.issued,
    }
    errors = [
        {
            "account": entry.account_id,
            "cycle_end": entry.cycle_end,
            "code": entry.code,
            "message": entry.message,
        }
        for entry in failures.items
    ]
    session.out.facts("Bill run", {**facts, "failures": errors} if session.out.as_json else facts)
    if errors and not session.out.as_json:
        columns = ("account", "cycle_end", "code", "message")
        session.out.rows("Failed accounts", columns, errors, empty="", total=failures.total)
    if report.errors or report.warnings:
        session.out.note(f"What the checks found: farwire bill checks {report.run.id} --tenant {tenant}")
    if report.run.state is RunState.AWAITING_APPROVAL:
        if not report.billed:
            session.out.note("No cycle that is over has anything to bill.")
        command = f"farwire bill approve {report.run.id} --as NAME --tenant {tenant}"
        session.out.note(f"A second person approves it: {command}")
    if not report.ok:
        raise typer.Exit(ExitCode.DIFFERENCE)


async def _go_on(session: Session, tenant_id: TenantId, decided: Run) -> RunReport:
    with session.out.progress("Billing") as report_progress:
        return await service.advance_run(
            db=session.db,
            tenant_id=tenant_id,
            clock=session.clock,
            run_id=decided.id,
            progress=lambda _phase, done, _total: report_progress(done),
        )


def approve(
    tenant: TenantOption, run_id: RunArgument = "", actor: ActorOption = "", as_json: JsonOption = False
) -> None:
    """Approve the drafts of a run that somebody else started, and give those without an error their numbers.

    The same command again goes on with what was interrupted.
    """

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        chosen = await _run_id(session, tenant_id, run_id, _TO_APPROVE)
        async with session.db.transaction(tenant_id) as tx:
            decided = await service.approve_run(
                tx, run_id=chosen, actor=actor_named(actor), now=session.clock.now()
            )
        await _show_run(session, tenant, tenant_id, await _go_on(session, tenant_id, decided))

    run(act, as_json)


def reject(
    tenant: TenantOption,
    reason: ReasonOption,
    run_id: RunArgument = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Reject the drafts of a run: they are given up, and the next run drafts them again."""

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        chosen = await _run_id(session, tenant_id, run_id, (RunState.AWAITING_APPROVAL,))
        async with session.db.transaction(tenant_id) as tx:
            decided = await service.reject_run(
                tx, run_id=chosen, reason=reason, actor=actor_named(actor), now=session.clock.now()
            )
        report = await _go_on(session, tenant_id, decided)
        facts = {"run": decided.id, "state": report.run.state, "discarded": report.discarded}
        session.out.facts("Bill run", facts)

    run(act, as_json)


def cancel(tenant: TenantOption, actor: ActorOption = "", as_json: JsonOption = False) -> None:
    """Stop the operator's bill runs. What is issued stays; other drafts are given up and drafted by the next run."""

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        runs = await service.cancel_runs(
            db=session.db, tenant_id=tenant_id, now=session.clock.now(), actor=actor_named(actor)
        )
        for one in runs:
            if one.state is RunState.DISCARDING:
                await _go_on(session, tenant_id, one)
        session.out.facts("Cancel", {"runs_asked_to_stop": len(runs)})

    run(act, as_json)


def runs(
    tenant: TenantOption, offset: OffsetOption = 0, limit: LimitOption = 20, as_json: JsonOption = False
) -> None:
    """List bill runs, newest first."""

    async def act(session: Session) -> None:
        operator = await tenants.tenant_by_name(db=session.db, name=tenant)
        page = await service.run_reports(
            db=session.db, tenant_id=operator.id, page=PageRequest(offset, limit)
        )
        rows = [
            {
                "run": one.run.id,
                "until": one.run.until
                if session.out.as_json
                else one.run.until.astimezone(zone(operator.zone)).date(),
                "state": one.run.state,
                "billed": one.billed,
                "failed": one.failed,
                "errors": one.errors,
                "warnings": one.warnings,
                "issued": one.issued,
                "started_by": one.run.started_by.id,
                "decided_by": None if one.run.decided_by is None else one.run.decided_by.id,
                "reason": one.run.reason,
            }
            for one in page.items
        ]
        columns = ("run", "until", "state", "billed", "errors", "warnings", "issued")
        empty = f"No bill run yet: farwire bill run --tenant {tenant} --until DAY"
        session.out.rows("Bill runs", columns, rows, empty=empty, total=page.total, right=columns[3:])

    run(act, as_json)


def checks(
    tenant: TenantOption,
    run_id: RunArgument = "",
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Show what the checks found in the drafts of a run, errors first. Exit code 1 on an error."""

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        chosen = await _run_id(session, tenant_id, run_id)
        page = await service.run_findings(
            db=session.db, tenant_id=tenant_id, run_id=chosen, page=PageRequest(offset, limit)
        )
        async with session.db.transaction(tenant_id) as tx:
            report = await service.run_report(tx, chosen)
            owners = await accounts.accounts_by_id(
                tx=tx, account_ids=sorted({one.account_id for one in page.items})
            )
        rows = [
            {
                "account": owners[one.account_id].number if one.account_id in owners else one.account_id,
                "severity": one.severity,
                "check": one.code,
                "message": one.message,
                "bill": one.bill_id,
            }
            for one in page.items
        ]
        columns = ("account", "severity", "check", "message")
        session.out.rows(
            "Checks", columns, rows, empty="The checks found nothing in its drafts.", total=page.total
        )
        if report.errors:
            raise typer.Exit(ExitCode.DIFFERENCE)

    run(act, as_json)


def rerun(
    tenant: TenantOption,
    account: AccountArgument,
    run_id: RunArgument = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Draft one account of a run that awaits approval again, after its data was mended."""

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        account_id = await account_id_of(session, tenant_id, account)
        chosen = await _run_id(session, tenant_id, run_id, (RunState.AWAITING_APPROVAL,))
        async with session.db.transaction(tenant_id) as tx:
            outcomes = await service.rerun_account(
                tx,
                run_id=chosen,
                account_id=account_id,
                actor=actor_named(actor),
                now=session.clock.now(),
            )
        session.out.facts("Rerun", {"account": account, "outcomes": list(outcomes)})

    run(act, as_json)
