"""Price plan + decks + holidays → tariff. Everything that does not depend on the record is decided here, once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from fractions import Fraction
from math import gcd
from typing import Final

from farwire.base.canonical import JSON, canonical
from farwire.catalog.model import Allowance, CounterPeriod, Discount, PricePlan, UsagePrice, digest
from farwire.catalog.model.usage_check import price_unit
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.money import currency, nano
from farwire.kernel.quantity import Quantity
from farwire.kernel.time import zone
from farwire.rating.model.bands import BandCalendar
from farwire.rating.model.deck import Deck
from farwire.rating.model.overrides import UsageOverride, with_overrides
from farwire.rating.model.prefixes import PrefixRanges
from farwire.rating.model.tariff import (
    AllowanceRule,
    CompiledPrice,
    CounterSpec,
    DiscountRule,
    PackageRule,
    Ratio,
    Tariff,
    TierRule,
    TierStep,
    UnitPrice,
)

ANY: Final = "*"
NO_DECKS: Final[Mapping[str, Deck]] = {}


def compile_tariff(
    plan: PricePlan,
    *,
    decks: Mapping[str, Deck] = NO_DECKS,
    holidays: Iterable[date] = (),
    version: str = "",
    overrides: Sequence[UsageOverride] = (),
) -> Tariff:
    """Return the tariff of ``plan`` with ``decks`` by name. Equal inputs give an equal ``Tariff.version``.

    ``holidays`` are the days of the calendar that the plan names; its extra ones are added. ``version`` is what
    explanations call the plan version; its digest's beginning where empty. ``overrides`` are prices that a customer
    negotiated, at most one for each price.
    Raises ``NotFound`` (``rating.deck_missing``) and ``Invalid`` (``rating.deck_currency``).
    """
    plan_digest, plan = digest(plan), with_overrides(plan, overrides)
    used = _decks_of(plan, decks)
    counters = {allowance.id: _allowance_counter(allowance) for allowance in plan.allowances}
    reasons = {override.price_id: override.because for override in overrides}
    compiled = (_price(plan, price, used, counters) for price in plan.usage)
    prices = [
        (price, replace(one, override=reasons[one.id]) if one.id in reasons else one)
        for price, one in zip(plan.usage, compiled, strict=True)
    ]
    tier_counters = [rule.counter for _, price in prices for rule in (price.tiers, price.package) if rule]
    days_off = frozenset(plan.extra_holidays) | frozenset(holidays)
    name = digest(plan)
    return Tariff(
        version=_version(name, used.values(), days_off),
        offering=plan.offering,
        plan_version=version or plan_digest[:12],
        currency=currency(plan.currency),
        zone=plan.zone,
        zones=_zones(plan),
        networks={member: name for name, members in plan.networks.items() for member in members},
        routes=_routes(plan, prices),
        calendar=BandCalendar(plan.bands, zone(plan.zone), days_off.__contains__),
        counters=(*counters.values(), *tier_counters),
    )


def _decks_of(plan: PricePlan, decks: Mapping[str, Deck]) -> dict[str, Deck]:
    used: dict[str, Deck] = {}
    for price in plan.usage:
        if not price.deck:
            continue
        deck = decks.get(price.deck)
        if deck is None:
            raise NotFound(
                f"{plan.offering} uses the deck {price.deck}, which is not there",
                code="rating.deck_missing",
                field="deck",
                value=price.deck,
                fix=f"import it: farwire deck import --name {price.deck} FILE",
            )
        for version in deck.versions:
            if version.currency != plan.currency:
                raise Invalid(
                    f"the deck {version.source} is in {version.currency}, the plan in {plan.currency}",
                    code="rating.deck_currency",
                    field="deck",
                    value=price.deck,
                    fix="import the deck in the plan's currency",
                )
        used[price.deck] = deck
    return used


def _version(plan_digest: str, decks: Iterable[Deck], days_off: Iterable[date]) -> str:
    versions: dict[str, JSON] = {
        deck.name: [[v.version, v.digest, v.valid_from.isoformat()] for v in deck.versions] for deck in decks
    }
    days: list[JSON] = [day.isoformat() for day in sorted(days_off)]
    inputs: dict[str, JSON] = {"plan": plan_digest, "decks": versions, "holidays": days}
    return hashlib.sha256(canonical(inputs, field="tariff")).hexdigest()


def ratio(percent: Decimal) -> Ratio:
    """Return ``percent`` per cent as a fraction in lowest terms: 115 → 23/20."""
    return (Fraction(percent) / 100).as_integer_ratio()


def scaled(price: UnitPrice, by: Ratio) -> UnitPrice:
    """Return ``price × by``, exactly; ``per`` stays as it is where the product is whole."""
    amount, per = price[0] * by[0], price[1]
    if amount % by[1] == 0:
        return amount // by[1], per
    common = gcd(amount, by[1])
    return amount // common, per * (by[1] // common)


def _units(text: str, default: int) -> int:
    return Quantity.parse(text).amount if text else default


def _price(
    plan: PricePlan, price: UsagePrice, decks: Mapping[str, Deck], counters: Mapping[str, CounterSpec]
) -> CompiledPrice:
    per = _units(price.per, 1)
    own = (nano(price.price or 0), per)
    band_price, band_ratio = _bands(price, own)
    increments = [_units(text, 1) for text in price.increments] or [1]
    allowances = _allowances(plan, price.id, counters)
    discounts = tuple(_discount(discount) for discount in plan.discounts if price.id in discount.prices)
    tiers, package = _tiers(price, per), _package(price)
    by_time = bool(price.by_band) or any(rule.bands for rule in allowances)
    minimum, maximum = (None if at is None else nano(at) for at in (price.minimum, price.maximum))
    return CompiledPrice(
        id=price.id,
        label=price.label or price.id,
        kind=price.kind,
        unit=price_unit(price),
        rating_groups=frozenset(price.rating_groups),
        regions=frozenset(price.regions),
        segments=frozenset(price.segments),
        price=own,
        band_price=band_price,
        band_ratio=band_ratio,
        deck=decks.get(price.deck),
        from_record=price.source is not None,
        markup=ratio(price.markup_percent + 100),
        markup_text=f"{price.markup_percent.normalize():f}" if price.markup_percent else "",
        tiers=tiers,
        package=package,
        first=increments[0],
        step=increments[-1],
        included=_units(price.included, 0),
        connect_nano=nano(price.connect_fee),
        minimum=minimum,
        maximum=maximum,
        allowances=allowances,
        discounts=discounts,
        by_time=by_time,
        plain=minimum is maximum is None and not any((by_time, allowances, discounts, tiers, package)),
    )


def _bands(price: UsagePrice, own: UnitPrice) -> tuple[dict[str, UnitPrice], dict[str, Ratio]]:
    """Return what the price is in each band, and the bands that are a percentage of it."""
    ratios = {
        band: ratio(other.percent) for band, other in price.by_band.items() if other.percent is not None
    }
    prices = {
        band: scaled(own, ratios[band]) if band in ratios else (nano(other.price or 0), own[1])
        for band, other in price.by_band.items()
    }
    return prices, ratios


def _allowance_counter(allowance: Allowance) -> CounterSpec:
    return CounterSpec(
        key=f"allowance:{allowance.id}",
        period=allowance.period,
        days=allowance.days,
        renews=allowance.renews,
        amount=_units(allowance.amount, 0),
        rollover_cap=_units(allowance.rollover_cap, 0),
        prorate_first=allowance.prorate_first,
        label=allowance.label or allowance.id,
    )


def _allowances(
    plan: PricePlan, price_id: str, counters: Mapping[str, CounterSpec]
) -> tuple[AllowanceRule, ...]:
    ours = sorted((a for a in plan.allowances if price_id in a.prices), key=lambda a: (a.order, a.id))
    return tuple(AllowanceRule(a.id, counters[a.id], frozenset(a.bands)) for a in ours)


def _discount(discount: Discount) -> DiscountRule:
    numerator, denominator = ratio(100 - discount.percent)
    return DiscountRule(
        discount.id,
        numerator,
        denominator,
        frozenset(discount.regions),
        frozenset(discount.segments),
        discount.valid_from,
        discount.valid_to,
    )


def _tiers(price: UsagePrice, per: int) -> TierRule | None:
    if price.tiers is None:
        return None
    steps, above = [], 0
    for step in price.tiers.steps:
        steps.append(TierStep(step.up_to or "rest", above, nano(step.price), per))
        above = _units(step.up_to, above)
    return TierRule(price.tiers.mode, tuple(steps), _tier_counter(price.id, price.tiers.period))


def _package(price: UsagePrice) -> PackageRule | None:
    package = price.package
    if package is None:
        return None
    return PackageRule(
        block=_units(package.block, 1),
        price_nano=nano(package.price),
        included=_units(package.included, 0),
        counter=_tier_counter(price.id, package.period),
    )


def _tier_counter(price_id: str, period: CounterPeriod) -> CounterSpec:
    return CounterSpec(key=f"tier:{price_id}", period=period)


def _zones(plan: PricePlan) -> PrefixRanges[tuple[str, str]] | None:
    members = {prefix: (prefix, name) for name, prefixes in plan.destinations.items() for prefix in prefixes}
    for price in plan.usage:
        for name in price.destinations:
            if name not in plan.destinations:
                members[name] = (name, name)
    return PrefixRanges(members) if members else None


def _routes(
    plan: PricePlan, prices: list[tuple[UsagePrice, CompiledPrice]]
) -> dict[tuple[str, str, str, str], tuple[CompiledPrice, ...]]:
    """Return for each place a record can be in the prices to try, the most specific first."""
    exact: dict[tuple[str, str, str, str], list[CompiledPrice]] = {}
    for price, compiled in prices:
        for network in set(price.networks or ("home",)) if ANY not in price.networks else {ANY}:
            for destination in set(price.destinations) or {ANY}:
                exact.setdefault((price.kind, price.direction, network, destination), []).append(compiled)
    networks = {"home", "other", *plan.networks}
    zones = {"", *plan.destinations, *(name for price in plan.usage for name in price.destinations)}
    routes: dict[tuple[str, str, str, str], tuple[CompiledPrice, ...]] = {}
    for kind, direction in {(price.kind, price.direction) for price in plan.usage}:
        for network in networks:
            for destination in zones:
                places = [(n, d) for n in (network, ANY) for d in (destination, ANY)]
                found = [p for n, d in places for p in _ranked(exact.get((kind, direction, n, d), []))]
                if found:
                    routes[kind, direction, network, destination] = tuple(found)
    return routes


def _ranked(prices: list[CompiledPrice]) -> list[CompiledPrice]:
    return sorted(prices, key=lambda p: (not p.rating_groups, not p.regions, not p.segments, p.id))
