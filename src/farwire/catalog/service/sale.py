"""Selling: what can be sold to whom at a moment, and what can be sold together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime

from farwire.base.storage import Tx
from farwire.catalog.model import (
    Combination,
    Kind,
    Known,
    Lifecycle,
    Offered,
    ProductSpecification,
    Refusal,
    ResourceSpecification,
    Sellable,
    ServiceSpecification,
    led_to,
    not_eligible,
)
from farwire.catalog.service.plans import FIRST_PAGE
from farwire.catalog.store import catalogue as documents
from farwire.catalog.store import sale as store
from farwire.catalog.store.sale import Found
from farwire.kernel.errors import Conflict, NotFound
from farwire.kernel.ids import OfferingId
from farwire.kernel.page import Page, PageRequest


class NotSold(Conflict):
    """The offering is there and cannot be sold at that moment."""

    default_code = "catalog.not_sold"


class NotEligible(Conflict):
    """The offering is not sold there, to them or through that channel. ``refusals`` lists every reason."""

    default_code = "catalog.not_eligible"

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        first = refusals[0]
        message = "; ".join(refusal.message for refusal in refusals)
        super().__init__(message, code=first.code, field=first.field, value=first.value, fix=first.fix)
        self.refusals = tuple(refusals)


async def offering_to_sell(
    tx: Tx, *, code: str, at: datetime, region: str = "", segment: str = "", channel: str = ""
) -> Sellable:
    """Return the offering ``code`` as it is sold at ``at``, with its price version and specifications.

    Raises ``NotFound`` (``catalog.offering_unknown``), ``NotSold`` (``catalog.not_sold``) and ``NotEligible``
    (``catalog.not_eligible``).
    """
    found = await offerings_to_sell(tx, codes=[code], at=at, region=region, segment=segment, channel=channel)
    return found[code]


async def offerings_to_sell(
    tx: Tx, *, codes: Sequence[str], at: datetime, region: str = "", segment: str = "", channel: str = ""
) -> Mapping[str, Sellable]:
    """Return the offerings ``codes`` as ``offering_to_sell`` does, all of them in four statements."""
    found = await as_sold(tx, codes=codes, at=at)
    for code, one in found.items():
        asked = one.offering.eligibility
        refusals = not_eligible(code, asked, region=region, segment=segment, channel=channel)
        if refusals:
            raise NotEligible(refusals)
    return found


async def as_sold(tx: Tx, *, codes: Sequence[str], at: datetime) -> Mapping[str, Sellable]:
    """Return the offerings ``codes`` as they are sold at ``at``, to whomever that is.

    Raises ``NotFound`` (``catalog.offering_unknown``) and ``NotSold`` (``catalog.not_sold``).
    """
    found = await store.offerings_at(tx, codes, at)
    for code in codes:
        if code not in found:
            raise NotFound(
                "there is no such offering",
                code="catalog.offering_unknown",
                field="offering",
                value=code,
                fix="farwire catalog list",
            )
        _check_sold(found[code], at)
    specifications = await _specifications(tx, list(found.values()), at)
    return {code: _sellable(found[code], specifications, at) for code in codes}


def _check_sold(one: Found, at: datetime) -> None:
    code, state = one.entry.code, one.entry.lifecycle
    if not state.sellable:
        raise _not_sold(code, f"{code} is {state.value}", f"farwire catalog launch {code}")
    if one.offering is None:
        raise _not_sold(code, f"{code} is not sold at {at.isoformat()}", f"farwire catalog show {code}")
    if one.plan is None:
        fix = "publish a price plan that is valid then: farwire catalog publish FILE"
        raise _not_sold(code, f"{code} has no price at {at.isoformat()}", fix)


def _not_sold(code: str, message: str, fix: str) -> NotSold:
    return NotSold(message, field="offering", value=code, fix=fix)


class _Specifications:
    """The specifications that some offerings need, in force at one moment."""

    def __init__(self) -> None:
        self.products: dict[str, tuple[ProductSpecification, Lifecycle]] = {}
        self.services: dict[str, ServiceSpecification] = {}
        self.resources: dict[str, ResourceSpecification] = {}


async def _specifications(tx: Tx, found: Sequence[Found], at: datetime) -> _Specifications:
    all_of = _Specifications()
    codes = {one.offering.product_specification for one in found if one.offering} - {""}
    if not codes:
        return all_of
    for version in await documents.specifications_at(tx, Kind.PRODUCT, sorted(codes), at):
        if isinstance(version.document, ProductSpecification):
            all_of.products[version.entry.code] = (version.document, version.entry.lifecycle)
    await _add_services(tx, all_of, at)
    named = {need.specification for one in all_of.services.values() for need in one.resources} - {""}
    if named:
        for version in await documents.specifications_at(tx, Kind.RESOURCE, sorted(named), at):
            if isinstance(version.document, ResourceSpecification):
                all_of.resources[version.entry.code] = version.document
    return all_of


async def _add_services(tx: Tx, all_of: _Specifications, at: datetime) -> None:
    """Add the services that the products lead to, a statement for each level of the rules: they have no circle."""
    wanted = {code for product, _ in all_of.products.values() for code in led_to(product)}
    while wanted:
        found = await documents.specifications_at(tx, Kind.SERVICE, sorted(wanted), at)
        new = [one.document for one in found if isinstance(one.document, ServiceSpecification)]
        all_of.services |= {one.code: one for one in new}
        wanted = {code for one in new for code in led_to(one)} - all_of.services.keys()


def _made_of(product: ProductSpecification, known: Mapping[str, ServiceSpecification]) -> list[str]:
    """Return the codes of all services that a product may be made of, those that realise others behind them."""
    found: dict[str, None] = {}
    left = list(led_to(product))
    while left:
        code = left.pop(0)
        if code not in found:
            found[code] = None
            left += led_to(known[code])
    return list(found)


async def specifications_of(
    tx: Tx, *, products: Sequence[str], at: datetime
) -> Mapping[str, tuple[ProductSpecification, tuple[ServiceSpecification, ...]]]:
    """Return product specifications as they hold at ``at``, with all services that they may be made of, by code."""
    all_of = _Specifications()
    for version in await documents.specifications_at(tx, Kind.PRODUCT, sorted(set(products)), at):
        if isinstance(version.document, ProductSpecification):
            all_of.products[version.entry.code] = (version.document, version.entry.lifecycle)
    await _add_services(tx, all_of, at)
    return {
        code: (product, tuple(all_of.services[name] for name in _made_of(product, all_of.services)))
        for code, (product, _) in all_of.products.items()
    }


def _sellable(one: Found, known: _Specifications, at: datetime) -> Sellable:
    if one.offering is None or one.plan is None:  # _check_sold has refused it before
        raise _not_sold(one.entry.code, f"{one.entry.code} is not sold at {at.isoformat()}", "")
    code = one.offering.product_specification
    specification, state = known.products.get(code, (None, Lifecycle.ACTIVE))
    if code and (specification is None or not state.sellable):
        message = f"the product specification {code} is {state.value if specification else 'not in force'}"
        fix = f"farwire catalog launch {code} --kind product_specification"
        raise _not_sold(one.entry.code, message, fix)
    made_of = _made_of(specification, known.services) if specification else ()
    services = tuple(known.services[name] for name in made_of)
    named = dict.fromkeys(need.specification for service in services for need in service.resources)
    return Sellable(
        offering_id=OfferingId(one.entry.id),
        offering=one.offering,
        plan_version=one.plan,
        lifecycle=one.entry.lifecycle,
        product_specification=specification,
        service_specifications=services,
        resource_specifications=tuple(known.resources[name] for name in named if name),
    )


async def check_combination(
    tx: Tx, *, held: Sequence[str], added: Sequence[str], at: datetime
) -> tuple[Refusal, ...]:
    """Return why the offerings ``added`` cannot be sold at ``at`` to who has ``held``; empty where they can.

    A code given twice means two of it. Requires, excludes, the relations of product specifications, and how many of
    each a bundle holds. Whether each of them is sold at all is ``offering_to_sell``'s question.
    """
    found = await store.offerings_at(tx, sorted({*held, *added}), at)
    specifications = await _specifications(tx, list(found.values()), at)
    known = {}
    for code, one in found.items():
        if one.offering is not None:
            product = specifications.products.get(one.offering.product_specification)
            known[code] = Known(one.offering, product[0] if product else None)
    return Combination(held, added, known).refusals()


async def offerings_for(
    tx: Tx,
    *,
    region: str = "",
    segment: str = "",
    channel: str = "",
    at: datetime,
    lifecycle: Lifecycle | None = None,
    page: PageRequest = FIRST_PAGE,
) -> Page[Offered]:
    """Return one page of what is sold at ``at`` in the region, to the segment, through the channel, by code.

    ``lifecycle`` narrows it to what is active or launched. It lists exactly what ``offering_to_sell`` would sell with
    the same answers; parts of bundles are in it.
    """
    items, total = await store.offered(
        tx,
        region=region,
        segment=segment,
        channel=channel,
        at=at,
        lifecycle=lifecycle,
        offset=page.offset,
        limit=page.limit,
    )
    if not items and page.offset:  # beyond the end: what there is, is told all the same
        first = replace(page, offset=0, limit=1)
        total = (
            await offerings_for(
                tx, region=region, segment=segment, channel=channel, at=at, lifecycle=lifecycle, page=first
            )
        ).total
    return Page(items, total, page.offset, page.limit)
