"""A standby follows and takes over; the old process is fenced, and the log stays one chain."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import pytest

from farwire.charging.log import Fenced
from farwire.charging.log.lease import take_lease
from farwire.charging.log.postgres import PostgresLog
from farwire.charging.model import ResultCode
from farwire.charging.shard.admission import Moved
from farwire.charging.shard.keeper import Keeper
from farwire.charging.shard.placement import place
from farwire.charging.shard.runner import Runner
from farwire.charging.shard.shard import Open, recover
from farwire.charging.shard.standby import Standby
from farwire.kernel.errors import Unavailable
from tests.charging.shard_world import FlatTariffs, an_account, top_up


async def owned(db, holder: str) -> PostgresLog:
    lease = await take_lease(db=db, shard=1, holder=holder, seconds=60, force=True)
    return PostgresLog(db, shard=1, epoch=lease.epoch)


async def held_until(db) -> datetime:
    async with db.untenanted() as tx:
        return await tx.fetchval("SELECT held_until FROM charging.log_lease WHERE shard = 1")


async def test_a_standby_takes_over_without_loss_and_the_old_process_says_nothing_any_more(db, clock):
    log = await owned(db, "one")
    old = Runner(await recover(log=log, records=1_000, tariffs=FlatTariffs(), clock=clock))
    await old.ask(1, Open(an_account(7)))
    standby = Standby(1_000)
    reader = PostgresLog(db, shard=1, epoch=1)
    await old.ask(1, top_up(7, 1, 10))
    assert await standby.follow(reader) == 2
    await old.ask(1, top_up(7, 2, 20))

    log = await owned(db, "two")
    new = Runner(await standby.take_over(log, tariffs=FlatTariffs(), clock=clock))
    assert new.shard.accounts.find(1, 7).balances[0].amount == 30
    with pytest.raises(Unavailable):
        await old.ask(1, top_up(7, 3, 40))
    assert isinstance(old.shard.failure, Fenced)
    answer = await new.ask(1, top_up(7, 3, 40))
    assert answer.result == ResultCode.SUCCESS
    assert new.shard.accounts.find(1, 7).balances[0].amount == 70
    assert [facts.last async for facts in reader.facts(0)] == [1, 2, 3, 4]
    await new.drain()


async def test_a_take_over_right_after_following_everything_keeps_the_chain_of_checksums(db, clock):
    log = await owned(db, "one")
    old = Runner(await recover(log=log, records=1_000, tariffs=FlatTariffs(), clock=clock), books=lambda: 0)
    await old.ask(1, Open(an_account(7)))
    await old.snapshot()
    standby = Standby(1_000)
    await standby.follow(log)
    for number in (2, 3):
        log = await owned(db, str(number))
        shard = (
            await standby.take_over(log, tariffs=FlatTariffs(), clock=clock)
            if number == 2
            else await recover(log=log, records=1_000, tariffs=FlatTariffs(), clock=clock)
        )
        new = Runner(shard, books=lambda: 0)
        await new.ask(1, top_up(7, number, 1))
        assert [batch.last async for batch in log.batches(0)] == list(range(1, number + 1))
        await new.snapshot()
        await new.drain()


async def test_a_standby_that_fell_behind_what_is_kept_begins_anew(db, clock):
    log = await owned(db, "one")
    old = Runner(await recover(log=log, records=1_000, tariffs=FlatTariffs(), clock=clock))
    await old.ask(1, Open(an_account(7)))
    standby = Standby(1_000)
    await standby.follow(log)
    for key in range(3):
        await old.ask(1, top_up(7, key, 1))
        await old.snapshot()
    assert await standby.follow(log) == 0
    assert await standby.follow(log) == old.shard.log.last  # from the newest snapshot
    late = Standby(1_000)
    assert await late.follow(log) == old.shard.log.last
    log = await owned(db, "two")
    shard = await standby.take_over(log, tariffs=FlatTariffs(), clock=clock)
    assert shard.accounts.find(1, 7).balances[0].amount == 3


async def test_of_two_processes_one_serves_and_the_other_takes_over_when_it_is_gone(db, clock):
    def keeper(name: str) -> Keeper:
        return Keeper(
            db=db, shard=1, holder=name, records=1_000, tariffs=FlatTariffs(), clock=clock, lease_s=3
        )

    await place(db=db, shards=[1, 2])
    first = await keeper("one").serve()
    assert await first.runner.ask(1, top_up(6, 1, 1)) != Moved(2)
    assert await first.runner.ask(1, top_up(7, 1, 1)) == Moved(2)
    await first.runner.ask(1, Open(an_account(6)))
    standing_by = asyncio.ensure_future(keeper("two").serve())
    await first.runner.ask(1, top_up(6, 1, 10))
    begun = await held_until(db)
    while await held_until(db) < begun + timedelta(seconds=1.5):  # noqa: ASYNC110 - another task renews it
        await asyncio.sleep(0.1)
    assert not standing_by.done()
    first.keeping.cancel()  # the process hangs
    second = await asyncio.wait_for(standing_by, 60)
    assert second.lease.epoch == first.lease.epoch + 1
    assert (await second.runner.ask(1, top_up(6, 2, 20))).cost == 20
    with pytest.raises(Unavailable):
        await first.runner.ask(1, top_up(6, 3, 40))
    assert second.runner.shard.accounts.find(1, 6).balances[0].amount == 30

    third = asyncio.ensure_future(keeper("three").serve())
    await second.runner.drain()  # it leaves in good order: the lease is free at once
    third_served = await asyncio.wait_for(third, 60)
    assert third_served.runner.shard.accounts.find(1, 6).balances[0].amount == 30
    await third_served.runner.drain()
    await third_served.keeping


async def test_a_process_that_has_lost_its_lease_ends(db, clock):
    one = Keeper(db=db, shard=1, holder="one", records=1_000, tariffs=FlatTariffs(), clock=clock, lease_s=1)
    served = await one.serve()
    await take_lease(db=db, shard=1, holder="two", seconds=60, force=True)
    await asyncio.wait_for(served.runner.ended.wait(), 60)
    assert isinstance(served.runner.shard.failure, Fenced)
