"""Revenue by month: what is billed before it is earned, and earned before it is billed. Amounts worked out by hand."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.billing.model import LineKind
from farwire.billing.model.revenue import earn, earned_before
from farwire.billing.model.revenue_report import RevenueRow
from farwire.billing.service import closing
from farwire.kernel.errors import Conflict
from farwire.kernel.ids import EntryId, uuid7
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.kernel.time import Period, instant, local_midnight, zone
from farwire.ledger import service as ledger
from farwire.ledger.model import Book, Entry, PeriodState, Posting, days_by_month

from .world import World

BERLIN = "Europe/Berlin"
JUNE, JULY, AUGUST = date(2026, 6, 1), date(2026, 7, 1), date(2026, 8, 1)
ANNA = Actor(ActorKind.OPERATOR, "anna")
BEN = Actor(ActorKind.OPERATOR, "ben")


def days(first: date, after_last: date) -> Period:
    return Period.of_days(first, after_last, zone(BERLIN))


def test_a_month_in_advance_is_earned_in_its_month() -> None:
    found = earn(
        net_minor=2000, remainder_nano=0, period=days(JULY, AUGUST), zone_name=BERLIN, booked_on=JULY
    )
    assert found.at_once == (0, 0)
    assert [(share.month, share.amount_minor) for share in found.later] == [(JULY, 2000)]


def test_what_lies_before_the_booking_is_earned_at_once() -> None:
    found = earn(
        net_minor=1333,
        remainder_nano=3_333_333,
        period=days(date(2026, 6, 11), JULY),
        zone_name=BERLIN,
        booked_on=JULY,
    )
    assert (found.at_once, found.later) == ((1333, 3_333_333), ())


def test_a_cycle_from_the_15th_is_earned_in_two_months() -> None:
    # 31 days: 17 in July (15.–31.), 14 in August: 20.00 × 17/31 = 10.967…, 20.00 × 14/31 = 9.032…
    found = earn(
        net_minor=2000,
        remainder_nano=0,
        period=days(date(2026, 7, 15), date(2026, 8, 15)),
        zone_name=BERLIN,
        booked_on=date(2026, 7, 15),
    )
    assert [(share.month, share.amount_minor) for share in found.later] == [(JULY, 1097), (AUGUST, 903)]


def test_a_year_in_advance_over_both_changes_of_the_clock_counts_days() -> None:
    year = days(date(2027, 1, 1), date(2028, 1, 1))
    assert list(days_by_month(year, BERLIN).values()) == [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31]
    found = earn(
        net_minor=36500,
        remainder_nano=0,
        period=year,
        zone_name=BERLIN,
        booked_on=date(2027, 1, 1),
    )
    assert [share.amount_minor for share in found.later] == [
        *(3100, 2800, 3100, 3000, 3100, 3000, 3100, 3100, 3000, 3100, 3000, 3100)
    ]


@given(
    st.integers(-(10**9), 10**9),
    st.integers(-(10**7), 10**7),
    st.dates(date(2026, 1, 1), date(2027, 12, 31)),
    st.integers(1, 800),
    st.integers(-400, 900),
)
def test_the_parts_of_a_line_are_the_line(net: int, nano: int, first: date, length: int, booked: int) -> None:
    from datetime import timedelta

    found = earn(
        net_minor=net,
        remainder_nano=nano,
        period=days(first, first + timedelta(days=length)),
        zone_name=BERLIN,
        booked_on=first + timedelta(days=booked),
    )
    assert found.at_once[0] + sum(share.amount_minor for share in found.later) == net
    assert found.at_once[1] + sum(share.remainder_nano for share in found.later) == nano
    assert all(share.month >= (first + timedelta(days=booked)).replace(day=1) for share in found.later)


@pytest.mark.parametrize(
    ("kind", "first", "after_last", "expected"),
    [
        (LineKind.RECURRING, date(2026, 6, 11), JULY, 1000),
        (LineKind.RECURRING, JULY, AUGUST, 0),
        (LineKind.RECURRING, date(2026, 6, 21), date(2026, 7, 21), 333),  # 10 of 30 days
        (LineKind.USAGE, date(2026, 6, 16), date(2026, 7, 16), 500),  # 15 of 30 days
        (LineKind.ONE_OFF, date(2026, 6, 11), date(2026, 7, 11), 1000),
        (LineKind.CREDIT, date(2026, 6, 11), JULY, 0),
    ],
)
def test_what_a_month_earned_of_a_later_bill(
    kind: LineKind, first: date, after_last: date, expected: int
) -> None:
    end = local_midnight(JULY, zone(BERLIN))
    assert earned_before(kind, 1000, days(first, after_last), end, BERLIN) == expected


async def golden(world: World) -> None:
    """Bill the golden month: activation 9.90, June 13.33, July 20.00, roaming 5.00, voice 0.63: net 48.86."""
    account = await world.account()
    product = await world.product(account, await world.plan())
    await world.rated(product, "roaming", "5.00", at="2026-06-20T10:00Z")
    await world.rated(product, "other", "0.63", at="2026-06-21T10:00Z")
    await world.run()


async def close(world: World, month: date) -> PeriodState:
    assert world.entity is not None
    closed = await closing.close_period(
        db=world.db,
        tenant_id=world.tenant_id,
        clock=world.clock,
        legal_entity_id=world.entity.id,
        month=month,
        actor=ANNA,
    )
    return closed.state


async def report(world: World) -> dict[date, RevenueRow]:
    assert world.entity is not None
    async with world.db.transaction(world.tenant_id) as tx:
        rows = await closing.revenue_report(
            tx, legal_entity_id=world.entity.id, first=JUNE, after_last=date(2026, 12, 1)
        )
    return {row.month: row for row in rows}


async def books(world: World, until: date) -> dict[Book, int]:
    """Return the closing balance of every book that is not 0."""
    async with world.db.transaction(world.tenant_id) as tx:
        rows = await ledger.period_balance(tx=tx, first=JUNE, after_last=until)
    assert sum(row.closing_minor for row in rows) == 0
    assert sum(row.debit_minor - row.credit_minor for row in rows) == 0
    return {row.book: row.closing_minor for row in rows if row.closing_minor}


async def test_the_golden_bill_is_earned_in_june_and_july(world: World) -> None:
    await golden(world)
    world.clock.set(instant("2026-08-03T09:00+02:00"))
    assert await close(world, JUNE) is PeriodState.CLOSED
    # June: everything but July's 20.00, though the bill is of 1 July.
    assert await books(world, JULY) == {
        Book.UNBILLED: 2886,
        Book.REVENUE_ONE_OFF: -990,
        Book.REVENUE_RECURRING: -1333,
        Book.REVENUE_USAGE: -563,
    }
    assert await close(world, JULY) is PeriodState.CLOSED
    assert await books(world, AUGUST) == {
        Book.RECEIVABLE: 5814,
        Book.TAX_PAYABLE: -928,
        Book.REVENUE_ONE_OFF: -990,
        Book.REVENUE_RECURRING: -1333 - 2000,
        Book.REVENUE_USAGE: -563,
    }
    rows = await report(world)
    june, july = rows[JUNE], rows[JULY]
    assert (june.billed, june.unbilled, june.earned) == (0, 2886, 2886)
    assert (july.billed, july.deferred, july.recognised, july.reversed) == (4886, 2000, 2000, 2886)
    assert july.earned == 4886 - 2000 + 2000 + july.unbilled - 2886
    await world.sound()


async def test_until_its_month_is_closed_a_fee_in_advance_is_a_liability(world: World) -> None:
    await golden(world)
    found = await books(world, AUGUST)
    assert found[Book.DEFERRED_REVENUE] == -2000
    assert found[Book.REVENUE_RECURRING] == -1333


async def test_a_product_that_has_no_bill_yet_is_accrued(world: World) -> None:
    # Cycle of the 15th, from 20 June: 11 days of June, of a month of 30 days from 15 June: 20.00 × 11/30 = 7.33.
    # The bill of 15 July will ask for 25 days (20 June to 14 July): 16.67, of which 11/25 are 7.3348 → 7.33.
    account = await world.account(cycle_day=15, opened="2026-06-20T00:00+02:00")
    product = await world.product(account, await world.plan(), start="2026-06-20T00:00+02:00")
    await world.rated(product, "other", "0.63", at="2026-06-25T10:00Z")
    await world.rated(product, "other", "9.00", at="2026-07-01T10:00Z")
    world.clock.set(instant("2026-07-03T09:00+02:00"))
    await close(world, JUNE)
    assert await books(world, JULY) == {
        Book.UNBILLED: 733 + 990 + 63,
        Book.REVENUE_RECURRING: -733,
        Book.REVENUE_ONE_OFF: -990,
        Book.REVENUE_USAGE: -63,
    }
    assert await books(world, AUGUST) == {}
    assert await world.bills() == []


async def test_closing_again_or_after_a_stop_changes_nothing(world: World) -> None:
    await golden(world)
    world.clock.set(instant("2026-07-03T09:00+02:00"))
    assert world.entity is not None
    entity = world.entity.id
    async with world.db.transaction(world.tenant_id) as tx:
        period = await ledger.begin_closing(tx=tx, legal_entity_id=entity, month=JUNE, now=world.clock.now())
        await closing.recognise(tx, period, now=world.clock.now())
        await closing.accrue(tx, period, now=world.clock.now())
    before = await books(world, AUGUST)
    await close(world, JUNE)
    await close(world, JUNE)
    assert await books(world, AUGUST) == before


async def test_a_reopened_month_books_the_difference(world: World) -> None:
    await golden(world)
    world.clock.set(instant("2026-07-03T09:00+02:00"))
    await close(world, JUNE)
    assert world.entity is not None
    given = {"legal_entity_id": world.entity.id, "month": JUNE, "now": world.clock.now()}
    async with world.db.transaction(world.tenant_id) as tx:
        await ledger.request_reopening(tx=tx, reason="late usage", actor=ANNA, **given)
        await ledger.approve_reopening(tx=tx, actor=BEN, **given)
    (product,) = await products(world)
    await world.rated(product, "other", "1.00", at="2026-06-28T10:00Z")
    # Usage that came after the June bill: the next cycle's bill will have it, and June earned it.
    await close(world, JUNE)
    rows = await report(world)
    assert (rows[JUNE].unbilled, rows[JULY].reversed) == (2886, 2886)
    assert (await books(world, AUGUST)).get(Book.UNBILLED, 0) == 0


async def products(world: World):
    from farwire.inventory import service as inventory

    (bill, *_) = await world.bills()
    async with world.db.transaction(world.tenant_id) as tx:
        held = await inventory.products_by_account(tx, [bill.account_id])
    return held[bill.account_id]


async def test_a_bill_of_a_closed_month_is_booked_into_the_next(world: World) -> None:
    account = await world.account()
    await world.product(account, await world.plan())
    world.clock.set(instant("2026-07-03T09:00+02:00"))
    await close(world, JUNE)
    await world.run(issue_on=date(2026, 6, 30))
    (bill,) = await world.bills()
    assert world.entity is not None
    async with world.db.transaction(world.tenant_id) as tx:
        rows = [
            row
            async for row in ledger.general_ledger(
                tx=tx, legal_entity_id=world.entity.id, first=JUNE, after_last=AUGUST
            )
            if row.source == "bill"
        ]
    assert {(row.booked_on, row.occurred_on) for row in rows} == {(JULY, date(2026, 6, 30))}
    assert {row.key for row in rows} == {str(bill.id)}
    await world.sound()


async def test_books_that_do_not_agree_are_not_closed(world: World) -> None:
    await golden(world)
    world.clock.set(instant("2026-08-03T09:00+02:00"))
    await close(world, JUNE)
    assert world.entity is not None
    unit = world.entity.currency
    stray = Entry(
        EntryId(uuid7()),
        world.entity.id,
        date(2026, 7, 9),
        world.clock.now(),
        "by_hand",
        "1",
        (Posting(Book.DEFERRED_REVENUE, unit, -5), Posting(Book.BANK, unit, 5)),
    )
    async with world.db.transaction(world.tenant_id) as tx:
        await ledger.post_entries(tx=tx, entries=[stray])
    with pytest.raises(Conflict) as refused:
        await close(world, JULY)
    assert refused.value.code == "billing.books_differ"
    async with world.db.transaction(world.tenant_id) as tx:
        period = await ledger.get_period(tx=tx, legal_entity_id=world.entity.id, month=JULY)
    assert period.state is PeriodState.CLOSING


async def test_a_thousand_accounts_close_in_a_few_statements(world: World) -> None:
    await world.many(200, await world.plan())
    await world.run()
    world.clock.set(instant("2026-08-03T09:00+02:00"))
    await close(world, JUNE)
    await close(world, JULY)
    found = await books(world, AUGUST)
    assert found[Book.REVENUE_RECURRING] == -200 * (1333 + 2000)
    assert Book.DEFERRED_REVENUE not in found
    async with world.db.transaction(world.tenant_id) as tx:
        entries: int = await tx.fetchval(
            "SELECT count(*) FROM ledger.entry WHERE tenant_id = $1 AND source <> 'bill'", world.tenant_id
        )
    assert entries <= 5


@pytest.mark.full
async def test_ten_thousand_accounts_of_two_cycles_are_closed_to_the_cent(world: World) -> None:
    await world.many(10_000, await world.plan())
    async with world.db.transaction(world.tenant_id) as tx:
        await tx.execute(
            "UPDATE account.account SET cycle_day = 15 WHERE tenant_id = $1 AND number::int % 2 = 0",
            world.tenant_id,
        )
    await world.run(batch=1000)
    world.clock.set(instant("2026-08-03T09:00+02:00"))
    await close(world, JUNE)
    # Cycle 1: 11–30 June, 20/30 × 20.00 = 13.33. Cycle 15: 11–14 June, 4/31 × 20.00 = 2.58, billed on 1 July, as is
    # 15 June to 14 July in advance, 20.00, of which 16 of 30 days are June's: 10.67. Activation 9.90 each.
    found = await books(world, JULY)
    assert found[Book.REVENUE_RECURRING] == -5_000 * (1333 + 258 + 1067)
    assert found[Book.REVENUE_ONE_OFF] == -10_000 * 990
    await close(world, JULY)
    # July: cycle 1 earns its fee. Cycle 15 earns 14 of 30 days of the old fee, and 17 of 31 days of 20.00 that is due
    # from 15 July on and has no bill yet: 10.97.
    found = await books(world, AUGUST)
    assert found[Book.REVENUE_RECURRING] == -5_000 * (1333 + 2000 + 258 + 2000 + 1097)
    assert found[Book.UNBILLED] == 5_000 * 1097
    await world.sound()
