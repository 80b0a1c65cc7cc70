"""TMF620 Product Catalog Management v4: product offerings with the versions of their price plans, read only so far."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from farwire.base.authz import Permission
from farwire.base.web import (
    AnyRoute,
    ById,
    Call,
    Method,
    MoneyDocument,
    Nothing,
    PageQuery,
    Reply,
    Route,
    page_reply,
    timestamp,
)
from farwire.catalog import service
from farwire.catalog.model import OneOff, PlanVersion, PricePlan, ProductOffering, Recurring, UsagePrice
from farwire.kernel.ids import OfferingId

BASE: Final = "/tmf-api/productCatalogManagement/v4/productOffering"
TAG: Final = "TMF620 Catalog"


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


class ProductOfferingDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="ProductOffering"
):
    """Something that the tenant sells. Its ``code`` is stable; ``pricePlan`` comes with one offering, not in lists."""

    id: str
    href: str
    code: str
    name: str
    lifecycle_status: str
    price_plan: list[PlanVersionDocument] | None = None


def to_tmf_product_offering(
    offering: ProductOffering, versions: Sequence[PlanVersion] | None = None
) -> ProductOfferingDocument:
    """Return the offering as TMF620 shows it, with the versions of its price plan where they are given."""
    return ProductOfferingDocument(
        id=str(offering.id),
        href=f"{BASE}/{offering.id}",
        code=offering.code,
        name=offering.name,
        lifecycle_status=offering.lifecycle.value,
        price_plan=None if versions is None else [_version(version) for version in versions],
    )


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


async def list_product_offerings(call: Call[Nothing, PageQuery, None]) -> Reply:
    """Return a page of offerings by code."""
    page = await service.list_offerings(
        db=call.database, tenant_id=call.principal.tenant_id, page=call.query.page()
    )
    return page_reply(page, to_tmf_product_offering)


async def get_product_offering(call: Call[ById, Nothing, None]) -> Reply:
    """Return one offering with the versions of its price plan, the oldest first."""
    async with call.transaction() as tx:
        offering = await service.offering_by_id(tx=tx, offering_id=OfferingId(call.path.id))
        versions = (await service.versions_by_code(tx, [offering.code])).get(offering.code, ())
    return Reply(to_tmf_product_offering(offering, versions))


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=BASE,
        handler=list_product_offerings,
        summary="List product offerings",
        tag=TAG,
        permission=Permission.CATALOG_READ,
        response=list[ProductOfferingDocument],
        query_type=PageQuery,
        description="Ordered by code.",
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/{{id}}",
        handler=get_product_offering,
        summary="Get a product offering with its price plans",
        tag=TAG,
        permission=Permission.CATALOG_READ,
        response=ProductOfferingDocument,
        path_type=ById,
    ),
)
