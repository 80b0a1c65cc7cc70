"""``farwire ledger``: trial balance, export, months, revenue, what customers owe."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from farwire.billing.service import closing
from farwire.cli import ledger_customers, ledger_export
from farwire.cli.ledger_options import (
    CompanyOption,
    MonthOption,
    chosen,
    company_of,
)
from farwire.cli.shell import ActorOption, JsonOption, Session, TenantOption, actor_named, run
from farwire.kernel.errors import Invalid
from farwire.kernel.money import Money
from farwire.ledger import service
from farwire.ledger.model import AccountingPeriod, Book, OwnBook, month_named, next_month

app = typer.Typer(
    name="ledger",
    no_args_is_help=True,
    help="The books of each company of the operator: double entry, month by month.\n\n"
    "  farwire ledger trial-balance --month 2026-06 --tenant acme\n\n"
    "  farwire ledger close --month 2026-06 --tenant acme\n\n"
    "  farwire ledger export --month 2026-06 --out june.csv --tenant acme",
)
app.command("export")(ledger_export.export)
app.command("statement")(ledger_customers.statement)
app.command("ageing")(ledger_customers.ageing)


@app.command("trial-balance")
def trial_balance(
    tenant: TenantOption,
    month: MonthOption = "",
    company: CompanyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show every book with what it opened with, debits, credits, and what it closed with. Debits are positive."""

    async def act(session: Session) -> None:
        operator, entities = await chosen(session, tenant, company)
        first, after_last = _days(month)
        rows: list[dict[str, object]] = []
        async with session.db.transaction(operator.id) as tx:
            for entity in entities:
                for row in await service.period_balance(
                    tx=tx, first=first, after_last=after_last, legal_entity_id=entity.id
                ):
                    unit = row.currency
                    rows.append(
                        {
                            "company": entity.number_prefix,
                            "code": row.code,
                            "book": row.name,
                            "opening": Money(row.opening_minor, unit),
                            "debit": Money(row.debit_minor, unit),
                            "credit": Money(row.credit_minor, unit),
                            "closing": Money(row.closing_minor, unit),
                        }
                    )
        amounts = ("opening", "debit", "credit", "closing")
        columns = ("company", "code", "book", *amounts) if len(entities) > 1 else ("code", "book", *amounts)
        session.out.rows("Trial balance", columns, rows, empty="Nothing is booked yet.", right=amounts)

    run(act, as_json)


def _days(month: str) -> tuple[date, date]:
    """Return the first day of a month and the day after it; without a month, all days."""
    if not month:
        return date(1970, 1, 1), date(9999, 1, 1)
    first = month_named(month)
    return first, next_month(first)


def _row(period: AccountingPeriod, prefix: str) -> dict[str, object]:
    return {
        "company": prefix,
        "month": f"{period.month:%Y-%m}",
        "fiscal": f"{period.fiscal_year}/{period.number:02d}",
        "state": period.state,
        "revision": period.revision,
        "changed_at": period.changed_at,
        "reopening_asked_by": period.reopen_by,
    }


@app.command("periods")
def periods(tenant: TenantOption, company: CompanyOption = "", as_json: JsonOption = False) -> None:
    """List the months of the books and whether they are open."""

    async def act(session: Session) -> None:
        operator, entities = await chosen(session, tenant, company)
        rows: list[dict[str, object]] = []
        async with session.db.transaction(operator.id) as tx:
            for entity in entities:
                found = await service.list_periods(tx=tx, legal_entity_id=entity.id, now=session.clock.now())
                rows.extend(_row(period, entity.number_prefix) for period in found)
        columns = ("company", "month", "fiscal", "state", "revision")
        session.out.rows("Accounting periods", columns, rows, empty="No company yet.")

    run(act, as_json)


@app.command("close")
def close(
    tenant: TenantOption,
    month: Annotated[str, typer.Option("--month", help="The month, e.g. 2026-06; it must be over.")],
    company: CompanyOption = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Close a month: earn what was deferred, accrue what is not billed, check, and let nothing in any more.

    Late facts are booked into the first open month, with their own day. Again changes nothing; a closing that was
    stopped goes on.
    """

    async def act(session: Session) -> None:
        operator, entities = await chosen(session, tenant, company)
        rows = []
        for entity in entities:
            closed = await closing.close_period(
                db=session.db,
                tenant_id=operator.id,
                clock=session.clock,
                legal_entity_id=entity.id,
                month=month_named(month),
                actor=actor_named(actor),
            )
            rows.append(_row(closed, entity.number_prefix))
        columns = ("company", "month", "fiscal", "state", "revision")
        session.out.rows("Closed", columns, rows, empty="No company yet.")

    run(act, as_json)


@app.command("reopen")
def reopen(
    tenant: TenantOption,
    month: Annotated[str, typer.Option("--month", help="The last closed month.")],
    company: CompanyOption = "",
    reason: Annotated[str, typer.Option("--reason", help="Why, from who asks.")] = "",
    approve: Annotated[bool, typer.Option("--approve", help="Approve it, as a second person.")] = False,
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """Open a closed month again: one person asks with --reason, another one says --approve.

    farwire ledger reopen --month 2026-06 --reason "late invoice of a carrier" --as 17

    farwire ledger reopen --month 2026-06 --approve --as 23
    """

    async def act(session: Session) -> None:
        if approve == bool(reason):
            raise Invalid(
                "ask with a reason, or approve",
                code="ledger.reopen",
                field="reason",
                fix="give --reason, or --approve as another person",
            )
        operator, entity = await company_of(session, tenant, company)
        wanted = month_named(month)
        async with session.db.transaction(operator.id) as tx:
            given = {"tx": tx, "legal_entity_id": entity.id, "month": wanted}
            now, who = session.clock.now(), actor_named(actor)
            period = (
                await service.approve_reopening(**given, now=now, actor=who)  # type: ignore[arg-type]
                if approve
                else await service.request_reopening(**given, now=now, actor=who, reason=reason)  # type: ignore[arg-type]
            )
        session.out.facts("Period", _row(period, entity.number_prefix))
        if not approve:
            session.out.note("A second person approves it with --approve.")

    run(act, as_json)


@app.command("revenue")
def revenue(
    tenant: TenantOption,
    month: MonthOption = "",
    company: CompanyOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show what each month billed, deferred, earned and left unbilled, without tax.

    earned = billed − deferred + recognised + unbilled − reversed. A month is complete when it is closed.
    """

    async def act(session: Session) -> None:
        operator, entities = await chosen(session, tenant, company)
        first, after_last = _days(month)
        names = ("billed", "deferred", "recognised", "unbilled", "reversed", "earned")
        rows: list[dict[str, object]] = []
        async with session.db.transaction(operator.id) as tx:
            for entity in entities:
                for row in await closing.revenue_report(
                    tx, legal_entity_id=entity.id, first=first, after_last=after_last
                ):
                    facts: dict[str, object] = {
                        "company": entity.number_prefix,
                        "month": f"{row.month:%Y-%m}",
                    }
                    rows.append(facts | {name: Money(getattr(row, name), row.currency) for name in names})
        columns = ("company", "month", *names) if len(entities) > 1 else ("month", *names)
        session.out.rows("Revenue", columns, rows, empty="Nothing is booked yet.", right=names)

    run(act, as_json)


@app.command("chart")
def chart(
    tenant: TenantOption,
    company: CompanyOption = "",
    book: Annotated[
        str, typer.Option("--book", help="Name this book: its own code or name, e.g. 1200 or receivable.")
    ] = "",
    code: Annotated[str, typer.Option("--code", help="The code that your accountants use.")] = "",
    name: Annotated[str, typer.Option("--name", help="The name that they use.")] = "",
    actor: ActorOption = "",
    as_json: JsonOption = False,
) -> None:
    """List the books; with --book, --code and --name give one the code and name of your accountants.

    farwire ledger chart --book 4000 --code 8400 --name "Erlöse 19 % USt"
    """

    async def act(session: Session) -> None:
        operator, entities = await chosen(session, tenant, company)
        async with session.db.transaction(operator.id) as tx:
            if book:
                for entity in entities:
                    own = OwnBook(entity.id, _book(book), code, name)
                    await service.set_own_book(
                        tx=tx, own=own, now=session.clock.now(), actor=actor_named(actor)
                    )
            rows = ledger_export.chart_rows(entities, await service.own_books(tx=tx))
        columns = ("company", "book", "code", "name", "kind")
        session.out.rows("Chart of accounts", columns, rows, empty="No company yet.")

    run(act, as_json)


def _book(text: str) -> Book:
    """Return the book that its own code or its name (receivable) names."""
    named = {book.name.lower(): book for book in Book} | {book.value: book for book in Book}
    found = named.get(text.strip().lower().replace("-", "_"))
    if found is None:
        raise Invalid(
            "there is no such book",
            code="ledger.book_unknown",
            field="book",
            value=text,
            fix="see: farwire ledger chart",
        )
    return found
