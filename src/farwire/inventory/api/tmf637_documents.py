"""How a product looks in TMF637: its state, its prices with their dates, its suspensions, its term, what it runs on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from farwire.account.model import BillingAccount
from farwire.base.tmf import Document, stored_time
from farwire.catalog.model import OneOff, PlanVersion, Recurring
from farwire.inventory.model import (
    Commitment,
    PriceOverride,
    Product,
    ProductState,
    Resource,
    Service,
    Suspension,
)
from farwire.kernel.ids import PlanVersionId

STATES: Final[Mapping[ProductState, str]] = {ProductState.PENDING_ACTIVE: "pendingActive"}
SUSPENSION: Final = "suspension"
"""The characteristic that tells of a suspension: TMF637 has no attribute for its reason and its dates."""


@dataclass(frozen=True, slots=True)
class Around:
    """What other rooms know of a product: its account, the plan versions that priced it, what it runs on."""

    account: BillingAccount | None = None
    plans: Mapping[PlanVersionId, PlanVersion] = field(default_factory=dict)
    services: Sequence[Service] = ()
    resources: Sequence[Resource] = ()


def to_tmf_product(product: Product, around: Around, now: datetime) -> Document:
    """Return a product as TMF637 shows it at ``now``, in the shape of v5."""
    state = product.state_at(now)
    document: Document = {
        "id": str(product.id),
        "@type": "Product",
        "status": STATES.get(state, state.value),
        "billingAccount": {"id": str(product.account_id)},
        "productOffering": {"id": str(product.offering_id)},
        "startDate": stored_time(product.started_at),
        "isBundle": False,
        "productPrice": list(_prices(product, around, now)),
        "productCharacteristic": [_suspension(one) for one in product.suspensions if not one.is_empty],
        "realizingService": [{"id": str(one.id), "name": one.specification} for one in around.services],
        "realizingResource": [{"id": str(one.id), "name": one.kind.value} for one in around.resources],
    }
    if around.account is not None:
        party = {"@type": "PartyRef", "id": str(around.account.party_id)}
        document["relatedParty"] = [{"role": "customer", "partyOrPartyRole": party}]
        document["billingAccount"]["name"] = around.account.number
    if product.ended_at is not None:
        document["terminationDate"] = stored_time(product.ended_at)
    if product.parent_id is not None:
        relation = {"id": str(product.parent_id), "relationshipType": "isPartOf"}
        document["productRelationship"] = [relation]
    if product.order_id is not None:
        document["productOrderItem"] = [{"orderId": str(product.order_id), "orderItemAction": "add"}]
    if product.commitment is not None:
        document["productTerm"] = [_term(product.commitment)]
    place = product.place_at(now)
    if place:
        document["place"] = [{"role": "installation", "place": {"@type": "PlaceRef", "name": place}}]
    return {name: value for name, value in document.items() if value != []}


def _period(start: datetime, end: datetime | None) -> Document:
    period = {"startDateTime": stored_time(start)}
    return period if end is None else {**period, "endDateTime": stored_time(end)}


def _suspension(one: Suspension) -> Document:
    value = {"reason": one.reason.value, "recurringPercent": one.recurring_percent}
    return {"name": SUSPENSION, "valueType": "object", "value": value | _period(one.valid_from, one.valid_to)}


def _term(term: Commitment) -> Document:
    return {"name": "minimum term", "validFor": _period(term.starts_at, term.ends_at)}


def _prices(product: Product, around: Around, now: datetime) -> Iterator[Document]:
    """Yield the prices of the plan of now; of a product that has not begun the first, of an ended one the last."""
    at = min(now, max(one.valid_from for one in product.plans)) if product.ended_at else now
    begun = [one for one in product.plans if one.valid_from <= at] or [product.plans[0]]
    version = around.plans.get(begun[-1].plan_version_id)
    if version is None:
        return
    plan = version.plan
    tax = "taxIncludedAmount" if plan.prices_include_tax else "dutyFreeAmount"

    def price(amount: Decimal) -> Document:
        return {tax: {"unit": plan.currency, "value": amount}}

    listed: list[Recurring | OneOff] = [*plan.recurring, *plan.one_off]
    for one in listed:
        repeats = isinstance(one, Recurring)
        document: Document = {
            "name": one.label or one.id,
            "priceType": "recurring" if repeats else "oneTime",
            "productOfferingPrice": {"id": one.id, "name": one.label or one.id},
            "price": price(one.price),
        }
        if isinstance(one, Recurring):
            document["recurringChargePeriod"] = f"{one.count} {one.every.value}"
        others = [other for other in product.overrides if other.price_id == one.id]
        if others:
            document["priceAlteration"] = [
                _alteration(other, document["priceType"], None if other.price is None else price(other.price))
                for other in others
            ]
        yield document


def _alteration(one: PriceOverride, kind: str, price: Document | None) -> Document:
    return {
        "name": one.name,
        "priceType": kind,
        "validFor": _period(one.valid_from, one.valid_to),
        "price": {"percentage": one.percent} if price is None else price,
    }
