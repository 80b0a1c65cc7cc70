"""The price plan document: what a product manager writes, as immutable data.

Amounts are decimals of the currency's major unit, quantities are texts with a unit ("10 GB", "60 s"), times
have a zone. docs/rating.md teaches it with examples. ``plan_check`` says what a plan must also obey.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum

import msgspec


class Day(StrEnum):
    """A kind of local day. ``holiday`` replaces the weekday where any band of the plan names it."""

    MON = "mon"
    TUE = "tue"
    WED = "wed"
    THU = "thu"
    FRI = "fri"
    SAT = "sat"
    SUN = "sun"
    HOLIDAY = "holiday"


WEEKDAYS = tuple(day for day in Day if day is not Day.HOLIDAY)


class Part(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A part of the document. A field that Farwire does not know is an error, never ignored."""


class Band(Part, frozen=True):
    """A named time of day in the plan's zone. Bands do not overlap; the rest of the week is the band ""."""

    name: str
    days: tuple[Day, ...] = WEEKDAYS
    hours: tuple[str, ...] = ("00:00-24:00",)
    """Local wall time, "08:00-18:00"; a night is written "00:00-06:00" and "22:00-24:00"."""


class Every(StrEnum):
    """How a recurring charge repeats."""

    CYCLE = "cycle"
    """With the account's bill cycle."""
    MONTHS = "months"
    """Every ``count`` months from the product's own start."""
    DAYS = "days"
    """Every ``count`` days from the product's own start."""


class FirstPeriod(StrEnum):
    """What a new customer pays for the part of a period before the first whole one; a change of plan pays by days."""

    PRORATE = "prorate"
    FULL = "full"
    FREE = "free"


class Prorate(StrEnum):
    """How a part of a period is priced."""

    DAY = "day"
    """By local calendar days. The day a product starts counts, the day it ends does not."""
    NONE = "none"
    """A period begun is paid in full."""


class Recurring(Part, frozen=True):
    """A price that repeats."""

    id: str
    price: Decimal
    label: str = ""
    tax: str = "standard"
    """The tax category; the country pack knows its rate and dates."""
    every: Every = Every.CYCLE
    count: int = 1
    in_advance: bool = False
    prorate: Prorate = Prorate.DAY
    first_period: FirstPeriod = FirstPeriod.PRORATE
    regions: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()


class Trigger(StrEnum):
    """What makes a one-off price due."""

    ACTIVATION = "activation"
    CEASE = "cease"


class OneOff(Part, frozen=True):
    """A price that is due once."""

    id: str
    price: Decimal
    label: str = ""
    tax: str = "standard"
    on: Trigger = Trigger.ACTIVATION
    regions: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()


class BandPrice(Part, frozen=True):
    """What a price becomes in one band: another ``price``, or ``percent`` of the price."""

    price: Decimal | None = None
    percent: Decimal | None = None


class CounterPeriod(StrEnum):
    """How long an allowance or a tier counts until it starts anew."""

    CYCLE = "cycle"
    DAY = "day"
    """A local calendar day."""
    DAYS = "days"
    """``days`` days of the plan's zone from the product's start, once or renewing (allowances only)."""


class TierMode(StrEnum):
    """What a total over a counter costs. A record costs total(after) − total(before), exactly."""

    GRADUATED = "graduated"
    """Each unit costs what its own tier says."""
    VOLUME = "volume"
    """All units cost what the tier of the total says; crossing into a cheaper one gives back."""


class Tier(Part, frozen=True):
    """A step of a tiered price, up to and with ``up_to``; the last one has no end."""

    price: Decimal
    up_to: str = ""


class Tiers(Part, frozen=True):
    """A price that depends on how much was charged before in the period."""

    mode: TierMode
    steps: tuple[Tier, ...]
    period: CounterPeriod = CounterPeriod.CYCLE
    """The cycle or the day: when the counting starts anew."""


class Package(Part, frozen=True):
    """A price for each started block of a counter's total above what is included."""

    block: str
    price: Decimal
    included: str = ""
    period: CounterPeriod = CounterPeriod.CYCLE
    """The cycle or the day: when the counting starts anew."""


class Source(StrEnum):
    """Where the price of a usage comes from when the plan does not state it."""

    RECORD = "record"
    """The price that the record carries (a premium service, a roaming partner)."""


class UsagePrice(Part, frozen=True):
    """What a kind of usage costs. Exactly one of price, tiers, package, deck and source says how much.

    The selectors say for which usage. An empty selector is any value, except ``networks``, where empty is the
    home network. The most specific price wins: network, then destination, rating group, region, segment.
    """

    id: str
    kind: str
    label: str = ""
    tax: str = "standard"
    direction: str = "originating"
    networks: tuple[str, ...] = ()
    """Names of ``PricePlan.networks``, "home", "other" (in no zone of the plan), or "*" for every network."""
    destinations: tuple[str, ...] = ()
    """Names of ``PricePlan.destinations``, or prefixes."""
    rating_groups: tuple[int, ...] = ()
    regions: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    price: Decimal | None = None
    per: str = ""
    """The quantity that ``price`` is for; the base unit of the kind where empty."""
    by_band: Mapping[str, BandPrice] = {}
    tiers: Tiers | None = None
    package: Package | None = None
    deck: str = ""
    source: Source | None = None
    markup_percent: Decimal = Decimal(0)
    """On top of the deck's price and connect fee, or of the record's own price."""
    increments: tuple[str, ...] = ()
    """("60 s", "6 s"): the first increment and every further one. A deck row has its own."""
    included: str = ""
    """Units at the beginning of each record that cost nothing. Increments start after them."""
    connect_fee: Decimal = Decimal(0)
    minimum: Decimal | None = None
    """The least that a record costs, unless allowances cover all of it."""
    maximum: Decimal | None = None
    """The most that a record costs, however long it is."""


class Allowance(Part, frozen=True):
    """Units that cost nothing. They are taken in the order of ``order``, then of ``id``."""

    id: str
    amount: str
    prices: tuple[str, ...]
    """The usage prices that it covers, by their ids."""
    label: str = ""
    order: int = 0
    period: CounterPeriod = CounterPeriod.CYCLE
    days: int = 0
    renews: bool = True
    """False: valid once, from the product's start, and gone after ``days``."""
    bands: tuple[str, ...] = ()
    prorate_first: bool = False
    """True: the first part of a cycle gets its share by days, rounded down to a base unit."""
    rollover_cap: str = ""
    """What may be carried into the next cycle or days, at most; empty carries nothing, and so does a change of plan."""


class Discount(Part, frozen=True):
    """A percentage off the prices that it names. Several multiply."""

    id: str
    percent: Decimal
    prices: tuple[str, ...]
    regions: tuple[str, ...] = ()
    segments: tuple[str, ...] = ()
    valid_from: datetime | None = None
    valid_to: datetime | None = None
    months: int = 0
    """Recurring prices only: for the first ``months`` months of a product; 0 is without end."""


class PricePlan(Part, frozen=True, kw_only=True):
    """One version of the prices of one offering, in one currency, in force in ``[valid_from, valid_to)``."""

    offering: str
    """The stable code of the offering, e.g. "flex-m"."""
    name: str
    valid_from: datetime
    valid_to: datetime | None = None
    """None: until the next version starts."""
    currency: str
    zone: str
    """The IANA zone of its days, bands and holidays."""
    prices_include_tax: bool
    holidays: str = ""
    """A calendar of public holidays, ISO 3166 country or subdivision: "DE", "DE-BE"."""
    extra_holidays: tuple[date, ...] = ()
    bands: tuple[Band, ...] = ()
    destinations: Mapping[str, tuple[str, ...]] = {}
    """Zone name → number prefixes. A number is in the zone of its longest prefix."""
    networks: Mapping[str, tuple[str, ...]] = {}
    """Zone name → ISO countries and PLMNs (MCC, or MCC and MNC)."""
    recurring: tuple[Recurring, ...] = ()
    one_off: tuple[OneOff, ...] = ()
    usage: tuple[UsagePrice, ...] = ()
    allowances: tuple[Allowance, ...] = ()
    discounts: tuple[Discount, ...] = ()

    def price(self, price_id: str) -> Recurring | OneOff | UsagePrice | None:
        """Return the price with that id, or None."""
        for group in (self.recurring, self.one_off, self.usage):
            for price in group:
                if price.id == price_id:
                    return price
        return None
