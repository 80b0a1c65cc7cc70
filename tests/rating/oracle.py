"""A second, naive rating: written from the meaning of a plan, slow on purpose, sharing nothing with the product.

It reads the plan document itself, scans prefixes one by one, goes unit by unit, and counts in fractions.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

from farwire.catalog.model import PricePlan, UsagePrice
from farwire.rating.model import Chargeable, DeckRow

SIZES = {"s": 1, "min": 60, "h": 3600, "B": 1, "kB": 1000, "MB": 10**6, "GB": 10**9, "message": 1, "event": 1}
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

DatedDecks = Mapping[str, Sequence[tuple[datetime, Sequence[DeckRow]]]]


class CannotRate(Exception):
    pass


def size(text: str) -> int:
    number, _, unit = text.partition(" ")
    return int(Decimal(number) * SIZES[unit])


def half_up(value: Fraction) -> int:
    return math.floor(value + Fraction(1, 2)) if value >= 0 else -math.floor(-value + Fraction(1, 2))


def band_at(plan: PricePlan, at: datetime, holidays: frozenset[date]) -> str:
    local = at.astimezone(ZoneInfo(plan.zone))
    kind = DAYS[local.weekday()]
    if local.date() in holidays and any("holiday" in band.days for band in plan.bands):
        kind = "holiday"
    clock = local.strftime("%H:%M:%S")
    for band in plan.bands:
        if kind in band.days:
            for hours in band.hours:
                start, end = hours.split("-")
                if f"{start}:00" <= clock < f"{end}:00":
                    return band.name
    return ""


def zone_of(plan: PricePlan, number: str) -> str:
    zones = {prefix: name for name, prefixes in plan.destinations.items() for prefix in prefixes}
    for price in plan.usage:
        zones |= {name: name for name in price.destinations if name not in plan.destinations}
    best = ""
    for prefix in zones:
        if number.startswith(prefix) and len(prefix) > len(best):
            best = prefix
    return zones.get(best, "")


def network_of(plan: PricePlan, visited: str) -> str:
    if visited == "":
        return "home"
    for candidate in (visited, visited[:3] if visited[:3].isdigit() else visited):
        for name, members in plan.networks.items():
            if candidate in members:
                return name
    return "other"


def find_row(decks: DatedDecks, name: str, number: str, at: datetime) -> DeckRow | None:
    started = [(start, rows) for start, rows in decks[name] if start <= at]
    if not started:
        return None
    best: DeckRow | None = None
    for row in max(started, key=lambda version: version[0])[1]:
        if not number.startswith(row.prefix):
            continue
        if row.valid_from is not None and at < row.valid_from:
            continue
        if row.valid_to is not None and at >= row.valid_to:
            continue
        if best is None or len(row.prefix) > len(best.prefix):
            best = row
    return best


def choose(plan: PricePlan, decks: DatedDecks, record: Chargeable) -> tuple[UsagePrice, DeckRow | None]:
    number = record.routed_as or record.destination
    zone, network = zone_of(plan, number), network_of(plan, record.visited_network)
    fitting = []
    for price in plan.usage:
        networks = price.networks or ("home",)
        if (price.kind, price.direction) != (record.kind, record.direction):
            continue
        if "*" not in networks and network not in networks:
            continue
        if price.destinations and zone not in price.destinations:
            continue
        if price.rating_groups and record.rating_group not in price.rating_groups:
            continue
        if price.regions and record.region not in price.regions:
            continue
        if price.segments and record.segment not in price.segments:
            continue
        rank = (
            "*" not in networks, bool(price.destinations), bool(price.rating_groups), bool(price.regions),
            bool(price.segments),
        )  # fmt: skip
        fitting.append((rank, price))
    for _, price in sorted(fitting, key=lambda pair: pair[0], reverse=True):
        if not price.deck:
            return price, None
        row = find_row(decks, price.deck, number, record.started_at)
        if row is not None:
            return price, row
    raise CannotRate


class Oracle:
    def __init__(
        self, plan: PricePlan, decks: DatedDecks | None = None, holidays: frozenset[date] = frozenset()
    ) -> None:
        self.plan = plan
        self.decks = decks or {}
        self.holidays = holidays

    def price(self, record: Chargeable, counters: Mapping[str, int]) -> tuple[int, dict[str, int]]:
        """Return the price of the whole record in nano-units and what it takes from each counter."""
        price, row = choose(self.plan, self.decks, record)
        markup = 1 + Fraction(price.markup_percent) / 100
        if price.source is not None:
            if record.external_charge_nano is None:
                raise CannotRate
            return self.finish(price, record, Fraction(record.external_charge_nano) * markup, False), {}
        if row is not None:
            first, step, included = row.first, row.step, row.included
            connect = Fraction(row.connect_nano) * markup
            unit = Fraction(row.price_nano, row.per) * markup
        else:
            texts = price.increments or ("",)
            first, step = (size(text) if text else 1 for text in (texts[0], texts[-1]))
            included = size(price.included) if price.included else 0
            connect = Fraction(price.connect_fee) * 10**9
            unit = Fraction(price.price or 0) * 10**9 / (size(price.per) if price.per else 1)
        bands = self.bands_of_units(price, record, first, step, included)
        takes: dict[str, int] = {}
        cost, paid = Fraction(0), 0
        for band in bands:
            if self.take(price, record, counters, takes, band):
                continue
            paid += 1
            cost += self.unit_cost(price, unit, band)
        if price.tiers is not None or price.package is not None:
            key = f"tier:{price.id}"
            before = counters.get(key, 0) - record.taken.get(key, 0)
            cost = self.total(price, before + paid) - self.total(price, before)
            if paid:
                takes[key] = paid
        free = bool(bands) and paid == 0
        if record.quantity and not free:
            cost += connect
        return self.finish(price, record, cost, free), takes

    def bands_of_units(
        self, price: UsagePrice, record: Chargeable, first: int, step: int, included: int
    ) -> list[str]:
        """Return the band of each billed unit."""
        left = record.quantity - included
        bands: list[str] = []
        offset, increment = included, first
        while left > 0:
            at = (
                record.started_at + timedelta(seconds=offset) if record.kind == "voice" else record.started_at
            )
            bands += [band_at(self.plan, at, self.holidays)] * increment
            left -= increment
            offset += increment
            increment = step
        return bands

    def take(
        self,
        price: UsagePrice,
        record: Chargeable,
        counters: Mapping[str, int],
        takes: dict[str, int],
        band: str,
    ) -> bool:
        for allowance in sorted(self.plan.allowances, key=lambda a: (a.order, a.id)):
            if price.id not in allowance.prices or (allowance.bands and band not in allowance.bands):
                continue
            key = f"allowance:{allowance.id}"
            granted = counters.get(f"{key}:granted", size(allowance.amount))
            if counters.get(key, 0) - record.taken.get(key, 0) + takes.get(key, 0) < granted:
                takes[key] = takes.get(key, 0) + 1
                return True
        return False

    def unit_cost(self, price: UsagePrice, unit: Fraction, band: str) -> Fraction:
        other = price.by_band.get(band) if band else None
        if other is None:
            return unit
        if other.percent is not None:
            return unit * Fraction(other.percent) / 100
        return Fraction(other.price or 0) * 10**9 / (size(price.per) if price.per else 1)

    def total(self, price: UsagePrice, units: int) -> Fraction:
        """Return what ``units`` units in one period cost."""
        if price.package is not None:
            above = units - (size(price.package.included) if price.package.included else 0)
            blocks = 0
            while blocks * size(price.package.block) < above:
                blocks += 1
            return blocks * Fraction(price.package.price) * 10**9
        assert price.tiers is not None
        per = size(price.per) if price.per else 1
        steps = [
            (size(step.up_to) if step.up_to else math.inf, Fraction(step.price) * 10**9 / per)
            for step in price.tiers.steps
        ]
        if price.tiers.mode == "volume":
            return units * next(cost for end, cost in steps if units <= end)
        return sum((next(cost for end, cost in steps if n <= end) for n in range(1, units + 1)), Fraction(0))

    def finish(self, price: UsagePrice, record: Chargeable, cost: Fraction, free: bool) -> int:
        for discount in self.plan.discounts:
            if (
                price.id in discount.prices
                and (not discount.regions or record.region in discount.regions)
                and (not discount.segments or record.segment in discount.segments)
                and (discount.valid_from is None or record.started_at >= discount.valid_from)
                and (discount.valid_to is None or record.started_at < discount.valid_to)
            ):
                cost *= 1 - Fraction(discount.percent) / 100
        if price.minimum is not None and record.quantity and not free:
            cost = max(cost, Fraction(price.minimum) * 10**9)
        if price.maximum is not None:
            cost = min(cost, Fraction(price.maximum) * 10**9)
        return half_up(cost)
