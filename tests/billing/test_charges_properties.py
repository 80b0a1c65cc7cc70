"""Whatever becomes known late, and in whatever order, the bills add up to those of someone who knew it all along."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from uuid import UUID

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from farwire.account.model import ChargeKind, ChargeRoute
from farwire.billing.model import Charged, Item, LineKind, ProductCharges, Shares, charges_of
from farwire.catalog.model import PricePlan, read_plan
from farwire.inventory.model import (
    Commitment,
    EndReason,
    PlanChange,
    PriceOverride,
    Product,
    Suspension,
    SuspensionReason,
)
from farwire.kernel.ids import AccountId, OfferingId, OverrideId, PlanVersionId, ProductId
from farwire.kernel.time import BillCycle, local_date, zone
from farwire.rating.model import RecurringExplanation, verify_recurring
from farwire.rating.model.recurring_explanation import total_of

PLAN = """
offering = "flex"
name = "Flex"
valid_from = 2026-01-01T00:00:00+01:00
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = false
one_off = [{ id = "activation", price = 9.90 }, { id = "leaving", price = 5, on = "cease" }]

[[recurring]]
id = "advance"
price = 20
in_advance = true

[[recurring]]
id = "arrears"
price = 7.77

[[recurring]]
id = "weekly"
price = 3
every = "days"
count = 7
in_advance = true

[[recurring]]
id = "quarterly"
price = 30
every = "months"
count = 3

[[recurring]]
id = "whole"
price = 11
in_advance = true
prorate = "none"

[[recurring]]
id = "full"
price = 13
first_period = "full"

[[recurring]]
id = "free"
price = 17
first_period = "free"

[[discounts]]
id = "welcome"
percent = 10
prices = ["advance", "arrears"]
months = 2
"""
V1, V2, V3 = (PlanVersionId(UUID(int=n)) for n in (1, 2, 3))
PLANS: dict[PlanVersionId, PricePlan] = {
    V1: read_plan(PLAN),
    V2: read_plan(PLAN.replace("price = 20", "price = 35").replace("price = 7.77", "price = 6")),
    V3: read_plan(PLAN.replace('"flex"', '"flex-l"')),
}
BERLIN = zone("Europe/Berlin")
START = datetime(2026, 1, 20, 13, tzinfo=UTC)
BILLS = 5
BY_DAYS = ("advance", "arrears", "weekly", "quarterly")
"""The prices of which every day costs the same, however it became known."""

Act = Callable[[Product], Product]
times = st.integers(0, 150 * 24).map(lambda hours: START + timedelta(hours=hours))
prices = st.sampled_from(["advance", "arrears", "weekly", "whole", "full", "activation", "leaving"])


def replanned(at: datetime, version: PlanVersionId) -> Act:
    def act(product: Product) -> Product:
        if any(change.valid_from == at for change in product.plans):
            return product
        plans = sorted((*product.plans, PlanChange(at, version)), key=lambda change: change.valid_from)
        return replace(product, plans=tuple(plans))

    return act


def overridden(price_id: str, at: datetime, days: int | None, price: int | None, number: int) -> Act:
    def act(product: Product) -> Product:
        end = None if days is None else at + timedelta(days=days)
        amount, percent = (Decimal(price), None) if price is not None else (None, Decimal(80))
        one = PriceOverride(OverrideId(UUID(int=number)), price_id, at, end, amount, percent, "agreed")
        return replace(product, overrides=(*product.overrides, one))

    return act


def closed(at: datetime) -> Act:
    def act(product: Product) -> Product:
        if not product.overrides:
            return product
        last = product.overrides[-1]
        return replace(
            product, overrides=(*product.overrides[:-1], replace(last, valid_to=max(at, last.valid_from)))
        )

    return act


def suspended(at: datetime, percent: int, reason: SuspensionReason) -> Act:
    def act(product: Product) -> Product:
        if reason in product.suspended_for(at):
            return product
        return replace(product, suspensions=(*product.suspensions, Suspension(reason, at, None, percent)))

    return act


def resumed(at: datetime) -> Act:
    def act(product: Product) -> Product:
        if not product.suspensions:
            return product
        last = product.suspensions[-1]
        return replace(
            product, suspensions=(*product.suspensions[:-1], replace(last, valid_to=max(at, last.valid_from)))
        )

    return act


def ended(at: datetime, reason: EndReason) -> Act:
    return lambda product: replace(product, ended_at=at, end_reason=reason)


acts = st.one_of(
    st.builds(replanned, times, st.sampled_from([V1, V2, V3])),
    st.builds(
        overridden,
        prices,
        times,
        st.none() | st.integers(0, 60),
        st.none() | st.integers(0, 40),
        st.integers(1, 10**6),
    ),
    st.builds(closed, times),
    st.builds(suspended, times, st.sampled_from([0, 50, 100]), st.sampled_from(SuspensionReason)),
    st.builds(resumed, times),
    st.builds(ended, times, st.sampled_from(EndReason)),
)
histories = st.lists(st.lists(acts, max_size=3), min_size=BILLS, max_size=BILLS)
cycles = st.sampled_from([1, 15, 31]).map(lambda day: BillCycle(day, BERLIN))
commitments = st.none() | st.builds(
    lambda fee: Commitment(
        START,
        datetime(2027, 1, 20, 13, tzinfo=UTC),
        fee=None if fee is None else Decimal(fee),
        remaining_percent=None if fee is not None else Decimal(50),
    ),
    st.none() | st.integers(1, 90),
)


def product() -> Product:
    plans = (PlanChange(START, V1),)
    return Product(ProductId(UUID(int=9)), AccountId(UUID(int=8)), OfferingId(UUID(int=7)), START, plans)


def known(before: Charged, charges: ProductCharges) -> Charged:
    """The rows of what is charged, as the store keeps them."""
    if charges.replaced:
        return charges.charged
    rows = {(row.plan_from, row.price_id, row.from_day): row for row in (*before, *charges.charged)}
    return tuple(rows.values())


def billed(
    facts: Sequence[Product], cycle: BillCycle, shares: Sequence[Shares] | None = None
) -> tuple[list[Item], Charged]:
    """The items of one bill after another, each by the facts of its time, and what is charged in the end."""
    charged: Charged = ()
    period, items = cycle.containing(START), list[Item]()
    for number, one in enumerate(facts):
        seen = shares[number] if shares else Shares()
        charges = charges_of(one, PLANS, cycle=cycle, bill_period=period, charged=charged, shares=seen)
        items += charges.items
        charged = known(charged, charges)
        period = cycle.next(period)
    return items, charged


def facts_of(item: Item) -> RecurringExplanation:
    return msgspec.convert(item.detail, RecurringExplanation)


def exact(why: RecurringExplanation) -> Fraction:
    total = Fraction(why.sign * why.price_nano)
    for factor in why.factors:
        total *= Fraction(factor.numerator, factor.denominator)
    return total


def per_day(items: Sequence[Item]) -> dict[tuple[str, str, date], Fraction]:
    """What each day of each price that goes by days costs, exactly, without days that cost nothing in sum."""
    days: dict[tuple[str, str, date], Fraction] = defaultdict(Fraction)
    for item in items:
        why = facts_of(item)
        if item.price_id in BY_DAYS:
            day = date.fromisoformat(why.first_day)
            while day <= date.fromisoformat(why.last_day):
                days[why.offering, item.price_id, day] += exact(why) / why.of_days
                day += timedelta(days=1)
    return {key: cost for key, cost in days.items() if cost}


def in_sum(items: Sequence[Item]) -> dict[tuple[str, str], Fraction]:
    """What each other price costs in sum, exactly."""
    sums: dict[tuple[str, str], Fraction] = defaultdict(Fraction)
    for item in items:
        why = facts_of(item)
        if item.price_id not in BY_DAYS:
            part = Fraction(why.days, why.of_days) if why.of_days else Fraction(1)
            sums[why.offering, item.price_id] += exact(why) * part
    return {key: cost for key, cost in sums.items() if cost}


def told(history: Sequence[Sequence[Act]], held: Product) -> list[Product]:
    """The product as it is known at each bill."""
    found = []
    for known_now in history:
        for act in known_now:
            held = act(held)
        found.append(held)
    return found


@settings(max_examples=300, deadline=None)
@given(histories, cycles, commitments)
def test_bills_that_learn_late_add_up_to_bills_that_knew_from_the_start(
    history: list[list[Act]], cycle: BillCycle, commitment: Commitment | None
) -> None:
    facts = told(history, replace(product(), commitment=commitment))
    late, charged = billed(facts, cycle)
    early, charged_early = billed([facts[-1]] * BILLS, cycle)
    assert per_day(late) == per_day(early)
    assert in_sum(late) == in_sum(early)
    assert set(charged) == set(charged_early)


@settings(max_examples=150, deadline=None)
@given(histories, cycles)
def test_every_charge_has_a_reason_and_none_is_for_a_day_after_the_end(
    history: list[list[Act]], cycle: BillCycle
) -> None:
    facts = told(history, product())
    items, _ = billed(facts, cycle)
    for item in items:
        assert verify_recurring(facts_of(item)) == item.exact_nano
        assert item.period.start >= cycle.containing(START).start
    last = facts[-1]
    if last.ended_at is not None:
        end = local_date(last.ended_at, BERLIN)
        assert [key for key in per_day(items) if key[2] >= end] == []
    if last.end_reason is EndReason.WITHDRAWAL:
        assert not any(price in ("activation", "leaving", "early_termination") for _, price in in_sum(items))


@settings(max_examples=100, deadline=None)
@given(histories, cycles)
def test_a_bill_of_facts_that_did_not_change_gives_nothing_back(
    history: list[list[Act]], cycle: BillCycle
) -> None:
    facts = told(history, product())[-1]
    items, _ = billed([facts] * BILLS, cycle)
    back = [item for item in items if item.exact_nano < 0]
    # Only who ends or changes the plan gets back what was paid in advance, and here both were known before.
    assert back == []


PAYERS = (None, AccountId(UUID(int=101)), AccountId(UUID(int=102)))
shares_of = st.lists(
    st.builds(
        lambda payer, percent, at, days: ChargeRoute(
            AccountId(UUID(int=8)),
            frozenset({ChargeKind.RECURRING, ChargeKind.ONE_OFF}),
            payer,
            Decimal(percent),
            at,
            None if days is None else at + timedelta(days=days),
        ),
        st.sampled_from(PAYERS[1:]),
        st.sampled_from(["10", "33.33", "50"]),
        times,
        st.none() | st.integers(1, 60),
    ),
    max_size=2,
)


@settings(max_examples=150, deadline=None)
@given(histories, cycles, shares_of)
def test_the_shares_of_all_payers_make_the_whole_line(
    history: list[list[Act]], cycle: BillCycle, routes: list[ChargeRoute]
) -> None:
    facts = told(history, product())
    lines: dict[tuple[object, ...], list[RecurringExplanation]] = defaultdict(list)
    nano = 0
    for payer in PAYERS:
        items, _ = billed(facts, cycle, [Shares(tuple(routes), payer)] * BILLS)
        nano += sum(item.exact_nano for item in items)
        for item in items:
            why = facts_of(item)
            key = (item.plan_version_id, why.price_id, why.first_day, why.last_day, why.sign, why.factors)
            lines[(*key, why.price_nano, why.days, why.shares)].append(why)
    whole = 0
    for shared in lines.values():
        one = shared[0]
        total = total_of(one.price_nano, (one.days, one.of_days), one.sign, one.factors)
        times_charged = len([why for why in shared if why.own_share == one.own_share])
        assert sum(why.total_nano for why in shared) == total * times_charged
        whole += total * times_charged
    assert nano == whole


@settings(max_examples=150, deadline=None)
@given(histories, cycles, shares_of, st.lists(st.booleans(), min_size=BILLS, max_size=BILLS))
def test_a_route_that_becomes_known_late_leaves_each_payer_with_its_own_share(
    history: list[list[Act]], cycle: BillCycle, routes: list[ChargeRoute], known_at: list[bool]
) -> None:
    facts = told(history, product())
    for payer in PAYERS:
        final = Shares(tuple(routes), payer)
        seen = [final if all(known_at[: n + 1]) else Shares((), payer) for n in range(BILLS - 1)] + [final]
        if payer is not None:
            seen = [one if one.routes else Shares(tuple(routes[:0]), payer) for one in seen]
        _, charged = billed(facts, cycle, seen)
        _, early = billed([facts[-1]] * BILLS, cycle, [final] * BILLS)
        assert set(charged) == set(early)


def test_kinds_of_lines_are_told_apart() -> None:
    items, _ = billed([product()], BillCycle(1, BERLIN))
    assert {item.kind for item in items} == {LineKind.RECURRING, LineKind.ONE_OFF}
