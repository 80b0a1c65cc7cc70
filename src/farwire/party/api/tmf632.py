"""TMF632 Party Management: individuals and organisations as shapes of our parties.

What our party has is names, birth date, contact media; anything else is kept beside it, exported and erased with it.

# DEVIATES: TMF632 party has no DELETE because it is erased by its own act, which keeps what the law wants kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from farwire.base.authz import Permission
from farwire.base.storage import Tx
from farwire.base.tmf import Act, Api, Behaviour, Descriptor, Document, Resource, Target, Wanted, tmf_routes
from farwire.base.tmf_mixed import Mixed
from farwire.base.web import AnyRoute
from farwire.country.service import load_pack
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.ids import PartyId, uuid7
from farwire.kernel.page import Page, PageRequest
from farwire.party import service
from farwire.party.api.tmf632_tables import INDIVIDUAL, ORGANIZATION
from farwire.party.events import PARTY_ADDED, PARTY_CHANGED, PARTY_ERASED, PARTY_MOVED
from farwire.party.model import NOWHERE, ContactKind, ContactMedium, Party, PartyChange, PartyKind
from farwire.tenant import service as tenants

_ATTRIBUTE: Final[Mapping[ContactKind, tuple[str, str]]] = {
    ContactKind.EMAIL: ("EmailContactMedium", "emailAddress"),
    ContactKind.PHONE: ("PhoneContactMedium", "phoneNumber"),
    ContactKind.POST: ("GeographicAddressContactMedium", "street1"),
}
KEPT: Final = frozenset(
    {
        "id",
        "@type",
        "@baseType",
        "givenName",
        "familyName",
        "birthDate",
        "contactMedium",
        "name",
        "tradingName",
    }
)
ALWAYS: Final[Mapping[str, object]] = {"isHeadOffice": True, "isLegalEntity": True}
"""What is true of every organisation that we know: branches are accounts of it, no parties. Clients repeat it."""


def to_tmf_party(party: Party) -> Document:
    """Return a party as TMF632 shows it, in the shape of v5. An erased one has no names."""
    document: Document = {
        "id": str(party.id),
        "@type": "Individual" if party.kind is PartyKind.INDIVIDUAL else "Organization",
        "name": party.name,
        "contactMedium": [_contact(one) for one in party.contacts],
    }
    verified = party.kyc.value == "verified"
    document["status"] = "validated" if verified else "initialized"
    if party.kind is PartyKind.INDIVIDUAL:
        document |= {"givenName": party.given_name, "familyName": party.family_name}
        document |= {"formattedName": party.name, "fullName": party.name}
        if party.birth_date is not None:
            document["birthDate"] = f"{party.birth_date.isoformat()}T00:00:00.000Z"
    else:
        document |= {"tradingName": party.name, **ALWAYS}
    return document


def _contact(one: ContactMedium) -> Document:
    kind, attribute = _ATTRIBUTE[one.kind]
    found: Document = {"@type": kind, "preferred": one.preferred, attribute: one.value}
    return found | ({"contactType": one.purpose} if one.purpose else {})


def _contacts(items: list[Any]) -> tuple[ContactMedium, ...]:
    found = []
    for number, item in enumerate(items):
        fitting = [
            (kind, item[attribute])
            for kind, (_, attribute) in _ATTRIBUTE.items()
            if isinstance(item.get(attribute), str)
        ]
        if len(fitting) != 1:
            raise Invalid(
                "a contact medium has one of emailAddress, phoneNumber and street1",
                code="party.contact",
                field=f"$.contactMedium[{number}]",
            )
        (kind, value) = fitting[0]
        purpose, preferred = item.get("contactType", ""), item.get("preferred", False)
        if not isinstance(purpose, str) or not isinstance(preferred, bool):
            raise Invalid(
                "contactType is a text, preferred a boolean",
                code="party.contact",
                field=f"$.contactMedium[{number}]",
            )
        found.append(ContactMedium(kind, value, preferred, purpose))
    return tuple(found)


def _name(document: Document, kind: PartyKind) -> str:
    if kind is PartyKind.ORGANIZATION:
        return str(document.get("name") or document.get("tradingName") or "")
    whole = f"{document.get('givenName', '')} {document.get('familyName', '')}"
    return str(document.get("name") or whole.strip())


def _birth_date(document: Document) -> date | None:
    text = document.get("birthDate")
    return None if text is None else date.fromisoformat(text[:10])


@dataclass(frozen=True, slots=True)
class Parties:
    """The parties of one kind, as the engine asks for them."""

    kind: PartyKind

    async def find(self, tx: Tx, key: str, _now: datetime) -> Document | None:
        """Return one."""
        try:
            party = await service.get_party(tx=tx, party_id=PartyId(UUID(key)))
        except (ValueError, NotFound):
            return None
        return to_tmf_party(party) if party.kind is self.kind else None

    async def among(self, tx: Tx, keys: Sequence[str]) -> set[str]:
        """Return which of the parties are of this kind."""
        found = await service.get_parties(tx=tx, party_ids=[PartyId(UUID(one)) for one in keys])
        return {str(one.id) for one in found.values() if one.kind is self.kind}

    async def page(self, tx: Tx, wanted: Wanted) -> Page[Document]:
        """Return some, oldest first."""
        request = PageRequest(wanted.offset, wanted.limit)
        found = await service.list_parties(tx, kind=self.kind, page=request)
        return Page(tuple(map(to_tmf_party, found.items)), found.total, found.offset, found.limit)

    async def create(self, tx: Tx, document: Document, act: Act) -> Document:
        """Add one; it has no postal address yet, and the usual language of the operator's country."""
        now = act.now
        party = Party(
            PartyId(uuid7(now)),
            self.kind,
            _name(document, self.kind),
            NOWHERE,
            load_pack((await tenants.this_tenant(tx)).country).locale.languages[0],
            now,
            _contacts(document.get("contactMedium", [])),
            given_name=document.get("givenName", ""),
            family_name=document.get("familyName", ""),
            birth_date=_birth_date(document),
        )
        return to_tmf_party(await service.add_party(tx, party=party, actor=act.actor))

    async def patch(self, tx: Tx, before: Document, after: Document, act: Act) -> Document:
        """Change one."""
        given = {name: value for name, value in after.items() if before.get(name) != value}
        renamed = given.keys() & {"name", "tradingName", "givenName", "familyName"}
        if not given.keys() & {"name"}:  # it follows the names that it is made of
            after = {name: value for name, value in after.items() if name != "name"}
        change = PartyChange(
            name=_name(after, self.kind) if renamed else None,
            given_name=given.get("givenName"),
            family_name=given.get("familyName"),
            birth_date=_birth_date(given),
            contacts=_contacts(after.get("contactMedium", [])) if "contactMedium" in given else None,
        )
        key = PartyId(UUID(before["id"]))
        party = await service.update_party(tx, party_id=key, change=change, now=act.now, actor=act.actor)
        return to_tmf_party(party)


def _bound(descriptor: Descriptor, kind: PartyKind) -> Resource:
    own = Parties(kind)
    mixed = Mixed(
        Target("632", descriptor.type),
        "party",
        Behaviour(find=own.find, page=own.page, create=own.create, patch=own.patch),
        takes=KEPT - {"id", "@type", "@baseType"},
        yields=frozenset({"@type", "formattedName", "fullName", "tradingName"}),
    )
    words = {
        PARTY_ADDED: "Create",
        PARTY_CHANGED: "AttributeValueChange",
        PARTY_MOVED: "AttributeValueChange",
        PARTY_ERASED: "StateChange",
    }
    return Resource(
        replace(descriptor, events=("Create", "AttributeValueChange", "StateChange")),
        "party",
        Permission.PARTY_READ,
        Permission.PARTY_WRITE,
        behaviour=mixed.behaviour(),
        events={**mixed.events, **words},
        among=own.among,
    )


API: Final = Api(
    number="632",
    title="Party",
    path="partyManagement",
    v4_path="party",
    resources=(
        _bound(INDIVIDUAL, PartyKind.INDIVIDUAL),
        _bound(ORGANIZATION, PartyKind.ORGANIZATION),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
