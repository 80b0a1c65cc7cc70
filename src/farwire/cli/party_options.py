"""Options and shapes that the commands about parties share."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated
from uuid import UUID

import typer

from farwire.account import service as accounts
from farwire.base.storage import Tx
from farwire.cli.shell import (
    Session,
    parse_moment,
)
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import PartyId
from farwire.party.model import (
    ContactKind,
    ContactMedium,
    KycCheck,
    Party,
)
from farwire.tenant.model import Address

PartyArgument = Annotated[str, typer.Argument(help="The party's id, or the number of one of its accounts.")]
FieldOption = Annotated[
    list[str] | None, typer.Option("--field", help="A field of the address, e.g. city=Kiel. Repeat it.")
]
DocumentOption = Annotated[str, typer.Option("--document", help="Its kind, as the country pack names it.")]
IssuerOption = Annotated[str, typer.Option("--country", help="The country that issued the document.")]
NumberOption = Annotated[
    str, typer.Option("--number", help="Its number; asked for, unseen, if not given. It is not kept.")
]
ExpiryOption = Annotated[str, typer.Option("--expires-on", help="The first day on which it is not valid.")]


async def party_id_of(tx: Tx, text: str) -> PartyId:
    """Return the party that ``text`` names: an id, or the number of an account. Raises ``NotFound``."""
    try:
        return PartyId(UUID(text))
    except ValueError:
        return (await accounts.account_numbered(tx=tx, number=text)).party_id


def address_of(country: str, fields: list[str] | None, region: str) -> Address:
    """Return the address that the options give. Raises ``Invalid`` (``cli.field``)."""
    pairs = [field.partition("=") for field in fields or []]
    if any(not mark for _, mark, _ in pairs):
        raise Invalid("a field is name=value", code="cli.field", field="field", fix="e.g. --field city=Kiel")
    return Address(country, {name.strip(): value.strip() for name, _, value in pairs}, region)


def contacts_of(email: list[str] | None, phone: list[str] | None) -> tuple[ContactMedium, ...]:
    """Return the contacts; the first of each kind is the preferred one."""
    found = [(ContactKind.EMAIL, email or []), (ContactKind.PHONE, phone or [])]
    return tuple(
        ContactMedium(kind, value, preferred=place == 0)
        for kind, values in found
        for place, value in enumerate(values)
    )


def party_facts(party: Party) -> dict[str, object]:
    """Return a party as the command line shows it."""
    return {
        "id": party.id,
        "kind": party.kind,
        "name": party.name,
        "language": party.language,
        "kyc": party.kyc,
        "address": {"country": party.address.country, "region": party.address.region, **party.address.fields},
        "contacts": [f"{one.kind}:{one.value}" for one in party.contacts],
        "vat_id": party.vat_id,
        "registration_id": party.registration_id,
        "parent": party.parent_id,
        "version": party.version,
        "created_at": party.created_at,
        "erased_at": party.erased_at,
    }


def day_of(text: str, field: str) -> date | None:
    """Return the day that an option gives; None for none. Raises ``Invalid`` (``cli.day``)."""
    if not text:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(
            f"{field} is no day", code="cli.day", field=field, value=text, fix="e.g. 2030-01-31"
        ) from None


def moment_of(text: str, session: Session, field: str) -> datetime:
    """Return the time that an option gives; now for none."""
    return parse_moment(text, field=field) if text else session.clock.now()


def check_facts(check: KycCheck) -> dict[str, object]:
    """Return an identity check as the command line shows it."""
    return {
        "attempt": check.attempt,
        "state": check.state,
        "document": check.evidence.document,
        "country": check.evidence.country,
        "last4": check.evidence.last4,
        "expires_on": check.evidence.expires_on,
        "decided_by": None if check.decided_by is None else check.decided_by.id,
        "reason": check.reason,
    }
