"""Individuals and organisations, as values."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Final

from farwire.kernel.errors import Conflict, Invalid
from farwire.kernel.ids import PartyId
from farwire.party.model.kyc import KycState
from farwire.tenant.model import Address

MAX_TEXT: Final = 200
MAX_CONTACTS: Final = 20


class PartyKind(StrEnum):
    """The two kinds of party (TMF632)."""

    INDIVIDUAL = "individual"
    ORGANIZATION = "organization"


class ContactKind(StrEnum):
    """How a party is reached."""

    EMAIL = "email"
    PHONE = "phone"
    POST = "post"
    """By letter; ``value`` is the whole envelope in lines, or blank for the party's own address."""


@dataclass(frozen=True, slots=True)
class ContactMedium:
    """One way to reach a party.

    Of several of a kind the ``preferred`` one is used first. ``purpose`` is the operator's own word for what it is
    there for ("billing", "technical"); blank is any.
    """

    kind: ContactKind
    value: str
    preferred: bool = False
    purpose: str = ""


class RoleKind(StrEnum):
    """What a party is to the operator, or to another party (TMF669, PartyRole)."""

    CUSTOMER = "customer"
    PAYER = "payer"
    USER = "user"
    CONTACT = "contact"
    REPRESENTATIVE = "representative"
    SUPPLIER = "supplier"
    PARTNER = "partner"


@dataclass(frozen=True, slots=True)
class PartyRole:
    """In ``[valid_from, valid_to)`` the party plays ``role``, for the party ``of`` where it is another party's."""

    party_id: PartyId
    role: RoleKind
    valid_from: datetime
    valid_to: datetime | None = None
    of: PartyId | None = None

    def holds(self, at: datetime) -> bool:
        """Return whether the role is played at ``at``."""
        return self.valid_from <= at and (self.valid_to is None or at < self.valid_to)


@dataclass(frozen=True, slots=True)
class FormerAddress:
    """Where a party was until ``valid_to`` (UTC, exclusive), from the one before it on."""

    address: Address
    valid_to: datetime


NOWHERE: Final = Address("", {})


@dataclass(frozen=True, slots=True)
class Party:
    """A person or an organisation. ``language`` is a BCP 47 tag, ``vat_id`` is blank for most people.

    ``name`` is the whole name as a bill shows it; ``given_name``, ``family_name`` and ``birth_date`` are a person's,
    ``registration_id`` (of the register of companies) and ``parent_id`` an organisation's. ``version`` rises with
    every update. ``moves`` are the former addresses, oldest first.
    """

    id: PartyId
    kind: PartyKind
    name: str
    address: Address
    language: str
    created_at: datetime
    contacts: tuple[ContactMedium, ...] = ()
    vat_id: str = ""
    erased_at: datetime | None = None
    given_name: str = ""
    family_name: str = ""
    birth_date: date | None = None
    registration_id: str = ""
    parent_id: PartyId | None = None
    kyc: KycState = KycState.UNVERIFIED
    version: int = 1
    moves: tuple[FormerAddress, ...] = ()

    def address_at(self, at: datetime) -> Address:
        """Return the address at ``at``; the oldest known one before that."""
        return next((former.address for former in self.moves if at < former.valid_to), self.address)

    def as_of(self, at: datetime) -> Party:
        """Return the party with the address that it had at ``at``."""
        if not self.moves:
            return self
        return replace(self, address=self.address_at(at), moves=())

    def contact(self, kind: ContactKind, purpose: str = "") -> ContactMedium | None:
        """Return how to reach the party: of this kind the one for ``purpose``, else the preferred, else the first."""
        found = [one for one in self.contacts if one.kind is kind and one.purpose in ("", purpose)]
        return min(found, key=lambda one: (one.purpose != purpose, not one.preferred), default=None)


@dataclass(frozen=True, slots=True)
class PartyChange:
    """What an update changes; None leaves a field as it is, a blank text or an empty tuple clears it."""

    name: str | None = None
    given_name: str | None = None
    family_name: str | None = None
    birth_date: date | None = None
    language: str | None = None
    vat_id: str | None = None
    registration_id: str | None = None
    contacts: tuple[ContactMedium, ...] | None = None


def erased(party: Party, at: datetime) -> Party:
    """Return ``party`` with every personal field blank. The first erasure keeps its time."""
    if party.erased_at is not None:
        return party
    blank = replace(
        party, name="", given_name="", family_name="", birth_date=None, registration_id="", vat_id=""
    )
    return replace(blank, address=NOWHERE, contacts=(), moves=(), erased_at=at)


def check_party(party: Party) -> Party:
    """Return ``party`` if it can be kept.

    Raises ``Invalid``: ``party.name_missing``, ``party.text_too_long``, ``party.of_an_individual``,
    ``party.of_an_organization``, ``party.contact``, ``party.birth_date``.
    """
    if not party.name.strip():
        raise Invalid(
            "a party has a name", code="party.name_missing", field="name", fix="give the whole name"
        )
    texts = {
        "name": party.name,
        "given_name": party.given_name,
        "family_name": party.family_name,
        "vat_id": party.vat_id,
        "registration_id": party.registration_id,
        "language": party.language,
    }
    for field, text in texts.items():
        if len(text) > MAX_TEXT or not text.isprintable():
            raise Invalid(
                f"{field} is longer than {MAX_TEXT} characters or holds a control character",
                code="party.text_too_long",
                field=field,
            )
    _check_kind(party)
    _check_contacts(party.contacts)
    if party.birth_date is not None and not date(1870, 1, 1) <= party.birth_date <= party.created_at.date():
        raise Invalid(
            "nobody was born on that day", code="party.birth_date", field="birth_date", fix="check the year"
        )
    return party


def _check_kind(party: Party) -> None:
    if party.kind is PartyKind.ORGANIZATION and (party.given_name or party.family_name or party.birth_date):
        raise Invalid(
            "only a person has a given name, a family name or a birth date",
            code="party.of_an_individual",
            field="kind",
            value=party.kind,
        )
    if party.kind is PartyKind.INDIVIDUAL and (party.registration_id or party.parent_id):
        raise Invalid(
            "only an organisation is registered or belongs to another",
            code="party.of_an_organization",
            field="kind",
            value=party.kind,
        )


def _is_email(text: str) -> bool:
    name, at, domain = text.partition("@")
    return bool(name and at and "." in domain) and " " not in text and "@" not in domain


def _is_phone(text: str) -> bool:
    digits = text.removeprefix("+")
    return digits.isascii() and digits.isdigit() and 3 <= len(digits) <= 15


_FORMS: Final[dict[ContactKind, tuple[Callable[[str], bool], str]]] = {
    ContactKind.EMAIL: (_is_email, "an address such as anna@example.org"),
    ContactKind.PHONE: (_is_phone, "digits with the country code, e.g. +4915112345678"),
    ContactKind.POST: (lambda _: True, ""),
}


def _check_contacts(contacts: tuple[ContactMedium, ...]) -> None:
    if len(contacts) > MAX_CONTACTS:
        raise Invalid(f"a party has at most {MAX_CONTACTS} contacts", code="party.contact", field="contacts")
    for one in contacts:
        sound, fix = _FORMS[one.kind]
        if len(one.value) > MAX_TEXT or "\x00" in one.value + one.purpose or not sound(one.value):
            raise Invalid(
                f"the {one.kind} is malformed", code="party.contact", field=one.kind.value, fix=fix or None
            )
    for kind in ContactKind:
        if sum(one.preferred for one in contacts if one.kind is kind) > 1:
            raise Invalid(
                f"one {kind} at most is preferred", code="party.contact", field=kind.value, fix="prefer one"
            )


def changed(party: Party, change: PartyChange) -> Party:
    """Return ``party`` with ``change`` and the next version; the same object where nothing differs.

    Raises ``Conflict`` (``party.erased``) and what ``check_party`` raises.
    """
    if party.erased_at is not None:
        raise gone(party)
    fields = (
        *("name", "given_name", "family_name", "birth_date"),
        *("language", "vat_id", "registration_id"),
    )
    wanted = {name: value for name in (*fields, "contacts") if (value := getattr(change, name)) is not None}
    if all(getattr(party, name) == value for name, value in wanted.items()):
        return party
    return check_party(replace(party, **wanted, version=party.version + 1))


def moved(party: Party, address: Address, valid_from: datetime, now: datetime) -> Party:
    """Return ``party`` at another address from ``valid_from`` on; the same object where it is there already.

    Raises ``Conflict``: ``party.erased``, ``party.move_before_last`` (history is not rewritten); ``Invalid``
    (``party.move_in_future``).
    """
    if party.erased_at is not None:
        raise gone(party)
    if party.address == address:
        return party
    if valid_from > now:
        raise Invalid(
            "a move is recorded when it has happened",
            code="party.move_in_future",
            field="valid_from",
            value=valid_from.isoformat(),
            fix="record it on the day",
        )
    if party.moves and valid_from <= party.moves[-1].valid_to:
        raise Conflict(
            "the party has moved since",
            code="party.move_before_last",
            field="valid_from",
            value=valid_from.isoformat(),
            fix=f"use a time after {party.moves[-1].valid_to.isoformat()}",
        )
    moves = (*party.moves, FormerAddress(party.address, valid_from))
    return replace(party, address=address, moves=moves, version=party.version + 1)


def gone(party: Party) -> Conflict:
    """Return the error for an act on an erased party."""
    return Conflict(
        "the party was erased; it never gets personal data again",
        code="party.erased",
        field="party",
        value=party.id,
        fix="add a new party",
    )
