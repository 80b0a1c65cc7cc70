"""What a plan must obey beyond its shape. Every refusal names the field's path, its value and a fix."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Final

from farwire.catalog.model.plan import (
    Allowance,
    Band,
    CounterPeriod,
    Day,
    Discount,
    Every,
    PricePlan,
    Recurring,
)
from farwire.catalog.model.usage_check import check_usage, price_unit
from farwire.kernel.errors import Invalid
from farwire.kernel.money import currency, nano
from farwire.kernel.quantity import Quantity
from farwire.kernel.time import zone

_CODE: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_HOURS: Final = re.compile(r"([01]\d|2[0-4]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
_CALENDAR: Final = re.compile(r"[A-Z]{2}(-[A-Z0-9]{1,3})?")
DAY_S: Final = 86_400
MAX_PARTS: Final = 5_000
"""Bound of each list of a plan. Bigger price lists are decks."""


def refuse(path: str, value: object, message: str, fix: str = "") -> Invalid:
    """Return the error for the field at ``path``."""
    return Invalid(message, code="catalog.plan_invalid", field=path, value=value, fix=fix or None)


def check_plan(plan: PricePlan) -> None:
    """Refuse a plan that contradicts itself. Raises ``Invalid`` (``catalog.plan_invalid`` and kernel codes)."""
    if not _CODE.fullmatch(plan.offering):
        raise refuse("offering", plan.offering, "a code is small letters, digits and . _ -")
    currency(plan.currency)
    zone(plan.zone)
    if plan.valid_to is not None and plan.valid_to <= plan.valid_from:
        raise refuse("valid_to", plan.valid_to.isoformat(), "a plan ends after it starts")
    if plan.holidays and not _CALENDAR.fullmatch(plan.holidays):
        raise refuse(
            "holidays", plan.holidays, "a calendar is a country or subdivision", 'write "DE" or "DE-BE"'
        )
    _check_ids(plan)
    _check_members("destinations", plan.destinations)
    _check_members("networks", plan.networks)
    _check_bands(plan.bands)
    _check_recurring(plan.recurring)
    for i, once in enumerate(plan.one_off):
        check_amount(f"one_off[{i}].price", once.price)
    check_usage(plan)
    _check_allowances(plan)
    _check_discounts(plan)


def check_amount(path: str, value: Decimal | None) -> None:
    """Refuse an amount that is negative, not a number or finer than nano-units. None is fine."""
    if value is not None and nano(value, field=path) < 0:
        raise refuse(path, value, "an amount is not negative", "use a discount to give something back")


def _check_ids(plan: PricePlan) -> None:
    groups: Mapping[str, Sequence[object]] = {
        "recurring": plan.recurring,
        "one_off": plan.one_off,
        "usage": plan.usage,
        "allowances": plan.allowances,
        "discounts": plan.discounts,
        "bands": plan.bands,
    }
    seen: dict[str, str] = {}
    for group, parts in groups.items():
        if len(parts) > MAX_PARTS:
            raise refuse(
                group, len(parts), f"a plan has at most {MAX_PARTS} {group}", "put price lists in a deck"
            )
        for i, part in enumerate(parts):
            key = "name" if isinstance(part, Band) else "id"
            ident, path = str(getattr(part, key)), f"{group}[{i}].{key}"
            if not _CODE.fullmatch(ident):
                raise refuse(path, ident, "a code is small letters, digits and . _ -")
            if ident in seen:
                raise refuse(path, ident, f"the same code is at {seen[ident]}", "give each part its own code")
            seen[ident] = path


def _check_members(field: str, zones: Mapping[str, tuple[str, ...]]) -> None:
    """Refuse a prefix or network that is in two zones: each number and each network has one."""
    owner: dict[str, str] = {}
    for name, members in zones.items():
        if name in ("", "*", "other"):
            raise refuse(
                field, name, "a zone has a name of its own", "other is whatever no zone lists; * is all"
            )
        if not members:
            raise refuse(f"{field}.{name}", "", "a zone has at least one member")
        for member in members:
            if not member or len(member) > 32 or not member.isascii() or not member.isprintable():
                raise refuse(f"{field}.{name}", member, "a member is 1 to 32 printable ASCII characters")
            if member in owner:
                raise refuse(
                    f"{field}.{name}",
                    member,
                    f"{member} is already in {owner[member]}",
                    "keep it in one zone",
                )
            owner[member] = name


def band_hours(band: Band, path: str) -> Iterator[tuple[int, int]]:
    """Yield the band's spans of wall time in seconds of the day, half-open."""
    for text in band.hours:
        match = _HOURS.fullmatch(text)
        if match is None:
            raise refuse(path, text, "hours are two wall times", 'write "08:00-18:00"')
        start, end = (int(match[i]) * 3600 + int(match[i + 1]) * 60 for i in (1, 3))
        if not 0 <= start < end <= DAY_S:
            raise refuse(
                path, text, "hours end after they start", 'write a night as "00:00-06:00", "22:00-24:00"'
            )
        yield start, end


def _check_bands(bands: Sequence[Band]) -> None:
    spans: dict[Day, list[tuple[int, int, str]]] = {day: [] for day in Day}
    for i, band in enumerate(bands):
        path = f"bands[{i}].hours"
        if not band.days or not band.hours:
            raise refuse(path, band.name, "a band has days and hours")
        hours = list(band_hours(band, path))
        for day in set(band.days):
            for start, end in hours:
                for other_start, other_end, name in spans[day]:
                    if start < other_end and other_start < end:
                        raise refuse(
                            path, band.name, f"it overlaps {name} on {day.value}", "give each hour one band"
                        )
                spans[day].append((start, end, band.name))


def _check_recurring(prices: Sequence[Recurring]) -> None:
    for i, price in enumerate(prices):
        path = f"recurring[{i}]"
        check_amount(f"{path}.price", price.price)
        if price.every is Every.CYCLE and price.count != 1:
            raise refuse(f"{path}.count", price.count, "a cycle is counted once", 'use every = "months"')
        limit = 120 if price.every is Every.MONTHS else 3_660
        if not 1 <= price.count <= limit:
            raise refuse(f"{path}.count", price.count, f"count is 1 to {limit}")


def _check_allowances(plan: PricePlan) -> None:
    units = {price.id: price_unit(price) for price in plan.usage}
    passed_on = {price.id for price in plan.usage if price.source is not None}
    bands = {band.name for band in plan.bands} | {""}
    for i, allowance in enumerate(plan.allowances):
        path = f"allowances[{i}]"
        amount = check_quantity(f"{path}.amount", allowance.amount)
        _check_references(f"{path}.prices", allowance.prices, units)
        for price_id in allowance.prices:
            if price_id in passed_on:
                raise refuse(
                    f"{path}.prices", price_id, f"{price_id} costs what the record says, units or not"
                )
            if units[price_id] is not amount.unit:
                raise refuse(
                    f"{path}.amount",
                    allowance.amount,
                    f"{price_id} counts {units[price_id].value}s",
                    "use its unit",
                )
        _check_references(f"{path}.bands", allowance.bands, bands, needed=False)
        _check_allowance_period(path, allowance, amount)


def _check_allowance_period(path: str, allowance: Allowance, amount: Quantity) -> None:
    in_days = allowance.period is CounterPeriod.DAYS
    if in_days != (1 <= allowance.days <= 3_660):
        raise refuse(
            f"{path}.days", allowance.days, "days is 1 to 3660 with the period days, and else absent"
        )
    if not allowance.renews and not in_days:
        raise refuse(
            f"{path}.renews", "false", "only an allowance of some days can be given once", 'period = "days"'
        )
    if allowance.prorate_first and allowance.period is not CounterPeriod.CYCLE:
        raise refuse(f"{path}.prorate_first", "true", "only a cycle has a first part to pro-rate")
    if allowance.rollover_cap:
        cap = check_quantity(f"{path}.rollover_cap", allowance.rollover_cap)
        carries = allowance.renews and allowance.period is not CounterPeriod.DAY
        if cap.unit is not amount.unit or not carries:
            raise refuse(
                f"{path}.rollover_cap",
                allowance.rollover_cap,
                "a cap has the amount's unit, and renews with the cycle or after days",
            )


def _check_discounts(plan: PricePlan) -> None:
    recurring = {price.id for price in plan.recurring}
    known = recurring | {price.id for price in plan.one_off} | {price.id for price in plan.usage}
    for i, discount in enumerate(plan.discounts):
        path = f"discounts[{i}]"
        check_percent(f"{path}.percent", discount.percent, Decimal(100))
        _check_references(f"{path}.prices", discount.prices, known)
        _check_discount_time(path, discount, recurring)


def _check_discount_time(path: str, discount: Discount, recurring: set[str]) -> None:
    for field, value in (("valid_from", discount.valid_from), ("valid_to", discount.valid_to)):
        if value is not None and value.utcoffset() is None:
            raise refuse(f"{path}.{field}", value.isoformat(), "a time has a zone", "add Z or an offset")
    if not 0 <= discount.months <= 1_200:
        raise refuse(f"{path}.months", discount.months, "months is 0 to 1200")
    if discount.months and not recurring.issuperset(discount.prices):
        raise refuse(f"{path}.months", discount.months, "only recurring prices have a first month")


def check_quantity(path: str, text: str) -> Quantity:
    """Return the quantity at ``path``, more than nothing and in int64."""
    quantity = Quantity.parse(text, field=path)
    if not 0 < quantity.amount < 2**63:
        raise refuse(path, text, "a quantity is more than nothing and less than 2⁶³ base units")
    return quantity


def check_percent(path: str, value: Decimal, limit: Decimal) -> None:
    """Refuse a percentage that is not between 0 and ``limit`` with at most six decimals."""
    exponent = value.as_tuple().exponent
    if not value.is_finite() or not 0 <= value <= limit or not isinstance(exponent, int) or exponent < -6:
        raise refuse(path, value, f"a percentage is 0 to {limit} with at most 6 decimals")


def _check_references(path: str, names: Sequence[str], known: Iterable[str], *, needed: bool = True) -> None:
    if needed and not names:
        raise refuse(path, "", "name at least one")
    for name in names:
        if name not in known:
            raise refuse(
                path, name, f"{name!r} is not in this plan", f"use one of {', '.join(sorted(known))}"
            )
