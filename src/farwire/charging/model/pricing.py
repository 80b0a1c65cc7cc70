"""What a cumulative quantity costs in money and in units of allowances, and how far a budget reaches.

A linear price is computed here in a few integer operations; every other price asks ``rating.rate``. Both say the same,
to the nano-unit (a property test holds them equal), so online charging equals the batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from msgspec.structs import replace

from farwire.charging.model.state import AMOUNT_MAX
from farwire.charging.model.tariffs import Price
from farwire.rating.model import Chargeable, Refusal, rate

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
QUANTITY_MAX: Final = AMOUNT_MAX
"""No session counts more units than this."""
PLACE: Final = "0"
"""The destination of a price that is asked alone: the real one has already chosen it."""
SHARED_LOOKS: Final = 6
ROUNDED: Final = 1
"""Nano-units by which two roundings differ at most."""
_NO_TAKES: Final[Mapping[int, int]] = {}


class Cost(msgspec.Struct, frozen=True, gc=False):
    """The price of a session so far."""

    total: int
    """Money."""
    units: int
    """What unit balances bear."""
    takes: Mapping[int, int] | None = None
    """``units`` by scope where the price says which; None: any that serve, in the account's order."""
    counted: int = 0
    """What it adds to the counter of its price."""


class Usage(msgspec.Struct, frozen=True, gc=False):
    """What beside the quantity a price can depend on: fixed while a request is decided."""

    started_at: int
    units: int
    """What unit balances can bear of this group: taken by it before, held by it, and free."""
    by_scope: Mapping[int, int]
    """The same by scope; filled only for prices that are not linear."""
    counted: int
    """The counter of the price without this group's own part."""
    shift: int = 0
    """What this group's past would cost more now than it was charged, because others have filled its tiers meanwhile:
    it stays as it was charged."""
    shared: bool = False
    """Whether others may move the counter while this group uses its quota (``parallel.py``)."""


def moment(at: int) -> datetime:
    """Return the time ``at`` (µs since 1970) as an aware datetime."""
    return EPOCH + timedelta(microseconds=at)


def microseconds(at: datetime) -> int:
    """Return an aware datetime in µs since 1970, as states have it."""
    return (at - EPOCH) // _MICROSECOND


def billed_units(price: Price, quantity: int) -> int:
    """Return ``quantity`` less what is included, rounded up to increments."""
    left = quantity - price.included
    if left <= 0:
        return 0
    if left <= price.first:
        return price.first
    return price.first - (price.first - left) // price.step * price.step


def linear_cost(price: Price, quantity: int, units: int) -> Cost:
    """Return the cost of ``quantity`` at a linear price where allowances can bear ``units``."""
    billed = billed_units(price, quantity)
    if billed <= units:
        return Cost(price.connect if quantity and not billed else 0, billed)
    per = price.per
    paid = (billed - units) * price.amount
    return Cost(price.connect + (2 * paid + per) // (2 * per), units)


def linear_reach(price: Price, budget: int, units: int) -> int:
    """Return the largest quantity whose linear cost is within ``budget``, ending with a whole increment.

    The inverse of ``linear_cost``: round_half_up(n × amount / per) ≤ money is 2n × amount < (2 money + 1) × per.
    """
    billed = units
    money = budget - price.connect
    if money >= 0:
        if not price.amount:
            return QUANTITY_MAX
        billed += ((2 * money + 1) * price.per - 1) // (2 * price.amount)
    if billed < price.first:
        return price.included
    return min(price.included + price.first + (billed - price.first) // price.step * price.step, QUANTITY_MAX)


def cost_of(price: Price, quantity: int, usage: Usage) -> Cost | None:
    """Return what ``quantity`` costs, or None where the price cannot say (overflow, too long)."""
    cost = linear_cost(price, quantity, usage.units) if price.linear else _rated(price, quantity, usage)
    if cost is not None and usage.shift:
        cost = replace(cost, total=cost.total - usage.shift)
    return cost if cost is not None and -AMOUNT_MAX <= cost.total <= AMOUNT_MAX else None


def _rated(price: Price, quantity: int, usage: Usage) -> Cost | None:
    """Return what ``rate`` says. The allowances of ``price.rated`` are named by scope (``compiled.py``)."""
    if price.rated is None:
        return Cost(0, 0)
    counters: dict[str, int] = {f"{scope}:granted": units for scope, units in usage.by_scope.items()}
    counters[price.counter_key] = usage.counted
    record = Chargeable(
        kind=price.kind, started_at=moment(usage.started_at), quantity=quantity, destination=PLACE
    )
    charge = rate(price.rated, record, counters)
    if isinstance(charge, Refusal):
        return None
    takes = {int(key): units for key, units in charge.taken.items() if key != price.counter_key}
    counted = charge.taken.get(price.counter_key, 0)
    return Cost(charge.total_nano, sum(takes.values()), takes or _NO_TAKES, counted)


Peaks = tuple[tuple[int, int], ...]
"""(quantity, money): where a price falls afterwards, and what it costs just there."""


def peaks_of(price: Price, used: int, end: int, usage: Usage) -> Peaks:
    """Return where between ``used`` and ``end`` the total may fall: it is dearest there, not at the end.

    Volume tiers give back when a tier is full; a connect fee or minimum falls away where allowances bear all.
    """
    if price.linear or not (price.peaks or price.included):
        return ()
    places = [price.included, *(_last_within(price, used, end, peak, usage) for peak in price.peaks)]
    costs = ((at, cost_of(price, at, usage)) for at in places if used < at < end)
    return tuple((at, cost.total) for at, cost in costs if cost is not None)


def _last_within(price: Price, used: int, end: int, peak: int, usage: Usage) -> int:
    """Return the largest quantity that leaves the counter at or below ``peak``."""
    low, high = used, end + 1
    while high - low > 1:
        middle = (low + high) // 2
        cost = cost_of(price, middle, usage)
        if cost is not None and usage.counted + cost.counted <= peak:
            low = middle
        else:
            high = middle
    return low


def dearest(cost: Cost, quantity: int, peaks: Peaks) -> int:
    """Return the money that must be held for a quota up to ``quantity``: that of the dearest moment on the way."""
    return max([cost.total, *(total for at, total in peaks if at < quantity)]) if peaks else cost.total


def worst(price: Price, used: int, end: int, usage: Usage, peaks: Peaks) -> int | None:
    """Return the most money that a quota from ``used`` to ``end`` can come to in all, or None where nobody can say."""
    cost = cost_of(price, end, usage)
    if cost is None:
        return None
    most = dearest(cost, end, peaks)
    if not usage.shared:
        return most
    here = cost_of(price, used, usage)
    if here is None:
        return None
    steepest = _steepest(price, (used, end), (here.counted, cost.counted), usage)
    return None if steepest is None else max(most, here.total + steepest + ROUNDED)


def _steepest(price: Price, quantity: tuple[int, int], counted: tuple[int, int], usage: Usage) -> int | None:
    """Return what ``quantity`` adds at most, wherever others may have brought the counter by then.

    The price of a stretch of the counter is greatest where the stretch begins or ends at a break. A price with a
    counter has no minimum or maximum, which would hide a part of it.
    """
    (used, end), (start, stop) = quantity, counted
    most = 0
    for place in _places(price, start, stop - start):
        there = replace(usage, counted=place - start, shift=0, shared=False)
        before, after = cost_of(price, used, there), cost_of(price, end, there)
        if before is None or after is None:
            return None
        most = max(most, dearest(after, end, peaks_of(price, used, end, there)) - before.total)
    return most


def _places(price: Price, start: int, length: int) -> list[int]:
    """Return where on the counter a stretch of ``length``, which cannot begin before ``start``, is dearest."""
    places = {start}
    for at in price.breaks:
        places |= {at, at + 1, at - length} if price.peaks else {at, at - length}
    if price.block:
        included = price.breaks[0]
        places.add(included + max(0, -((included - start) // price.block)) * price.block)
    return sorted(place for place in places if place >= start)


def reach(price: Price, used: int, wanted: int, budget: int, usage: Usage, peaks: Peaks = ()) -> int:
    """Return the largest quantity in [``used``, ``used + wanted``] that is surely within ``budget``.

    Linear prices: one division. The rest: bisection, about log2(``wanted``) prices; fewer looks where others share.
    """
    end = used + wanted
    if price.linear:
        return max(used, min(linear_reach(price, budget, usage.units), end))
    if _fits(price, used, end, budget, usage, peaks):
        return end
    if usage.shared:
        return _shared_reach(price, used, wanted, budget, usage, peaks)
    low, high = used, end
    while high - low > 1:
        middle = (low + high) // 2
        if _fits(price, used, middle, budget, usage, peaks):
            low = middle
        else:
            high = middle
    return low


def _shared_reach(price: Price, used: int, wanted: int, budget: int, usage: Usage, peaks: Peaks) -> int:
    """Return something within ``budget``: each look is dear, and who is alone at the end is given the exact rest."""
    for _ in range(SHARED_LOOKS):
        wanted //= 4
        if _fits(price, used, used + wanted, budget, usage, peaks):
            return used + wanted
    return used


def _fits(price: Price, used: int, end: int, budget: int, usage: Usage, peaks: Peaks) -> bool:
    most = worst(price, used, end, usage, peaks)
    return most is not None and most <= budget
