"""To the books exactly once: whatever is played, and wherever it stops, the ledger says what the shard holds."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging.events import BALANCE_CREDITED
from farwire.charging.model import CommandKind, EventKind
from farwire.charging.model.booking import PAID
from farwire.charging.model.state import DAY_US
from farwire.charging.service import books
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import EntryId, TenantId, uuid7
from farwire.kernel.money import currency
from farwire.ledger import service as ledger
from farwire.ledger.model import Book, Entry, Posting
from tests.charging.books_world import BooksWorld, Crashed, Trap, books_world
from tests.charging.play import EURO, MB

EUR = currency("EUR")


@pytest.fixture(params=["file", "postgres"])
async def world(
    request: pytest.FixtureRequest, db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path
) -> AsyncIterator[BooksWorld]:
    async with books_world(db, tenant_id, clock, tmp_path, request.param) as found:
        yield found


async def test_what_a_subscriber_buys_uses_and_has_left_is_on_the_books(world: BooksWorld) -> None:
    (account,) = world.accounts
    await world.command(account, CommandKind.VOUCHER, 10 * EURO)
    await world.command(account, CommandKind.PURCHASE, 0, world.offer)
    await world.session(account, [30 * MB, 10 * MB])
    await world.event(account, EventKind.DIRECT_DEBIT, 634_000_000)
    await world.take()
    assert await world.ledger() == {
        Book.PREPAID: 5 * EURO + 634_000_000,
        Book.REVENUE_RECURRING: -4_201_680_672,  # 5.00 / 1.19
        Book.REVENUE_USAGE: -532_773_109,
        Book.TAX_PAYABLE: -798_319_328 - 101_226_891,
    }
    assert await world.charged() == 634_000_000
    assert await world.count("usage.charged") == 2
    done, stray = await world.reconciled()
    assert (done.differences, stray) == ((), ())
    (held,) = done.held.values()
    assert (held.balances, held.paid, held.accounts) == (5 * EURO - 634_000_000, 10 * EURO, 1)


async def test_a_second_reading_takes_nothing(world: BooksWorld) -> None:
    await world.play(random.Random(1), 20)
    await world.take()
    before = await world.snapshot()
    assert (await books.take(db=world.db, log=world.log, clock=world.clock)).movements == 0
    async with (
        world.db.untenanted() as tx
    ):  # the place where reading begins is lost: the tenant's own one counts
        await tx.execute("UPDATE charging.books_shard SET last = 0")
    again = await books.take(db=world.db, log=world.log, clock=world.clock)
    assert (again.movements, again.usages, again.events) == (0, 0, 0)
    async with world.db.untenanted() as tx:
        await tx.execute("UPDATE charging.books_shard SET last = 0")
    async with world.db.transaction(world.tenant_id) as tx:  # both are lost: the keys of the rows count
        await tx.execute("UPDATE charging.books_position SET last = 0 WHERE tenant_id = $1", tx.tenant_id)
    again = await books.take(db=world.db, log=world.log, clock=world.clock)
    assert (again.movements, again.usages, again.events) == (0, 0, 0)
    assert await world.snapshot() == before
    noticed = [one for one in before["events"] if one[0] != BALANCE_CREDITED]
    assert before["charging.notice"] == len(noticed) > 0


@pytest.mark.parametrize("seed", range(1, 5))
async def test_whatever_is_played_the_books_say_what_the_shard_holds(world: BooksWorld, seed: int) -> None:
    dice = random.Random(seed)
    await world.subscriber("sub-2")
    await world.subscriber("sub-3")
    for _ in range(4):
        await world.play(dice, 15)
        if dice.random() < 0.7:
            while (await books.take(db=world.db, log=world.log, clock=world.clock, most=640)).more:
                pass
    world.clock.advance(timedelta(days=3))  # sessions that nobody ended are forgotten
    for account in world.accounts:
        await world.command(account, CommandKind.VOUCHER, 1)
    await world.take()
    done, stray = await world.reconciled()
    assert (done.differences, stray, done.untaxed) == ((), (), {})
    on_books = await world.gross()
    assert await world.charged() == -on_books.get(Book.REVENUE_USAGE, 0)
    states = await world.states()
    money = sum(one.amount for state in states for one in state.balances if one.unit == 0)
    (held,) = done.held.values()
    assert held.balances == money
    assert -on_books.get(Book.PREPAID, 0) == money - held.paid
    assert -on_books.get(Book.PREPAID_OVERRUN, 0) == sum(state.overrun for state in states)


@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_between_any_two_steps_loses_nothing_and_doubles_nothing(
    world: BooksWorld, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    account = world.accounts[0]
    await world.command(account, CommandKind.TOP_UP, 20 * EURO, PAID)
    await world.take()
    first = await world.snapshot()
    trap = Trap(monkeypatch)
    trap.after = after
    crashes = 0
    for at in range(1, 60):
        await world.command(account, CommandKind.VOUCHER, 10_000_001)
        await world.event(account, EventKind.DIRECT_DEBIT, 3_333_333)
        await world.session(account, [], ends=False)
        trap.left = at
        try:
            await books.take(db=world.db, log=world.log, clock=world.clock)
        except Crashed:
            crashes += 1
            trap.left = -1
            await books.take(db=world.db, log=world.log, clock=world.clock)
        else:
            break
    trap.left = -1
    assert crashes > 12  # it went through all of them
    rounds = crashes + 1
    done, stray = await world.reconciled()
    assert (done.differences, stray) == ((), ())
    assert await world.charged() == rounds * 3_333_333
    assert await world.count("charging.movement") == first["charging.movement"] + 2 * rounds
    assert (await world.gross())[Book.REVENUE_USAGE] == -rounds * 3_333_333


async def test_a_shard_of_two_tenants_is_booked_once_for_each_wherever_it_stops(
    world: BooksWorld, other_tenant_id: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await world.neighbour(other_tenant_id)
    trap = Trap(monkeypatch)
    for at in range(1, 60):
        for one in (world, other):
            await one.command(one.accounts[0], CommandKind.VOUCHER, EURO)
            await one.event(one.accounts[0], EventKind.DIRECT_DEBIT, 1_234_567)
        trap.left = at
        try:
            await books.take(db=world.db, log=world.log, clock=world.clock)
        except Crashed:
            trap.left = -1
        else:
            break
    trap.left = -1
    await world.take()
    for one in (world, other):
        assert await one.charged() == at * 1_234_567
        assert await one.count("charging.movement") == 2 * at
        done, stray = await one.reconciled()
        assert (done.differences, stray) == ((), ())


async def test_small_charges_become_whole_cents_when_they_have_come_together(world: BooksWorld) -> None:
    (account,) = world.accounts
    await world.command(account, CommandKind.VOUCHER, 10 * EURO)
    for _ in range(10):
        await world.event(account, EventKind.DIRECT_DEBIT, 4_000_000)
        await world.take()
    async with world.db.transaction(world.tenant_id) as tx:
        rows = {row.book: row for row in await ledger.trial_balance(tx=tx)}
    assert (rows[Book.PREPAID].amount_minor, rows[Book.PREPAID].remainder_nano) == (4, 0)
    assert rows[Book.REVENUE_USAGE].amount_minor == -3  # 0.0336
    assert rows[Book.TAX_PAYABLE].amount_minor == -1  # 0.0064


async def test_a_planted_difference_is_found_with_its_place(world: BooksWorld) -> None:
    (account,) = world.accounts
    await world.command(account, CommandKind.VOUCHER, 10 * EURO)
    for _ in range(3):
        await world.event(account, EventKind.DIRECT_DEBIT, EURO)
        await world.take()
        world.clock.advance(timedelta(days=1))
    async with world.db.transaction(world.tenant_id) as tx:
        place = await tx.fetchrow(
            "SELECT sequence, place FROM charging.movement WHERE tenant_id = $1 AND kind = 1 ORDER BY sequence "
            "OFFSET 1 LIMIT 1",
            tx.tenant_id,
        )
        await tx.execute(  # a movement that nobody booked, right behind the second one
            "INSERT INTO charging.movement SELECT tenant_id, shard, sequence, place + 100, account, balance, unit, "
            "kind, -5, reason, key_hi, key_lo, request, at FROM charging.movement WHERE tenant_id = $1 "
            "AND sequence = $2 AND place = $3",
            *(tx.tenant_id, place["sequence"], place["place"]),
        )
    done, stray = await world.reconciled()
    assert {one.book: one.difference for one in done.differences} == {
        Book.PREPAID: -5,
        Book.REVENUE_USAGE: 5,
    }
    day = (world.clock.now() - timedelta(days=2)).date()
    expected = f"{day}, shard 0, sequence {place['sequence']}, place {place['place']}"
    assert {one.begins for one in done.differences} == {expected}
    assert [(one.account, one.balance, one.held - one.moved) for one in stray] == [(account.number, 1, 5)]


async def test_an_entry_that_charging_did_not_write_is_found(world: BooksWorld) -> None:
    (account,) = world.accounts
    await world.event(account, EventKind.REFUND, EURO)
    await world.take()
    async with world.db.transaction(world.tenant_id) as tx:
        entity = (await ledger.trial_balance(tx=tx))[0].legal_entity_id
        sides = (Posting(Book.PREPAID, EUR, 100), Posting(Book.REVENUE_USAGE, EUR, -100))
        now = world.clock.now()
        entry = Entry(EntryId(uuid7(now)), entity, now.date(), now, "charging", "by hand", sides)
        await ledger.post_entries(tx=tx, entries=[entry])
    done, _ = await world.reconciled()
    assert {one.book: one.difference for one in done.differences} == {
        Book.PREPAID: EURO,
        Book.REVENUE_USAGE: -EURO,
    }
    assert all(one.begins for one in done.differences)


async def test_what_a_postpaid_account_uses_is_recorded_and_left_to_its_bill(world: BooksWorld) -> None:
    account = await world.subscriber("sub-9", postpaid=True)
    await world.event(account, EventKind.DIRECT_DEBIT, EURO)
    await world.take()
    assert await world.ledger() == {}
    assert await world.charged() == EURO
    done, stray = await world.reconciled()
    assert (done.differences, stray) == ((), ())


async def test_notices_are_events_in_the_transaction_of_their_movements(world: BooksWorld) -> None:
    (account,) = world.accounts
    await world.command(account, CommandKind.VOUCHER, 5 * EURO)
    await world.command(account, CommandKind.PURCHASE, 0, world.offer)
    world.clock.advance(timedelta(microseconds=8 * DAY_US))
    await world.command(account, CommandKind.VOUCHER, EURO)
    await world.take()
    told = (await world.snapshot())["events"]
    assert isinstance(told, list)
    assert {kind.removeprefix("farwire.charging.") for kind, _ in told} >= {
        "account_activated.v1",
        "balance_forfeited.v1",
    }
    assert {subject for _, subject in told} == {str(account.number)}


async def test_the_books_stand_still_rather_than_pass_over_an_account_that_nobody_knows(
    world: BooksWorld,
) -> None:
    (account,) = world.accounts
    await world.command(account, CommandKind.VOUCHER, EURO)
    async with world.db.transaction(world.tenant_id) as tx:
        await tx.execute("DELETE FROM charging.identity WHERE tenant_id = $1", tx.tenant_id)
        await tx.execute("DELETE FROM charging.account WHERE tenant_id = $1", tx.tenant_id)
    with pytest.raises(NotFound) as caught:
        await world.take()
    assert caught.value.code == "charging.account_unknown"
    assert await world.count("charging.movement") == 0
