"""TMF620 Product Catalog Management: offerings with the versions of their price plans; the rest as documents.

# DEVIATES: TMF620 productOffering is read only here because an offering is published whole (docs/catalog.md), with
# what it is made of and what it costs, where each part is checked against all others.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import msgspec

from farwire.base.authz import Permission
from farwire.base.storage import Tx
from farwire.base.tmf import Api, Behaviour, Document, Operation, Resource, Wanted, tmf_routes
from farwire.base.tmf_bulk import bulk_resources, bulk_routes
from farwire.base.web import AnyRoute, MoneyDocument, timestamp
from farwire.catalog import service
from farwire.catalog.api.tmf620_tables import CATALOG, CATEGORY, OFFERING, PRICE, SPECIFICATION
from farwire.catalog.model import OneOff, PlanVersion, PricePlan, ProductOffering, Recurring, UsagePrice
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import OfferingId
from farwire.kernel.page import Page, PageRequest


class ValidForDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="TimePeriod"
):
    """A half-open period; without an end it lasts until the next version."""

    start_date_time: str
    end_date_time: str | None = None


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
    end = None if plan.valid_to is None else timestamp(plan.valid_to)
    return PlanVersionDocument(
        id=str(version.id),
        version=str(version.number),
        digest=version.digest,
        currency=plan.currency,
        prices_include_tax=plan.prices_include_tax,
        published_at=timestamp(version.published_at),
        valid_for=ValidForDocument(start_date_time=timestamp(plan.valid_from), end_date_time=end),
        product_offering_price=_prices(plan),
    )


def _prices(plan: PricePlan) -> list[OfferingPriceDocument]:
    prices: list[Recurring | OneOff | UsagePrice] = list(plan.recurring)
    prices += plan.one_off
    prices += plan.usage
    return [_price(price, plan) for price in prices]


def _price(price: Recurring | OneOff | UsagePrice, plan: PricePlan) -> OfferingPriceDocument:
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
    )


async def _find(tx: Tx, key: str, _now: datetime) -> Document | None:
    try:
        offering = await service.offering_by_id(tx=tx, offering_id=OfferingId(UUID(key)))
    except (ValueError, NotFound):
        return None
    versions = (await service.versions_by_code(tx, [offering.code])).get(offering.code, ())
    return to_tmf_product_offering(offering, versions, whole=True)


async def _page(tx: Tx, wanted: Wanted) -> Page[Document]:
    page = await service.page_of_offerings(tx, page=PageRequest(wanted.offset, wanted.limit))
    versions = await service.versions_by_code(tx, [one.code for one in page.items])
    items = tuple(to_tmf_product_offering(one, versions.get(one.code, ()), whole=False) for one in page.items)
    return replace(page, items=items)  # type: ignore[arg-type, return-value]


def _bound(descriptor: Any, behaviour: Behaviour | None = None) -> Resource:
    return Resource(
        descriptor, "catalog", Permission.CATALOG_READ, Permission.CATALOG_PUBLISH, behaviour=behaviour
    )


READ_ONLY: Final = replace(OFFERING, operations=frozenset({Operation.LIST, Operation.GET}), events=())

API: Final = Api(
    number="620",
    title="Product catalogue",
    path="productCatalogManagement",
    resources=(
        _bound(READ_ONLY, Behaviour(find=_find, page=_page)),
        *(_bound(one) for one in (PRICE, SPECIFICATION, CATEGORY, CATALOG)),
        *bulk_resources("620", "catalog", Permission.CATALOG_READ, Permission.CATALOG_PUBLISH),
    ),
)
ROUTES: Final[tuple[AnyRoute, ...]] = (*tmf_routes(API), *bulk_routes(API))
