"""What must be known to check an order: the customer, what he holds, what the catalogue sells him."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from farwire.account import service as accounts
from farwire.account.model import BillingAccount
from farwire.base.storage import Tx
from farwire.catalog import service as catalog
from farwire.catalog.model import (
    Kind,
    Offering,
    ProductSpecification,
    Realisation,
    Refusal,
    Sellable,
    ServiceSpecification,
    SimType,
    current,
)
from farwire.country.service import load_pack
from farwire.inventory import service as inventory
from farwire.inventory.model import Product, ResourceKind, ResourceState
from farwire.kernel.errors import FarwireError, NotFound
from farwire.kernel.ids import ProductId
from farwire.kernel.time import local_date, zone
from farwire.ordering.model import Action, Held, OrderRequest, Situation, Standing, needs_sim, standing
from farwire.ordering.service.realising import asked_of, lacking, realise_items
from farwire.ordering.store import orders as order_store
from farwire.ordering.store.policy import load_policy
from farwire.party import service as parties
from farwire.party.model import kyc_required
from farwire.qualification import service as qualification
from farwire.tenant import service as tenants


@dataclass(frozen=True, slots=True)
class Known:
    """A ``Situation`` with what the products are made of now, and, by the number of the item, what they are to be."""

    situation: Situation
    services: Mapping[ProductId, tuple[ServiceSpecification, ...]]
    """The specifications of the services that a product has now."""
    standings: Mapping[ProductId, Standing]
    realised: Mapping[int, Realisation]


async def situation_of(tx: Tx, request: OrderRequest, now: datetime) -> Known:
    """Return what is known about an order. Raises ``NotFound`` (``account.unknown``)."""
    account = (await accounts.accounts_by_id(tx=tx, account_ids=[request.account_id])).get(request.account_id)
    if account is None:
        raise NotFound(
            "there is no such account", code="account.unknown", field="account", value=request.account_id
        )
    products = (await inventory.products_by_account(tx, [account.id])).get(account.id, ())
    held = await _held(tx, products, request, now)
    sold, refusals = await _sold(tx, request, account, now)
    named = [one.product_id for one in request.items if one.product_id is not None]
    taken, pooled = await _numbers(tx, request, now)
    made_of = await _made_of(tx, named, [one.product for one in held.values()], request, now)
    asked = await asked_of(tx, request, sold, held, made_of.standings, now)
    realised = await realise_items(tx, asked, made_of.facts)
    situation = Situation(
        now=now,
        account=account,
        tz=zone(account.zone),
        policy=await load_policy(tx),
        sold=sold,
        refusals=(
            *refusals,
            *await _combination(tx, request, sold, held, now),
            *lacking(asked, realised),
        ),
        held=held,
        busy=await order_store.open_by_product(tx, named) if named else {},
        taken=taken,
        pooled=pooled,
    )
    return Known(situation, made_of.services, made_of.standings, realised)


@dataclass(frozen=True, slots=True)
class _MadeOf:
    """What products are made of now, and what is known of the places of an order."""

    services: Mapping[ProductId, tuple[ServiceSpecification, ...]]
    standings: Mapping[ProductId, Standing]
    facts: Mapping[str, Mapping[str, str]]


async def _made_of(
    tx: Tx, named: Sequence[ProductId], products: Sequence[Product], request: OrderRequest, now: datetime
) -> _MadeOf:
    places = {one.id: one.place_at(now) for one in products if one.id in named}
    facts = await qualification.facts_at(tx, [*places.values(), *(one.place for one in request.items)])
    if not named:
        return _MadeOf({}, {}, facts)
    services = await inventory.services_of_products(tx, named)
    codes = sorted({one.specification for listed in services.values() for one in listed})
    documents = await _documents(tx, Kind.SERVICE, codes, now) if codes else {}
    known = {code: one for code, one in documents.items() if isinstance(one, ServiceSpecification)}
    resources = await inventory.resources_of_products(tx, named)
    standings = {
        one: standing(
            services.get(one, ()), known, resources.get(one, ()), facts.get(places.get(one, ""), {})
        )
        for one in named
    }
    specifications = {
        one: tuple(known[part.specification] for part in found.parts if part.specification in known)
        for one, found in standings.items()
    }
    return _MadeOf(specifications, standings, facts)


async def _held(
    tx: Tx, products: Sequence[Product], request: OrderRequest, now: datetime
) -> Mapping[ProductId, Held]:
    if not products:
        return {}
    at = request.requested_at or now
    version_of = {one.id: one.plan_at(at) or one.plans[-1].plan_version_id for one in products}
    versions = await catalog.plan_versions(tx, list(dict.fromkeys(version_of.values())))
    named = {item.product_id for item in request.items}
    codes = {versions[version_of[one.id]].plan.offering for one in products if one.id in named}
    specifications = await _specifications(tx, sorted(codes), now)
    held = {}
    for one in products:
        version = versions[version_of[one.id]]
        code = version.plan.offering
        specification = specifications.get(code)
        held[one.id] = Held(
            *(one, code, version),
            *((specification.characteristics, specification.code) if specification is not None else ()),
        )
    return held


async def _specifications(tx: Tx, codes: Sequence[str], at: datetime) -> Mapping[str, ProductSpecification]:
    """Return the product specification of each offering that has one, in force at ``at``."""
    if not codes:
        return {}
    named = {
        code: found.product_specification
        for code, found in (await _documents(tx, Kind.OFFERING, codes, at)).items()
        if isinstance(found, Offering) and found.product_specification
    }
    if not named:
        return {}
    products = await _documents(tx, Kind.PRODUCT, sorted(set(named.values())), at)
    return {
        code: found
        for code, name in named.items()
        if isinstance(found := products.get(name), ProductSpecification)
    }


async def _documents(tx: Tx, kind: Kind, codes: Sequence[str], at: datetime) -> dict[str, object]:
    versions = await catalog.document_versions(tx, kind=kind, codes=codes)
    found: dict[str, object] = {}
    for code in codes:
        document = current([one.document for one in versions if one.entry.code == code], at)
        if document is not None:
            found[code] = document
    return found


async def _sold(
    tx: Tx, request: OrderRequest, account: BillingAccount, now: datetime
) -> tuple[dict[int, Sellable], list[Refusal]]:
    """Return each added or changed offering as it is sold, and why the others are not.

    What is sold today is sold at today's prices, also for a later date; what starts in the past at the prices of then.
    What is not sold yet can be ordered for the day on which it will be.
    """
    sold: dict[str, Sellable] = {}
    refused: dict[str, tuple[Refusal, ...]] = {}
    at = now if request.requested_at is None else min(now, request.requested_at)
    numbers = {
        n: one.offering
        for n, one in enumerate(request.items, 1)
        if one.action in (Action.ADD, Action.CHANGE) and one.offering
    }
    for code in dict.fromkeys(numbers.values()):
        found = await _to_sell(tx, code, account, request.channel, at)
        later = request.requested_at is not None and request.requested_at > now
        if not isinstance(found, Sellable) and later and request.requested_at is not None:
            again = await _to_sell(tx, code, account, request.channel, request.requested_at)
            found = again if isinstance(again, Sellable) else found
        if isinstance(found, Sellable):
            sold[code] = found
        else:
            refused[code] = found
    several = len(request.items) > 1
    refusals = [
        Refusal(
            one.code,
            f"item {n}: {one.message}" if several else one.message,
            f"items[{n}].{one.field}",
            one.value,
            one.fix,
        )
        for n, code in numbers.items()
        for one in refused.get(code, ())
    ]
    return {n: sold[code] for n, code in numbers.items() if code in sold}, refusals


async def _to_sell(
    tx: Tx, code: str, account: BillingAccount, channel: str, at: datetime
) -> Sellable | tuple[Refusal, ...]:
    try:
        return await catalog.offering_to_sell(
            tx,
            code=code,
            at=at,
            region=await _region(tx, account, at),
            segment=account.terms_at(at).segment,
            channel=channel,
        )
    except catalog.NotEligible as error:
        return error.refusals
    except FarwireError as error:
        if not error.code.startswith("catalog."):
            raise
        return (Refusal(error.code, error.message, error.field or "offering", code, error.fix or ""),)


async def _region(tx: Tx, account: BillingAccount, at: datetime) -> str:
    """Return where the customer is: the account's region, else the country of the party's address."""
    held = account.as_of(at)
    if held.region:
        return held.region
    return (await parties.get_party(tx=tx, party_id=account.party_id)).address_at(at).country


async def _combination(
    tx: Tx,
    request: OrderRequest,
    sold: Mapping[int, Sellable],
    held: Mapping[ProductId, Held],
    now: datetime,
) -> tuple[Refusal, ...]:
    """Return what the catalogue says against having all of it.

    What goes with this order no longer counts; what other orders of the account are about to bring does.
    """
    leaving = {one.product_id for one in request.items if one.action in (Action.CEASE, Action.CHANGE)}
    at = max(now, request.requested_at or now)
    stays = [
        one.offering for one in held.values() if one.product.active_at(at) and one.product.id not in leaving
    ]
    added = [one.offering.code for one in sold.values()]
    if not added:
        return ()
    codes = {product_id: one.offering for product_id, one in held.items()}
    coming = await order_store.open_offerings(tx, request.account_id)
    stays += [code for product_id, code in coming if codes.get(product_id) != code]
    found = await catalog.check_combination(tx, held=stays, added=added, at=at)
    return tuple(Refusal(one.code, one.message, "items", one.value, one.fix) for one in found)


async def _numbers(tx: Tx, request: OrderRequest, now: datetime) -> tuple[frozenset[str], frozenset[str]]:
    """Return which of the numbers that are asked for are not to be had, and which are in our pools."""
    numbers = [one.number for one in request.items if one.number]
    if not numbers:
        return frozenset(), frozenset()
    at = request.requested_at or now
    keys = await inventory.subscriber_keys(tx, numbers)
    products = await inventory.products_by_subscriber(tx, list(keys.values()))
    taken = {
        number
        for number, key in keys.items()
        if any(
            assigned.subscriber_key == key and (assigned.valid_to is None or assigned.valid_to > at)
            for product in products.get(key, ())
            for assigned in product.assignments
        )
    }
    pooled = set()
    for number in numbers:
        try:
            found = await inventory.resource_valued(tx, kind=ResourceKind.MSISDN, value=number)
        except NotFound:
            continue
        pooled.add(number)
        if found.state is not ResourceState.AVAILABLE:
            taken.add(number)
    return frozenset(taken), frozenset(pooled)


async def kyc_asked(tx: Tx, account: BillingAccount, sold: Sequence[Sellable], now: datetime) -> bool:
    """Return whether the law asks for a verified customer: the order has a SIM, and the country of the seller does."""
    sims = {
        "prepaid" if one.offering.sim is SimType.PREPAID else "postpaid"
        for one in sold
        if one.offering.sim is not SimType.NONE or needs_sim(one.service_specifications)
    }
    if not sims:
        return False
    seller = await tenants.legal_entity(tx, account.legal_entity_id)
    pack = load_pack(seller.country)
    on = local_date(now, zone(account.zone))
    return any(kyc_required(pack, "prepaid" if sim == "prepaid" else "postpaid", on) for sim in sims)
