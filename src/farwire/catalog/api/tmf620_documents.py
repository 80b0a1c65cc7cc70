"""Offerings as TMF620 shows them, with the versions of their price plans."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec

from farwire.base.tmf import Document, stored_time
from farwire.base.web import MoneyDocument
from farwire.catalog.model import OneOff, PlanVersion, PricePlan, ProductOffering, Recurring, UsagePrice


class ValidForDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="TimePeriod"
):
    """A half-open period; without an end it lasts until the next version."""

    start_date_time: str
    end_date_time: str | None = None


class AlgorithmDocument(
    msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="PricingLogicAlgorithm"
):
    """What a price follows beyond its amount: the price plan of that digest, with its bands, tiers and allowances."""

    pla_spec_id: str
    name: str = "price plan"


class OfferingPriceDocument(
    msgspec.Struct,
    frozen=True,
    rename="camel",
    omit_defaults=True,
    tag_field="@type",
    tag="ProductOfferingPrice",
):
    """One price of a plan. A usage price by tiers, package or deck has no single amount."""

    id: str
    price_type: str
    name: str
    tax_category: str
    price: MoneyDocument | None = None
    unit_of_measure: str | None = None
    recurring_charge_period: str | None = None
    pricing_logic_algorithm: list[AlgorithmDocument] = []


class PlanVersionDocument(
    msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="PricePlanVersion"
):
    """One published version of the price plan: immutable, in force from its start."""

    id: str
    version: str
    digest: str
    currency: str
    prices_include_tax: bool
    published_at: str
    valid_for: ValidForDocument
    product_offering_price: list[OfferingPriceDocument]


def to_tmf_product_offering(
    offering: ProductOffering, versions: Sequence[PlanVersion], *, whole: bool
) -> Document:
    """Return the offering as TMF620 shows it; ``whole`` with the versions of its price plan."""
    document: Document = {
        "id": str(offering.id),
        "@type": "ProductOffering",
        "code": offering.code,
        "name": offering.name,
        "lifecycleStatus": offering.lifecycle.value.replace("_", " ").capitalize(),
        "isBundle": False,
        "isSellable": offering.lifecycle.sellable,
    }
    if versions:
        latest = _version(versions[-1])
        document |= {
            "version": latest.version,
            "lastUpdate": latest.published_at,
            "validFor": latest.valid_for,
            "productOfferingPrice": latest.product_offering_price,
        }
    if whole:
        document["pricePlan"] = [_version(version) for version in versions]
    plain: Document = msgspec.to_builtins(document, builtin_types=(Decimal,))
    return plain


def _version(version: PlanVersion) -> PlanVersionDocument:
    plan = version.plan
    end = None if plan.valid_to is None else stored_time(plan.valid_to)
    return PlanVersionDocument(
        id=str(version.id),
        version=str(version.number),
        digest=version.digest,
        currency=plan.currency,
        prices_include_tax=plan.prices_include_tax,
        published_at=stored_time(version.published_at),
        valid_for=ValidForDocument(start_date_time=stored_time(plan.valid_from), end_date_time=end),
        product_offering_price=_prices(plan, version.digest),
    )


def _prices(plan: PricePlan, digest: str) -> list[OfferingPriceDocument]:
    prices: list[Recurring | OneOff | UsagePrice] = list(plan.recurring)
    prices += plan.one_off
    prices += plan.usage
    return [_price(price, plan, digest) for price in prices]


def _price(price: Recurring | OneOff | UsagePrice, plan: PricePlan, digest: str) -> OfferingPriceDocument:
    amount = None if price.price is None else MoneyDocument(unit=plan.currency, value=price.price)
    kind, per, period = "oneTime", None, None
    if isinstance(price, Recurring):
        kind, period = "recurring", f"{price.count} {price.every.value}"
    elif isinstance(price, UsagePrice):
        kind, per = "usage", price.per or None
    return OfferingPriceDocument(
        id=price.id,
        price_type=kind,
        name=price.label or price.id,
        tax_category=price.tax,
        price=amount,
        unit_of_measure=per,
        recurring_charge_period=period,
        pricing_logic_algorithm=[AlgorithmDocument(digest)],
    )
