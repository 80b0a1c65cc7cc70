"""A person's data across all contexts: one document of everything, and erasure.

Bills and the books stay: the law keeps them (Germany: HGB § 257, AO § 147). Usage, events and audit hold pseudonymous
keys; when the map from key to number is destroyed they mean nobody. What the API answered in the last day and keeps for
repeats goes at once, so that a repeat brings nobody back.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

import msgspec

from farwire.account import service as accounts
from farwire.account.model import AccountState, BillingAccount
from farwire.agreement import service as agreements
from farwire.agreement.model import AgreementState
from farwire.base import audit
from farwire.base.canonical import JSON
from farwire.base.clock import Clock
from farwire.base.privacy import documents_naming, forget_in_documents
from farwire.base.storage import Database, Tx
from farwire.base.web.idempotency import forget_answers
from farwire.billing import service as billing
from farwire.billing.model import Bill
from farwire.communication import service as communication
from farwire.inventory import service as inventory
from farwire.inventory.model import Product
from farwire.kernel.errors import Conflict
from farwire.kernel.ids import PartyId, SubscriberKey, TenantId
from farwire.kernel.tenancy import SYSTEM, Actor
from farwire.ordering import service as ordering
from farwire.ordering.model import ProductOrder
from farwire.party import service as parties
from farwire.party.model import Party
from farwire.payment import service as payments
from farwire.payment.model import Payment, PaymentMethod
from farwire.process import prepaid_person
from farwire.process.paging import all_of
from farwire.process.prepaid_person import PrepaidPerson
from farwire.usage import service as usage

SCHEMA: Final = 1


@dataclass(frozen=True, slots=True)
class Person:
    """A party and what leads to its data in other contexts."""

    party: Party
    accounts: tuple[BillingAccount, ...]
    products: tuple[Product, ...]

    @property
    def ids(self) -> tuple[str, ...]:
        """Return the ids that stand for the person: its own, those of its accounts and of its products."""
        own = (self.party.id, *(one.id for one in self.accounts), *(one.id for one in self.products))
        return tuple(map(str, own))

    @property
    def keys(self) -> tuple[SubscriberKey, ...]:
        """Return the pseudonymous keys of all numbers that its products ever had."""
        found = (one.subscriber_key for product in self.products for one in product.assignments)
        return tuple(dict.fromkeys(found))


Collector: TypeAlias = Callable[[Tx, Person], Awaitable[object]]


async def _party(_tx: Tx, person: Person) -> object:
    return person.party


async def _roles(tx: Tx, person: Person) -> object:
    return await parties.roles_of(tx, person.party.id)


async def _consents(tx: Tx, person: Person) -> object:
    return await parties.consents_of(tx, person.party.id)


async def _identity(tx: Tx, person: Person) -> object:
    """Return when and by which kind of document who the person is was checked; what is kept of it proves nothing."""
    return [
        {
            "state": check.state,
            "document": check.evidence.document,
            "issuing_country": check.evidence.country,
            "last4": check.evidence.last4,
            "expires_on": check.evidence.expires_on,
            "submitted_at": check.submitted_at,
            "decided_at": check.decided_at,
            "reason": check.reason,
        }
        for check in await parties.kyc_checks(tx, person.party.id)
    ]


async def _accounts(tx: Tx, person: Person) -> object:
    routes = await accounts.routes_of(tx, [account.id for account in person.accounts])
    return [{"account": account, "charge_routes": routes.get(account.id, ())} for account in person.accounts]


async def _agreements(tx: Tx, person: Person) -> object:
    return await agreements.agreements_of_party(tx, person.party.id)


async def _products(_tx: Tx, person: Person) -> object:
    return person.products


async def _identifiers(tx: Tx, person: Person) -> object:
    names = await inventory.identifiers_of(tx, person.keys)
    return [{"subscriber_key": key, "identifier": names.get(key, "")} for key in person.keys]


async def _services(tx: Tx, person: Person) -> object:
    found = await inventory.services_of_products(tx, [product.id for product in person.products])
    return [service for services in found.values() for service in services]


async def _resources(tx: Tx, person: Person) -> object:
    """Return what the products have now: numbers, SIMs, devices, ports."""
    found = await inventory.resources_of_products(tx, [product.id for product in person.products])
    return [
        {"product": product_id, "kind": one.kind, "value": one.value, "attributes": one.attributes}
        for product_id, held in found.items()
        for one in held
    ]


async def _orders_of(tx: Tx, person: Person) -> list[ProductOrder]:
    async def of(account: BillingAccount) -> list[ProductOrder]:
        return await all_of(lambda page: ordering.list_orders(tx=tx, page=page, account_id=account.id))

    return [order for account in person.accounts for order in await of(account)]


async def _orders(tx: Tx, person: Person) -> object:
    return await _orders_of(tx, person)


async def _methods(tx: Tx, account: BillingAccount) -> list[PaymentMethod]:
    return await all_of(lambda page: payments.list_methods(tx, page=page, account_id=account.id))


async def _payments_of(tx: Tx, account: BillingAccount) -> list[Payment]:
    return await all_of(lambda page: payments.list_payments(tx, page=page, account_id=account.id))


async def _payments(tx: Tx, person: Person) -> object:
    async def of(account: BillingAccount) -> Mapping[str, object]:
        return {
            "account": account.number,
            "payments": await _payments_of(tx, account),
            "methods": await _methods(tx, account),
        }

    return [await of(account) for account in person.accounts]


async def _messages(tx: Tx, person: Person) -> object:
    return await all_of(lambda page: communication.list_messages(tx, page=page, party_id=person.party.id))


async def _documents(tx: Tx, person: Person) -> object:
    names = (await _prepaid(tx, person)).names
    return await documents_naming(tx, [*person.ids, *await _things(tx, person), *names])


async def _things(tx: Tx, person: Person) -> list[str]:
    """Return the ids of what the person has or did, of which clients may have written more than we hold."""
    services = await inventory.services_of_products(tx, [one.id for one in person.products])
    found = [one.id for held in services.values() for one in held]
    keys: list[object] = [*found, *(one.id for one in await _orders_of(tx, person))]
    for account in person.accounts:
        keys += [one.id for one in await _payments_of(tx, account)]
        keys += [one.id for one in await _methods(tx, account)]
    return list(map(str, keys))


async def _prepaid(tx: Tx, person: Person) -> PrepaidPerson:
    """Return what is prepaid of the person. A number that somebody else has or had is not known to be his."""
    own = frozenset(await _own_keys(tx, person))
    numbers = await inventory.identifiers_of(tx, person.keys)
    return await prepaid_person.prepaid_person(
        tx,
        account_ids=[one.id for one in person.accounts],
        product_ids=[one.id for one in person.products],
        numbers=[number for key, number in numbers.items() if key in own],
        of_others=[number for key, number in numbers.items() if key not in own],
    )


async def _charging(tx: Tx, person: Person) -> object:
    return await prepaid_person.charging_of(tx, await _prepaid(tx, person))


async def _top_ups(tx: Tx, person: Person) -> object:
    return prepaid_person.top_ups_of(await _prepaid(tx, person))


COLLECTORS: Final[tuple[tuple[str, Collector], ...]] = (
    ("party", _party),
    ("roles", _roles),
    ("consents", _consents),
    ("identity_checks", _identity),
    ("accounts", _accounts),
    ("agreements", _agreements),
    ("products", _products),
    ("services", _services),
    ("resources", _resources),
    ("identifiers", _identifiers),
    ("orders", _orders),
    ("payments", _payments),
    ("charging_accounts", _charging),
    ("top_ups", _top_ups),
    ("messages", _messages),
    ("tmf_documents", _documents),
)
"""What an export holds, in this order, before the bills. A context that gets personal data adds its line."""


async def _bills(db: Database, tenant_id: TenantId, account: BillingAccount) -> list[Bill]:
    found = await all_of(
        lambda page: billing.list_bills(db=db, tenant_id=tenant_id, page=page, account_id=account.id)
    )
    return [await billing.get_bill(db=db, tenant_id=tenant_id, key=str(bill.id)) for bill in found]


async def _person(tx: Tx, party: Party) -> Person:
    party_id = party.id
    held = await accounts.accounts_of_party(tx, party_id)
    by_account = await inventory.products_by_account(tx, [account.id for account in held])
    products = tuple(product for account in held for product in by_account.get(account.id, ()))
    return Person(party, held, products)


async def export_person(
    *, db: Database, tenant_id: TenantId, party_id: PartyId, clock: Clock, actor: Actor = SYSTEM
) -> Mapping[str, object]:
    """Return everything that is kept of a party as one document that JSON can hold (GDPR art. 15 and 20).

    Who asked is written into the audit log. Usage records are not in it: bills hold what they came to, and the records
    themselves are read by product. Raises ``NotFound`` (``party.unknown``).
    """
    now = clock.now()
    document: dict[str, object] = {"schema": SCHEMA, "exported_at": now}
    async with db.transaction(tenant_id) as tx:
        person = await _person(tx, await parties.get_party(tx=tx, party_id=party_id))
        for name, collect in COLLECTORS:
            document[name] = await collect(tx, person)
        await audit.record(
            tx, actor=actor, action="party.exported", subject=str(party_id), at=now, detail={"schema": SCHEMA}
        )
    document["bills"] = [one for account in person.accounts for one in await _bills(db, tenant_id, account)]
    plain: Mapping[str, object] = msgspec.to_builtins(document, enc_hook=_plain)
    return plain


def _plain(value: object) -> object:
    """Return what msgspec does not know as JSON can hold it."""
    return dict(value) if isinstance(value, Mapping) else str(value)


async def erasure_obstacles(tx: Tx, person: Person, now: datetime) -> tuple[str, ...]:
    """Return in words what still runs and must end before the person can be erased."""
    found = [
        f"account {account.number} is open"
        for account in person.accounts
        if account.state is not AccountState.CLOSED
    ]
    found += [
        f"product {product.id} runs"
        for product in person.products
        if product.ended_at is None or product.ended_at > now
    ]
    found += [
        f"agreement {one.number} is {one.state_at(now)}"
        for one in await agreements.agreements_of_party(tx, person.party.id)
        if one.state_at(now) in (AgreementState.DRAFT, AgreementState.ACTIVE)
    ]
    found += [
        f"order {order.key} is {order.state}"
        for order in await _orders_of(tx, person)
        if not order.state.ended
    ]
    return (*found, *(await _prepaid(tx, person)).top_ups.unsettled)


async def _own_keys(tx: Tx, person: Person) -> tuple[SubscriberKey, ...]:
    """Return the keys of numbers that nobody else has or had: another customer's number keeps its key."""
    own = {product.id for product in person.products}
    holders = await inventory.products_by_subscriber(tx, person.keys)
    return tuple(key for key in person.keys if all(product.id in own for product in holders.get(key, ())))


@dataclass(frozen=True, slots=True)
class Erasure:
    """What an erasure did; all zero where it had been done before."""

    party: Party
    identifiers: int = 0
    suspended_rows: int = 0
    messages: int = 0
    payment_methods: int = 0
    places: int = 0
    services: int = 0
    order_items: int = 0
    answers: int = 0
    documents: int = 0
    charging_identities: int = 0
    top_ups: int = 0


async def erase_person(tx: Tx, *, party_id: PartyId, clock: Clock, actor: Actor = SYSTEM) -> Erasure:
    """Blank a person in every context and destroy the map from its numbers to its usage (GDPR art. 17).

    In the caller's one transaction: it is done as a whole or not at all, and doing it again finds nothing left. Nobody
    opens an account for the person meanwhile. Issued bills, the books and proofs of consent stay, by law. Raises
    ``NotFound`` (``party.unknown``), ``Conflict`` (``party.still_active``, naming what runs).
    """
    person = await _person(tx, await parties.lock_party(tx, party_id))
    if person.party.erased_at is not None:
        return Erasure(person.party)
    obstacles = await erasure_obstacles(tx, person, clock.now())
    if obstacles:
        raise Conflict(
            "something still runs: " + "; ".join(obstacles),
            code="party.still_active",
            field="party",
            value=party_id,
            fix="end it first, e.g. farwire account close NUMBER",
        )
    return await _erase(tx, person, clock, actor)


async def _erase(tx: Tx, person: Person, clock: Clock, actor: Actor) -> Erasure:
    now, party_id = clock.now(), person.party.id
    product_ids = [product.id for product in person.products]
    keys = await _own_keys(tx, person)
    numbers = tuple((await inventory.identifiers_of(tx, keys)).values())
    prepaid = await _prepaid(tx, person)
    names = tuple(dict.fromkeys([*numbers, *prepaid.names]))
    identities, top_ups = await prepaid_person.erase_prepaid(tx, prepaid, now=now, actor=actor)
    things = await _things(tx, person)
    methods = [method for account in person.accounts for method in await _methods(tx, account)]
    for method in methods:
        await payments.remove_method(tx, method_id=method.id, now=now, actor=actor)
    erased = Erasure(
        identifiers=len(numbers),
        suspended_rows=await usage.erase_subscriber_rows(tx, clock=clock, identifiers=names, actor=actor),
        messages=await communication.erase_messages(tx, party_id=party_id, clock=clock),
        payment_methods=len(methods),
        places=await inventory.erase_places(tx, product_ids),
        services=await inventory.erase_services(tx, product_ids),
        order_items=await ordering.erase_orders(tx, party_id=party_id),
        answers=await forget_answers(tx, naming=[*person.ids, *names]),
        documents=await forget_in_documents(tx, [*person.ids, *things, *names], now),
        charging_identities=identities,
        top_ups=top_ups,
        party=await parties.erase_party(tx=tx, clock=clock, party_id=party_id, actor=actor),
    )
    await inventory.erase_subscribers(tx, keys, at=now, actor=actor)
    await audit.record(
        tx,
        actor=actor,
        action="party.erased_everywhere",
        subject=str(party_id),
        at=now,
        detail=_counts(erased),
    )
    return erased


def _counts(erased: Erasure) -> Mapping[str, JSON]:
    return {
        "identifier_count": erased.identifiers,
        "suspended_rows": erased.suspended_rows,
        "message_count": erased.messages,
        "method_count": erased.payment_methods,
        "place_count": erased.places,
        "service_count": erased.services,
        "order_item_count": erased.order_items,
        "answer_count": erased.answers,
        "document_count": erased.documents,
        "identity_count": erased.charging_identities,
        "top_up_count": erased.top_ups,
    }
