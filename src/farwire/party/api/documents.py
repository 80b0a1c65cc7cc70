"""How parties, consents and identity checks look on the wire, and how they are read from it."""

from __future__ import annotations

from datetime import date, datetime
from typing import Annotated, Final

import msgspec

from farwire.base.web import moment, shown_actor, timestamp
from farwire.kernel.ids import PartyId, uuid7
from farwire.party.model import (
    Channel,
    Consent,
    ContactKind,
    ContactMedium,
    KycCheck,
    Party,
    PartyChange,
    PartyKind,
    Purpose,
)
from farwire.tenant.model import Address, check_country

BASE: Final = "/farwire/v1/parties"
Text = Annotated[str, msgspec.Meta(max_length=200)]
Word = Annotated[str, msgspec.Meta(max_length=60)]
Time = Annotated[datetime, msgspec.Meta(tz=True, description="With Z or an offset.")]


class AddressDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """A postal address in the form of its country's pack: field name → text."""

    country: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$", description="ISO 3166-1.")]
    fields: Annotated[dict[Word, Text], msgspec.Meta(max_length=30)]
    region: Word = ""

    def to_model(self) -> Address:
        """Return the address. Raises ``Invalid`` (``tenant.country``)."""
        return Address(check_country(self.country), self.fields, self.region)


class ContactDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """One way to reach the party."""

    kind: ContactKind
    value: Text
    preferred: bool = False
    purpose: Word = ""


Contacts = Annotated[list[ContactDocument], msgspec.Meta(max_length=20)]


class PartyDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="Party"
):
    """A person or an organisation. ``kyc`` is how far its identity is proven."""

    id: str
    href: str
    kind: PartyKind
    name: str
    language: str
    kyc: str
    version: int
    created_at: str
    address: AddressDocument | None = None
    contacts: list[ContactDocument] = []
    given_name: str = ""
    family_name: str = ""
    birth_date: date | None = None
    vat_id: str = ""
    registration_id: str = ""
    parent_id: str | None = None
    erased_at: str | None = None


class PartyCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A party to be added."""

    kind: PartyKind
    name: Text
    address: AddressDocument
    language: Word
    contacts: Contacts = []
    given_name: Text = ""
    family_name: Text = ""
    birth_date: date | None = None
    vat_id: Text = ""
    registration_id: Text = ""
    parent_id: str | None = None

    def to_model(self, parent_id: PartyId | None, now: datetime) -> Party:
        """Return the party with a new id."""
        return Party(
            PartyId(uuid7(now)),
            self.kind,
            self.name,
            self.address.to_model(),
            self.language,
            now,
            contacts_of(self.contacts),
            self.vat_id,
            given_name=self.given_name,
            family_name=self.family_name,
            birth_date=self.birth_date,
            registration_id=self.registration_id,
            parent_id=parent_id,
        )


class PartyUpdate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What changes; what is left out stays. With ``version`` it is refused if somebody else was faster."""

    version: Annotated[int, msgspec.Meta(ge=1, le=2**31 - 1)] | None = None
    name: Text | None = None
    given_name: Text | None = None
    family_name: Text | None = None
    birth_date: date | None = None
    language: Word | None = None
    vat_id: Text | None = None
    registration_id: Text | None = None
    contacts: Contacts | None = None

    def to_model(self) -> PartyChange:
        """Return the change."""
        return PartyChange(
            name=self.name,
            given_name=self.given_name,
            family_name=self.family_name,
            birth_date=self.birth_date,
            language=self.language,
            vat_id=self.vat_id,
            registration_id=self.registration_id,
            contacts=None if self.contacts is None else contacts_of(self.contacts),
        )


class ConsentDocument(msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="Consent"):
    """What the party said about one purpose on one channel; of several the one with the latest ``at`` counts."""

    purpose: Purpose
    channel: Channel
    granted: bool
    at: str
    source: str
    recorded_at: str


class ConsentCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A word of the party. Without ``at`` it was said now."""

    purpose: Purpose
    channel: Channel
    granted: bool
    source: Annotated[str, msgspec.Meta(max_length=40, description="Where it was said: web, shop, call …")]
    at: Time | None = None

    def to_model(self, party_id: PartyId, now: datetime) -> Consent:
        """Return the consent. Raises ``Invalid`` (``web.time_out_of_range``)."""
        at = now if self.at is None else moment(self.at, field="at")
        return Consent(party_id, self.purpose, self.channel, self.granted, at, self.source, now)


class KycDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="KycCheck"
):
    """One attempt to prove who the party is. Of the number only its last four characters are kept readable."""

    attempt: int
    state: str
    document: str
    issuing_country: str
    last4: str
    submitted_at: str
    submitted_by: str
    expires_on: date | None = None
    decided_at: str | None = None
    decided_by: str | None = None
    reason: str = ""


class KycSubmit(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A document that was shown. Its number is hashed at once and never kept."""

    document: Word
    issuing_country: Annotated[str, msgspec.Meta(pattern="^[A-Z]{2}$")]
    number: Annotated[str, msgspec.Meta(min_length=4, max_length=60)]
    expires_on: date | None = None


class KycDecide(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What was found. A rejection has a ``reason``, a code such as document_unreadable."""

    verified: bool
    reason: Word = ""


def contacts_of(documents: list[ContactDocument]) -> tuple[ContactMedium, ...]:
    """Return the contacts that a body lists."""
    return tuple(ContactMedium(one.kind, one.value, one.preferred, one.purpose) for one in documents)


def party_document(party: Party) -> PartyDocument:
    """Return the party as the API shows it."""
    address = party.address
    return PartyDocument(
        id=str(party.id),
        href=f"{BASE}/{party.id}",
        kind=party.kind,
        name=party.name,
        language=party.language,
        kyc=party.kyc.value,
        version=party.version,
        created_at=timestamp(party.created_at),
        address=AddressDocument(address.country, dict(address.fields), address.region)
        if address.country
        else None,
        contacts=[ContactDocument(one.kind, one.value, one.preferred, one.purpose) for one in party.contacts],
        given_name=party.given_name,
        family_name=party.family_name,
        birth_date=party.birth_date,
        vat_id=party.vat_id,
        registration_id=party.registration_id,
        parent_id=None if party.parent_id is None else str(party.parent_id),
        erased_at=None if party.erased_at is None else timestamp(party.erased_at),
    )


def consent_document(consent: Consent) -> ConsentDocument:
    """Return the consent as the API shows it."""
    return ConsentDocument(
        consent.purpose,
        consent.channel,
        consent.granted,
        timestamp(consent.at),
        consent.source,
        timestamp(consent.recorded_at),
    )


def kyc_document(check: KycCheck) -> KycDocument:
    """Return the check as the API shows it."""
    return KycDocument(
        attempt=check.attempt,
        state=check.state.value,
        document=check.evidence.document,
        issuing_country=check.evidence.country,
        last4=check.evidence.last4,
        expires_on=check.evidence.expires_on,
        submitted_at=timestamp(check.submitted_at),
        submitted_by=shown_actor(check.submitted_by),
        decided_at=None if check.decided_at is None else timestamp(check.decided_at),
        decided_by=None if check.decided_by is None else shown_actor(check.decided_by),
        reason=check.reason,
    )
