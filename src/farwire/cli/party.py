"""``farwire party``: people and organisations, what they allow, who they have proven to be."""

from __future__ import annotations

from typing import Annotated

import typer

from farwire.account import service as accounts
from farwire.cli.party_options import (
    FieldOption,
    PartyArgument,
    address_of,
    check_facts,
    contacts_of,
    day_of,
    moment_of,
    party_facts,
    party_id_of,
)
from farwire.cli.party_proof import register
from farwire.cli.shell import (
    COMMAND_LINE,
    ActorOption,
    JsonOption,
    LimitOption,
    OffsetOption,
    Session,
    TenantOption,
    actor_named,
    run,
)
from farwire.country.service import load_pack
from farwire.kernel.ids import PartyId, uuid7
from farwire.kernel.page import PageRequest
from farwire.party import service
from farwire.party.model import (
    ContactKind,
    Party,
    PartyChange,
    PartyKind,
    PartyRole,
    RoleKind,
)
from farwire.tenant import service as tenants

app = typer.Typer(
    name="party",
    no_args_is_help=True,
    help="People and organisations: who they are, what they allow, and what is kept of them.\n\n"
    "  farwire party add -t acme --name 'Anna Jürgensen' --field street=Deichstraße --field house_number=5 "
    "--field postcode=20459 --field city=Hamburg --email anna@example.org\n\n"
    "  farwire party verify 100001 -t acme --document passport --country DE --number L01X00T47\n\n"
    "A party is named by its id, or by the number of one of its accounts.",
)


@app.command("add")
def add(
    tenant: TenantOption,
    name: Annotated[str, typer.Option("--name", help="The whole name, as a bill shows it.")],
    organization: Annotated[bool, typer.Option("--organization", help="A firm, not a person.")] = False,
    country: Annotated[str, typer.Option("--country", help="ISO 3166-1; the operator's by default.")] = "",
    region: Annotated[str, typer.Option("--region", help="ISO 3166-2, where prices or taxes need it.")] = "",
    field: FieldOption = None,
    language: Annotated[str, typer.Option("--language", help="BCP 47; the country's by default.")] = "",
    email: Annotated[
        list[str] | None, typer.Option("--email", help="Repeat it; the first is preferred.")
    ] = None,
    phone: Annotated[
        list[str] | None, typer.Option("--phone", help="Repeat it; the first is preferred.")
    ] = None,
    given_name: Annotated[str, typer.Option("--given-name")] = "",
    family_name: Annotated[str, typer.Option("--family-name")] = "",
    birth_date: Annotated[str, typer.Option("--birth-date", help="YYYY-MM-DD.")] = "",
    vat_id: Annotated[str, typer.Option("--vat-id")] = "",
    registration_id: Annotated[str, typer.Option("--registration-id", help="E.g. HRB 12345.")] = "",
    parent: Annotated[str, typer.Option("--parent", help="The organisation that it belongs to.")] = "",
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Add a person or an organisation."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            code = country or (await tenants.this_tenant(tx)).country
            party = Party(
                PartyId(uuid7(session.clock.now())),
                PartyKind.ORGANIZATION if organization else PartyKind.INDIVIDUAL,
                name,
                address_of(code, field, region),
                language or load_pack(code).locale.languages[0],
                session.clock.now(),
                contacts_of(email, phone),
                vat_id,
                given_name=given_name,
                family_name=family_name,
                birth_date=day_of(birth_date, "birth-date"),
                registration_id=registration_id,
                parent_id=await party_id_of(tx, parent) if parent else None,
            )
            service.check_postal(party.address, party.name)
            await service.add_party(tx, party=party, actor=actor_named(actor))
        session.out.facts(f"Party {party.id}", party_facts(party))
        session.out.note(f"Next: farwire account open NUMBER --party {party.id} --tenant {tenant}")

    run(act, as_json)


@app.command("list")
def list_parties(
    tenant: TenantOption,
    name: Annotated[str, typer.Option("--name", help="The beginning of the name, in any case.")] = "",
    offset: OffsetOption = 0,
    limit: LimitOption = 50,
    as_json: JsonOption = False,
) -> None:
    """List parties, the oldest first."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            page = await service.list_parties(tx, name=name, page=PageRequest(offset, limit))
        rows = [
            {"id": p.id, "kind": p.kind, "name": p.name, "country": p.address.country, "kyc": p.kyc}
            for p in page.items
        ]
        empty = f"No such party: farwire party add --tenant {tenant} --name NAME"
        session.out.rows(
            "Parties", ("id", "kind", "name", "country", "kyc"), rows, empty=empty, total=page.total
        )

    run(act, as_json)


@app.command("show")
def show(tenant: TenantOption, party: PartyArgument, as_json: JsonOption = False) -> None:
    """Show a party: what it has proven, what it allows, what it plays, which accounts it has."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant), read_only=True) as tx:
            party_id = await party_id_of(tx, party)
            found = await service.get_party(tx=tx, party_id=party_id)
            consents = await service.consents_of(tx, party_id)
            checks = await service.kyc_checks(tx, party_id)
            roles = await service.roles_of(tx, party_id)
            held = await accounts.accounts_of_party(tx, party_id)
        facts = party_facts(found) | {
            "accounts": [account.number for account in held],
            "roles": [
                f"{one.role}" + (f" of {one.of}" if one.of else "")
                for one in roles
                if one.party_id == party_id and one.holds(session.clock.now())
            ],
            "consents": [
                f"{one.purpose} by {one.channel}: {'granted' if one.granted else 'withdrawn'} {one.at.date()}"
                for one in consents
            ],
            "checks": [check_facts(check) for check in checks],
        }
        session.out.facts(f"Party {party_id}", facts)

    run(act, as_json)


@app.command("update")
def update(
    tenant: TenantOption,
    party: PartyArgument,
    name: Annotated[str | None, typer.Option("--name")] = None,
    given_name: Annotated[str | None, typer.Option("--given-name")] = None,
    family_name: Annotated[str | None, typer.Option("--family-name")] = None,
    language: Annotated[str | None, typer.Option("--language")] = None,
    vat_id: Annotated[str | None, typer.Option("--vat-id")] = None,
    email: Annotated[
        list[str] | None, typer.Option("--email", help="All of them: they replace the old.")
    ] = None,
    phone: Annotated[
        list[str] | None, typer.Option("--phone", help="All of them: they replace the old.")
    ] = None,
    parent: Annotated[
        str | None, typer.Option("--parent", help="The organisation above; - for none.")
    ] = None,
    version: Annotated[int | None, typer.Option("--version", min=1, help="Refuse if it has another.")] = None,
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Change what is given and leave the rest. The address changes by `farwire party move`."""

    async def act(session: Session) -> None:
        who, now = actor_named(actor), session.clock.now()
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            party_id = await party_id_of(tx, party)
            contacts = None
            if email is not None or phone is not None:
                old = (await service.get_party(tx=tx, party_id=party_id)).contacts
                replaced = {
                    kind for kind, given in ((ContactKind.EMAIL, email), (ContactKind.PHONE, phone)) if given
                }
                contacts = (*(one for one in old if one.kind not in replaced), *contacts_of(email, phone))
            change = PartyChange(
                name=name,
                given_name=given_name,
                family_name=family_name,
                language=language,
                vat_id=vat_id,
                contacts=contacts,
            )
            after = await service.update_party(
                tx, party_id=party_id, change=change, now=now, expected_version=version, actor=who
            )
            if parent is not None:
                above = None if parent == "-" else await party_id_of(tx, parent)
                after = await service.set_parent(tx, party_id=party_id, parent_id=above, now=now, actor=who)
        session.out.facts(f"Party {party_id}", party_facts(after))

    run(act, as_json)


@app.command("move")
def move(
    tenant: TenantOption,
    party: PartyArgument,
    country: Annotated[str, typer.Option("--country", help="ISO 3166-1; the operator's by default.")] = "",
    region: Annotated[str, typer.Option("--region", help="ISO 3166-2, where prices or taxes need it.")] = "",
    field: FieldOption = None,
    start: Annotated[str, typer.Option("--from", help="A day or a time with a zone; now by default.")] = "",
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Give a party another address. Region and tax class of its accounts follow; issued bills stay."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            code = country or (await tenants.this_tenant(tx)).country
            party_id = await party_id_of(tx, party)
            after, followed = await accounts.change_address(
                tx,
                party_id=party_id,
                address=address_of(code, field, region),
                valid_from=moment_of(start, session, "from"),
                now=session.clock.now(),
                actor=actor_named(actor),
            )
        facts = party_facts(after) | {
            "accounts": [f"{one.number}: {one.region or 'no region'}, {one.tax_class}" for one in followed]
        }
        session.out.facts(f"Party {party_id}", facts)

    run(act, as_json)


@app.command("role")
def role(
    tenant: TenantOption,
    party: PartyArgument,
    kind: Annotated[RoleKind, typer.Argument(help="What it plays.")],
    of: Annotated[str, typer.Option("--of", help="For which other party, if for one.")] = "",
    end: Annotated[bool, typer.Option("--end", help="It plays it no more.")] = False,
    at: Annotated[str, typer.Option("--at", help="From or until when; now by default.")] = "",
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Let a party play a role, or end it."""

    async def act(session: Session) -> None:
        who, now = actor_named(actor), session.clock.now()
        when = moment_of(at, session, "at")
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            party_id = await party_id_of(tx, party)
            if end:
                await service.end_role(tx, party_id=party_id, role=kind, at=when, now=now, actor=who)
            else:
                other = await party_id_of(tx, of) if of else None
                await service.add_role(tx, role=PartyRole(party_id, kind, when, of=other), now=now, actor=who)
            found = await service.roles_of(tx, party_id)
        rows = [
            {
                "party": one.party_id,
                "role": one.role,
                "of": one.of,
                "from": one.valid_from,
                "to": one.valid_to,
            }
            for one in found
        ]
        session.out.rows("Roles", ("party", "role", "of", "from", "to"), rows, empty="No role.")

    run(act, as_json)


register(app)
