"""Counters of products over periods: how far allowances are used and tiers are filled."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from farwire.catalog.model import CounterPeriod
from farwire.kernel.ids import ProductId
from farwire.kernel.time import BillCycle, Period, local_date, local_midnight, zone
from farwire.rating.model.chargeable import NO_COUNTERS, Charge, CounterKey
from farwire.rating.model.tariff import CounterSpec, Tariff


@dataclass(frozen=True, slots=True)
class CounterRow:
    """A counter of one product in the period that starts at ``period_start``."""

    product_id: ProductId
    key: CounterKey
    period_start: datetime
    value: int


@dataclass(frozen=True, slots=True)
class CounterView:
    """What ``rate`` needs for one product at one moment: the values, and the period that each belongs to."""

    product_id: ProductId
    values: Mapping[str, int]
    starts: Mapping[str, datetime]


_EMPTY_STARTS: Mapping[str, datetime] = {}


def counter_period(
    spec: CounterSpec, at: datetime, *, cycle: BillCycle, product_start: datetime, zone_name: str
) -> Period | None:
    """Return the period of ``spec`` that holds ``at``, or None where a once-given allowance is over.

    The first period of a cycle starts with the cycle, not with the product: its start is only a name.
    """
    if spec.period is CounterPeriod.CYCLE:
        return cycle.containing(at)
    tz = zone(zone_name)
    if spec.period is CounterPeriod.DAY:
        day = local_date(at, tz)
        return Period.of_days(day, day + timedelta(days=1), tz)
    if at < product_start:
        return None
    start = product_start.astimezone(tz)
    # Wall clock arithmetic: seven days later is the same local time, on 23- and 25-hour days too. In the hours in
    # which the clocks change, the wall shows a moment one period too early or too late.
    near = (at.astimezone(tz).replace(tzinfo=None) - start.replace(tzinfo=None)).days // spec.days
    for number in (near, near - 1, near + 1):
        period = Period(
            start + timedelta(days=number * spec.days), start + timedelta(days=(number + 1) * spec.days)
        )
        if at in period:
            return period if spec.renews or not number else None
    return None


def granted(
    spec: CounterSpec,
    used: Mapping[datetime, int],
    period: Period,
    *,
    cycle: BillCycle,
    product_start: datetime,
    plan_start: datetime,
    zone_name: str,
) -> int:
    """Return what the allowance ``spec`` gives in ``period``: its amount, and what was carried over.

    ``used`` is the use of each earlier period by its start. What is carried is what the period before had left,
    carried units included, up to the cap. Nothing is carried from before ``plan_start``: another plan gave that.
    """
    carried = 0
    current: Period | None = None
    if spec.rollover_cap:
        first = max(product_start, plan_start)
        current = counter_period(spec, first, cycle=cycle, product_start=product_start, zone_name=zone_name)
    while current is not None and current.start < period.start:
        left = _amount(spec, current, product_start, cycle) + carried - used.get(current.start, 0)
        carried = min(spec.rollover_cap, max(0, left))
        current = counter_period(
            spec, current.end, cycle=cycle, product_start=product_start, zone_name=zone_name
        )
    return _amount(spec, period, product_start, cycle) + carried


def _amount(spec: CounterSpec, period: Period, product_start: datetime, cycle: BillCycle) -> int:
    """Return the amount of ``period``: in a pro-rated first one the part for its local days, rounded down."""
    if not spec.prorate_first or product_start <= period.start:
        return spec.amount
    if product_start >= period.end:
        return 0
    start = local_midnight(local_date(product_start, cycle.tz), cycle.tz)
    return spec.amount * Period(start, period.end).days(cycle.tz) // period.days(cycle.tz)


@dataclass(slots=True)
class CounterBook:
    """The counters of a batch in memory: loaded once, moved by each charge, saved once.

    Not thread-safe; one batch owns it. ``changed`` is what ``save_counters`` writes.
    """

    rows: dict[tuple[ProductId, str], dict[datetime, int]] = field(default_factory=dict)
    touched: set[tuple[ProductId, str, datetime]] = field(default_factory=set)
    _periods: dict[tuple[ProductId, str], tuple[CounterSpec, BillCycle, datetime, Period]] = field(
        default_factory=dict
    )
    """The last period of each counter: records of a product come in runs, and calendars are slow."""

    @classmethod
    def of(cls, rows: Iterable[CounterRow]) -> CounterBook:
        """Return the book of ``rows``."""
        book = cls()
        for row in rows:
            book.rows.setdefault((row.product_id, row.key), {})[row.period_start] = row.value
        return book

    def view(
        self,
        tariff: Tariff,
        product_id: ProductId,
        at: datetime,
        *,
        cycle: BillCycle,
        product_start: datetime,
        plan_start: datetime | None = None,
    ) -> CounterView:
        """Return the counters that a record of ``product_id`` at ``at`` reads, with what its allowances give.

        ``plan_start`` is when the product came to this plan; None: with its start.
        """
        if not tariff.counters:
            return CounterView(product_id, NO_COUNTERS, _EMPTY_STARTS)
        values: dict[str, int] = {}
        starts: dict[str, datetime] = {}
        for spec in tariff.counters:
            period = self._period(tariff, spec, product_id, at, cycle, product_start)
            if period is None:
                values[spec.granted_key] = 0
                continue
            used = self.rows.get((product_id, spec.key), {})
            starts[spec.key] = period.start
            values[spec.key] = used.get(period.start, 0)
            if spec.rollover_cap or spec.prorate_first:
                values[spec.granted_key] = granted(
                    spec,
                    used,
                    period,
                    cycle=cycle,
                    product_start=product_start,
                    plan_start=plan_start or product_start,
                    zone_name=tariff.zone,
                )
        return CounterView(product_id, values, starts)

    def _period(
        self,
        tariff: Tariff,
        spec: CounterSpec,
        product_id: ProductId,
        at: datetime,
        cycle: BillCycle,
        product_start: datetime,
    ) -> Period | None:
        last = self._periods.get((product_id, spec.key))
        # Another plan version may count under the same key in another way, so the very spec must be the same.
        if last is not None and last[0] is spec and last[1:3] == (cycle, product_start) and at in last[3]:
            return last[3]
        period = counter_period(spec, at, cycle=cycle, product_start=product_start, zone_name=tariff.zone)
        if period is not None:
            self._periods[product_id, spec.key] = (spec, cycle, product_start, period)
        return period

    def apply(self, view: CounterView, charge: Charge) -> None:
        """Move the counters as ``charge``, which was made from ``view``, says."""
        for key, value in charge.counters.items():
            start = view.starts[key]
            self.rows.setdefault((view.product_id, key), {})[start] = value
            self.touched.add((view.product_id, key, start))

    def changed(self) -> Iterator[CounterRow]:
        """Yield the counters that charges have moved, with their values now."""
        for product_id, key, start in sorted(self.touched):
            yield CounterRow(product_id, CounterKey(key), start, self.rows[product_id, key][start])
