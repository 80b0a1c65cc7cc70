"""``farwire party consent|submit|verify|reject|export|erase``: what is proven, allowed and kept of a party."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from farwire.base.storage import Tx
from farwire.cli.party_options import (
    DocumentOption,
    ExpiryOption,
    IssuerOption,
    NumberOption,
    PartyArgument,
    check_facts,
    day_of,
    moment_of,
    party_id_of,
)
from farwire.cli.shell import (
    COMMAND_LINE,
    ActorOption,
    JsonOption,
    Session,
    TenantOption,
    actor_named,
    run,
)
from farwire.country.service import load_pack
from farwire.kernel.ids import PartyId
from farwire.party import service
from farwire.party.model import (
    Channel,
    Consent,
    KycCheck,
    Purpose,
)
from farwire.process import privacy
from farwire.tenant import service as tenants


def consent(
    tenant: TenantOption,
    party: PartyArgument,
    purpose: Annotated[Purpose, typer.Option("--purpose", help="What a message is for.")],
    channel: Annotated[Channel, typer.Option("--channel", help="How it travels.")],
    granted: Annotated[bool, typer.Option("--grant/--withdraw", help="What the party said.")],
    source: Annotated[str, typer.Option("--source", help="Where it said so, e.g. web, shop, call.")],
    at: Annotated[str, typer.Option("--at", help="When it said so; now by default.")] = "",
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Record what a party allows. The latest word counts; none is ever overwritten."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            party_id = await party_id_of(tx, party)
            when, now = moment_of(at, session, "at"), session.clock.now()
            said = Consent(party_id, purpose, channel, granted, when, source, now)
            await service.record_consent(tx, consent=said, actor=actor_named(actor))
            allowed = await service.may_contact(tx, party_id, purpose, channel)
        facts = {"party": party_id, "purpose": purpose, "channel": channel, "granted": granted, "at": when}
        session.out.facts("Consent", facts | {"may_contact": allowed})

    run(act, as_json)


async def _submit(
    tx: Tx, session: Session, party_id: PartyId, facts: tuple[str, str, str, str], actor: str
) -> KycCheck:
    document, country, number, expires_on = facts
    home = (await tenants.this_tenant(tx)).country
    return await service.submit_kyc(
        tx,
        party_id=party_id,
        pack=load_pack(home),
        document=document,
        country=country or home,
        number=number,
        expires_on=day_of(expires_on, "expires-on"),
        now=session.clock.now(),
        actor=actor_named(actor),
    )


def submit(
    tenant: TenantOption,
    party: PartyArgument,
    document: DocumentOption,
    country: IssuerOption = "",
    number: NumberOption = "",
    expires_on: ExpiryOption = "",
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Note that a document was shown; somebody verifies or rejects it. Its number is hashed at once."""
    typed = number or typer.prompt("Number of the document", hide_input=True)

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            party_id = await party_id_of(tx, party)
            check = await _submit(tx, session, party_id, (document, country, typed, expires_on), actor)
        session.out.facts(f"Party {party_id}", check_facts(check))

    run(act, as_json)


def verify(
    tenant: TenantOption,
    party: PartyArgument,
    document: DocumentOption = "",
    country: IssuerOption = "",
    number: NumberOption = "",
    expires_on: ExpiryOption = "",
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Find that the document proves who the party is; with --document it is submitted first."""
    typed = number or (typer.prompt("Number of the document", hide_input=True) if document else "")

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            party_id = await party_id_of(tx, party)
            if document:
                await _submit(tx, session, party_id, (document, country, typed, expires_on), actor)
            pack = load_pack((await tenants.this_tenant(tx)).country)
            check = await service.verify_kyc(
                tx, party_id=party_id, pack=pack, now=session.clock.now(), actor=actor_named(actor)
            )
        session.out.facts(f"Party {party_id}", check_facts(check))

    run(act, as_json)


def reject(
    tenant: TenantOption,
    party: PartyArgument,
    reason: Annotated[str, typer.Option("--reason", help="A code, e.g. document_unreadable, forged.")],
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Find that the document does not prove it. The party may show another."""

    async def act(session: Session) -> None:
        async with session.db.transaction(await session.tenant(tenant)) as tx:
            party_id = await party_id_of(tx, party)
            pack = load_pack((await tenants.this_tenant(tx)).country)
            check = await service.reject_kyc(
                tx,
                party_id=party_id,
                pack=pack,
                reason=reason,
                now=session.clock.now(),
                actor=actor_named(actor),
            )
        session.out.facts(f"Party {party_id}", check_facts(check))

    run(act, as_json)


def export(
    tenant: TenantOption,
    party: PartyArgument,
    out: Annotated[
        Path | None, typer.Option("--out", help="Write it there; else to standard output.")
    ] = None,
    actor: ActorOption = COMMAND_LINE,
) -> None:
    """Write everything that is kept of a party as one JSON document (GDPR articles 15 and 20)."""

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        async with session.db.transaction(tenant_id, read_only=True) as tx:
            party_id = await party_id_of(tx, party)
        document = await privacy.export_person(
            db=session.db,
            tenant_id=tenant_id,
            party_id=party_id,
            clock=session.clock,
            actor=actor_named(actor),
        )
        if out is None:
            session.out.document(document)
        else:
            out.write_text(json.dumps(document, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
            session.out.note(f"Written: {out}")

    run(act)


def erase(
    tenant: TenantOption,
    party: PartyArgument,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask. It cannot be undone.")] = False,
    actor: ActorOption = COMMAND_LINE,
    as_json: JsonOption = False,
) -> None:
    """Erase a person everywhere but on issued bills and in the books (GDPR article 17). It cannot be undone.

    Refused, with what is left to do, while an account is open, a product runs or an agreement is active.
    """
    if not yes:
        typer.confirm("This cannot be undone. Erase the party?", abort=True)

    async def act(session: Session) -> None:
        tenant_id = await session.tenant(tenant)
        async with session.db.transaction(tenant_id) as tx:
            party_id = await party_id_of(tx, party)
            done = await privacy.erase_person(
                tx, party_id=party_id, clock=session.clock, actor=actor_named(actor)
            )
        facts = {
            "party": party_id,
            "erased_at": done.party.erased_at,
            "identifiers": done.identifiers,
            "suspended_rows": done.suspended_rows,
            "messages": done.messages,
            "payment_methods": done.payment_methods,
            "places": done.places,
            "services": done.services,
            "order_items": done.order_items,
            "answers": done.answers,
            "documents": done.documents,
            "charging_identities": done.charging_identities,
            "top_ups": done.top_ups,
        }
        session.out.facts("Erased", facts)

    run(act, as_json)


def register(app: typer.Typer) -> None:
    """Add these commands to ``farwire party``."""
    app.command("consent")(consent)
    app.command("submit")(submit)
    app.command("verify")(verify)
    app.command("reject")(reject)
    app.command("export")(export)
    app.command("erase")(erase)
