"""Individuals and organisations, as values."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import Final

from farwire.kernel.ids import PartyId
from farwire.tenant.model import Address


class PartyKind(StrEnum):
    """The two kinds of party (TMF632)."""

    INDIVIDUAL = "individual"
    ORGANIZATION = "organization"


class ContactKind(StrEnum):
    """How a party is reached."""

    EMAIL = "email"
    PHONE = "phone"


@dataclass(frozen=True, slots=True)
class ContactMedium:
    """One way to reach a party."""

    kind: ContactKind
    value: str


NOWHERE: Final = Address("", {})


@dataclass(frozen=True, slots=True)
class Party:
    """A person or an organisation. ``language`` is a BCP 47 tag, ``vat_id`` is blank for a person."""

    id: PartyId
    kind: PartyKind
    name: str
    address: Address
    language: str
    created_at: datetime
    contacts: tuple[ContactMedium, ...] = ()
    vat_id: str = ""
    erased_at: datetime | None = None


def erased(party: Party, at: datetime) -> Party:
    """Return ``party`` with every personal field blank. The first erasure keeps its time."""
    if party.erased_at is not None:
        return party
    return replace(party, name="", address=NOWHERE, contacts=(), vat_id="", erased_at=at)
