"""What a prepaid offer earns later: by the days of each month, exactly, and proved."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from farwire.account.model import TaxClass, TaxContext
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.billing.service.closing import close_period
from farwire.charging.model import CommandKind
from farwire.charging.model.answers import Movement, MovementKind
from farwire.charging.service.deferring import MOST_DAYS, Deferrals
from farwire.charging.service.reconciling import reconcile
from farwire.charging.service.taxing import Taxes
from farwire.charging.service.terms import Sold
from farwire.charging.store.books import Owner, Placed
from farwire.country.service import load_pack
from farwire.kernel.ids import PlanVersionId, TenantId, uuid7
from farwire.kernel.time import zone
from farwire.ledger import service as ledger
from farwire.ledger.model import Book, PeriodState
from tests.charging.books_world import BooksWorld, books_world
from tests.charging.desk import CLERK
from tests.charging.play import EURO

JUNE, JULY, AUGUST = date(2026, 6, 1), date(2026, 7, 1), date(2026, 8, 1)


@pytest.fixture
async def world(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> AsyncIterator[BooksWorld]:
    async with books_world(db, tenant_id, clock, tmp_path) as found:
        yield found


async def month(world: BooksWorld, first: date, after_last: date) -> dict[Book, tuple[int, int]]:
    """Return what a month changed on the two books, and what they closed with, in cents."""
    async with world.db.transaction(world.tenant_id) as tx:
        rows = await ledger.period_balance(tx=tx, first=first, after_last=after_last)
    return {
        row.book: (row.debit_minor - row.credit_minor, row.closing_minor)
        for row in rows
        if row.book in (Book.REVENUE_RECURRING, Book.DEFERRED_REVENUE)
    }


async def test_an_offer_is_earned_in_the_months_in_which_it_lasts(world: BooksWorld) -> None:
    """Seven days from 28 June on: three of June, four of July. 5.00 with its tax is 4.20."""
    account = await world.subscriber("sub-9")
    await world.command(account, CommandKind.VOUCHER, 20 * EURO)
    world.clock.advance(datetime(2026, 6, 28, 9, tzinfo=UTC) - world.clock.now())
    await world.command(account, CommandKind.PURCHASE, subject=world.offer)
    await world.take()
    assert await month(world, JUNE, JULY) == {
        Book.REVENUE_RECURRING: (-180, -180),
        Book.DEFERRED_REVENUE: (-240, -240),
    }
    assert await month(world, JULY, AUGUST) == {
        Book.REVENUE_RECURRING: (-240, -420),
        Book.DEFERRED_REVENUE: (240, 0),
    }
    async with world.db.transaction(world.tenant_id) as tx:
        done = await reconcile(tx)
        (entity,) = {one.entity for one in done.books}
    assert not done.differences
    assert not done.untaxed
    world.clock.advance(timedelta(days=10))
    closed = await close_period(
        db=world.db,
        tenant_id=world.tenant_id,
        clock=world.clock,
        legal_entity_id=entity,
        month=JUNE,
        actor=CLERK,
    )
    assert closed.state is PeriodState.CLOSED


@pytest.mark.parametrize(("days", "later"), [(0, 0), (3, 0), (4, 1), (33, 30), (MOST_DAYS + 1, 0)])
def test_the_day_of_purchase_counts_and_what_has_no_end_is_earned_at_once(days: int, later: int) -> None:
    tz = zone("Europe/Berlin")
    context = TaxContext(load_pack("DE"), TaxClass.EXEMPT, None, None, tz)
    taxes = Taxes({1: (context, ())}, {1: Owner("EUR", False, None, None, 1)}, {1: "standard"}, {})
    bought = Movement(1, 1, MovementKind.PURCHASE, -days * EURO, 7, 0, 0, 0, 0)
    at = datetime(2026, 6, 28, 9, tzinfo=UTC)
    found = Deferrals({7: Sold(PlanVersionId(uuid7()), None, days, tz.key)}).later(
        [Placed(1, 0, bought, at, 0)], taxes, date(2026, 6, 28)
    )
    assert found == ({JULY: later * EURO} if later else {})


def test_what_is_sold_where_the_next_month_has_begun_is_earned_in_it_whole() -> None:
    """30 June 23:30 in London, where it is booked; 1 July in Berlin, where it lasts."""
    context = TaxContext(load_pack("DE"), TaxClass.EXEMPT, None, None, zone("Europe/Berlin"))
    taxes = Taxes({1: (context, ())}, {1: Owner("EUR", False, None, None, 1)}, {1: "standard"}, {})
    bought = Movement(1, 1, MovementKind.PURCHASE, -7 * EURO, 7, 0, 0, 0, 0)
    at = datetime(2026, 6, 30, 22, 30, tzinfo=UTC)
    found = Deferrals({7: Sold(PlanVersionId(uuid7()), None, 7, "Europe/Berlin")}).later(
        [Placed(1, 0, bought, at, 0)], taxes, date(2026, 6, 30)
    )
    assert found == {JULY: 7 * EURO}
