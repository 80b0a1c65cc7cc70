"""The compiled tariff: a price plan with its decks and calendar, immutable, ready to be asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from farwire.catalog.model import CounterPeriod, TierMode
from farwire.kernel.money import Currency
from farwire.kernel.quantity import Unit
from farwire.rating.model.bands import BandCalendar
from farwire.rating.model.deck import Deck
from farwire.rating.model.prefixes import PrefixRanges

UnitPrice = tuple[int, int]
"""Nano-units for so many base units."""
Ratio = tuple[int, int]


@dataclass(frozen=True, slots=True)
class CounterSpec:
    """One thing that is counted per product and period."""

    key: str
    period: CounterPeriod
    days: int = 0
    renews: bool = True
    amount: int = 0
    """What an allowance gives in a period, in base units; 0 for tiers, which only count."""
    rollover_cap: int = 0
    prorate_first: bool = False
    label: str = ""
    """What people call an allowance."""

    @property
    def granted_key(self) -> str:
        """Return the key under which a counter view says what this period gives, where that is not ``amount``."""
        return self.key + ":granted"


@dataclass(frozen=True, slots=True)
class AllowanceRule:
    """An allowance as one price meets it."""

    id: str
    counter: CounterSpec
    bands: frozenset[str]
    """The bands in which it may be taken; empty is every band."""


@dataclass(frozen=True, slots=True)
class DiscountRule:
    """A discount as one price meets it: the price is multiplied by ``numerator / denominator``."""

    id: str
    numerator: int
    denominator: int
    regions: frozenset[str]
    segments: frozenset[str]
    valid_from: datetime | None
    valid_to: datetime | None

    def applies(self, at: datetime, region: str, segment: str) -> bool:
        """Tell whether it applies to a customer there and then."""
        return (
            (not self.regions or region in self.regions)
            and (not self.segments or segment in self.segments)
            and (self.valid_from is None or self.valid_from <= at)
            and (self.valid_to is None or at < self.valid_to)
        )


@dataclass(frozen=True, slots=True)
class TierStep:
    """A step of a tiered price: units above ``above`` cost ``price_nano`` for each ``per``."""

    name: str
    above: int
    price_nano: int
    per: int


@dataclass(frozen=True, slots=True)
class TierRule:
    """A tiered price over a counter."""

    mode: TierMode
    steps: tuple[TierStep, ...]
    counter: CounterSpec


@dataclass(frozen=True, slots=True)
class PackageRule:
    """A price for each started block of a counter above ``included``."""

    block: int
    price_nano: int
    included: int
    counter: CounterSpec


@dataclass(frozen=True, slots=True)
class CompiledPrice:
    """One usage price, with everything looked up that can be looked up before a record comes."""

    id: str
    label: str
    kind: str
    unit: Unit
    rating_groups: frozenset[int]
    regions: frozenset[str]
    segments: frozenset[str]
    price: UnitPrice
    band_price: Mapping[str, UnitPrice]
    band_ratio: Mapping[str, Ratio]
    """For decks: what each band multiplies the row's price by."""
    deck: Deck | None
    from_record: bool
    markup: Ratio
    markup_text: str
    tiers: TierRule | None
    package: PackageRule | None
    first: int
    step: int
    included: int
    connect_nano: int
    minimum: int | None
    maximum: int | None
    allowances: tuple[AllowanceRule, ...]
    discounts: tuple[DiscountRule, ...]
    by_time: bool
    """Whether the band of the day matters."""
    plain: bool
    """One price for all units: no bands, allowances, tiers, package, discounts or limits."""
    override: str = ""
    """Why the price is not the plan's own: what was negotiated, and in which agreement."""


@dataclass(frozen=True, slots=True)
class Tariff:
    """A price plan version compiled with its decks and calendar. ``version`` is the digest of all of them."""

    version: str
    offering: str
    plan_version: str
    currency: Currency
    zone: str
    zones: PrefixRanges[tuple[str, str]] | None
    """Number → (prefix, destination zone)."""
    networks: Mapping[str, str]
    """Country or PLMN → network zone."""
    routes: Mapping[tuple[str, str, str, str], tuple[CompiledPrice, ...]]
    """(kind, direction, network zone, destination zone) → the prices to try, the most specific first."""
    calendar: BandCalendar
    counters: tuple[CounterSpec, ...]
    """Every counter that a record of this tariff can read."""

    def network_zone(self, visited: str) -> str:
        """Return the zone of a visited network: of its PLMN, else of its country code (MCC); "" is home."""
        if not visited:
            return "home"
        known = self.networks
        return known.get(visited) or (known.get(visited[:3]) if visited[:3].isdigit() else None) or "other"
