"""Golden bill A and its variants at the level of rating: exact nano-units, posted once per line."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from farwire.catalog.model import PricePlan, Trigger, read_plan
from farwire.kernel.money import Nano, currency, post
from farwire.kernel.time import BillCycle, instant, zone
from farwire.rating.model import (
    Charge,
    Chargeable,
    ProductSpan,
    compile_tariff,
    explain_in_words,
    one_off_charges,
    rate,
    recurring_charged_to,
    recurring_charges,
    verify_recurring,
)

from .golden import FLEX_M, NGN_TWIN

SPAN = ProductSpan(instant("2026-06-11T14:03:00+02:00"))


def cycle_of(plan: PricePlan, day: int = 1) -> BillCycle:
    return BillCycle(day, zone(plan.zone))


def lines(
    plan: PricePlan, span: ProductSpan, cycle: BillCycle, bills: int, start: datetime
) -> list[tuple[str, str, int]]:
    """(price, last day, posted minor units) of the recurring charges of some bills in a row."""
    period, done, found = cycle.containing(start), {}, []
    for _ in range(bills):
        for charge in recurring_charges(plan, span, cycle=cycle, bill_period=period, charged_to=done):
            assert verify_recurring(charge.explanation) == charge.nano
            posted = post(charge.nano, currency(charge.currency)).money.amount_minor
            found.append((charge.price_id, charge.explanation.last_day, posted))
        done = recurring_charged_to(plan, span, cycle=cycle, bill_period=period)
        period = cycle.next(period)
    return found


def usage(plan: PricePlan, megabytes: int, minutes: int) -> int:
    """The posted roaming and other voice lines, in minor units."""
    tariff, at = compile_tariff(plan), datetime(2026, 6, 20, 12, tzinfo=UTC)
    roaming = rate(
        tariff, Chargeable(kind="data", started_at=at, quantity=megabytes * 10**6, visited_network="CH")
    )
    calls = [
        rate(tariff, Chargeable(kind="voice", started_at=at, quantity=seconds, destination="442079460000"))
        for seconds in [60] * (minutes - 1) + [1]
    ]
    charges = [charge for charge in (roaming, *calls) if isinstance(charge, Charge)]
    assert len(charges) == minutes + 1
    unit = currency(plan.currency)
    return sum(
        post(Nano(sum(c.nano for c in group)), unit).money.amount_minor
        for group in (charges[:1], charges[1:])
    )


@pytest.mark.parametrize(
    ("text", "activation", "recurring", "used", "net"),
    [
        (FLEX_M, 990, [1333, 2000], (100, 7), 4886),
        (NGN_TWIN, 250_000, [800_000, 1_200_000], (300, 40), 2_746_000),
    ],
    ids=["EUR", "NGN"],
)
def test_golden_bill_a(
    text: str, activation: int, recurring: list[int], used: tuple[int, int], net: int
) -> None:
    plan = read_plan(text)
    cycle = cycle_of(plan)
    june = cycle.containing(SPAN.start)
    once = one_off_charges(plan, SPAN, trigger=Trigger.ACTIVATION, at=SPAN.start, cycle=cycle)
    monthly = recurring_charges(plan, SPAN, cycle=cycle, bill_period=june)
    unit = currency(plan.currency)
    assert [post(charge.nano, unit).money.amount_minor for charge in once] == [activation]
    assert [post(charge.nano, unit).money.amount_minor for charge in monthly] == recurring
    assert activation + sum(recurring) + usage(plan, *used) == net


def test_the_first_month_is_by_days_and_says_so() -> None:
    plan = read_plan(FLEX_M)
    cycle = cycle_of(plan)
    first, july = recurring_charges(plan, SPAN, cycle=cycle, bill_period=cycle.containing(SPAN.start))
    assert first.nano == 13_333_333_333
    assert (first.explanation.days, first.explanation.of_days) == (20, 30)
    assert (first.explanation.first_day, first.explanation.last_day) == ("2026-06-11", "2026-06-30")
    assert (july.explanation.first_day, july.explanation.last_day) == ("2026-07-01", "2026-07-31")
    assert explain_in_words(first.explanation).splitlines()[0] == (
        "monthly of flex-m: 20.00 EUR × 20/30 days, 2026-06-11 to 2026-06-30."
    )


def test_the_next_bills_charge_only_what_is_new() -> None:
    plan = read_plan(FLEX_M)
    found = lines(plan, SPAN, cycle_of(plan), 3, SPAN.start)
    assert found == [
        ("monthly", "2026-06-30", 1333),
        ("monthly", "2026-07-31", 2000),
        ("monthly", "2026-08-31", 2000),
        ("monthly", "2026-09-30", 2000),
    ]


def test_a_product_that_ceases_on_the_day_of_activation_pays_no_day() -> None:
    plan = read_plan(FLEX_M)
    span = ProductSpan(SPAN.start, instant("2026-06-11T18:00:00+02:00"))
    assert lines(plan, span, cycle_of(plan), 2, span.start) == []
    once = one_off_charges(plan, span, trigger=Trigger.ACTIVATION, at=span.start, cycle=cycle_of(plan))
    assert [charge.nano for charge in once] == [9_900_000_000]


def test_what_was_paid_in_advance_comes_back_when_the_product_ends() -> None:
    plan = read_plan(FLEX_M)
    cycle = cycle_of(plan)
    june = cycle.containing(SPAN.start)
    done = recurring_charged_to(plan, SPAN, cycle=cycle, bill_period=june)
    ended = ProductSpan(SPAN.start, instant("2026-07-21T10:00:00+02:00"))
    (back,) = recurring_charges(plan, ended, cycle=cycle, bill_period=cycle.next(june), charged_to=done)
    assert (back.explanation.sign, back.explanation.days, back.explanation.of_days) == (-1, 11, 31)
    assert post(back.nano, currency("EUR")).money.amount_minor == -710
    assert verify_recurring(back.explanation) == back.nano


@pytest.mark.parametrize(("old", "new"), [("20.00", "35.00"), ("35.00", "20.00")], ids=["up", "down"])
def test_a_plan_change_in_the_middle_pays_each_day_once(old: str, new: str) -> None:
    before, after = (read_plan(FLEX_M.replace('"20.00"', f'"{price}"')) for price in (old, new))
    cycle = cycle_of(before)
    june, july = cycle.containing(SPAN.start), cycle.next(cycle.containing(SPAN.start))
    change = instant("2026-07-11T09:00:00+02:00")
    done = recurring_charged_to(before, SPAN, cycle=cycle, bill_period=june)
    left = recurring_charges(
        before, ProductSpan(SPAN.start, change), cycle=cycle, bill_period=july, charged_to=done
    )
    come = recurring_charges(after, ProductSpan(change), cycle=cycle, bill_period=july)
    assert [(c.explanation.sign * c.explanation.days, c.explanation.of_days) for c in (*left, *come)] == [
        (-21, 31),
        (21, 31),
        (31, 31),
    ]


@pytest.mark.parametrize(
    ("year", "days"),
    [(2028, [1, 29, 31]), (2027, [1, 28, 31])],
    ids=["leap", "common"],
)
def test_a_cycle_on_day_31_keeps_its_anchor_through_february(year: int, days: list[int]) -> None:
    plan = read_plan(FLEX_M.replace("in_advance = true", ""))
    cycle = cycle_of(plan, 31)
    span = ProductSpan(datetime(year, 1, 30, 12, tzinfo=UTC))
    period, done, found = cycle.containing(span.start), {}, []
    for _ in range(3):
        found += recurring_charges(plan, span, cycle=cycle, bill_period=period, charged_to=done)
        done = recurring_charged_to(plan, span, cycle=cycle, bill_period=period)
        period = cycle.next(period)
    assert [charge.explanation.days for charge in found] == days
    assert [charge.nano for charge in found[1:]] == [20 * 10**9] * 2


@pytest.mark.parametrize(("code", "price", "posted"), [("JPY", "1000", 667), ("KWD", "5.000", 3333)])
def test_posting_knows_currencies_without_and_with_three_decimals(code: str, price: str, posted: int) -> None:
    plan = read_plan(FLEX_M.replace('"EUR"', f'"{code}"').replace('"20.00"', f'"{price}"'))
    cycle = cycle_of(plan)
    first = recurring_charges(plan, SPAN, cycle=cycle, bill_period=cycle.containing(SPAN.start))[0]
    assert post(first.nano, currency(code)).money.amount_minor == posted


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ('first_period = "free"', [("2026-07-31", 2000)]),
        ('first_period = "full"', [("2026-06-30", 2000), ("2026-07-31", 2000)]),
        ('prorate = "none"', [("2026-06-30", 2000), ("2026-07-31", 2000)]),
    ],
)
def test_the_first_period_follows_its_rule(rule: str, expected: list[tuple[str, int]]) -> None:
    plan = read_plan(FLEX_M.replace("in_advance = true", f"in_advance = true\n{rule}"))
    found = lines(plan, SPAN, cycle_of(plan), 1, SPAN.start)
    assert [(day, amount) for _, day, amount in found] == expected


@pytest.mark.parametrize("rule", ['first_period = "free"', 'first_period = "full"', 'prorate = "none"', ""])
@pytest.mark.parametrize("end", ["2026-06-20", "2026-07-01", "2026-07-15", "2026-08-01", "2026-08-02"])
def test_knowing_the_end_late_or_early_costs_the_same(rule: str, end: str) -> None:
    plan = read_plan(FLEX_M.replace("in_advance = true", f"in_advance = true\n{rule}"))
    cycle = cycle_of(plan)
    ended = ProductSpan(SPAN.start, instant(f"{end}T10:00:00+02:00"))
    period, done, late = cycle.containing(SPAN.start), {}, 0
    for bill in range(4):
        span = SPAN if bill < 2 else ended
        late += sum(
            c.nano for c in recurring_charges(plan, span, cycle=cycle, bill_period=period, charged_to=done)
        )
        done = recurring_charged_to(plan, span, cycle=cycle, bill_period=period)
        period = cycle.next(period)
    early = sum(amount for _, _, amount in lines(plan, ended, cycle, 4, SPAN.start))
    assert post(Nano(late), currency("EUR")).money.amount_minor == pytest.approx(early, abs=2)


def test_a_weekly_price_in_advance_is_whole_and_anchored_on_its_start() -> None:
    plan = read_plan(FLEX_M.replace("in_advance = true", 'in_advance = true\nevery = "days"\ncount = 7'))
    found = lines(plan, SPAN, cycle_of(plan), 2, SPAN.start)
    assert [(day, amount) for _, day, amount in found] == [
        (f"2026-{day}", 2000)
        for day in ("06-17", "06-24", "07-01", "07-08", "07-15", "07-22", "07-29", "08-05")
    ]


def test_an_annual_price_in_arrears_is_due_when_its_year_is_over() -> None:
    plan = read_plan(FLEX_M.replace("in_advance = true", 'every = "months"\ncount = 12'))
    cycle = cycle_of(plan)
    found = lines(plan, SPAN, cycle, 13, SPAN.start)
    assert found == [("monthly", "2027-06-10", 2000)]


def test_a_discount_of_the_first_months_ends_with_them() -> None:
    text = FLEX_M + '\n[[discounts]]\nid = "half"\npercent = "50"\nprices = ["monthly"]\nmonths = 2\n'
    plan = read_plan(text)
    found = lines(plan, SPAN, cycle_of(plan), 3, SPAN.start)
    assert [amount for _, _, amount in found] == [667, 1000, 1000, 2000]


def test_a_product_that_starts_after_the_bill_period_is_not_on_its_bill() -> None:
    plan = read_plan(FLEX_M)
    cycle = cycle_of(plan)
    later = ProductSpan(instant("2026-07-05T10:00:00+02:00"))
    june = cycle.containing(SPAN.start)
    assert recurring_charges(plan, later, cycle=cycle, bill_period=june) == ()
    done = recurring_charged_to(plan, later, cycle=cycle, bill_period=june)
    (july, august) = recurring_charges(
        plan, later, cycle=cycle, bill_period=cycle.next(june), charged_to=done
    )
    assert (july.explanation.days, august.explanation.days) == (27, 31)


def test_what_comes_back_was_discounted_as_it_was_charged() -> None:
    text = FLEX_M + (
        '\n[[discounts]]\nid = "june"\npercent = "50"\nprices = ["monthly"]\nvalid_to = 2026-07-10T00:00:00+02:00\n'
    )
    plan = read_plan(text)
    cycle = cycle_of(plan)
    june = cycle.containing(SPAN.start)
    _, july = recurring_charges(plan, SPAN, cycle=cycle, bill_period=june)
    done = recurring_charged_to(plan, SPAN, cycle=cycle, bill_period=june)
    ended = ProductSpan(SPAN.start, instant("2026-07-16T10:00:00+02:00"))
    (back,) = recurring_charges(plan, ended, cycle=cycle, bill_period=cycle.next(june), charged_to=done)
    assert july.nano == 10 * 10**9
    assert back.nano == -round(10 * 10**9 * 16 / 31)
