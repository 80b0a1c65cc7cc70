"""What one record costs: the one meaning of a price. Integers only; one half-up rounding, at the end.

The steps: find the price → round the quantity up to increments → lay it over the bands of the day → take the
allowances → price what is left → connect fee, discounts, minimum, maximum → subtract what the session has
already been charged. docs/decisions/0007 says why this order.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from farwire.catalog.model import TierMode
from farwire.kernel.errors import Invalid
from farwire.kernel.money import INT64_MAX, INT64_MIN, Nano
from farwire.rating.model.bands import seconds
from farwire.rating.model.chargeable import NO_COUNTERS, Charge, Chargeable, Refusal, Unrated
from farwire.rating.model.compile import scaled
from farwire.rating.model.deck import DeckRow, DeckVersion
from farwire.rating.model.explanation import Explanation, Factor, Line, clamped, exact_sum
from farwire.rating.model.tariff import CompiledPrice, PackageRule, Tariff, TierRule, UnitPrice

MAX_TIMED_S: Final = 400 * 86_400
"""Bound of a record that is laid over the bands of the day. Longer usage arrives in parts."""
MAX_TIMED_YEAR: Final = 9_000

Runs = list[tuple[str, int]]
Takes = dict[str, int]


def rate(tariff: Tariff, record: Chargeable, counters: Mapping[str, int] = NO_COUNTERS) -> Charge | Refusal:
    """Return what ``record`` costs now under ``tariff``, or why it cannot be said. Pure.

    ``counters`` is the product's use in the record's periods (``CounterBook.view``); the charge brings the new
    values. For a session, the charges of its parts sum to the price of the whole, to the nano-unit.
    Raises ``Invalid`` (``time.zone_missing``) for a naive time, which no record from usage has.
    """
    quantity = record.quantity
    if not 0 <= record.charged_quantity <= quantity <= INT64_MAX:
        return _quantity_refused(record)
    if record.started_at.tzinfo is None:
        raise Invalid("started_at has no time zone", code="time.zone_missing", field="started_at")
    number = record.routed_as or record.destination
    prefix, zone = (tariff.zones.find(number) or ("", "")) if tariff.zones is not None else ("", "")
    network = "home" if not record.visited_network else tariff.network_zone(record.visited_network)
    deck: DeckVersion | None = None
    row: DeckRow | None = None
    reason = Unrated.DESTINATION_UNKNOWN
    for price in tariff.routes.get((record.kind, record.direction, network, zone), ()):
        if not _serves(price, record):
            continue
        if price.deck is None:
            break
        deck = price.deck.at(record.started_at)
        if deck is None:
            reason = Unrated.DECK_NOT_IN_FORCE
            continue
        row = deck.find(number, record.started_at)
        if row is not None:
            prefix, zone = row.prefix, row.label
            break
    else:
        return _no_price(tariff, record, network, reason)
    try:
        return _charge(
            tariff, record, counters, price, row, (prefix, zone, network, deck.source if deck else "")
        )
    except _CannotPrice as refused:
        return refused.refusal


class _CannotPrice(Exception):
    """Carries a ``Refusal`` out of the sum."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.detail)
        self.refusal = refusal


def _serves(price: CompiledPrice, record: Chargeable) -> bool:
    return (
        (not price.rating_groups or record.rating_group in price.rating_groups)
        and (not price.regions or record.region in price.regions)
        and (not price.segments or record.segment in price.segments)
    )


def _quantity_refused(record: Chargeable) -> Refusal:
    return Refusal(
        Unrated.QUANTITY_INVALID,
        f"quantity {record.quantity} with {record.charged_quantity} already charged: it must not be negative, "
        "fall, or leave int64",
    )


def _no_price(tariff: Tariff, record: Chargeable, network: str, reason: Unrated) -> Refusal:
    """Return why no price serves: the plan has none for this kind and network at all, or not for the destination."""
    kind, direction = record.kind, record.direction
    here = [
        price
        for (a_kind, a_direction, a_network, _), prices in tariff.routes.items()
        if (a_kind, a_direction, a_network) == (kind, direction, network)
        for price in prices
    ]
    if not any(_serves(price, record) for price in here):
        return Refusal(
            Unrated.NO_PRICE,
            f"{tariff.offering} has no price for {kind} {direction} in network zone {network}"
            f" (rating group {record.rating_group}, region {record.region!r}, segment {record.segment!r})",
        )
    if reason is Unrated.DECK_NOT_IN_FORCE:
        names = sorted({price.deck.name for price in here if price.deck})
        return Refusal(
            reason, f"no version of {', '.join(names)} is in force at {record.started_at.isoformat()}"
        )
    # The detail keeps at most a country code and an area: the rest of a number is personal.
    shown = (record.routed_as or record.destination)[:5]
    return Refusal(reason, f"{tariff.offering} knows no destination that begins like {shown!r}")


def _charge(
    tariff: Tariff,
    record: Chargeable,
    counters: Mapping[str, int],
    price: CompiledPrice,
    row: DeckRow | None,
    where: tuple[str, str, str, str],
) -> Charge:
    quantity = record.quantity
    terms = price if row is None else row
    first, step, included, connect = terms.first, terms.step, terms.included, (terms.connect_nano, 1)
    unit = price.price if row is None else (row.price_nano, row.per)
    if row is not None and price.markup_text:
        connect, unit = scaled(connect, price.markup), scaled(unit, price.markup)
    left = quantity - included
    if left <= 0:
        billed = 0
    elif left <= first:
        billed = first
    else:
        billed = first - (first - left) // step * step
    takes: Takes = {}
    covered = False
    if price.from_record:
        lines = [_external_line(tariff, price, record)]
    elif price.plain:
        lines = [Line("units", billed, unit[0], unit[1])] if billed else []
    else:
        lines = _lines(tariff, record, counters, price, (first, step, included, billed, unit), takes)
        covered = bool(billed) and all(line.allowance for line in lines)
    if included and quantity:
        lines.insert(0, Line("included", min(quantity, included), 0, 1))
    if connect[0] and quantity and not covered:
        lines.insert(0, Line("connect", 1, *connect))
    return _answer(tariff, record, counters, price, lines, (first, step), billed, takes, covered, where)


def _external_line(tariff: Tariff, price: CompiledPrice, record: Chargeable) -> Line:
    amount = record.external_charge_nano
    if amount is None:
        raise _CannotPrice(
            Refusal(
                Unrated.EXTERNAL_CHARGE_MISSING, f"{price.id} passes on the record's price, and it has none"
            )
        )
    if amount < 0:
        raise _CannotPrice(
            Refusal(Unrated.EXTERNAL_CHARGE_NEGATIVE, f"the record's own price is {amount} nano-units")
        )
    if record.external_currency and record.external_currency != tariff.currency.code:
        raise _CannotPrice(
            Refusal(
                Unrated.CURRENCY_MISMATCH,
                f"the record's price is in {record.external_currency}, the plan in {tariff.currency.code}",
            )
        )
    return Line("external", 1, *scaled((amount, 1), price.markup))


def _lines(
    tariff: Tariff,
    record: Chargeable,
    counters: Mapping[str, int],
    price: CompiledPrice,
    terms: tuple[int, int, int, int, UnitPrice],
    takes: Takes,
) -> list[Line]:
    """Return the lines of the units; ``takes`` gets what they take from each counter."""
    first, step, included, billed, unit = terms
    runs: Runs = [("", billed)] if billed else []
    if price.by_time and billed:
        runs = _runs(tariff, record, price, (first, step, included, billed))
    lines: list[Line] = []
    for band, units in runs:
        left = (
            _allowance_lines(lines, record, counters, price, (band, units), takes)
            if price.allowances
            else units
        )
        if left and price.tiers is None and price.package is None:
            amount, per = _band_price(price, unit, band)
            lines.append(Line("units", left, amount, per, band))
        elif left:
            lines += _counted_lines(record, counters, price, left, takes)
    return lines


def _runs(tariff: Tariff, record: Chargeable, price: CompiledPrice, terms: tuple[int, int, int, int]) -> Runs:
    first, step, included, billed = terms
    if record.quantity > MAX_TIMED_S and price.unit == "second":
        raise _CannotPrice(
            Refusal(
                Unrated.QUANTITY_INVALID,
                f"{record.quantity} s is more than {MAX_TIMED_S} s: send it in parts",
            )
        )
    if not 1 < record.started_at.year < MAX_TIMED_YEAR:
        raise _CannotPrice(
            Refusal(Unrated.QUANTITY_INVALID, f"there is no calendar for {record.started_at.year}")
        )
    at = seconds(record.started_at)
    if price.unit != "second":
        # What is not time is in the band of the moment at which the usage started.
        return [(tariff.calendar.span(at)[0], billed)]
    return tariff.calendar.runs(at + included, first, step, billed)


def _band_price(price: CompiledPrice, unit: UnitPrice, band: str) -> UnitPrice:
    if not band:
        return unit
    if price.deck is not None:
        by = price.band_ratio.get(band)
        return unit if by is None else scaled(unit, by)
    return price.band_price.get(band, unit)


def _allowance_lines(
    lines: list[Line],
    record: Chargeable,
    counters: Mapping[str, int],
    price: CompiledPrice,
    run: tuple[str, int],
    takes: Takes,
) -> int:
    """Take what the allowances still have, in their order; return the units that are left to pay."""
    band, left = run
    for rule in price.allowances:
        if rule.bands and band not in rule.bands:
            continue
        key = rule.counter.key
        before = counters.get(key, 0) - record.taken.get(key, 0)
        granted = counters.get(rule.counter.granted_key, rule.counter.amount)
        units = min(left, granted - before - takes.get(key, 0))
        if units > 0:
            takes[key] = takes.get(key, 0) + units
            lines.append(Line("units", units, 0, 1, band, rule.id))
            left -= units
        if not left:
            break
    return left


def _counted_lines(
    record: Chargeable, counters: Mapping[str, int], price: CompiledPrice, units: int, takes: Takes
) -> list[Line]:
    """Return total(after) − total(before) of a tiered price or a package as lines."""
    rule = price.tiers or price.package
    if rule is None:
        return []
    key = rule.counter.key
    before = counters.get(key, 0) - record.taken.get(key, 0) + takes.get(key, 0)
    takes[key] = takes.get(key, 0) + units
    if isinstance(rule, PackageRule):
        blocks = _blocks(rule, before + units) - _blocks(rule, before)
        return [Line("block", blocks, rule.price_nano, 1)]
    if rule.mode is TierMode.GRADUATED:
        return _graduated(rule, before, before + units)
    return _volume(rule, before, before + units)


def _blocks(rule: PackageRule, total: int) -> int:
    return -(-max(0, total - rule.included) // rule.block)


def _graduated(rule: TierRule, before: int, after: int) -> list[Line]:
    lines = []
    for i, step in enumerate(rule.steps):
        end = rule.steps[i + 1].above if i + 1 < len(rule.steps) else after
        units = min(after, end) - max(before, step.above)
        if units > 0:
            lines.append(Line("units", units, step.price_nano, step.per, tier=step.name))
    return lines


def _volume(rule: TierRule, before: int, after: int) -> list[Line]:
    # A tier reaches up to and with its end, so a total is in the last tier that starts below it.
    old = next((step for step in reversed(rule.steps) if step.above < before), rule.steps[0])
    new = next((step for step in reversed(rule.steps) if step.above < after), rule.steps[0])
    if old is new or not before:
        return [Line("units", after - before, new.price_nano, new.per, tier=new.name)]
    return [
        Line("units", after, new.price_nano, new.per, tier=new.name),
        Line("units", -before, old.price_nano, old.per, tier=old.name),
    ]


def _answer(
    tariff: Tariff,
    record: Chargeable,
    counters: Mapping[str, int],
    price: CompiledPrice,
    lines: list[Line],
    increments: tuple[int, int],
    billed: int,
    takes: Takes,
    covered: bool,
    where: tuple[str, str, str, str],
) -> Charge:
    factors: tuple[Factor, ...] = ()
    if price.discounts:
        factors = tuple(
            Factor(rule.id, rule.numerator, rule.denominator)
            for rule in price.discounts
            if rule.applies(record.started_at, record.region, record.segment)
        )
    minimum = price.minimum if record.quantity and not covered else None
    facts = tuple(lines)
    total = clamped(*exact_sum(facts, factors), minimum, price.maximum)
    nano = total - record.charged_nano
    if not (INT64_MIN <= total <= INT64_MAX and INT64_MIN <= nano <= INT64_MAX):
        raise _CannotPrice(Refusal(Unrated.OVERFLOW, f"the charge by {price.id} does not fit in 64 bits"))
    sum_of = (Nano(total), facts, factors)
    return Charge(
        Nano(nano),
        tariff.currency.code,
        price.id,
        price.label,
        billed,
        tariff.version,
        _explanation(tariff, record, price, sum_of, increments, billed, minimum, where),
        _moved(record, counters, takes) if takes or record.taken else NO_COUNTERS,
        takes or NO_COUNTERS,
    )


def _explanation(
    tariff: Tariff,
    record: Chargeable,
    price: CompiledPrice,
    sum_of: tuple[Nano, tuple[Line, ...], tuple[Factor, ...]],
    increments: tuple[int, int],
    billed: int,
    minimum: int | None,
    where: tuple[str, str, str, str],
) -> Explanation:
    return Explanation(
        tariff.offering,
        tariff.plan_version,
        price.id,
        price.kind,
        tariff.currency.code,
        price.unit,
        record.quantity,
        billed,
        *sum_of,
        increments,
        where[0],
        where[1],
        "" if where[2] == "home" else where[2],
        where[3],
        price.markup_text,
        bool(record.routed_as),
        minimum,
        price.maximum,
        record.charged_nano,
        record.charged_quantity,
        price.override,
    )


def _moved(record: Chargeable, counters: Mapping[str, int], takes: Takes) -> Takes:
    """Return the new absolute values of the counters that this charge moves."""
    moved: Takes = {}
    for key in takes.keys() | record.taken.keys():
        value = counters.get(key, 0) + takes.get(key, 0) - record.taken.get(key, 0)
        if value > INT64_MAX:
            raise _CannotPrice(Refusal(Unrated.OVERFLOW, f"the counter {key} does not fit in 64 bits"))
        moved[key] = value
    return moved
