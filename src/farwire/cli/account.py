"""``farwire account``: billing accounts and the import of subscribers."""

from __future__ import annotations

import csv
import io
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from farwire.account import service
from farwire.account.model import BillingAccount
from farwire.base.clock import Clock
from farwire.base.storage import Database
from farwire.catalog import service as catalog
from farwire.cli.account_changes import register, terms_facts
from farwire.cli.shell import ExitCode, JsonOption, LimitOption, OffsetOption, Session, TenantOption, run
from farwire.inventory import service as inventory
from farwire.inventory.service import SubscriberReport
from farwire.kernel.ids import TenantId
from farwire.kernel.page import PageRequest
from farwire.ledger import service as ledger
from farwire.party import service as parties

app = typer.Typer(
    name="account",
    no_args_is_help=True,
    help="Customers' billing accounts, and what they have.\n\n"
    "The CSV has a header and one row per product: account, name, offering, activated_at, and if you like identifiers "
    "(msisdn:4915…;imsi:…), the fields of an address in your country (street, postcode, city …), language, cycle_day, "
    "zone, tax_class, vat_id, email, phone, legal_entity, ended_at.",
)


def _row(account: BillingAccount) -> dict[str, object]:
    return {
        "number": account.number,
        "currency": account.currency.code,
        "cycle_day": account.cycle_day,
        "zone": account.zone,
        "tax_class": account.tax_class,
        "state": account.state,
        "opened_at": account.opened_at,
    }


def _show_report(session: Session, report: SubscriberReport, title: str) -> None:
    facts: dict[str, object] = {
        "rows": report.rows,
        "added": report.added,
        "unchanged": report.unchanged,
        "refused": report.refused,
    }
    errors = [asdict(error) for error in report.errors]
    if session.out.as_json:
        session.out.facts(title, {**facts, "errors": errors})
    else:
        session.out.facts(title, facts)
        if errors:
            session.out.rows("Refused rows", ("row", "code", "field", "message", "fix"), errors, empty="")
    if report.refused:
        session.out.note("Mend these rows and send the file again: what is there already is not changed.")
        raise typer.Exit(ExitCode.DIFFERENCE)


async def _add(db: Database, clock: Clock, tenant_id: TenantId, cells: dict[str, str]) -> SubscriberReport:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerows([list(cells), list(cells.values())])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "account.csv"
        path.write_text(text.getvalue(), encoding="utf-8")
        return await inventory.import_subscribers(db=db, tenant_id=tenant_id, clock=clock, path=path)


@app.command("add")
def add(
    tenant: TenantOption,
    number: Annotated[str, typer.Argument(help="The account's number; a known one gets another product.")],
    name: Annotated[str, typer.Option("--name", help="Who pays.")],
    offering: Annotated[str, typer.Option("--offering", help="The code of a published plan, e.g. flex-m.")],
    activated_at: Annotated[str, typer.Option("--activated-at", help="A time with a zone.")],
    field: Annotated[
        list[str] | None,
        typer.Option("--field", help="Any other column as column=value, e.g. city=Kiel. Repeat it."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Add one product to an account, which is opened if it is new. The same command again changes nothing."""

    async def act(session: Session) -> None:
        cells = {"account": number, "name": name, "offering": offering, "activated_at": activated_at}
        pairs = (part.partition("=") for part in field or [])
        cells |= {column.strip(): value.strip() for column, _, value in pairs}
        report = await _add(session.db, session.clock, await session.tenant(tenant), cells)
        _show_report(session, report, f"Account {number}")

    run(act, as_json)


@app.command("import")
def import_file(
    tenant: TenantOption,
    file: Annotated[Path, typer.Argument(help="CSV in UTF-8.", exists=True, dir_okay=False, readable=True)],
    as_json: JsonOption = False,
) -> None:
    """Import subscribers: customers, accounts, products and numbers, with an error per bad row.

    Exit code 1 if any row was refused. The good rows are kept; sending the mended file again adds the others.
    """

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        with session.out.progress("Importing rows") as report_progress:
            report = await inventory.import_subscribers(
                db=session.db, tenant_id=tenant_id, clock=session.clock, path=file, progress=report_progress
            )
        _show_report(session, report, f"Import of {file.name}")

    run(act, as_json)


@app.command("list")
def list_accounts(
    tenant: TenantOption,
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List billing accounts by number."""

    async def act(session: Session) -> None:
        page = await service.list_accounts(
            db=session.db, tenant_id=await session.tenant(tenant), page=PageRequest(offset, limit)
        )
        rows = [_row(account) for account in page.items]
        columns = ("number", "currency", "cycle_day", "zone", "tax_class", "state", "opened_at")
        empty = f"No account yet: farwire account import --tenant {tenant} FILE"
        session.out.rows("Accounts", columns, rows, empty=empty, total=page.total)

    run(act, as_json)


@app.command("show")
def show(
    tenant: TenantOption,
    number: Annotated[str, typer.Argument(help="The account's number.")],
    as_json: JsonOption = False,
) -> None:
    """Show one account: who pays, what it has, what it owes."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            account = await service.account_numbered(tx=tx, number=number)
            party = await parties.get_party(tx=tx, party_id=account.party_id)
            products = (await inventory.products_by_account(tx, [account.id])).get(account.id, ())
            keys = [one.subscriber_key for product in products for one in product.assignments]
            names = await inventory.identifiers_of(tx, keys)
            owed = await ledger.account_balance(tx=tx, account_id=account.id)
            ids = {product.plans[-1].plan_version_id for product in products}
            plans = await catalog.plan_versions(tx, list(ids))
        facts = _row(account) | {
            "id": account.id,
            "name": party.name,
            "language": account.language,
            "party": account.party_id,
            **terms_facts(account, session.clock.now()),
            "owes": [str(money) for money in owed],
            "products": [
                {
                    "id": product.id,
                    "offering": plans[product.plans[-1].plan_version_id].plan.offering,
                    "started_at": product.started_at,
                    "ended_at": product.ended_at,
                    "identifiers": [
                        f"{one.kind}:{names.get(one.subscriber_key, 'erased')}" for one in product.assignments
                    ],
                }
                for product in products
            ],
        }
        session.out.facts(f"Account {number}", facts)

    run(act, as_json)


register(app)
