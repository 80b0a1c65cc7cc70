"""What the usage prices of a plan must obey: one way to say how much, fitting units, and no two alike."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from farwire.catalog.model.plan import CounterPeriod, PricePlan, Tiers, UsagePrice
from farwire.kernel.errors import Invalid
from farwire.kernel.money import nano
from farwire.kernel.quantity import Quantity, Unit

KIND_UNITS: Final = {"voice": Unit.SECOND, "data": Unit.OCTET, "message": Unit.MESSAGE, "event": None}
"""The base unit of each kind; an event is counted in whatever its price says."""
DIRECTIONS: Final = ("originating", "terminating")
MAX_MARKUP: Final = Decimal(10_000)


def _refuse(path: str, value: object, message: str, fix: str = "") -> Invalid:
    return Invalid(message, code="catalog.plan_invalid", field=path, value=value, fix=fix or None)


def price_unit(price: UsagePrice) -> Unit:
    """Return the base unit that ``price`` counts."""
    fixed = KIND_UNITS.get(price.kind)
    if fixed is not None:
        return fixed
    texts = (price.per, price.package.block if price.package else "", *price.increments)
    return next((Quantity.parse(text, field=price.id).unit for text in texts if text), Unit.EVENT)


def check_usage(plan: PricePlan) -> None:
    """Refuse usage prices that are wrong by themselves or overlap. Raises ``Invalid`` (``catalog.plan_invalid``)."""
    for i, price in enumerate(plan.usage):
        path = f"usage[{i}]"
        _check_selectors(plan, price, path)
        _check_source(price, path)
        _check_units(price, path)
        _check_amounts(price, path)
        _check_by_band(plan, price, path)
        if price.tiers is not None:
            _check_tiers(price.tiers, price_unit(price), f"{path}.tiers")
    _check_overlaps(plan.usage)


def _check_selectors(plan: PricePlan, price: UsagePrice, path: str) -> None:
    if price.kind not in KIND_UNITS:
        raise _refuse(f"{path}.kind", price.kind, "an unknown kind", f"use one of {', '.join(KIND_UNITS)}")
    if price.direction not in DIRECTIONS:
        raise _refuse(
            f"{path}.direction", price.direction, "an unknown direction", "originating or terminating"
        )
    for name in price.networks:
        if name not in plan.networks and name not in ("home", "other", "*"):
            raise _refuse(f"{path}.networks", name, "an unknown network zone", "add it to [networks]")
    for name in price.destinations:
        if name not in plan.destinations and not name.isdigit():
            raise _refuse(
                f"{path}.destinations", name, "an unknown destination zone", "add it to [destinations]"
            )
        owner = next((zone for zone, members in plan.destinations.items() if name in members), name)
        if name not in plan.destinations and owner != name:
            raise _refuse(f"{path}.destinations", name, f"the prefix belongs to {owner}", "name the zone")


def _check_source(price: UsagePrice, path: str) -> None:
    given = {
        "price": price.price is not None,
        "tiers": price.tiers is not None,
        "package": price.package is not None,
        "deck": bool(price.deck),
        "source": price.source is not None,
    }
    names = [name for name, there in given.items() if there]
    if len(names) != 1:
        raise _refuse(
            path, price.id, f"{' and '.join(names) or 'nothing'} says how much", f"one of {', '.join(given)}"
        )
    own = names[0]
    forbidden = {
        "by_band": bool(price.by_band) and own not in ("price", "deck"),
        "increments": bool(price.increments) and own in ("deck", "source"),
        "included": bool(price.included) and own in ("deck", "source"),
        "connect_fee": bool(price.connect_fee) and own == "deck",
        "per": bool(price.per) and own in ("deck", "source", "package"),
        "markup_percent": bool(price.markup_percent) and own not in ("deck", "source"),
        "minimum": price.minimum is not None and own in ("tiers", "package"),
        "maximum": price.maximum is not None and own in ("tiers", "package"),
    }
    for field, wrong in forbidden.items():
        if wrong:
            raise _refuse(f"{path}.{field}", price.id, f"{field} does not go with {own}", f"remove {field}")


def _check_units(price: UsagePrice, path: str) -> None:
    unit = price_unit(price)
    if len(price.increments) > 2:
        raise _refuse(f"{path}.increments", price.increments, "there are two", '["60 s", "6 s"]')
    texts = {"per": price.per, "included": price.included}
    texts |= {f"increments[{i}]": text for i, text in enumerate(price.increments)}
    if price.package is not None:
        texts |= {"package.block": price.package.block}
        texts |= {"package.included": price.package.included}
        _check_period(price.package.period, f"{path}.package.period")
        if not price.package.block:
            raise _refuse(f"{path}.package.block", "", "a package has blocks of some size")
    for field, text in texts.items():
        if not text:
            continue
        quantity = Quantity.parse(text, field=f"{path}.{field}")
        if quantity.unit is not unit:
            raise _refuse(f"{path}.{field}", text, f"{price.kind} is counted in {unit.value}s here")
        if not 0 < quantity.amount < 2**63:
            raise _refuse(f"{path}.{field}", text, "a quantity is more than nothing and less than 2⁶³")


def _check_amounts(price: UsagePrice, path: str) -> None:
    amounts = {
        "price": price.price,
        "connect_fee": price.connect_fee,
        "minimum": price.minimum,
        "maximum": price.maximum,
        "package.price": price.package.price if price.package else None,
    }
    for field, value in amounts.items():
        if value is not None and nano(value, field=f"{path}.{field}") < 0:
            raise _refuse(f"{path}.{field}", value, "an amount is not negative", "use a discount")
    if price.minimum is not None and price.maximum is not None and price.minimum > price.maximum:
        raise _refuse(f"{path}.minimum", price.minimum, "the minimum is above the maximum")
    _check_percent(f"{path}.markup_percent", price.markup_percent)


def _check_percent(path: str, value: Decimal) -> None:
    exponent = value.as_tuple().exponent
    if (
        not value.is_finite()
        or not isinstance(exponent, int)
        or exponent < -6
        or not -100 <= value <= MAX_MARKUP
    ):
        raise _refuse(path, value, f"a percentage is at most {MAX_MARKUP} with at most 6 decimals")


def _check_by_band(plan: PricePlan, price: UsagePrice, path: str) -> None:
    names = {band.name for band in plan.bands}
    for name, other in price.by_band.items():
        where = f"{path}.by_band.{name}"
        if name not in names:
            raise _refuse(where, name, "an unknown band", "add it to [[bands]]")
        if (other.price is None) == (other.percent is None):
            raise _refuse(where, name, "either price or percent says how much")
        if other.price is not None and (price.deck or nano(other.price, field=where) < 0):
            raise _refuse(
                where, other.price, "a price is not negative, and a deck's price changes by percent"
            )
        if other.percent is not None:
            _check_percent(where, other.percent)
            if other.percent < 0:
                raise _refuse(where, other.percent, "the percent of a price is not negative")


def _check_period(period: CounterPeriod, path: str) -> None:
    if period is CounterPeriod.DAYS:
        raise _refuse(path, period.value, "tiers and packages count over a cycle or a day")


def _check_tiers(tiers: Tiers, unit: Unit, path: str) -> None:
    _check_period(tiers.period, f"{path}.period")
    if not tiers.steps or any(not step.up_to for step in tiers.steps[:-1]) or tiers.steps[-1].up_to:
        raise _refuse(
            f"{path}.steps", len(tiers.steps), "every step but the last has up_to", "leave the last open"
        )
    before = 0
    for i, step in enumerate(tiers.steps):
        where = f"{path}.steps[{i}]"
        if nano(step.price, field=f"{where}.price") < 0:
            raise _refuse(f"{where}.price", step.price, "an amount is not negative")
        if step.up_to:
            end = Quantity.parse(step.up_to, field=f"{where}.up_to")
            if end.unit is not unit or end.amount <= before:
                raise _refuse(f"{where}.up_to", step.up_to, f"steps rise, in {unit.value}s")
            before = end.amount


def _signature(price: UsagePrice) -> tuple[object, ...]:
    """Return which selectors are set. Two prices of one signature must not match one record."""
    return (
        price.kind,
        price.direction,
        "*" in price.networks,
        bool(price.destinations),
        bool(price.rating_groups),
        bool(price.regions),
        bool(price.segments),
    )


def _check_overlaps(prices: tuple[UsagePrice, ...]) -> None:
    """Refuse two prices that match the same usage equally well. Quadratic within one signature."""
    groups: dict[tuple[object, ...], list[tuple[int, UsagePrice]]] = {}
    for i, price in enumerate(prices):
        group = groups.setdefault(_signature(price), [])
        for j, other in group:
            if _meet(price, other):
                raise Invalid(
                    f"{price.id} and {other.id} price the same usage",
                    code="catalog.price_overlap",
                    field=f"usage[{i}]",
                    value=price.id,
                    fix=f"change the selectors of one of them (the other is usage[{j}])",
                )
        group.append((i, price))


def _meet(one: UsagePrice, other: UsagePrice) -> bool:
    pairs: tuple[tuple[tuple[object, ...], tuple[object, ...]], ...] = (
        (one.networks or ("home",), other.networks or ("home",)),
        (one.destinations, other.destinations),
        (one.rating_groups, other.rating_groups),
        (one.regions, other.regions),
        (one.segments, other.segments),
    )
    return all((not a and not b) or bool(set(a) & set(b)) for a, b in pairs)
