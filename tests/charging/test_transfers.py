"""Money goes to an account of another virtual shard once, or comes back; whoever carries it may die at any moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import pytest

from farwire.base.clock import MovableClock
from farwire.base.storage import Database
from farwire.charging import service
from farwire.charging.model import Answer, CommandKind, MovementKind, ResultCode
from farwire.charging.model.accounts import ChargingAccount
from farwire.charging.model.state import AMOUNT_MAX
from farwire.charging.model.transfers import TransferState
from farwire.charging.service.transfers import QUIET, ask_transfer, money_under_way
from farwire.charging.shard.asks import Ask
from farwire.charging.shard.homes import vshard_of
from farwire.kernel.errors import Conflict, Invalid, NotFound, Unavailable
from farwire.kernel.ids import TenantId
from farwire.kernel.page import PageRequest
from tests.charging.books_world import BooksWorld, books_world
from tests.charging.desk import CLERK, GO_5
from tests.charging.play import EURO


@dataclass
class Fickle:
    """A client that dies at its ``nth`` transfer command: before it is asked, or before the answer is heard."""

    client: service.Client
    nth: int
    heard: bool
    count: int = 0
    asked: list[int] = field(default_factory=list)

    async def ask(self, tenant: int, request: Ask) -> Answer:
        kind = getattr(request, "kind", 0)
        if kind < CommandKind.TRANSFER_OUT:
            return await self.client.ask(tenant, request)
        self.count += 1
        self.asked.append(kind)
        if self.count == self.nth and not self.heard:
            raise Unavailable("dead")
        answer = await self.client.ask(tenant, request)
        if self.count == self.nth:
            raise Unavailable("dead")
        return answer

    async def close(self) -> None:
        pass


@dataclass
class Pair:
    world: BooksWorld
    payer: ChargingAccount
    payee: ChargingAccount

    async def transfer(
        self, amount: int = 3 * EURO, key: str = "gift", client: service.Client | None = None
    ) -> Answer:
        world = self.world
        return await service.person_commands(
            client or world.client, db=world.db, tenant_id=world.tenant_id, account=self.payer, key=key,
            wish=service.Wish(CommandKind.TRANSFER, amount, self.payee.number), actor=CLERK, now=world.clock.now(),
        )  # fmt: skip

    async def money(self) -> tuple[int, int]:
        states = {one.number: service.main_balance(one)[0] for one in await self.world.states()}
        return states[self.payer.number], states[self.payee.number]

    async def finish(self) -> int:
        self.world.clock.advance(QUIET)
        return await service.finish_transfers(
            self.world.client, db=self.world.db, tenant_id=self.world.tenant_id, now=self.world.clock.now()
        )

    async def listed(self, *, only_under_way: bool = False) -> list[TransferState]:
        async with self.world.db.transaction(self.world.tenant_id) as tx:
            page = await service.list_transfers(
                tx, page=PageRequest(), account=self.payee, only_under_way=only_under_way
            )
        return [one.state for one in page.items]


async def open_alone(world: BooksWorld, key: str) -> ChargingAccount:
    async with world.db.transaction(world.tenant_id) as tx:
        account = await service.open_account(tx, offering=GO_5, key=key, now=world.clock.now(), actor=CLERK)
    world.accounts.append(account)
    return account


@pytest.fixture
async def pair(db: Database, tenant_id: TenantId, clock: MovableClock, tmp_path: Path) -> AsyncIterator[Pair]:
    async with books_world(db, tenant_id, clock, tmp_path, "file") as world:
        world.accounts.clear()
        payer, payee = await open_alone(world, "payer"), await open_alone(world, "payee")
        while vshard_of(payee.number) == vshard_of(payer.number):
            payee = await open_alone(world, f"payee {len(world.accounts)}")
        await service.make_live(world.client, db=db, tenant_id=tenant_id, account=payer, now=clock.now())
        await world.command(payer, CommandKind.VOUCHER, 10 * EURO)
        yield Pair(world, payer, payee)


async def test_money_reaches_an_account_of_another_virtual_shard_once(pair: Pair) -> None:
    first, second = await asyncio.gather(pair.transfer(), pair.transfer())
    assert first == second == Answer(ResultCode.SUCCESS, (), 3 * EURO)
    assert await pair.transfer() == first
    assert await pair.money() == (7 * EURO, 3 * EURO)
    with pytest.raises(Conflict) as reused:
        await pair.transfer(4 * EURO)
    assert reused.value.code == "charging.key_reused"
    refused = await pair.transfer(8 * EURO, "more")
    assert refused.result == ResultCode.CREDIT_LIMIT_REACHED
    assert await pair.money() == (7 * EURO, 3 * EURO)
    assert sorted(await pair.listed()) == [TransferState.DONE, TransferState.REFUSED]
    await pair.world.take()
    done, stray = await pair.world.reconciled()
    assert (done.differences, stray) == ((), ())
    async with pair.world.db.transaction(pair.world.tenant_id) as tx:
        types = await tx.fetch(
            "SELECT data->>'state' AS state FROM base.outbox WHERE tenant_id = $1 AND type = $2 ORDER BY 1",
            *(tx.tenant_id, "farwire.charging.transfer_ended.v1"),
        )
    assert [row["state"] for row in types] == ["done", "refused"]


@pytest.mark.parametrize("full", [False, True], ids=["taken", "given back"])
@pytest.mark.parametrize("heard", [False, True], ids=["not asked", "not heard"])
@pytest.mark.parametrize("nth", [1, 2, 3])
async def test_a_death_at_any_step_moves_nothing_twice_and_loses_nothing(
    pair: Pair, nth: int, heard: bool, full: bool
) -> None:
    if full:
        await service.make_live(
            pair.world.client, db=pair.world.db, tenant_id=pair.world.tenant_id, account=pair.payee,
            now=pair.world.clock.now(),
        )  # fmt: skip
        await pair.world.command(pair.payee, CommandKind.VOUCHER, AMOUNT_MAX)
    start = await pair.money() if full else (10 * EURO, 0)
    dies = nth <= (3 if full else 2)
    client = Fickle(pair.world.client, nth, heard)
    if dies:
        with pytest.raises(Unavailable):
            await pair.transfer(client=client)
        assert len(await pair.listed(only_under_way=True)) == 1
    assert await pair.finish() == int(dies)
    if full:
        with pytest.raises(Conflict) as caught:
            await pair.transfer()
        assert caught.value.code == "charging.payee_refused"
        assert await pair.money() == start
        assert await pair.listed() == [TransferState.RETURNED]
    else:
        assert (await pair.transfer()).cost == 3 * EURO
        assert await pair.money() == (7 * EURO, 3 * EURO)
    assert await pair.listed(only_under_way=True) == []


async def test_what_a_shard_has_forgotten_the_books_know(pair: Pair) -> None:
    with pytest.raises(Unavailable):
        await pair.transfer(client=Fickle(pair.world.client, 2, heard=True))
    await pair.world.take()
    pair.world.clock.advance(timedelta(hours=30))
    assert await pair.finish() == 1
    assert await pair.money() == (7 * EURO, 3 * EURO)
    await pair.world.take()
    async with pair.world.db.transaction(pair.world.tenant_id) as tx:
        kinds = await tx.fetch("SELECT kind FROM charging.movement WHERE tenant_id = $1", tx.tenant_id)
    assert sorted(row["kind"] for row in kinds)[-2:] == [MovementKind.TRANSFER_OUT, MovementKind.TRANSFER_IN]


async def under_way(pair: Pair) -> list[tuple[int, int, int]]:
    await pair.world.take()
    done, stray = await pair.world.reconciled()
    assert (done.differences, stray) == ((), ())
    return [(one.moved_nano, one.known_nano, one.count) for one in done.under_way]


async def test_money_under_way_is_told_until_it_has_arrived(pair: Pair) -> None:
    await pair.transfer(EURO, key="done")
    assert await under_way(pair) == []
    with pytest.raises(Unavailable):
        await pair.transfer(client=Fickle(pair.world.client, 1, heard=True))
    assert await pair.listed(only_under_way=True) == [TransferState.ASKED], "and the money has gone"
    assert await under_way(pair) == [(-3 * EURO, -3 * EURO, 1)]
    await pair.finish()
    async with pair.world.db.transaction(pair.world.tenant_id) as tx:  # the books are a moment behind
        (behind,) = await money_under_way(tx)
    assert (behind.moved_nano, behind.difference, behind.count) == (-3 * EURO, 0, 0)
    assert await under_way(pair) == []


async def test_money_that_went_without_a_transfer_is_a_difference(pair: Pair) -> None:
    await pair.transfer()
    await pair.world.take()
    async with pair.world.db.transaction(pair.world.tenant_id) as tx:
        await tx.execute(
            "INSERT INTO charging.movement SELECT tenant_id, shard, sequence, place + 9, account, balance, unit, "
            "kind, -7, reason, key_hi, key_lo # 1, request, at FROM charging.movement WHERE tenant_id = $1 "
            "AND kind = $2",
            *(tx.tenant_id, int(MovementKind.TRANSFER_OUT)),
        )
        (found,) = await money_under_way(tx)
    assert (found.moved_nano, found.known_nano, found.difference) == (-7, 0, 7)


async def test_another_tenants_account_gets_no_money(pair: Pair, other_tenant_id: TenantId) -> None:
    other = await pair.world.neighbour(other_tenant_id)
    pair.payee = other.accounts[0]
    with pytest.raises(NotFound) as caught:
        await pair.transfer()
    assert caught.value.code == "charging.account_unknown"


@pytest.mark.parametrize("which", ["payer", "payee"])
async def test_what_an_account_may_owe_is_no_money_to_give_or_to_get(pair: Pair, which: str) -> None:
    world = pair.world
    setattr(pair, which, await world.subscriber("contract", postpaid=True))
    wish = service.Wish(CommandKind.TRANSFER, EURO, pair.payee.number)
    async with world.db.transaction(world.tenant_id) as tx:
        with pytest.raises(Invalid) as caught:
            await ask_transfer(
                tx, account=pair.payer, wish=wish, key="gift", actor=CLERK, now=world.clock.now()
            )
    assert (caught.value.code, caught.value.field) == ("charging.not_prepaid", "to")
    assert await pair.listed() == []
