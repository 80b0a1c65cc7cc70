"""The port ``Tariffs`` over the compiled tariffs of ``rating``: prices prepared once and named by a number.

A number is packed from the plan, the price, its deck row and its discounts, so that a state read after a restart names
the same price: plan 19 bits, roaming 1, price 8, discounts 6, deck version 8, row 20. Plans keep their number and never
change; a deck only gets new versions. What does not fit is not sold online: ``find`` returns None for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from farwire.catalog.model import CounterPeriod, TierMode
from farwire.charging.model.pricing import PLACE, microseconds, moment
from farwire.charging.model.requests import Service
from farwire.charging.model.state import DAY_US, NEVER, SECOND_US, Period, Scope, Unit
from farwire.charging.model.tariffs import FREE, NO_PERIOD, UNKNOWN_US, OfferTerms, PlanTerms, Price
from farwire.kernel.time import BillCycle, local_date, local_midnight, zone
from farwire.rating.model import CounterSpec, Deck, DeckRow, DeckVersion, Tariff
from farwire.rating.model.compile import scaled
from farwire.rating.model.tariff import AllowanceRule, CompiledPrice, DiscountRule, UnitPrice

BAND_DAYS: Final = 8
"""A band that lasts longer than a week is asked again after it."""
_PRICES, _MASKS, _VERSIONS, _ROWS = 1 << 8, 1 << 6, 1 << 8, 1 << 20
_UNITS: Final = {"voice": Unit.SECONDS, "data": Unit.OCTETS, "message": Unit.MESSAGES}
_START: Final = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan as charging knows it: its tariff, its terms, and which numbers are emergency calls where it is sold."""

    tariff: Tariff
    terms: PlanTerms
    is_emergency: Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Offer:
    """An offer that lasts ``days`` local days of ``zone``, 0: without end."""

    terms: OfferTerms
    days: int
    zone: str


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a price comes from: its plan's tariff, its row of a deck, and the deck's version as ``name@version``."""

    tariff: Tariff
    price: CompiledPrice
    row: DeckRow | None
    deck: str
    roaming: bool


def plan_of(number: int) -> int:
    """Return the number of the plan whose price is named ``number``."""
    return number // (2 * _PRICES * _MASKS * _VERSIONS * _ROWS)


class CompiledTariffs:
    """Plans and offers by number. Prepared prices are kept: a bounded memo of a pure function."""

    KEPT: Final = 200_000

    def __init__(self, plans: Mapping[int, Plan], offers: Mapping[int, Offer]) -> None:
        self._plans = plans
        self._offers = offers
        self._kept: dict[int, Price] = {0: FREE}
        self._rows: dict[tuple[str, int], tuple[DeckRow, ...]] = {}
        self._prices: dict[int, tuple[CompiledPrice, ...]] = {}

    def plan(self, number: int) -> PlanTerms | None:
        """Return the terms of the plan ``number``."""
        plan = self._plans.get(number)
        return plan.terms if plan is not None else None

    def offer(self, number: int) -> OfferTerms | None:
        """Return the terms of the offer ``number``."""
        offer = self._offers.get(number)
        return offer.terms if offer is not None else None

    def offer_end(self, number: int, start: int) -> int:
        """Return when the offer ends that was bought at ``start``: the same wall clock time so many days later."""
        offer = self._offers[number]
        if not offer.days:
            return NEVER
        tz = zone(offer.zone)
        wall = moment(start).astimezone(tz).replace(tzinfo=None) + timedelta(days=offer.days)
        return microseconds(wall.replace(tzinfo=tz))

    def is_emergency(self, plan: int, number: str) -> bool:
        """Tell whether ``number`` reaches an emergency service under ``plan``, or under any where it is unknown."""
        known = self._plans.get(plan)
        if known is not None:
            return known.is_emergency(number)
        return any(one.is_emergency(number) for one in self._plans.values())

    def find(self, plan: int, service: Service, rating_group: int, at: int) -> Price | None:
        """Return the price of ``service``, as ``rating.rate`` would choose it."""
        known = self._plans.get(plan)
        if known is None:
            return None
        tariff, when = known.tariff, moment(at)
        number = service.routed_as or service.destination
        place = (tariff.zones.find(number) or ("", "")) if tariff.zones is not None else ("", "")
        network = tariff.network_zone(service.visited_network)
        for price in tariff.routes.get((service.kind, service.direction, network, place[1]), ()):
            if not _serves(price, service, rating_group):
                continue
            version = price.deck.at(when) if price.deck is not None else None
            row = version.find(number, when) if version is not None else None
            if price.deck is None or row is not None:
                return self._prepared(plan, tariff, price, (version, row), service, when)
        return None

    def price(self, number: int) -> Price | None:
        """Return the price that ``find`` named ``number``, prepared again after a restart."""
        found = self._kept.get(number)
        if found is not None:
            return found
        one = self.origin(number)
        if one is None:
            return None
        mask = number // (_ROWS * _VERSIONS) % _MASKS
        return self._keep(_prepare(number, one.tariff, one.price, one.row, mask, roaming=one.roaming))

    def origin(self, number: int) -> Origin | None:
        """Return what the price ``number`` is in its plan, or None where the plan or the deck is not known."""
        rest, row = divmod(number, _ROWS)
        rest, version = divmod(rest, _VERSIONS)
        rest, index = divmod(rest // _MASKS, _PRICES)
        plan, roaming = divmod(rest, 2)
        known = self._plans.get(plan)
        prices = self._prices_of(plan)
        if known is None or index >= len(prices):
            return None
        price = prices[index]
        if price.deck is None:
            return Origin(known.tariff, price, None, "", bool(roaming))
        rows = self._deck_rows(price.deck, version)
        if row >= len(rows):
            return None
        source = next(one.source for one in price.deck.versions if one.version == version)
        return Origin(known.tariff, price, rows[row], source, bool(roaming))

    def band_end(self, price: Price, at: int) -> int:
        """Return when the band of the day that holds ``at`` ends, at most ``BAND_DAYS`` later."""
        if price.rated is None:
            return NEVER
        span = price.rated.calendar.span
        second = at // SECOND_US
        band, end = span(second)
        while end < second + BAND_DAYS * DAY_US // SECOND_US:
            following, after = span(end)
            if following != band:
                break
            end = after
        return end * SECOND_US

    def period(self, plan: int, period: int, at: int, cycle_day: int) -> tuple[int, int]:
        """Return the day or bill cycle of the plan's zone that holds ``at``; a short time where the plan is unknown."""
        if period == Period.NEVER:
            return NO_PERIOD
        known = self._plans.get(plan)
        if known is None:
            return at, at + UNKNOWN_US
        tz, when = zone(known.tariff.zone), moment(at)
        if period == Period.CYCLE:
            days = BillCycle(anchor_day=cycle_day, tz=tz).containing(when)
            return microseconds(days.start), microseconds(days.end)
        day = local_date(when, tz)
        return (
            microseconds(local_midnight(day, tz)),
            microseconds(local_midnight(day + timedelta(days=1), tz)),
        )

    def _prepared(
        self,
        plan: int,
        tariff: Tariff,
        price: CompiledPrice,
        deck: tuple[DeckVersion | None, DeckRow | None],
        service: Service,
        when: datetime,
    ) -> Price | None:
        index = self._prices_of(plan).index(price)
        mask = sum(
            1 << i
            for i, rule in enumerate(price.discounts)
            if rule.applies(when, service.region, service.segment)
        )
        version = row = 0
        if price.deck is not None and deck[0] is not None and deck[1] is not None:
            version = deck[0].version
            row = self._deck_rows(price.deck, version).index(deck[1])
        if price.from_record or index >= _PRICES or mask >= _MASKS or version >= _VERSIONS or row >= _ROWS:
            return None
        roaming = bool(service.visited_network)
        number = plan * 2 + roaming
        for part, bound in ((index, _PRICES), (mask, _MASKS), (version, _VERSIONS), (row, _ROWS)):
            number = number * bound + part
        return self._kept.get(number) or self._keep(
            _prepare(number, tariff, price, deck[1], mask, roaming=roaming)
        )

    def _keep(self, price: Price) -> Price:
        if len(self._kept) >= self.KEPT:
            self._kept = {0: FREE}
        self._kept[price.number] = price
        return price

    def _prices_of(self, plan: int) -> tuple[CompiledPrice, ...]:
        """Return the prices of a plan in the order of their ids, which numbers them."""
        found = self._prices.get(plan)
        if found is None:
            known = self._plans.get(plan)
            by_id = {p.id: p for ps in known.tariff.routes.values() for p in ps} if known is not None else {}
            found = self._prices[plan] = tuple(by_id[name] for name in sorted(by_id))
        return found

    def _deck_rows(self, deck: Deck, version: int) -> tuple[DeckRow, ...]:
        """Return the rows of a deck version in an order that does not depend on how they were loaded."""
        found = self._rows.get((deck.name, version))
        if found is None:
            rows = [row for one in deck.versions if one.version == version for row in one.rows]
            found = tuple(sorted(rows, key=lambda row: (row.prefix, row.valid_from or _START)))
            self._rows[deck.name, version] = found
        return found


def _serves(price: CompiledPrice, service: Service, rating_group: int) -> bool:
    return (
        (not price.rating_groups or rating_group in price.rating_groups)
        and (not price.regions or service.region in price.regions)
        and (not price.segments or service.segment in price.segments)
    )


def scope_of(tariff: Tariff, allowance: str) -> int:
    """Return the scope of the balances that hold the units of the allowance ``allowance`` of ``tariff``."""
    keys = [spec.key for spec in tariff.counters]
    return keys.index(f"allowance:{allowance}") + 1


def _prepare(
    number: int, tariff: Tariff, price: CompiledPrice, row: DeckRow | None, mask: int, *, roaming: bool
) -> Price:
    """Return ``price`` with everything decided that is fixed when the usage starts."""
    rules = tuple(_rule(scope_of(tariff, rule.id), rule.bands) for rule in price.allowances)
    one = replace(
        price,
        rating_groups=frozenset(),
        regions=frozenset(),
        segments=frozenset(),
        deck=_one_row(price.deck, row),
        allowances=(*rules, _rule(0, frozenset())),
        discounts=_discounts(price, mask),
        plain=False,
    )
    terms = price if row is None else row
    connect, unit = _money(price, row)
    counted = price.tiers or price.package
    breaks, block = _shape(price)
    tiers = price.tiers.steps if price.tiers is not None and price.tiers.mode is TierMode.VOLUME else ()
    return Price(
        number,
        int(_UNITS.get(price.kind, Unit.EVENTS)),
        tuple(int(rule.id) for rule in rules),
        int(Scope.ROAMING if roaming else Scope.HOME),
        _is_linear(one) and connect[1] == 1 and not (connect[0] and terms.included),
        *unit,
        terms.first,
        terms.step,
        terms.included,
        connect[0] // connect[1],
        _alone(tariff, one),
        price.kind,
        _counter(number) if counted else 0,
        counted.counter.key if counted else "",
        _period(counted.counter) if counted else 0,
        price.by_time,
        tuple(step.above for step in tiers[1:]),
        breaks,
        block,
    )


def _shape(price: CompiledPrice) -> tuple[tuple[int, ...], int]:
    """Return where on its counter a price breaks, and the size of a package."""
    if price.tiers is not None:
        return tuple(step.above for step in price.tiers.steps[1:]), 0
    return ((), 0) if price.package is None else ((price.package.included,), price.package.block)


def _discounts(price: CompiledPrice, mask: int) -> tuple[DiscountRule, ...]:
    """Return the discounts of ``mask``, which need not be asked again whether they apply."""
    return tuple(
        replace(rule, regions=frozenset(), segments=frozenset(), valid_from=None, valid_to=None)
        for i, rule in enumerate(price.discounts)
        if mask >> i & 1
    )


def _money(price: CompiledPrice, row: DeckRow | None) -> tuple[UnitPrice, UnitPrice]:
    """Return the connect fee and the price of a unit, the markup of a deck included."""
    if row is None:
        return (price.connect_nano, 1), price.price
    connect, unit = (row.connect_nano, 1), (row.price_nano, row.per)
    if price.markup_text:
        return scaled(connect, price.markup), scaled(unit, price.markup)
    return connect, unit


def _is_linear(price: CompiledPrice) -> bool:
    """Tell whether the cost is connect fee and paid units only."""
    return not (
        price.by_time
        or any(rule.bands for rule in price.allowances)
        or price.discounts
        or price.tiers
        or price.package
        or price.minimum is not None
        or price.maximum is not None
    )


def _counter(number: int) -> int:
    """Return the number of the counter of a price: the same for each row, discount and network of it."""
    plan_and_roaming, index = divmod(number // (_ROWS * _VERSIONS * _MASKS), _PRICES)
    return (plan_and_roaming // 2) * _PRICES + index + 1


def _rule(scope: int, bands: frozenset[str]) -> AllowanceRule:
    return AllowanceRule(str(scope), CounterSpec(str(scope), CounterPeriod.CYCLE), bands)


def _alone(tariff: Tariff, price: CompiledPrice) -> Tariff:
    """Return a tariff that has ``price`` only, for a usage at ``PLACE``."""
    return replace(
        tariff,
        zones=None,
        networks={},
        routes={(price.kind, "originating", "home", ""): (price,)},
        counters=(),
    )


def _one_row(deck: Deck | None, row: DeckRow | None) -> Deck | None:
    if deck is None or row is None:
        return None
    only = DeckRow(
        PLACE, row.label, row.price_nano, row.per, row.connect_nano, row.first, row.step, row.included
    )
    version = deck.versions[0]
    one = DeckVersion(name=deck.name, version=0, currency=version.currency, valid_from=_START, rows=[only])
    return Deck.of(deck.name, [one])


def _period(spec: CounterSpec) -> int:
    return int(Period.DAY if spec.period is CounterPeriod.DAY else Period.CYCLE)
