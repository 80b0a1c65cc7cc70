"""A prepared price says what ``rating.rate`` says, and a budget reaches exactly as far as it lasts."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from farwire.charging.model import (
    Grant,
    OfferTerms,
    Period,
    PlanTerms,
    Price,
    Scope,
    Service,
    Unit,
    new_account,
)
from farwire.charging.model.compiled import CompiledTariffs, Offer, Plan, scope_of
from farwire.charging.model.limits import first
from farwire.charging.model.pricing import (
    QUANTITY_MAX,
    Usage,
    cost_of,
    dearest,
    linear_cost,
    linear_reach,
    peaks_of,
    reach,
)
from farwire.charging.model.state import AMOUNT_MAX, NEVER
from farwire.charging.model.tariffs import UNKNOWN_US
from farwire.rating.model import Charge, Chargeable, Refusal, Tariff, rate
from tests.charging.play import Player
from tests.rating.plans import Case, cases

PLAN = 5


def port(tariff: Tariff, terms: PlanTerms | None = None) -> CompiledTariffs:
    plan = Plan(tariff, terms or PlanTerms(), {"112", "110"}.__contains__)
    offer = Offer(OfferTerms(3, 5, (Grant(Unit.OCTETS, 1, 10),)), 7, "Europe/Berlin")
    return CompiledTariffs({PLAN: plan}, {3: offer})


def service(record: Chargeable) -> Service:
    return Service(
        record.kind,
        record.destination,
        record.direction,
        record.visited_network,
        record.region,
        record.segment,
        record.routed_as,
    )


def micros(at: datetime) -> int:
    return (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


def found(tariffs: CompiledTariffs, record: Chargeable) -> Price | None:
    group = -1 if record.rating_group is None else record.rating_group
    return tariffs.find(PLAN, service(record), group, micros(record.started_at))


def usage(tariff: Tariff, price: Price, record: Chargeable, counters: dict[str, int]) -> Usage:
    """What the counters of a batch leave, as balances would have it."""
    scopes = {
        scope_of(tariff, spec.key.removeprefix("allowance:")): max(0, spec.amount - counters.get(spec.key, 0))
        for spec in tariff.counters
        if spec.key.startswith("allowance:")
    }
    by_scope = {scope: units for scope, units in scopes.items() if scope in price.scopes}
    counted = counters.get(price.counter_key, 0)
    return Usage(micros(record.started_at), sum(by_scope.values()), by_scope, counted)


@given(cases())
def test_a_prepared_price_says_what_rating_says(case: Case) -> None:
    tariffs = port(case.tariff)
    for record in case.records:
        price = found(tariffs, record)
        charge = rate(case.tariff, record, case.counters)
        if price is None:
            assert isinstance(charge, Refusal) or "external" in str(charge.explanation.lines)
            continue
        cost = cost_of(price, record.quantity, usage(case.tariff, price, record, case.counters))
        assert isinstance(charge, Charge)
        assert cost is not None
        assert cost.total == charge.total_nano
        assert cost.units == sum(units for key, units in charge.taken.items() if key.startswith("allowance:"))
        assert cost.counted == charge.taken.get(price.counter_key, 0)


@given(cases())
def test_a_linear_price_says_what_the_general_way_says(case: Case) -> None:
    from farwire.charging.model.pricing import _rated

    tariffs = port(case.tariff)
    for record in case.records:
        price = found(tariffs, record)
        if price is not None and price.linear:
            at = usage(case.tariff, price, record, case.counters)
            slow = _rated(price, record.quantity, at)
            fast = linear_cost(price, record.quantity, at.units)
            assert slow is not None
            assert (fast.total, fast.units) == (slow.total, slow.units)


@given(cases())
def test_a_number_finds_the_same_price_again_after_a_restart(case: Case) -> None:
    before, after = port(case.tariff), port(case.tariff)
    for record in case.records:
        price = found(before, record)
        if price is None:
            continue
        again = after.price(price.number)
        assert again is not None
        assert (again.amount, again.per, again.scopes, again.connect, again.counter) == (
            price.amount, price.per, price.scopes, price.connect, price.counter,
        )  # fmt: skip
        at = usage(case.tariff, price, record, case.counters)
        assert cost_of(again, record.quantity, at) == cost_of(price, record.quantity, at)


@given(cases(), st.integers(0, 3 * 10**9), st.integers(1, 900), st.data())
def test_a_budget_reaches_as_far_as_it_lasts_and_every_step_on_the_way_is_paid(
    case: Case, budget: int, wanted: int, data: st.DataObject
) -> None:
    tariffs = port(case.tariff)
    for record in case.records[:2]:
        price = found(tariffs, record)
        if price is None:
            continue
        at = usage(case.tariff, price, record, case.counters)
        before = cost_of(price, record.quantity, at)
        assume(before is not None)
        assert before is not None
        used, money = record.quantity, before.total + budget
        peaks = peaks_of(price, used, used + wanted, at)
        end = reach(price, used, wanted, money, at, peaks)
        assert used <= end <= used + wanted
        for quantity in {end, data.draw(st.integers(used, end))}:
            cost = cost_of(price, quantity, at)
            assert cost is not None
            assert cost.total <= money
        there = cost_of(price, end, at)
        assert there is not None
        assert dearest(there, end, peaks) <= money or end == used
        if end < used + wanted and not peaks:
            more = cost_of(price, end + 1, at)
            assert more is None or more.total > money


@pytest.mark.parametrize("amount", [0, 1, 20_000_000, AMOUNT_MAX])
@pytest.mark.parametrize("budget", [0, 1, 10**10, AMOUNT_MAX])
@pytest.mark.parametrize("units", [0, 7, 10**15])
def test_the_reach_of_a_linear_price_is_exact_at_its_ends(amount: int, budget: int, units: int) -> None:
    price = Price(1, Unit.OCTETS, (1,), 1, True, amount, 1_000_000, 60, 6)
    most = linear_reach(price, budget, units)
    if most:
        assert linear_cost(price, most, units).total <= budget
    if most < QUANTITY_MAX:
        assert linear_cost(price, most + 1, units).total > budget


def test_a_quota_is_not_priced_past_int64() -> None:
    price = Price(1, Unit.OCTETS, (), 1, True, AMOUNT_MAX, 1)
    assert cost_of(price, 3, Usage(0, 0, {}, 0)) is None


def test_an_offer_ends_at_the_same_wall_clock_time_when_the_clocks_change() -> None:
    tariffs = port(_flat())
    bought = datetime(2026, 3, 27, 11, 0, tzinfo=UTC)  # 12:00 in Berlin, summer time begins on the 29th
    assert tariffs.offer_end(3, micros(bought)) == micros(datetime(2026, 4, 3, 10, 0, tzinfo=UTC))


def test_a_band_ends_when_the_band_of_the_day_changes_and_not_at_midnight_utc() -> None:
    tariffs = port(_flat())
    evening = micros(datetime(2026, 6, 10, 21, 0, tzinfo=UTC))
    price = tariffs.find(PLAN, Service("data"), 1, evening)
    assert price is not None
    assert tariffs.band_end(price, evening) == micros(datetime(2026, 6, 11, 4, 0, tzinfo=UTC))


def test_periods_are_days_and_cycles_of_the_plan_s_zone() -> None:
    tariffs = port(_flat())
    at = micros(datetime(2026, 6, 10, 22, 30, tzinfo=UTC))  # 11 June 00:30 in Berlin
    assert tariffs.period(PLAN, 1, at, 1) == (
        micros(datetime(2026, 6, 10, 22, tzinfo=UTC)),
        micros(datetime(2026, 6, 11, 22, tzinfo=UTC)),
    )
    assert tariffs.period(PLAN, 2, at, 11)[0] == micros(datetime(2026, 6, 10, 22, tzinfo=UTC))
    assert tariffs.period(PLAN, 0, at, 1) == (0, NEVER)


def test_a_limit_of_a_plan_that_is_not_known_yet_has_its_period_as_soon_as_it_is() -> None:
    at = micros(datetime(2026, 6, 10, 22, 30, tzinfo=UTC))
    account = new_account(1, tenant=1, plan=PLAN, limits=(first(Scope.HOME, Period.DAY, 5),))
    player = Player(account, tariffs=CompiledTariffs({}, {}), now=at)
    player.sweep()
    player.tariffs = port(_flat())
    player.now += UNKNOWN_US
    player.sweep()
    (limit,) = player.account().limits
    assert limit.ends_at == micros(datetime(2026, 6, 11, 22, tzinfo=UTC))


def test_a_quota_does_not_lead_over_a_moment_that_is_dearer_than_its_end() -> None:
    steps = [{"price": "0.05", "up_to": "50 MB"}, {"price": "0.03"}]
    tariffs = port(_flat(tiers={"mode": "volume", "steps": steps}))
    at = micros(datetime(2026, 6, 10, 12, 0, tzinfo=UTC))
    price = tariffs.find(PLAN, Service("data"), 1, at)
    assert price is not None
    usage_ = Usage(at, 0, {}, 0)
    whole = cost_of(price, 66_000_000, usage_)
    assert whole is not None
    assert whole.total == 1_980_000_000
    peaks = peaks_of(price, 0, 66_000_000, usage_)
    assert peaks == ((50_000_000, 2_500_000_000),)
    assert dearest(whole, 66_000_000, peaks) == 2_500_000_000
    assert reach(price, 0, 66_000_000, 2_000_000_000, usage_, peaks) == 40_000_000
    assert reach(price, 0, 66_000_000, 2_500_000_000, usage_, peaks) == 66_000_000


def _flat(**way: object) -> Tariff:
    from farwire.catalog.model.document import from_document
    from farwire.rating.model import compile_tariff

    return compile_tariff(
        from_document(
            {
                "offering": "flat",
                "name": "Flat",
                "valid_from": datetime(2026, 1, 1, tzinfo=UTC),
                "currency": "EUR",
                "zone": "Europe/Berlin",
                "prices_include_tax": False,
                "bands": [{"name": "night", "hours": ["00:00-06:00", "22:00-24:00"]}],
                "usage": [
                    {
                        "id": "data",
                        "kind": "data",
                        "per": "1 MB",
                        **(way or {"price": "0.02", "by_band": {"night": {"price": "0.01"}}}),
                    }
                ],
            }
        )
    )
