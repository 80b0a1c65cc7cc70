"""``farwire tenant add-company|company|chart``: the companies behind an operator."""

from __future__ import annotations

from typing import Annotated

import typer

from farwire.base.storage import Tx
from farwire.cli.shell import COMMAND_LINE, ActorOption, JsonOption, Session, actor_named, run
from farwire.country.service import load_pack
from farwire.kernel.errors import Invalid, NotFound
from farwire.tenant import service
from farwire.tenant.model import (
    Address,
    BankAccount,
    CompanyChange,
    DocumentKind,
    LegalEntity,
    NumberSeries,
)

NameArgument = Annotated[str, typer.Argument(help="The operator's short name, e.g. acme.")]
PrefixArgument = Annotated[str, typer.Argument(help="The company, by its number prefix, e.g. NM.")]
AddressOption = Annotated[
    list[str] | None,
    typer.Option("--address", help="A field of the address, e.g. street=Hafenstraße. Repeat it."),
]


def address_of(country: str, fields: list[str], region: str) -> Address:
    """Return the address that ``name=text`` options give."""
    pairs = (field.partition("=") for field in fields)
    return Address(country, {name.strip(): text.strip() for name, _, text in pairs}, region)


def further_facts(entity: LegalEntity) -> dict[str, object]:
    """Return what of a company few have: registrations abroad, more bank accounts, series of their own."""
    facts: dict[str, object] = {}
    if entity.vat_ids:
        facts["vat_ids"] = dict(entity.vat_ids)
    if entity.bank_accounts:
        facts["bank_accounts"] = {one.label: one.number for one in entity.bank_accounts}
    if entity.series:
        facts["series"] = {one.kind.value: one.prefix for one in entity.series}
    return facts


async def _company(tx: Tx, prefix: str) -> LegalEntity:
    for entity in (await service.legal_entities(tx)).values():
        if entity.number_prefix == prefix:
            return entity
    raise NotFound(
        "no company of the operator has this number prefix",
        code="tenant.legal_entity_unknown",
        field="company",
        value=prefix,
        fix="see: farwire tenant show NAME",
    )


def _pairs(texts: list[str], option: str, form: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in texts:
        name, mark, value = text.partition("=")
        if not (mark and name.strip() and value.strip()):
            raise Invalid(f"--{option} is {form}", code="cli.pair", field=option, value=text)
        found[name.strip()] = value.strip()
    return found


def _facts(entity: LegalEntity) -> dict[str, object]:
    return {
        "id": entity.id,
        "name": entity.name,
        "number_prefix": entity.number_prefix,
        "country": entity.country,
        "currency": entity.currency.code,
        "vat_id": entity.vat_id,
        "bank_account": entity.bank_account,
        "payment_days": entity.payment_days,
        "version": entity.version,
        **further_facts(entity),
    }


def add_company(
    name: NameArgument,
    prefix: PrefixArgument,
    company: Annotated[str, typer.Option("--company", help="The legal name on invoices.")],
    country: Annotated[str, typer.Option("--country", help="ISO 3166-1; the operator's by default.")] = "",
    vat_id: Annotated[str, typer.Option("--vat-id", help="Its tax number.")] = "",
    address: AddressOption = None,
    region: Annotated[str, typer.Option("--region", help="ISO 3166-2, where taxes need it.")] = "",
    zone: Annotated[str, typer.Option("--zone", help="IANA zone; the country's usual one by default.")] = "",
    bank: Annotated[str, typer.Option("--bank", help="The bank account on invoices.")] = "",
    payment_days: Annotated[int, typer.Option("--payment-days", min=0, max=365)] = 14,
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Add a company beside the first one: its own country, currency, numbers and books."""

    async def act(session: Session) -> None:
        tenant = await service.tenant_by_name(db=session.db, name=name)
        pack = load_pack(country or tenant.country)
        entity = await service.add_legal_entity(
            db=session.db,
            clock=session.clock,
            tenant_id=tenant.id,
            name=company,
            vat_id=vat_id,
            address=address_of(pack.code, address or [], region),
            country=pack.code,
            currency_code=pack.money.currency,
            zone_name=zone or pack.locale.default_time_zone,
            number_prefix=prefix,
            bank_account=bank,
            payment_days=payment_days,
            actor=actor_named(actor),
        )
        session.out.facts(f"Company {prefix}", _facts(entity))

    run(act, as_json)


def change_company(
    name: NameArgument,
    prefix: PrefixArgument,
    company: Annotated[str | None, typer.Option("--company", help="The legal name on invoices.")] = None,
    vat_id: Annotated[str | None, typer.Option("--vat-id", help="Its own country's tax number.")] = None,
    vat: Annotated[
        list[str] | None, typer.Option("--vat", help="COUNTRY=ID of another registration. All of them.")
    ] = None,
    bank: Annotated[
        list[str] | None,
        typer.Option("--bank", help="LABEL=IBAN; all of them, the first is on invoices."),
    ] = None,
    other_bank: Annotated[
        list[str] | None, typer.Option("--other-bank", help="LABEL=NUMBER where it is no IBAN.")
    ] = None,
    series: Annotated[
        list[str] | None, typer.Option("--series", help="invoice=PREFIX or credit_note=PREFIX. All of them.")
    ] = None,
    payment_days: Annotated[int | None, typer.Option("--payment-days", min=0, max=365)] = None,
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Change a company. Bills that were issued keep what they were issued with."""

    async def act(session: Session) -> None:
        change = CompanyChange(
            name=company,
            vat_id=vat_id,
            payment_days=payment_days,
            vat_ids=None if vat is None else _pairs(vat, "vat", "COUNTRY=ID"),
            bank_accounts=_banks(bank, other_bank),
            series=None if series is None else _series(series),
        )
        tenant = await service.tenant_by_name(db=session.db, name=name)
        async with session.db.transaction(tenant.id) as tx:
            entity = await service.change_legal_entity(
                tx,
                legal_entity_id=(await _company(tx, prefix)).id,
                change=change,
                now=session.clock.now(),
                actor=actor_named(actor),
            )
        session.out.facts(f"Company {prefix}", _facts(entity))

    run(act, as_json)


def _banks(bank: list[str] | None, other: list[str] | None) -> tuple[BankAccount, ...] | None:
    if bank is None and other is None:
        return None
    found = [
        *((label, number, True) for label, number in _pairs(bank or [], "bank", "LABEL=IBAN").items()),
        *(
            (label, number, False)
            for label, number in _pairs(other or [], "other-bank", "LABEL=NUMBER").items()
        ),
    ]
    return tuple(
        BankAccount(label, number, is_default=place == 0, is_iban=is_iban)
        for place, (label, number, is_iban) in enumerate(found)
    )


def _series(texts: list[str]) -> tuple[NumberSeries, ...]:
    pairs = _pairs(texts, "series", "KIND=PREFIX")
    unknown = pairs.keys() - set(DocumentKind)
    if unknown:
        raise Invalid(
            "no such kind of document",
            code="tenant.series",
            field="series",
            value=min(unknown),
            fix=f"one of {', '.join(DocumentKind)}",
        )
    return tuple(NumberSeries(DocumentKind(kind), prefix) for kind, prefix in pairs.items())


def register(app: typer.Typer) -> None:
    """Add these commands to ``farwire tenant``."""
    app.command("add-company")(add_company)
    app.command("company")(change_company)
