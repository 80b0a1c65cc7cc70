"""Variants of day A in a product's life: what changes late, ends early, is suspended or negotiated.

Flex M costs 20.00 a month in advance and 9.90 once; the product starts on 11 June 2026 and VAT is 19 %. The first bill
is 9.90 + 20/30 × 20.00 = 13.33 + July 20.00 = 43.23, VAT 8.21, total 51.44.
"""

from __future__ import annotations

import msgspec
import pytest

from farwire.billing import service as billing
from farwire.billing.model import LineKind
from farwire.inventory.model import EndReason, SuspensionReason
from farwire.rating.model import RecurringExplanation, explain_in_words, verify_recurring

from .variants import amounts, change, commit, end, override, resume, sound, suspend, totals
from .world import FLEX_M, World

JULY, AUGUST, SEPTEMBER = "2026-07-01T00:00+02:00", "2026-08-01T00:00+02:00", "2026-09-01T00:00+02:00"


async def first(world: World) -> None:
    """The bill of June."""
    await world.run(JULY)
    bill = (await world.bills())[0]
    assert amounts(bill) == [("activation", 990), ("monthly", 1333), ("monthly", 2000)]
    assert totals(bill) == (4323, 821, 5144)  # 43.23 × 19 % = 8.2137


async def test_ceased_on_the_day_of_activation_leaves_the_activation(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    await end(world, product, "2026-06-11T18:00+02:00")
    await world.run(JULY)
    bill = await world.only_bill()
    assert amounts(bill) == [("activation", 990)]
    assert totals(bill) == (990, 188, 1178)  # 9.90 × 19 % = 1.881
    await sound(world)


@pytest.mark.parametrize(
    ("price", "asked", "august", "sums"),
    [
        # up: −21/31 × 20.00 = −13.55, 21/31 × 30.00 = 20.32, 30.00: net 36.77, VAT 6.9863
        ("30.00", 2032, 3000, (3677, 699, 4376)),
        # down: −13.55, 21/31 × 10.00 = 6.77, 10.00: net 3.22, VAT 0.6118
        ("10.00", 677, 1000, (322, 61, 383)),
    ],
    ids=["up", "down"],
)
async def test_a_change_of_plan_in_the_middle_of_a_month(
    world: World, price: str, asked: int, august: int, sums: tuple[int, int, int]
) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    other = await world.plan(FLEX_M.replace("20.00", price).replace('"flex-m"', '"flex-l"'))
    await first(world)
    # A change day belongs to the new plan: 11 to 31 July are 21 days of 31.
    await change(world, product, other.id, "2026-07-11T15:00+02:00")
    await world.run(AUGUST)
    bill = (await world.bills())[1]
    assert amounts(bill) == sorted([("monthly", -1355), ("monthly", asked), ("monthly", august)])
    assert totals(bill) == sums
    await sound(world)


async def test_a_change_of_plan_that_becomes_known_two_bills_later(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    other = await world.plan(FLEX_M.replace("20.00", "30.00").replace('"flex-m"', '"flex-l"'))
    await first(world)
    await world.run(AUGUST)
    await change(world, product, other.id, "2026-06-21T00:00+02:00")
    await world.run(SEPTEMBER)
    bill = (await world.bills())[2]
    # Back: 21–30 June 10/30 × 20.00 = 6.67, July 20.00, August 20.00. Asked: 10.00, 30.00, 30.00, September 30.00.
    assert amounts(bill) == sorted([("monthly", n) for n in (-667, -2000, -2000, 1000, 3000, 3000, 3000)])
    assert totals(bill) == (5333, 1013, 6346)  # 53.33 × 19 % = 10.1327
    await sound(world)


async def test_an_order_for_a_month_that_is_billed_already(world: World) -> None:
    account = await world.account(opened="2026-05-01T00:00+02:00")
    plan = await world.plan()
    await world.run("2026-06-01T00:00+02:00")
    await world.product(account, plan, start="2026-05-11T10:00+02:00")
    await world.run(JULY)
    bill = await world.only_bill()
    # 9.90 + 11–31 May 21/31 × 20.00 = 13.55 + June 20.00 + July 20.00
    assert amounts(bill) == [("activation", 990), ("monthly", 1355), ("monthly", 2000), ("monthly", 2000)]
    assert totals(bill) == (6345, 1206, 7551)  # 63.45 × 19 % = 12.0555
    await sound(world)


async def test_half_a_month_of_suspension_at_half_price(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    await first(world)
    await suspend(world, product, "2026-07-11T09:00+02:00", 50)
    await resume(world, product, "2026-07-26T10:00+02:00")
    await world.run(AUGUST)
    bill = (await world.bills())[1]
    # 11–25 July are 15 days: back 15/31 × 20.00 = 9.68, asked half of it 4.84, August 20.00
    assert amounts(bill) == [("monthly", -968), ("monthly", 484), ("monthly", 2000)]
    assert totals(bill) == (1516, 288, 1804)  # 15.16 × 19 % = 2.8804
    (halved,) = (line for line in bill.lines if line.amount_minor == 484)
    assert "Suspended: × 0.5." in explain_in_words(_facts(halved.item.detail)).splitlines()
    await sound(world)


async def test_a_suspension_that_lasts_is_charged_in_advance_and_resumed_later(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    await suspend(world, product, "2026-06-21T09:00+02:00", 0, SuspensionReason.DUNNING)
    await world.run(JULY)
    june = await world.only_bill()
    # 11–20 June 10/30 × 20.00 = 6.67; from 21 June on nothing
    assert amounts(june) == [("activation", 990), ("monthly", 0), ("monthly", 0), ("monthly", 667)]
    await resume(world, product, "2026-07-21T09:00+02:00", SuspensionReason.DUNNING)
    await world.run(AUGUST)
    july = (await world.bills())[1]
    # 21–31 July 11/31 × 20.00 = 7.10 (nothing was charged that could come back), August 20.00
    assert [amount for _, amount in amounts(july) if amount] == [710, 2000]
    assert totals(july) == (2710, 515, 3225)
    await sound(world)


async def test_two_reasons_for_a_suspension_charge_the_lesser_part(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    await first(world)
    await suspend(world, product, "2026-07-02T00:00+02:00", 50, SuspensionReason.CUSTOMER)
    await suspend(world, product, "2026-07-12T00:00+02:00", 0, SuspensionReason.FRAUD)
    await resume(world, product, "2026-07-17T00:00+02:00", SuspensionReason.FRAUD)
    await resume(world, product, "2026-07-22T00:00+02:00", SuspensionReason.CUSTOMER)
    await world.run(AUGUST)
    bill = (await world.bills())[1]
    # back 2–21 July 20/31 × 20.00 = 12.90; asked 10 days and 5 days at half: 3.23 and 1.61, 5 days at nothing
    assert [amount for _, amount in amounts(bill) if amount] == [-1290, 161, 323, 2000]
    await sound(world)


async def test_early_termination_costs_the_fee_that_was_agreed(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    await commit(world, product, "2028-06-11T00:00+02:00", fee="60")
    await first(world)
    await world.run(AUGUST)
    await end(world, product, "2026-08-11T12:00+02:00")
    await world.run(SEPTEMBER)
    bill = (await world.bills())[2]
    # back 11–31 August 21/31 × 20.00 = 13.55; fee 60.00
    assert amounts(bill) == [("early_termination", 6000), ("monthly", -1355)]
    assert totals(bill) == (4645, 883, 5528)  # 46.45 × 19 % = 8.8255
    await world.run("2026-10-01T00:00+02:00")
    assert len(await world.bills()) == 3
    await sound(world)


async def test_early_termination_costs_a_part_of_what_is_left_of_the_term(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    await commit(world, product, "2026-11-11T00:00+01:00", remaining_percent="50")
    await first(world)
    await world.run(AUGUST)
    await end(world, product, "2026-08-11T12:00+02:00")
    await world.run(SEPTEMBER)
    bill = (await world.bills())[2]
    # 11–31 August 13.548387, September 20, October 20, 1–10 November 6.666667: 60.215054 × 50 % = 30.107527
    assert amounts(bill) == [("early_termination", 3011), ("monthly", -1355)]
    assert totals(bill) == (1656, 315, 1971)  # 16.56 × 19 % = 3.1464
    await sound(world)


async def test_a_withdrawal_gives_one_off_prices_back_and_pays_by_days(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    await commit(world, product, "2028-06-11T00:00+02:00", fee="60")
    await first(world)
    await end(world, product, "2026-06-20T10:00+02:00", EndReason.WITHDRAWAL)
    await world.run(AUGUST)
    bill = (await world.bills())[1]
    # back: 9.90, 20–30 June 11/30 × 20.00 = 7.33, July 20.00; the 9 days of June stay: 13.33 − 7.33 = 6.00
    assert amounts(bill) == [("activation", -990), ("monthly", -2000), ("monthly", -733)]
    assert totals(bill) == (-3723, -707, -4430)  # 37.23 × 19 % = 7.0737
    await sound(world)


async def test_what_another_product_replaces_pays_no_fee_for_its_term(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    await commit(world, product, "2028-06-11T00:00+02:00", fee="60")
    await first(world)
    await end(world, product, "2026-08-01T00:00+02:00", EndReason.REPLACED)
    await world.run(AUGUST)
    assert len(await world.bills()) == 1
    await world.run(SEPTEMBER)
    assert len(await world.bills()) == 1
    await sound(world)


async def test_a_price_that_is_corrected_after_two_bills(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    await first(world)
    await world.run(AUGUST)
    await override(
        world, product, "monthly", "2026-06-11T14:03+02:00", price="15", reason="promise of 10 June"
    )
    await world.run(SEPTEMBER)
    bill = (await world.bills())[2]
    # back 13.33, 20.00, 20.00; asked 20/30 × 15.00 = 10.00, 15.00, 15.00; September 15.00
    assert amounts(bill) == sorted([("monthly", n) for n in (-1333, -2000, -2000, 1000, 1500, 1500, 1500)])
    assert totals(bill) == (167, 32, 199)  # 1.67 × 19 % = 0.3173
    words = [explain_in_words(_facts(line.item.detail)) for line in bill.lines if line.amount_minor == 1500]
    assert all("The price was negotiated: promise of 10 June." in said for said in words)
    await sound(world)


async def test_negotiated_prices_from_the_start(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    await override(world, product, "monthly", "2026-06-11T14:03+02:00", percent="80")
    await override(world, product, "activation", "2026-06-11T14:03+02:00", price="0")
    await world.run(JULY)
    bill = await world.only_bill()
    # 0.00 + 20/30 × 16.00 = 10.67 + 16.00
    assert amounts(bill) == [("activation", 0), ("monthly", 1067), ("monthly", 1600)]
    assert totals(bill) == (2667, 507, 3174)  # 26.67 × 19 % = 5.0673
    await sound(world)


async def test_a_new_version_between_order_and_activation_leaves_the_price_that_was_ordered(
    world: World,
) -> None:
    account = await world.account()
    ordered = await world.plan()
    await world.plan(FLEX_M.replace("20.00", "25.00"), valid_from="2026-06-10T00:00:00+02:00")
    await world.product(account, ordered)
    await first(world)
    await sound(world)


async def test_version_2_of_next_month_leaves_existing_subscribers_alone(world: World) -> None:
    account, newcomer = await world.account(), await world.account("100002", name="Ben Ode")
    product = await world.product(account, await world.plan())
    second = await world.plan(FLEX_M.replace("20.00", "25.00"), valid_from="2026-07-01T00:00:00+02:00")
    await world.product(newcomer, second, start="2026-07-01T10:00+02:00")
    await world.run(AUGUST)
    old, new = await world.bills(account), await world.bills(newcomer)
    assert [amounts(bill)[-1] for bill in old] == [("monthly", 2000), ("monthly", 2000)]
    assert amounts(new[0]) == [("activation", 990), ("monthly", 2500), ("monthly", 2500)]
    assert product.plans[0].plan_version_id != second.id
    await sound(world)


@pytest.mark.parametrize(
    ("year", "part", "days"),
    # the cycle from 31 January ends on the last of February: 10–28 February are 19 of 29 days, 10–27 are 18 of 28
    [(2028, 1310, "19/29"), (2027, 1286, "18/28")],
    ids=["leap", "common"],
)
async def test_cycle_day_31_in_february(world: World, year: int, part: int, days: str) -> None:
    account = await world.account(cycle_day=31, opened=f"{year}-02-10T00:00+01:00")
    await world.product(account, await world.plan(), start=f"{year}-02-10T12:00+01:00")
    await world.run(f"{year}-04-30T00:00+02:00")
    first_bill, second, third = await world.bills()
    assert amounts(first_bill) == [("activation", 990), ("monthly", part), ("monthly", 2000)]
    facts = _facts(first_bill.lines[1].item.detail)
    assert f"{facts.days}/{facts.of_days}" == days
    assert (amounts(second), amounts(third)) == ([("monthly", 2000)], [("monthly", 2000)])
    await sound(world)


@pytest.mark.parametrize(
    ("start", "until", "part"),
    [
        # 20–29 February 2028: 10 of 29 days
        ("2028-02-20T10:00+01:00", "2028-03-01T00:00+01:00", 690),
        # 29–31 March 2026, the 29th has 23 hours: 3 of 31 days
        ("2026-03-29T01:30+01:00", "2026-04-01T00:00+02:00", 194),
        # 25–31 October 2026, the 25th has 25 hours: 7 of 31 days
        ("2026-10-25T02:30+02:00", "2026-11-01T00:00+01:00", 452),
    ],
    ids=["leap", "23 hours", "25 hours"],
)
async def test_days_are_calendar_days(world: World, start: str, until: str, part: int) -> None:
    account = await world.account(opened=start)
    await world.product(account, await world.plan(), start=start)
    await world.run(until)
    bill = (await world.bills())[0]
    assert amounts(bill) == [("activation", 990), ("monthly", part), ("monthly", 2000)]
    await sound(world)


async def test_a_month_without_usage_is_billed(world: World) -> None:
    account = await world.account()
    await world.product(account, await world.plan())
    await first(world)
    await world.run(AUGUST)
    bill = (await world.bills())[1]
    assert (amounts(bill), totals(bill)) == ([("monthly", 2000)], (2000, 380, 2380))
    await sound(world)


async def test_a_call_belongs_to_the_cycle_in_which_it_starts(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    await world.rated(product, "other", "0.90", at="2026-06-30T23:59:59+02:00", quantity=600)
    await world.run(JULY)
    june = await world.only_bill()
    assert [line.amount_minor for line in june.lines if line.item.kind is LineKind.USAGE] == [90]
    await world.run(AUGUST)
    assert amounts((await world.bills())[1]) == [("monthly", 2000)]
    await sound(world)


async def test_the_preview_of_a_product_is_what_its_bill_becomes(world: World) -> None:
    account = await world.account()
    product = await world.product(account, await world.plan())
    cycle = account.cycle.containing(product.started_at)
    async with world.db.transaction(world.tenant_id) as tx:
        seen = await billing.preview_products(tx, account=account, products=[product], period=cycle)
    await world.run(JULY)
    bill = await world.only_bill()
    assert (seen.net_minor, seen.tax_minor, seen.total_minor) == totals(bill) == (4323, 821, 5144)
    assert [line.item.detail for line in seen.lines] == [line.item.detail for line in bill.lines]
    async with world.db.transaction(world.tenant_id) as tx:
        again = await billing.preview_products(
            tx,
            account=account,
            products=[product],
            period=account.cycle.next(cycle),
        )
    assert again.total_minor == 2380
    assert len(await world.bills()) == 1
    await sound(world)


def _facts(detail: object) -> RecurringExplanation:
    facts = msgspec.convert(detail, RecurringExplanation)
    verify_recurring(facts)
    return facts
