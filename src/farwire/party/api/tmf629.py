"""TMF629 Customer Management: a customer is a party that plays that role, from when to when.

# DEVIATES: TMF629 customer has the id and the contacts of its party, because it is one: they change there (TMF632);
# a name and contacts of its own are kept beside. It has no DELETE: the role ends.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from farwire.base.authz import Permission
from farwire.base.storage import Tx
from farwire.base.tmf import (
    Act,
    Api,
    Behaviour,
    Descriptor,
    Document,
    Operation,
    Resource,
    Target,
    Version,
    Wanted,
    attributes,
    lifecycle,
    stored_time,
    tmf_routes,
)
from farwire.base.tmf_mixed import Mixed
from farwire.base.web import AnyRoute, moment
from farwire.kernel.errors import Conflict, Invalid
from farwire.kernel.ids import PartyId
from farwire.kernel.page import Page, PageRequest
from farwire.party import service
from farwire.party.api.tmf632 import to_tmf_party
from farwire.party.api.tmf632_tables import CONTACT
from farwire.party.events import CUSTOMER_CREATED, CUSTOMER_DELETED, CUSTOMER_STATE_CHANGED, PARTY_CHANGED
from farwire.party.model import Party, PartyRole, RoleKind

CUSTOMER: Final = Descriptor(
    type="Customer",
    path="customer",
    operations=frozenset(Operation) - {Operation.DELETE, Operation.PUT},
    parts={"ContactMedium": CONTACT},
    lifecycle=lifecycle("status", "active -> closed\nclosed -> active", any_on_create=False),
    own=attributes(
        """
        account                AccountRef[]
        agreement              AgreementRef[]
        characteristic         Characteristic[]
        contactMedium          ContactMedium[]
        creditProfile          CreditProfile[]
        description            string                    v5
        engagedParty           PartyRef                  required
        name                   string                    required
        partyRoleSpecification PartyRoleSpecificationRef v5
        paymentMethod          PaymentMethodRef[]
        relatedParty           RelatedPartyOrPartyRole[]
        role                   string                    v5 server
        status                 string
        statusReason           string
        validFor               TimePeriod
        """
    ),
)


def to_tmf_customer(party: Party, roles: Sequence[PartyRole], now: datetime) -> Document:
    """Return a party as a customer, by the last of its roles; before it begins it is active too."""
    last = roles[-1]
    shown = to_tmf_party(party)
    over = last.valid_to is not None and last.valid_to <= now
    period = {"startDateTime": stored_time(roles[0].valid_from)}
    if last.valid_to is not None:
        period["endDateTime"] = stored_time(last.valid_to)
    kept = {"@type": "PartyRef", "@referredType": shown["@type"], "id": shown["id"], "name": party.name}
    return {
        "id": shown["id"],
        "@type": "Customer",
        "name": party.name,
        "role": "customer",
        "engagedParty": kept,
        "contactMedium": shown["contactMedium"],
        "status": "closed" if over else "active",
        "validFor": period,
    }


async def _documents(tx: Tx, ids: Sequence[PartyId], now: datetime) -> list[Document]:
    parties = await service.get_parties(tx=tx, party_ids=ids)
    roles: dict[PartyId, list[PartyRole]] = {}
    for role in await service.roles_of_parties(tx, ids):
        if role.role is RoleKind.CUSTOMER:
            roles.setdefault(role.party_id, []).append(role)
    return [to_tmf_customer(parties[one], roles[one], now) for one in ids if one in parties and one in roles]


async def _find(tx: Tx, key: str, now: datetime) -> Document | None:
    try:
        party_id = PartyId(UUID(key))
    except ValueError:
        return None
    found = await _documents(tx, [party_id], now)
    return found[0] if found else None


async def _page(tx: Tx, wanted: Wanted) -> Page[Document]:
    part = PageRequest(wanted.offset, wanted.limit)
    page = await service.players_of(tx, role=RoleKind.CUSTOMER, page=part)
    return Page(tuple(await _documents(tx, page.items, wanted.now)), page.total, page.offset, page.limit)


async def _create(tx: Tx, document: Document, act: Act) -> Document:
    """Let a party be a customer."""
    party = await _party(tx, document)
    if await _find(tx, str(party.id), act.now) is not None:
        raise Conflict(
            "the party is a customer already", code="party.is_customer", field="engagedParty", value=party.id
        )
    period = document.get("validFor") or {}
    start, end = (_time(period, name) for name in ("startDateTime", "endDateTime"))
    role = PartyRole(party.id, RoleKind.CUSTOMER, start or act.now, end)
    await service.add_role(tx, role=role, now=act.now, actor=act.actor)
    return (await _documents(tx, [party.id], act.now))[0]


def _time(period: Document, name: str) -> datetime | None:
    text = period.get(name)
    return None if text is None else moment(datetime.fromisoformat(text), field=f"$.validFor.{name}")


async def _party(tx: Tx, document: Document) -> Party:
    key = document["engagedParty"].get("id")
    try:
        party_id = PartyId(UUID(str(key)))
        return (await service.get_parties(tx=tx, party_ids=[party_id]))[party_id]
    except (ValueError, KeyError):
        raise Invalid(
            "there is no such party",
            code="tmf.reference_unknown",
            field="$.engagedParty.id",
            value=key,
            fix="refer to one that is there (TMF632)",
        ) from None


async def _patch(tx: Tx, before: Document, after: Document, act: Act) -> Document:
    """End the role, or let it begin anew."""
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    for name in changed - {"status"}:
        raise Invalid(
            f"{name} of a customer cannot be changed here",
            code="party.customer_given",
            field=f"$.{name}",
            fix="change the party (TMF632)",
        )
    party_id = PartyId(UUID(before["id"]))
    if "status" in changed and after["status"] == "closed":
        await service.end_role(
            tx, party_id=party_id, role=RoleKind.CUSTOMER, at=act.now, now=act.now, actor=act.actor
        )
    elif "status" in changed:
        role = PartyRole(party_id, RoleKind.CUSTOMER, act.now)
        await service.add_role(tx, role=role, now=act.now, actor=act.actor)
    return (await _documents(tx, [party_id], act.now))[0]


MIXED: Final = Mixed(
    Target("629", "Customer"),
    "party",
    Behaviour(_find, _page, _create, _patch),
    takes=frozenset({"engagedParty", "status", "validFor"}),
    yields=frozenset({"@type", "name"}),
)
_TOLD: Final = {
    **MIXED.events,
    PARTY_CHANGED: "AttributeValueChange",
    CUSTOMER_CREATED: "Create",
    CUSTOMER_STATE_CHANGED: "StateChange",
    CUSTOMER_DELETED: "Delete",
}
"""The end of the role is told twice: the customer stays to be read, closed, and is none any more."""
API: Final = Api(
    number="629",
    title="Customer",
    path="customer",
    v4_path="customerManagement",
    aliases={
        Version.V5: ("/tmf-api/customerManagement/v5", "/customerManagement/v5")
    },  # what clients of v5 ask
    resources=(
        Resource(
            CUSTOMER,
            "party",
            Permission.PARTY_READ,
            Permission.PARTY_WRITE,
            behaviour=MIXED.behaviour(),
            events=_TOLD,
        ),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
