"""Step 7, 1 July, 00:30: the bill run with its checks and two people, the invoice, and why each line is there."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from farwire.billing import service as billing
from farwire.billing.model import Approval, Bill, LineKind, RunState
from farwire.demo.day_a.stage import BILLING_OPERATOR, FINANCE, Sold, Stage
from farwire.kernel.money import Money
from farwire.kernel.page import PageRequest
from farwire.ledger import service as ledger
from farwire.ledger.model import Book
from farwire.rating.model import explain_in_words
from farwire.rating.model.recurring_explanation import verify_recurring

PAGE: Final = PageRequest(limit=1000)


async def bill(stage: Stage, sold: Sold) -> Bill:
    """Run the bills of June, check the invoice to the cent and every line's reason; return it."""
    stage.move_to(stage.twin.run)
    stage.say("the bill run: rate, draft, check; finance approves; numbers are given")
    await _run(stage)
    found = await billing.list_bills(
        db=stage.db, tenant_id=stage.tenant_id, page=PAGE, account_id=sold.account_id
    )
    invoice = await billing.get_bill(db=stage.db, tenant_id=stage.tenant_id, key=str(found.items[-1].id))
    _check_amounts(stage, invoice)
    await _check_reasons(stage, invoice)
    await _check_books(stage, invoice)
    await _write(stage, invoice)
    await stage.deliver()
    return invoice


async def _run(stage: Stage) -> None:
    """Play the run as two people do: one prepares, another approves. A run that is done is found done."""
    before = await billing.list_runs(db=stage.db, tenant_id=stage.tenant_id, page=PAGE)
    if not before.total:
        prepared = await billing.run_bills(
            db=stage.db,
            tenant_id=stage.tenant_id,
            clock=stage.clock,
            until=stage.twin.month_end,
            approval=Approval.FOUR_EYES,
            actor=BILLING_OPERATOR,
        )
        stage.check("1 July: the run stops for", RunState.AWAITING_APPROVAL.value, prepared.run.state.value)
        stage.check("1 July: errors that its checks find", 0, prepared.errors)
    (run,) = (await billing.list_runs(db=stage.db, tenant_id=stage.tenant_id, page=PAGE)).items
    async with stage.db.transaction(stage.tenant_id) as tx:
        await billing.approve_run(tx, run_id=run.id, actor=FINANCE, now=stage.clock.now())
    done = await billing.advance_run(db=stage.db, tenant_id=stage.tenant_id, clock=stage.clock, run_id=run.id)
    stage.check("1 July: accounts that failed, bills issued", "0, 1", f"{done.failed}, {done.issued}")


def _check_amounts(stage: Stage, invoice: Bill) -> None:
    left = sorted(line.net_minor for line in invoice.lines if line.net_minor)
    for line in sorted(stage.twin.true_lines(), key=lambda one: one.net):
        shown = Money(left.pop(0), invoice.currency).to_decimal() if left else Decimal(0)
        stage.check(f"invoice {invoice.number}: {line.what}", f"{line.net:,.2f}", f"{shown:,.2f}")
    for what, expected, minor in (
        ("net", stage.twin.true_net(), invoice.net_minor),
        (f"VAT {stage.twin.vat_percent} %", stage.twin.true_vat(), invoice.tax_minor),
        ("total", stage.twin.true_total(), invoice.total_minor),
    ):
        shown = Money(minor, invoice.currency).to_decimal()
        stage.check(
            f"invoice {invoice.number}: {what}",
            f"{expected:,.2f} {stage.twin.currency}",
            f"{shown:,.2f} {invoice.currency}",
        )


async def _check_reasons(stage: Stage, invoice: Bill) -> None:
    """Ask for the reason of every line, and add it up anew."""
    proven = 0
    for line in invoice.lines:
        explained = await billing.explain_line(
            db=stage.db, tenant_id=stage.tenant_id, bill=invoice, number=line.number, page=PAGE
        )
        if explained.charge is not None:
            words = explain_in_words(explained.charge, "en")
            proven += bool(words) and verify_recurring(explained.charge) == line.item.exact_nano
        elif line.item.kind is LineKind.USAGE and explained.records is not None:
            charged = sum(record.charge_nano or 0 for record in explained.records.items)
            proven += charged == line.item.exact_nano and explained.records.total == line.item.records
    stage.check("1 July: lines whose reason adds up", len(invoice.lines), proven)


async def _check_books(stage: Stage, invoice: Bill) -> None:
    books = await billing.reconcile(db=stage.db, tenant_id=stage.tenant_id)
    async with stage.db.transaction(stage.tenant_id, read_only=True) as tx:
        balances = await ledger.trial_balance(tx=tx)
    deferred = -sum(one.amount_minor for one in balances if one.book is Book.DEFERRED_REVENUE)
    shown = Money(deferred, invoice.currency).to_decimal()
    stage.check("1 July: July's fee is deferred", f"{stage.twin.monthly:,.2f}", f"{shown:,.2f}")
    stage.check("1 July: differences between lines, bills and ledger", 0, len(books.differences))
    stage.check("1 July: trial balance", 0, sum(one.amount_minor for one in balances))


async def _write(stage: Stage, invoice: Bill) -> None:
    """Write the invoice as PDF and as JSON."""
    pdf = (await billing.render_pdf(db=stage.db, tenant_id=stage.tenant_id, bill=invoice)).content
    path = stage.folder / f"{invoice.number}.pdf"
    path.write_bytes(pdf)
    path.with_suffix(".json").write_bytes(stage.house.as_json(invoice))
    stage.check("1 July: the invoice is a PDF", "%PDF-", pdf[:5].decode())
