"""TMF666 Account Management: billing accounts as they are billed; the other accounts and forms of bills as documents.

# DEVIATES: TMF666 billingAccount has no DELETE because an account with bills is history: it is closed by its own act
# (docs/customers.md). What it is not billed by (contacts, payment plans) is kept beside it.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from farwire.account import events, service
from farwire.account.api import tmf666_tables as tables
from farwire.account.model import AccountChange, BillingAccount, Delivery, TaxClass, TermsChange
from farwire.base.authz import Permission
from farwire.base.storage import Tx
from farwire.base.tmf import (
    Act,
    Api,
    Behaviour,
    Descriptor,
    Document,
    Resource,
    Target,
    Wanted,
    stored_time,
    tmf_routes,
)
from farwire.base.tmf_mixed import Mixed
from farwire.base.web import AnyRoute, moment
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.ids import AccountId, LegalEntityId, PartyId, parse_id, uuid7
from farwire.kernel.page import Page, PageRequest
from farwire.party import service as parties
from farwire.party.model import Party
from farwire.tenant import service as tenants
from farwire.tenant.model import LegalEntity

READ: Final = frozenset(
    {
        *("name", "relatedParty", "billStructure", "accountRelationship", "state", "language", "taxClass"),
        *("legalEntity", "openedAt"),
    }
)
_PARTY: Final = "relatedParty.partyOrPartyRole.id"


def to_tmf_billing_account(account: BillingAccount) -> Document:
    """Return an account as TMF666 shows it, in the shape of v5."""
    party = {"@type": "PartyRef", "id": str(account.party_id)}
    cycle = {
        "name": f"monthly-{account.cycle_day}",
        "billingDateShift": account.cycle_day,
        "frequency": "monthly",
        "timeZone": account.zone,
    }
    document: Document = {
        "id": str(account.id),
        "@type": "BillingAccount",
        "name": account.number,
        "state": account.state.value,
        "ratingType": "postpaid",
        "relatedParty": [{"role": "customer", "partyOrPartyRole": party}],
        "billStructure": {
            "cycleSpecification": cycle,
            "presentationMedia": [{"name": account.delivery.value}],
        },
        "currency": account.currency.code,
        "language": account.language,
        "taxClass": account.tax_class.value,
        "legalEntity": {"id": str(account.legal_entity_id)},
        "openedAt": stored_time(account.opened_at),
    }
    if account.closed_at is not None:
        document["closedAt"] = stored_time(account.closed_at)
    if account.parent_id is not None:
        above = {"relationshipType": "parent", "account": {"id": str(account.parent_id)}}
        document["accountRelationship"] = [above]
    return document


def wrong(path: str, message: str, *, value: object = None, fix: str | None = None) -> Invalid:
    """Return the refusal of a part of an account."""
    return Invalid(message, code="account.given", field=path, value=value, fix=fix)


async def _find(tx: Tx, key: str, _now: datetime) -> Document | None:
    try:
        account = await service.account_with_id(tx, AccountId(UUID(key)))
    except (ValueError, NotFound):
        return None
    return to_tmf_billing_account(account)


async def _page(tx: Tx, wanted: Wanted) -> Page[Document]:
    if not wanted.equal:
        page = await service.page_of_accounts(tx, page=PageRequest(wanted.offset, wanted.limit))
        return Page(tuple(map(to_tmf_billing_account, page.items)), page.total, page.offset, page.limit)
    names, owners = wanted.equal.get("name"), wanted.equal.get(_PARTY)
    found: list[BillingAccount] = []
    if names is not None:
        found = list((await service.accounts_by_number(tx=tx, numbers=names)).values())
        found = [one for one in found if owners is None or str(one.party_id) in owners]
    for key in owners or () if names is None else ():
        if party_id := _uuid(key):
            found += await service.accounts_of_party(tx, PartyId(party_id))
    part = found[wanted.offset : wanted.offset + wanted.limit]
    return Page(tuple(map(to_tmf_billing_account, part)), len(found), wanted.offset, wanted.limit)


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None


async def _create(tx: Tx, document: Document, act: Act) -> Document:
    """Open an account for the party that is named as customer."""
    party = await _owner(tx, document)
    entity = await _entity(tx, document)
    day, delivery = _structure(document)
    opened = document.get("openedAt")
    account = BillingAccount(
        AccountId(uuid7(act.now)),
        document["name"],
        party.id,
        entity.id,
        entity.currency,
        day,
        entity.zone,
        document.get("language") or party.language,
        _tax_class(document),
        act.now if opened is None else moment(datetime.fromisoformat(opened), field="$.openedAt"),
        delivery=delivery,
        parent_id=_parent(document),
    )
    made = await service.open_account(tx, account=account, now=act.now, actor=act.actor)
    return to_tmf_billing_account(made)


async def _owner(tx: Tx, document: Document) -> Party:
    named = document["relatedParty"]
    owners = [one for one in named if len(named) == 1 or one.get("role") == "customer"]
    inner = owners[0].get("partyOrPartyRole") if len(owners) == 1 else None
    if not isinstance(inner, dict):
        fix = "name it by its id; others have other roles"
        raise wrong("$.relatedParty", "an account has one party as customer", fix=fix)
    try:
        return await parties.get_party(tx=tx, party_id=PartyId(UUID(str(inner.get("id")))))
    except (ValueError, NotFound):
        raise Invalid(
            "there is no such party",
            code="tmf.reference_unknown",
            field="$.relatedParty[0].id",
            value=str(inner.get("id")),
            fix="refer to one that is there",
        ) from None


async def _entity(tx: Tx, document: Document) -> LegalEntity:
    key = (document.get("legalEntity") or {}).get("id")
    if key is not None:
        return await tenants.legal_entity(tx, LegalEntityId(parse_id(key, field="$.legalEntity.id")))
    found = list((await tenants.legal_entities(tx)).values())
    if len(found) != 1:
        fix = "give legalEntity.id: the company that bills"
        raise wrong("$.legalEntity", f"the operator has {len(found)} companies", fix=fix)
    return found[0]


def _structure(document: Document) -> tuple[int, Delivery]:
    """Return the cycle's day and how bills are delivered."""
    structure = document.get("billStructure") or {}
    day = (structure.get("cycleSpecification") or {}).get("billingDateShift", 1)
    media = [one.get("name") for one in structure.get("presentationMedia") or []] or [Delivery.EMAIL.value]
    if len(media) != 1 or media[0] not in set(Delivery):
        fix = "use one of: " + ", ".join(Delivery)
        raise wrong(
            "$.billStructure.presentationMedia", "a bill is delivered in one way", value=media, fix=fix
        )
    return day, Delivery(media[0])


def _tax_class(document: Document) -> TaxClass:
    given = document.get("taxClass", TaxClass.STANDARD.value)
    if given not in set(TaxClass):
        raise wrong("$.taxClass", "no such tax class", value=given, fix="use one of: " + ", ".join(TaxClass))
    return TaxClass(given)


def _parent(document: Document) -> AccountId | None:
    found = None
    for number, one in enumerate(document.get("accountRelationship") or []):
        if one.get("relationshipType") != "parent":
            continue
        path = f"$.accountRelationship[{number}]"
        if found is not None:
            raise wrong(path, "an account has one parent")
        found = AccountId(parse_id(str((one.get("account") or {}).get("id")), field=f"{path}.account.id"))
    return found


async def _patch(tx: Tx, before: Document, after: Document, act: Act) -> Document:
    """Change language, delivery, tax class or parent, or what is kept beside."""
    changed = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    for name in changed - {"language", "billStructure", "taxClass", "accountRelationship"}:
        raise wrong(f"$.{name}", f"{name} of an account cannot be changed")
    account_id = AccountId(UUID(before["id"]))
    day, delivery = _structure(after)
    await service.change_cycle(tx, account_id=account_id, cycle_day=day)
    change = AccountChange(after.get("language"), delivery)
    account = await service.change_account(
        tx, account_id=account_id, change=change, now=act.now, actor=act.actor
    )
    if "taxClass" in changed:
        terms = TermsChange(tax_class=_tax_class(after))
        account = await service.change_terms(
            tx, account_id=account_id, change=terms, valid_from=act.now, now=act.now, actor=act.actor
        )
    if "accountRelationship" in changed:
        account = await service.set_parent(
            tx, account_id=account_id, parent_id=_parent(after), now=act.now, actor=act.actor
        )
    return to_tmf_billing_account(account)


MIXED: Final = Mixed(
    Target("666", "BillingAccount"),
    "account",
    Behaviour(_find, _page, _create, _patch, native=frozenset({"name", _PARTY})),
    takes=READ,
    shares=frozenset({"relatedParty", "accountRelationship"}),
)


def _document(descriptor: Descriptor) -> Resource:
    return Resource(descriptor, "account", Permission.ACCOUNT_READ, Permission.ACCOUNT_WRITE)


API: Final = Api(
    number="666",
    title="Account",
    path="accountManagement",
    resources=(
        Resource(
            tables.BILLING_ACCOUNT,
            "account",
            Permission.ACCOUNT_READ,
            Permission.ACCOUNT_WRITE,
            behaviour=MIXED.behaviour(),
            events={
                **MIXED.events,
                events.ACCOUNT_OPENED: "Create",
                events.ACCOUNT_CHANGED: "AttributeValueChange",
                events.ACCOUNT_CLOSED: "StateChange",
            },
        ),
        *map(
            _document,
            (
                tables.PARTY_ACCOUNT,
                tables.SETTLEMENT_ACCOUNT,
                tables.FINANCIAL_ACCOUNT,
                tables.BILL_FORMAT,
                tables.BILL_MEDIA,
                tables.BILLING_CYCLE,
            ),
        ),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = tmf_routes(API)
