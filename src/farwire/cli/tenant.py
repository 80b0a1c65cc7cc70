"""``farwire tenant``: operators and the companies behind them."""

from __future__ import annotations

from typing import Annotated

import typer

from farwire.cli.company import address_of, further_facts, register
from farwire.cli.shell import JsonOption, LimitOption, OffsetOption, Session, run
from farwire.country.service import load_pack
from farwire.kernel.page import PageRequest
from farwire.tenant import service
from farwire.tenant.model import LegalEntity, Tenant

app = typer.Typer(
    name="tenant",
    no_args_is_help=True,
    help="Operators. Each has its own customers, prices, bills and keys; none sees another.\n\n"
    "  farwire tenant create acme --country DE --company 'ACME Mobil GmbH' --vat-id DE123456789",
)
NameArgument = Annotated[str, typer.Argument(help="The operator's short name, e.g. acme.")]


def _facts(tenant: Tenant, entities: tuple[LegalEntity, ...]) -> dict[str, object]:
    return {
        "name": tenant.name,
        "display_name": tenant.display_name,
        "id": tenant.id,
        "country": tenant.country,
        "zone": tenant.zone,
        "state": tenant.state,
        "companies": [
            {
                "name": entity.name,
                "vat_id": entity.vat_id,
                "currency": entity.currency.code,
                "number_prefix": entity.number_prefix,
                "bank_account": entity.bank_account,
                "payment_days": entity.payment_days,
            }
            | further_facts(entity)
            for entity in entities
        ],
    }


@app.command("create")
def create(
    name: NameArgument,
    country: Annotated[
        str, typer.Option("--country", help="ISO 3166-1 code; gives currency, zone and taxes.")
    ],
    display_name: Annotated[str, typer.Option("--display-name", help="The name that people read.")] = "",
    zone: Annotated[str, typer.Option("--zone", help="IANA zone; the country's usual one by default.")] = "",
    company: Annotated[str, typer.Option("--company", help="The legal name on invoices.")] = "",
    vat_id: Annotated[str, typer.Option("--vat-id", help="The company's tax number.")] = "",
    address: Annotated[
        list[str] | None,
        typer.Option(
            "--address", help="A field of the address, e.g. street=Hafenstraße. Repeat it for each field."
        ),
    ] = None,
    region: Annotated[str, typer.Option("--region", help="ISO 3166-2, where taxes need it (IN-KA).")] = "",
    bank: Annotated[str, typer.Option("--bank", help="The bank account on invoices.")] = "",
    prefix: Annotated[str, typer.Option("--prefix", help="What invoice numbers start with, e.g. NM.")] = "",
    payment_days: Annotated[int, typer.Option("--payment-days", min=0, max=365, help="Days to pay.")] = 14,
    as_json: JsonOption = False,
) -> None:
    """Make an operator with its company. The same command again changes nothing."""

    async def act(session: Session) -> None:
        pack = load_pack(country)
        tenant = await service.create_tenant(
            db=session.db,
            clock=session.clock,
            name=name,
            display_name=display_name,
            country=pack.code,
            zone_name=zone or pack.locale.default_time_zone,
        )
        async with session.db.transaction(tenant.id) as tx:
            known = tuple((await service.legal_entities(tx)).values())
        # Without a name or a prefix the command asks for no second company beside the one that is there.
        if company or prefix or not known:
            entity = await service.add_legal_entity(
                db=session.db,
                clock=session.clock,
                tenant_id=tenant.id,
                name=company or display_name or name,
                vat_id=vat_id,
                address=address_of(pack.code, address or [], region),
                country=pack.code,
                currency_code=pack.money.currency,
                zone_name=tenant.zone,
                number_prefix=prefix or name.replace("-", "").upper()[:6],
                bank_account=bank,
                payment_days=payment_days,
            )
            known = (entity,)
        session.out.facts(f"Operator {name}", _facts(tenant, known))
        session.out.note(f"Next: farwire key create --tenant {name} --role tenant_admin --label me")

    run(act, as_json)


@app.command("list")
def list_tenants(
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List the operators of this installation."""

    async def act(session: Session) -> None:
        page = await service.list_tenants(db=session.db, page=PageRequest(offset, limit))
        rows = [
            {
                "name": t.name,
                "display_name": t.display_name,
                "country": t.country,
                "zone": t.zone,
                "state": t.state,
            }
            for t in page.items
        ]
        columns = ("name", "display_name", "country", "zone", "state")
        empty = "There is no operator yet: farwire tenant create NAME --country DE"
        session.out.rows("Operators", columns, rows, empty=empty, total=page.total)

    run(act, as_json)


@app.command("show")
def show(name: NameArgument, as_json: JsonOption = False) -> None:
    """Show one operator and its companies."""

    async def act(session: Session) -> None:
        tenant = await service.tenant_by_name(db=session.db, name=name)
        async with session.db.transaction(tenant.id) as tx:
            entities = await service.legal_entities(tx)
        session.out.facts(f"Operator {name}", _facts(tenant, tuple(entities.values())))

    run(act, as_json)


register(app)
