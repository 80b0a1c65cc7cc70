"""What a postpaid account may owe comes back when its bill is settled: once, whatever is lost on the way."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.eventbus.pending import deliver_pending
from farwire.base.storage import Database, open_relay
from farwire.billing.model import Bill
from farwire.charging.model import CommandKind, EventKind
from farwire.charging.service.room import ROOM
from farwire.kernel.errors import Unavailable
from farwire.kernel.ids import TenantId
from farwire.kernel.money import Money
from farwire.payment import service as payments
from farwire.payment.model import Payment
from farwire.process import postpaid
from farwire.process.prepaid import prove
from tests.charging.books_world import Crashed, Trap
from tests.charging.play import EURO
from tests.charging.test_postpaid import VIENNA, Contract, a_contract
from tests.payment.till import ANNA
from tests.process.test_prepaid import Losing

LIMIT = 50 * EURO
CALL = 90_000_000


class Story:
    def __init__(self, contract: Contract, relay_db: Database) -> None:
        self.contract, self.world, self.relay_db = contract, contract.books, relay_db
        self.client = Losing(contract.books)

    async def deliver(self) -> None:
        one = postpaid.subscriber(db=self.world.db, clock=self.world.clock, client_of=lambda: self.client)
        await deliver_pending(relay_db=self.relay_db, clock=self.world.clock, subscribers=[one])

    async def refill(self, bill: Bill) -> None:
        one = postpaid.Refilling(self.world.db, self.world.clock, lambda: self.client)
        await one.refill(self.world.tenant_id, bill.id)

    async def billed(self) -> Bill:
        """Call Vienna, buy an offer, and get the bill of it."""
        await self.world.session(self.contract.online, [60], what=VIENNA)
        await self.world.command(self.contract.online, CommandKind.PURCHASE, 0, self.world.offer)
        await self.world.take()
        return await self.contract.bill()

    async def pay(self, bill: Bill, minor: int | None = None, external: str = "tx-1") -> Payment:
        amount = Money(bill.total_minor if minor is None else minor, bill.currency)
        return await self.world.till.pay(self.contract.bill_to, str(amount.to_decimal()), external)

    async def reverse(self, payment: Payment) -> None:
        now = self.world.clock.now()
        async with self.world.db.transaction(self.world.tenant_id) as tx:
            await payments.reverse_payment(tx, payment_id=payment.id, reason="returned", now=now, actor=ANNA)

    async def left(self) -> int:
        """Return what the account may still use."""
        state = next(one for one in await self.world.states() if one.number == self.contract.online.number)
        main = next(one for one in state.balances if one.number == 1)
        return main.amount - main.reserved - main.floor

    async def sound(self) -> bool:
        await self.world.take()
        async with self.world.db.transaction(self.world.tenant_id) as tx:
            return (await prove(tx)).sound


@pytest.fixture
async def story(
    db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path, settings: Settings
) -> AsyncIterator[Story]:
    relay_db = await open_relay(settings)
    async with a_contract(db, tenant_id, clock, tmp_path) as contract:
        yield Story(contract, relay_db)
    await relay_db.close()


async def test_a_bill_gives_its_room_back_when_all_of_it_is_paid(story: Story) -> None:
    bill = await story.billed()
    used = CALL + 5 * EURO
    await story.deliver()
    assert await story.left() == LIMIT - used
    await story.pay(bill, 100, "first")
    await story.deliver()
    assert await story.left() == LIMIT - used
    await story.pay(bill, bill.total_minor - 100, "rest")
    story.client.lose = 1
    await story.deliver()
    for _ in range(2):
        await story.refill(bill)
    assert await story.left() == LIMIT
    assert await story.sound()


async def test_a_payment_that_is_returned_takes_the_room_again_as_far_as_it_is_there(story: Story) -> None:
    bill = await story.billed()
    payment = await story.pay(bill)
    await story.deliver()
    await story.world.event(story.contract.online, EventKind.DIRECT_DEBIT, 47 * EURO)
    await story.reverse(payment)
    await story.deliver()
    assert await story.left() == 0
    assert await story.sound()
    await story.pay(bill, external="again")
    await story.deliver()
    assert await story.left() == LIMIT - 47 * EURO
    assert await story.sound()


async def test_room_comes_back_once_when_the_shard_has_forgotten_the_key(story: Story) -> None:
    bill = await story.billed()
    await story.pay(bill)
    story.client.lose = 1
    with pytest.raises(Unavailable):
        await story.refill(bill)
    await story.world.take()
    async with story.world.db.transaction(story.world.tenant_id) as tx:
        moved = await tx.fetchval(
            "SELECT sum(amount) FROM charging.movement WHERE tenant_id = $1 AND reason = $2",
            tx.tenant_id,
            ROOM,
        )
    assert moved == CALL + 5 * EURO
    asked = story.client.asked
    await story.refill(bill)
    assert (story.client.asked, await story.left()) == (asked, LIMIT)
    assert await story.sound()


async def test_a_difference_between_what_bills_gave_and_what_moved_is_found(story: Story) -> None:
    bill = await story.billed()
    await story.pay(bill)
    await story.refill(bill)
    await story.world.command(story.contract.online, CommandKind.TOP_UP, 7, ROOM)
    assert not await story.sound()


@pytest.mark.parametrize("after", [False, True])
async def test_a_crash_between_any_two_steps_gives_the_room_back_once(
    story: Story, monkeypatch: pytest.MonkeyPatch, after: bool
) -> None:
    bill = await story.billed()
    await story.pay(bill)
    trap, crashes = Trap(monkeypatch), 0
    trap.after = after
    for at in range(1, 40):
        trap.left = at
        try:
            await story.refill(bill)
        except Crashed:
            crashes += 1
        else:
            break
        finally:
            trap.left = -1
    assert crashes > 5
    assert await story.left() == LIMIT
    assert await story.sound()
