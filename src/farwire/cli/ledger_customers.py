"""``farwire ledger statement`` and ``ageing``: what customers owe."""

from __future__ import annotations

from datetime import date
from typing import Annotated

import typer

from farwire.account import service as accounts
from farwire.cli.ledger_options import CompanyOption, MonthOption, chosen
from farwire.cli.shell import JsonOption, LimitOption, OffsetOption, Session, TenantOption, run
from farwire.kernel.errors import Invalid
from farwire.kernel.money import Money
from farwire.kernel.page import PageRequest
from farwire.kernel.time import local_date, zone
from farwire.ledger.model import month_named, next_month
from farwire.payment import service
from farwire.payment.model import Ageing


def statement(
    tenant: TenantOption,
    account: Annotated[str, typer.Argument(help="The account's number.")],
    month: MonthOption = "",
    as_json: JsonOption = False,
) -> None:
    """Show what an account owed, movement by movement: bills raise it, payments lower it."""

    async def act(session: Session) -> None:
        first = month_named(month) if month else date(1970, 1, 1)
        after_last = next_month(first) if month else date(9999, 1, 1)
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            owner = await accounts.account_numbered(tx=tx, number=account)
            found = await service.statement(tx, account_id=owner.id, first=first, after_last=after_last)
        rows: list[dict[str, object]] = []
        for one in found:
            rows.append({"text": "opening", "balance": Money(one.opening_minor, one.currency)})
            rows.extend(
                {
                    "day": move.booked_on,
                    "what": move.source,
                    "text": move.text,
                    "amount": Money(move.amount_minor, one.currency),
                    "balance": Money(move.balance_minor, one.currency),
                }
                for move in one.movements
            )
        columns = ("day", "what", "text", "amount", "balance")
        session.out.rows(
            f"Account {account}", columns, rows, empty="Nothing is booked yet.", right=("amount", "balance")
        )

    run(act, as_json)


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise Invalid(
            "not a day", code="ledger.day", field="on", value=text, fix="write YYYY-MM-DD"
        ) from None


def _buckets(row: Ageing) -> dict[str, object]:
    return {
        "not_due": Money(row.not_due, row.currency),
        "1-30": Money(row.days_1_30, row.currency),
        "31-60": Money(row.days_31_60, row.currency),
        "61-90": Money(row.days_61_90, row.currency),
        "over_90": Money(row.over_90, row.currency),
        "credit": Money(row.credit, row.currency),
    }


def ageing(
    tenant: TenantOption,
    on: Annotated[str, typer.Option("--on", help="As of this day; today by default.")] = "",
    company: CompanyOption = "",
    accounts_too: Annotated[bool, typer.Option("--accounts", help="Account by account.")] = False,
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """Show what is open by days after the due date, and the credit of customers."""

    async def act(session: Session) -> None:
        operator, entities = await chosen(session, tenant, company)
        day = _day(on) or local_date(session.clock.now(), zone(operator.zone))
        entity = entities[0].id if company else None
        names = {one.id: one.number_prefix for one in entities}
        async with session.db.transaction(operator.id) as tx:
            if accounts_too:
                page = await service.ageing(
                    tx, on=day, page=PageRequest(offset, limit), legal_entity_id=entity
                )
                owners = await accounts.accounts_by_id(
                    tx=tx, account_ids=[row.account_id for row in page.items]
                )
                found = [
                    (owners[row.account_id].number if row.account_id in owners else "", row)
                    for row in page.items
                ]
                total: int | None = page.total
            else:
                sums = await service.ageing_totals(tx, on=day, legal_entity_id=entity)
                found = [(names.get(one, ""), row) for one, row in sums]
                total = None
        first = "account" if accounts_too else "company"
        rows = [{first: name} | _buckets(row) for name, row in found]
        amounts = ("not_due", "1-30", "31-60", "61-90", "over_90", "credit")
        session.out.rows(
            f"Open on {day}", (first, *amounts), rows, empty="Nothing is open.", total=total, right=amounts
        )

    run(act, as_json)
