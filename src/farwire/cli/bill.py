"""``farwire bill``: run, check, show and explain bills."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path
from typing import Annotated

import typer

from farwire.account import service as accounts
from farwire.billing import service
from farwire.billing.model import Bill, BillLine, BillTax, LineKind
from farwire.cli import bill_credit, bill_explain, bill_hold, bill_run
from farwire.cli.shell import (
    ExitCode,
    JsonOption,
    LimitOption,
    OffsetOption,
    Session,
    TenantOption,
    run,
)
from farwire.kernel.money import Money, nano_to_decimal
from farwire.kernel.page import PageRequest
from farwire.kernel.quantity import Unit, format_amount
from farwire.kernel.time import Period, zone
from farwire.rating.model.words import amount as exact

app = typer.Typer(
    name="bill",
    no_args_is_help=True,
    help="Bills: run a month, approve it, correct it, show and explain each line.\n\n"
    "  farwire bill run --tenant acme --until 2026-07-01\n\n"
    "  farwire bill approve --tenant acme --as finance-2\n\n"
    "A run can be stopped or killed at any moment; the same command goes on and ends with the same bills.",
)
for name, command in (
    ("run", bill_run.run_bills),
    ("runs", bill_run.runs),
    ("checks", bill_run.checks),
    ("approve", bill_run.approve),
    ("reject", bill_run.reject),
    ("cancel", bill_run.cancel),
    ("rerun", bill_run.rerun),
    ("hold", bill_hold.hold),
    ("release", bill_hold.release),
    ("holds", bill_hold.holds),
    ("journal", bill_hold.journal),
    ("policy", bill_hold.policy),
    ("explain", bill_explain.explain),
    ("credit", bill_credit.credit),
    ("credits", bill_credit.list_credits),
    ("credit-approve", bill_credit.credit_approve),
    ("credit-reject", bill_credit.credit_reject),
    ("credit-note", bill_credit.credit_note),
    ("credit-note-approve", bill_credit.credit_note_approve),
    ("credit-note-reject", bill_credit.credit_note_reject),
):
    app.command(name)(command)
BillArgument = Annotated[str, typer.Argument(help="The bill's number or id.")]


def _money(minor: int, bill: Bill) -> Money:
    return Money(minor, bill.currency)


@app.command("list")
def list_bills(
    tenant: TenantOption,
    account: Annotated[str, typer.Option("--account", help="Only of this account number.")] = "",
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List bills, newest cycle first."""

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        account_id = None
        if account:
            async with session.db.transaction(tenant_id) as tx:
                account_id = (await accounts.account_numbered(tx=tx, number=account)).id
        page = await service.list_bills(
            db=session.db, tenant_id=tenant_id, page=PageRequest(offset, limit), account_id=account_id
        )
        rows = [
            {
                "number": bill.number or bill.id,
                "account": bill.account_number,
                "cycle_end": bill.cycle.end if session.out.as_json else _days(bill.cycle, bill)[1],
                "state": bill.state,
                "net": _money(bill.net_minor, bill),
                "tax": _money(bill.tax_minor, bill),
                "total": _money(bill.total_minor, bill),
                "due_on": bill.due_on,
            }
            for bill in page.items
        ]
        columns = ("number", "account", "cycle_end", "state", "total", "due_on")  # fits 80 columns
        empty = f"No bill yet: farwire bill run --tenant {tenant} --until DAY"
        session.out.rows("Bills", columns, rows, empty=empty, total=page.total, right=("total",))

    run(act, as_json)


def _days(period: Period, bill: Bill) -> tuple[date, date]:
    """Return the first and the last day of a half-open period in the bill's zone."""
    first, after_last = period.local_days(zone(bill.zone))
    return first, after_last - timedelta(days=1)


def _quantity(line: BillLine) -> str:
    item = line.item
    if item.kind is LineKind.USAGE:
        return format_amount(item.quantity, Unit(item.unit))
    return f"{item.quantity}/{item.detail['of_days']} days" if item.kind is LineKind.RECURRING else "once"


def _for_people(line: BillLine, bill: Bill) -> dict[str, object]:
    first, last = _days(line.item.period, bill)
    readable = {"from": first, "to": last, "quantity": _quantity(line), "exact": exact(line.item.exact_nano)}
    return _line(line, bill) | readable


def _line(line: BillLine, bill: Bill) -> dict[str, object]:
    return {
        "line": line.number,
        "label": line.item.label,
        "from": line.item.period.start,
        "to": line.item.period.end,
        "quantity": f"{line.item.quantity} {line.item.unit}",
        "exact": nano_to_decimal(line.item.exact_nano),
        "amount": _money(line.amount_minor, bill),
    }


def _tax(tax: BillTax, bill: Bill) -> dict[str, object]:
    return {
        "tax": tax.label or tax.note or tax.category,
        "rate_percent": tax.rate_percent,
        "on": _money(tax.base_minor, bill),
        "amount": _money(tax.tax_minor, bill),
    }


def _facts(bill: Bill) -> dict[str, object]:
    corrects = {} if bill.corrects is None else {"corrects": bill.corrects.number}
    order = {"purchase_order": bill.purchase_order} if bill.purchase_order else {}
    return {
        "number": bill.number,
        "id": bill.id,
        "kind": bill.kind,
        **corrects,
        **order,
        "account": bill.account_number,
        "state": bill.state,
        "cycle_start": bill.cycle.start,
        "cycle_end": bill.cycle.end,
        "issue_on": bill.issue_on,
        "due_on": bill.due_on,
        "net": _money(bill.net_minor, bill),
        "tax": _money(bill.tax_minor, bill),
        "total": _money(bill.total_minor, bill),
    }


@app.command("show")
def show(
    tenant: TenantOption,
    bill: BillArgument,
    pdf: Annotated[
        Path | None, typer.Option("--pdf", help="Write the invoice to this file.", dir_okay=False)
    ] = None,
    fonts: Annotated[
        Path | None,
        typer.Option(
            "--fonts",
            help="A folder of fonts for other scripts; else fonts/ in the data folder.",
            file_okay=False,
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show a bill, or write it as PDF."""

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        found = await service.get_bill(db=session.db, tenant_id=tenant_id, key=bill)
        facts = _facts(found)
        taxes = [_tax(tax, found) for tax in found.taxes]
        if pdf is not None:
            rendered = await service.render_pdf(
                db=session.db,
                tenant_id=tenant_id,
                bill=found,
                font_folder=fonts or service.own_fonts(session.settings),
            )
            pdf.write_bytes(rendered.content)
            facts |= {"pdf": pdf, "pages": rendered.pages}
            if rendered.missing:
                shown = " ".join(rendered.missing)
                session.out.note(
                    f"No font has these characters: {shown}. Put a font into fonts/ in the data folder."
                )
        if session.out.as_json:
            raw = [_line(line, found) for line in found.lines]
            session.out.facts("Bill", {**facts, "lines": raw, "taxes": taxes})
            return
        facts["cycle_start"], facts["cycle_end"] = _days(found.cycle, found)
        session.out.facts(f"Bill {found.number or found.id}", facts)
        _show_parts(session, found)

    run(act, as_json)


def _show_parts(session: Session, bill: Bill) -> None:
    lines = [_for_people(line, bill) for line in bill.lines]
    columns = ("line", "label", "from", "to", "quantity", "exact", "amount")
    session.out.rows("Lines", columns, lines, empty="", right=("exact", "amount"))
    taxes = [_tax(tax, bill) for tax in bill.taxes]
    session.out.rows(
        "Taxes", ("tax", "rate_percent", "on", "amount"), taxes, empty="", right=("on", "amount")
    )


@app.command("preview")
def preview(tenant: TenantOption, account: bill_run.AccountArgument, as_json: JsonOption = False) -> None:
    """Show what the next bill of an account would be by what is known now. Nothing is saved."""

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        account_id = await bill_run.account_id_of(session, tenant_id, account)
        async with session.db.transaction(tenant_id, read_only=True) as tx:
            bill = await service.preview_bill(tx, account_id=account_id, now=session.clock.now())
        if bill is None:
            session.out.facts("Preview", {"account": account, "total": None})
            session.out.note("Nothing to bill by what is known now.")
            return
        facts = {name: value for name, value in _facts(bill).items() if name not in ("number", "id", "state")}
        if session.out.as_json:
            raw = [_line(line, bill) for line in bill.lines]
            session.out.facts(
                "Preview", {**facts, "lines": raw, "taxes": [_tax(t, bill) for t in bill.taxes]}
            )
            return
        facts["cycle_start"], facts["cycle_end"] = _days(bill.cycle, bill)
        session.out.facts("Preview", facts)
        _show_parts(session, bill)

    run(act, as_json)


@app.command("check")
def check(tenant: TenantOption, as_json: JsonOption = False) -> None:
    """Compare Σ lines, Σ bills and Σ ledger, and look for gaps in the numbers. Exit code 1 on a difference."""

    async def act(session: Session) -> None:
        found = await service.reconcile(db=session.db, tenant_id=await session.tenant(tenant))
        rows = [
            {
                "currency": sums.currency.code,
                "bills": sums.bills,
                "lines": Money(sums.line_net_minor, sums.currency),
                "net": Money(sums.net_minor, sums.currency),
                "tax": Money(sums.tax_minor, sums.currency),
                "total": Money(sums.total_minor, sums.currency),
                "remainder": nano_to_decimal(sums.remainder_nano),
            }
            for sums in found.currencies
        ]
        if session.out.as_json:
            session.out.facts("Check", {"ok": found.ok, "differences": found.differences, "currencies": rows})
        else:
            columns = ("currency", "bills", "lines", "net", "tax", "total", "remainder")
            session.out.rows(
                "Lines = bills = ledger", columns, rows, empty="No bill is issued.", right=columns[1:]
            )
            for difference in found.differences:
                session.out.text(difference)
        if not found.ok:
            raise typer.Exit(ExitCode.DIFFERENCE)

    run(act, as_json)
