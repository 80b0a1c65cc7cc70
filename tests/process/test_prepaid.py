"""From a voucher or a payment to the balance and back: once, whatever is lost on the way, and the books prove it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest

from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.eventbus import Event, new_event
from farwire.base.eventbus.pending import deliver_pending
from farwire.base.storage import Database, open_relay
from farwire.charging import service as charging
from farwire.charging.model import Answer, Command, CommandKind, EventKind, ResultCode
from farwire.charging.shard.shard import Ask
from farwire.kernel.errors import Unavailable
from farwire.kernel.ids import TenantId
from farwire.ledger import service as ledger
from farwire.ledger.model import Book
from farwire.payment import service as payments
from farwire.payment.events import VOUCHER_REDEEMED
from farwire.payment.model import Notice, PaymentState
from farwire.payment.model.voucher import CreditOrder
from farwire.payment.service import voucher as vouchers
from farwire.process import prepaid
from tests.charging.books_world import BooksWorld, Crashed, Trap, books_world
from tests.charging.desk import CLERK
from tests.charging.play import EURO
from tests.payment.shop import Shop
from tests.payment.test_gateways import tell
from tests.payment.test_mobile_money import METHOD
from tests.payment.till import EVERYTHING

CENT = EURO // 100


class Losing:
    """A way to the shard on which answers get lost: what was asked is done, and nobody hears of it."""

    def __init__(self, world: BooksWorld) -> None:
        self.client = world.client
        self.lose = 0
        self.asked = 0

    async def ask(self, tenant: int, request: Ask) -> Answer:
        answer = await self.client.ask(tenant, request)
        self.asked += isinstance(request, Command)
        if self.lose and isinstance(request, Command) and answer.result == ResultCode.SUCCESS:
            self.lose -= 1
            raise Unavailable("lost", code="charging.no_answer")
        return answer

    async def close(self) -> None:
        """Do nothing."""


class Story:
    def __init__(self, world: BooksWorld, relay_db: Database, folder: Path) -> None:
        self.world, self.relay_db = world, relay_db
        self.shop = Shop(world.till, folder)
        self.client = Losing(world)

    async def deliver(self) -> None:
        one = prepaid.subscriber(db=self.world.db, clock=self.world.clock, client_of=lambda: self.client)
        await deliver_pending(relay_db=self.relay_db, clock=self.world.clock, subscribers=[one])

    async def voucher(self, value: str = "10.00", **more: object) -> None:
        await self.shop.make(value=value, **more)
        await self.shop.sell()
        code = next(iter(self.shop.codes.values()))
        assert (await self.shop.use(code, subscriber="sub-1")).order is not None

    async def mobile_money(self, cents: int = 2_000) -> Notice:
        account = await self.world.till.account()
        now = self.world.clock.now().isoformat()
        notice = Notice("mm-1", "done", "EUR", cents, now, account=account.number, topup="sub-1")
        for _ in range(3):
            await tell(self.world.till, METHOD, notice)
        return notice

    async def taken_back(self, notice: Notice) -> None:
        back = Notice(
            notice.reference, "reversed", "EUR", notice.amount_minor, self.world.clock.now().isoformat(),
            account=notice.account, topup=notice.topup,
        )  # fmt: skip
        payment = await tell(self.world.till, METHOD, back)
        assert payment is not None
        assert payment.state is PaymentState.REVERSED

    async def main(self) -> int:
        (state,) = await self.world.states()
        return next(one.amount for one in state.balances if one.number == 1)

    async def orders(self, *, of_vouchers: bool = False) -> tuple[CreditOrder, ...]:
        async with self.world.db.transaction(self.world.tenant_id) as tx:
            page = await vouchers.list_credit_orders(
                tx, page=EVERYTHING, waiting_only=False, vouchers=of_vouchers
            )
        return page.items

    async def proof(self) -> prepaid.Proof:
        await self.world.take()
        async with self.world.db.transaction(self.world.tenant_id) as tx:
            return await prepaid.prove(tx)


@pytest.fixture
async def story(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path, settings: Settings
) -> AsyncIterator[Story]:
    relay_db = await open_relay(settings)
    async with books_world(db, tenant_id, clock, tmp_path) as world:
        yield Story(world, relay_db, tmp_path)
    await relay_db.close()


async def test_a_voucher_is_on_the_balance_once_and_confirmed(story: Story) -> None:
    await story.voucher()
    waiting = await story.proof()
    assert (waiting.sound, [one.waiting_nano for one in waiting.credits]) == (True, [10 * EURO])
    await story.deliver()
    assert await story.main() == 10 * EURO
    assert (await story.orders(of_vouchers=True))[0].credited_at is not None
    proof = await story.proof()
    assert (proof.sound, [(one.booked_nano, one.waiting_nano) for one in proof.credits]) == (
        True,
        [(10 * EURO, 0)],
    )
    assert (await story.world.ledger())[Book.PREPAID] == -10 * EURO


async def test_a_voucher_brings_its_offer_beside_its_money(story: Story) -> None:
    await story.voucher(extra="go-5")
    await story.deliver()
    (state,) = await story.world.states()
    assert sorted(one.unit for one in state.balances) == [0, 1]
    assert await story.main() == 10 * EURO
    assert (await story.proof()).sound


async def test_what_is_told_three_times_and_answered_late_is_credited_once(story: Story) -> None:
    await story.mobile_money()
    story.client.lose = 3
    for _ in range(5):
        await story.deliver()
        story.world.clock.advance(timedelta(minutes=1))
    assert story.client.asked == 4
    assert await story.main() == 20 * EURO
    assert (await story.proof()).sound


async def test_a_repeat_after_the_shard_forgot_the_key_finds_it_in_the_books(story: Story) -> None:
    await story.mobile_money()
    story.client.lose = 1
    await story.deliver()
    await story.world.take()
    story.world.clock.advance(timedelta(hours=30))
    await story.deliver()
    assert story.client.asked == 1
    assert await story.main() == 20 * EURO
    assert (await story.orders())[0].credited_at is not None
    assert (await story.proof()).sound


@pytest.mark.parametrize(("spent", "short"), [(0, 0), (750, 750), (2_000, 2_000)])
async def test_what_is_left_of_a_top_up_is_taken_back_and_the_rest_is_a_debt(
    story: Story, spent: int, short: int
) -> None:
    notice = await story.mobile_money()
    await story.deliver()
    (account,) = story.world.accounts
    if spent:
        await story.world.event(account, EventKind.DIRECT_DEBIT, spent * CENT)
    await story.taken_back(notice)
    assert (await story.proof()).sound  # the books are ahead of the balance, and say so
    await story.deliver()
    await story.deliver()
    assert await story.main() == 0
    assert (await story.orders())[0].short_minor == short
    proof = await story.proof()
    assert proof.sound
    assert (await story.world.ledger()).get(Book.PREPAID, 0) == 0
    async with story.world.db.transaction(story.world.tenant_id) as tx:
        debts = (await payments.list_open_items(tx, page=EVERYTHING)).items
    assert [one.open_minor for one in debts] == ([short] if short else [])


async def test_a_number_given_to_somebody_else_takes_back_from_the_account_that_was_credited(
    story: Story,
) -> None:
    notice = await story.mobile_money()
    await story.deliver()
    world = story.world
    await world.event(world.accounts[0], EventKind.DIRECT_DEBIT, 750 * CENT)
    _, second = await handed_over(story)
    await world.command(second, CommandKind.TOP_UP, 50 * EURO)
    await story.taken_back(notice)
    await story.deliver()
    held = [one.amount for state in await world.states() for one in state.balances if one.number == 1]
    assert held == [0, 50 * EURO]
    assert (await story.orders())[0].short_minor == 750


@pytest.mark.parametrize("of_voucher", [True, False])
async def test_a_credit_whose_answer_was_lost_stays_with_the_account_although_its_number_is_anothers(
    story: Story, of_voucher: bool
) -> None:
    await (story.voucher("20.00") if of_voucher else story.mobile_money())
    story.client.lose = 1
    await story.deliver()
    first, _ = await handed_over(story)
    story.world.clock.advance(timedelta(minutes=6))
    await story.deliver()
    held = [one.amount for state in await story.world.states() for one in state.balances if one.number == 1]
    assert held == [20 * EURO, 0]
    (order,) = await story.orders(of_vouchers=of_voucher)
    assert (order.account_ref, order.credited_at is not None) == (str(first.number), True)
    assert (await story.proof()).sound


async def test_what_another_company_was_paid_is_owed_by_that_of_the_account(story: Story) -> None:
    world = story.world
    world.clock.advance(timedelta(days=1))
    other = await world.till.company("ZZ")
    await story.voucher()
    notice = await story.mobile_money()
    await story.deliver()
    proof = await story.proof()
    assert (proof.sound, sorted(one.booked_nano for one in proof.credits)) == (True, [0, 30 * EURO])
    await world.event(world.accounts[0], EventKind.DIRECT_DEBIT, 15 * EURO)
    await story.taken_back(notice)
    await story.deliver()
    proof = await story.proof()
    assert (proof.sound, await story.main()) == (True, 0)
    async with world.db.transaction(world.tenant_id) as tx:
        rows = await ledger.trial_balance(tx=tx)
    between = {
        row.legal_entity_id == other.id: row.amount_minor
        for row in rows
        if row.book is Book.TOPUPS_TO_ACCOUNT
    }
    assert between == {True: -1_500, False: 1_500}


async def test_a_postpaid_account_gets_no_money_that_its_bill_would_collect_again(story: Story) -> None:
    world = story.world
    contract = await world.subscriber("contract", postpaid=True)
    await story.shop.make()
    await story.shop.sell()
    assert (
        await story.shop.use(next(iter(story.shop.codes.values())), subscriber="contract")
    ).order is not None
    await story.deliver()
    (order,) = await story.orders(of_vouchers=True)
    assert (order.credited_at, order.account_ref) == (None, "")
    held = {state.number: state.balances[0].amount for state in await world.states()}
    assert held[contract.number] == 0
    assert (await story.proof()).sound


async def handed_over(story: Story) -> tuple[charging.ChargingAccount, charging.ChargingAccount]:
    """Close the account of the number and open another one for it; return both."""
    world = story.world
    (first,) = world.accounts
    now = world.clock.now()
    await charging.close_ended(world.client, db=world.db, tenant_id=world.tenant_id, account=first, now=now)
    async with world.db.transaction(world.tenant_id) as tx:
        await charging.erase_account(tx, number=first.number, now=now, actor=CLERK)
    second = await world.subscriber("sub-1")
    assert second.number != first.number
    return first, second


async def test_a_taking_back_whose_answers_are_lost_takes_once(story: Story) -> None:
    notice = await story.mobile_money()
    await story.deliver()
    (account,) = story.world.accounts
    await story.world.event(account, EventKind.DIRECT_DEBIT, 12_345_678)  # part of a cent, too
    await story.taken_back(notice)
    for _ in range(6):
        story.client.lose = 1
        await story.deliver()
        await story.world.command(account, CommandKind.VOUCHER, EURO)  # money of later is not touched
        story.world.clock.advance(timedelta(minutes=6))
    story.client.lose = 0
    await story.deliver()
    (order,) = await story.orders()
    assert order.short_minor == 2
    assert await story.main() == 6 * EURO + 2 * CENT - 12_345_678


async def test_a_crash_between_any_two_steps_credits_once(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    await story.shop.make(quantity=60)
    await story.shop.sell()
    world = story.world
    trap = Trap(monkeypatch)
    crashes = 0
    for at, code in enumerate(story.shop.codes.values(), start=1):
        await story.shop.use(code, subscriber="sub-1")
        async with world.db.transaction(world.tenant_id) as tx:
            data = await tx.fetchrow(
                "SELECT subject FROM base.outbox WHERE tenant_id = $1 AND type LIKE '%voucher_redeemed%' "
                "ORDER BY position DESC LIMIT 1",
                tx.tenant_id,
            )
        event = _event(world, data["subject"])
        trap.left = at
        try:
            await prepaid.carry_out(db=world.db, clock=world.clock, client=story.client, event=event)
        except Crashed:
            crashes += 1
            trap.left = -1
            await prepaid.carry_out(db=world.db, clock=world.clock, client=story.client, event=event)
        else:
            break
    trap.left = -1
    assert crashes >= 4
    assert await story.main() == (crashes + 1) * 10 * EURO
    assert (await story.proof()).sound


def _event(world: BooksWorld, key: str) -> Event:
    now = world.clock.now()
    return new_event(
        tenant_id=world.tenant_id,
        type=VOUCHER_REDEEMED,
        subject=key,
        occurred_at=now,
        recorded_at=now,
        data={"key": key},
    )


async def test_a_credit_that_nobody_ordered_is_found(story: Story) -> None:
    (account,) = story.world.accounts
    await story.world.command(account, CommandKind.VOUCHER, 5 * EURO)
    proof = await story.proof()
    assert not proof.sound
    assert [one.difference for one in proof.credits] == [-5 * EURO]
