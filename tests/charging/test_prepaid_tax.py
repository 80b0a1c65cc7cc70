"""The tax inside what is used of prepaid money: by day, class and place, exact, and proved."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from fractions import Fraction
from pathlib import Path

import pytest

from farwire.account.model import TaxClass, TaxContext
from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging import service
from farwire.charging.model import CommandKind, EventKind
from farwire.charging.model.answers import Movement, MovementKind
from farwire.charging.service.taxing import Taxes
from farwire.charging.store.books import Owner
from farwire.country.service import load_pack
from farwire.kernel.ids import TenantId
from farwire.kernel.money import currency
from farwire.kernel.time import instant, zone
from farwire.ledger import service as ledger
from farwire.ledger.model import Book
from farwire.process.prepaid import prove
from tests.billing.world import World
from tests.charging.books_world import BooksWorld, books_world
from tests.charging.desk import CLERK, GO_5
from tests.charging.play import EURO


@pytest.fixture
async def world(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> AsyncIterator[BooksWorld]:
    async with books_world(db, tenant_id, clock, tmp_path) as found:
        yield found


async def belonging_to(world: BooksWorld, tax_class: TaxClass) -> service.ChargingAccount:
    """Open a prepaid account of a customer whose billing account has this class."""
    shop = World(world.db, world.clock, world.tenant_id)
    await shop.company(prefix="PT")
    owner = await shop.account(tax_class=tax_class, vat_id="DE136695976")
    async with world.db.transaction(world.tenant_id) as tx:
        return await service.open_account(
            tx, offering=GO_5, key="classed", now=world.clock.now(), actor=CLERK, account_id=owner.id
        )


@pytest.mark.parametrize("tax_class", [TaxClass.EXEMPT, TaxClass.REVERSE_CHARGE])
async def test_a_customer_who_pays_no_tax_is_all_revenue(world: BooksWorld, tax_class: TaxClass) -> None:
    account = await belonging_to(world, tax_class)
    await service.make_live(
        world.client, db=world.db, tenant_id=world.tenant_id, account=account, now=world.clock.now()
    )
    await world.command(account, CommandKind.VOUCHER, 10 * EURO)
    await world.event(account, EventKind.DIRECT_DEBIT, EURO)
    await world.take()
    assert await world.ledger() == {Book.PREPAID: EURO, Book.REVENUE_USAGE: -EURO}
    done, _ = await world.reconciled()
    assert (done.differences, done.untaxed) == ((), {})


async def test_what_is_given_back_gives_its_tax_back(world: BooksWorld) -> None:
    (account,) = world.accounts
    await world.command(account, CommandKind.VOUCHER, 10 * EURO)
    await world.event(account, EventKind.DIRECT_DEBIT, 119 * EURO // 100)
    await world.event(account, EventKind.REFUND, 119 * EURO // 100)
    await world.take()
    assert await world.ledger() == {Book.REVENUE_USAGE: -EURO, Book.CREDITS_GIVEN: EURO}


async def test_tax_is_that_of_the_sum_however_small_the_charges_are(world: BooksWorld) -> None:
    (account,) = world.accounts
    await world.command(account, CommandKind.VOUCHER, EURO)
    for _ in range(119):
        await world.event(account, EventKind.DIRECT_DEBIT, 1)
    await world.take()
    assert (await world.ledger())[Book.TAX_PAYABLE] == -19  # each alone would be rounded to nothing
    async with world.db.transaction(world.tenant_id) as tx:
        assert (await ledger.source_balance(tx=tx, source="charging"))[0].currency == currency("EUR")


async def test_revenue_whose_tax_nobody_looked_at_is_found(world: BooksWorld) -> None:
    (account,) = world.accounts
    await world.command(account, CommandKind.VOUCHER, EURO)
    await world.event(account, EventKind.DIRECT_DEBIT, 119)
    await world.take()
    async with world.db.transaction(world.tenant_id) as tx:
        await tx.execute(
            "UPDATE charging.taxed SET gross_nano = 100 WHERE tenant_id = $1 AND book = '4200'", tx.tenant_id
        )
        proof = await prove(tx)
    assert list(proof.charging.untaxed.values()) == [19]
    assert {one.book for one in proof.charging.differences} == {Book.TAX_PAYABLE, Book.REVENUE_USAGE}
    assert not proof.sound


@pytest.mark.parametrize(
    ("at", "part", "name"),
    [
        ("2020-12-31T23:59:59+01:00", Fraction(16, 116), "DE telecom VAT 16 %"),
        ("2021-01-01T00:00:00+01:00", Fraction(19, 119), "DE telecom VAT 19 %"),
    ],
)
def test_the_rates_are_those_of_the_local_day_of_the_use(at: str, part: Fraction, name: str) -> None:
    berlin = TaxContext(load_pack("DE"), TaxClass.STANDARD, None, None, zone("Europe/Berlin"))
    taxes = Taxes({7: (berlin, ())}, {7: Owner("EUR", False, None, None, 1)}, {}, {})
    when: datetime = instant(at)
    found = taxes.of(Movement(7, 1, MovementKind.USAGE, -119, 1, 0, 0, 0, 0), when)
    assert (found.part, found.name, found.month.day) == (part, name, 1)
