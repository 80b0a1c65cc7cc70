"""A virtual shard moves under load and through crashes: each account is in one place, with all that it had."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from farwire.base.clock import MovableClock
from farwire.charging.log.file import FileLog, highest_epoch
from farwire.charging.model import Answer, Command, CommandKind, Phase, ResultCode, Share
from farwire.charging.model.state import NEVER
from farwire.charging.shard.admission import Moved
from farwire.charging.shard.handover import Desk, hand_over
from farwire.charging.shard.homes import VSHARDS
from farwire.charging.shard.moving import arrive, depart, settle, settle_all
from farwire.charging.shard.placement import Home, change_home, claim, claim_one, home_of, place
from farwire.charging.shard.runner import Runner
from farwire.charging.shard.shard import Open, recover
from farwire.charging.shard.vshards import Move
from farwire.kernel.errors import Conflict
from tests.charging.inline import Inline
from tests.charging.shard_world import FlatTariffs, an_account, session, top_up
from tests.charging.virtual_disk import VirtualDisk

V = 5
MOVE = Move(V, 1, 2)
NUMBERS = [V + VSHARDS * place for place in range(1, 9)]
OTHER = 6 + VSHARDS


class Gated(Inline):
    """A disk that is waited for while ``waits`` is a list."""

    def __init__(self) -> None:
        self.waits: list[Callable[[], None]] | None = None

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        if self.waits is None:
            return super().submit(fn, *args, **kwargs)
        future: Future[Any] = Future()
        self.waits.append(lambda: future.set_result(fn(*args, **kwargs)))
        return future

    def go_on(self) -> None:
        waits, self.waits = self.waits or [], None
        for act in waits:
            act()


class Pair:
    """Two shards and the gateways' way to them."""

    def __init__(self) -> None:
        self.disks = {1: VirtualDisk(1), 2: VirtualDisk(2)}
        self.clock = MovableClock(datetime(2026, 6, 1, tzinfo=UTC))
        self.homes = [1] * VSHARDS
        self.epoch = 1
        self.runners: dict[int, Runner] = {}
        self.desks: dict[int, Desk] = {}
        self.writers: dict[int, Gated] = {}
        self.moved = self.busy = 0

    async def start(self, shard: int) -> Runner:
        disk = self.disks[shard]
        disk.kill()
        writer = self.writers[shard] = Gated()
        log = FileLog(
            disk, shard=shard, epoch=highest_epoch(disk, shard) + 1, segment_bytes=1 << 16,
            writer=writer, background=Inline(),
        )  # fmt: skip
        made = await recover(log=log, records=3_000, tariffs=FlatTariffs(), clock=self.clock)
        self.runners[shard] = Runner(made)
        self.desks[shard] = Desk(self.runners[shard], claim=self.claim, patience_ms=50)
        await settle_all(self.runners[shard], self.homes)
        return self.runners[shard]

    async def ask(self, request, shard: int = 1) -> Answer:
        """Follow where the account is said to be; try again when it is on its way."""
        while True:
            answer = await self.runners[shard].ask(1, request)
            if isinstance(answer, Moved):
                shard, self.moved = answer.shard, self.moved + 1
            elif answer.result == ResultCode.TOO_BUSY:
                self.busy += 1
                await asyncio.sleep(0.001)
            else:
                return answer

    async def change_home(self, move: Move) -> int:
        self.homes[move.vshard] = move.target
        return move.target

    async def claim(self, vshard: int) -> int:
        self.epoch += 1
        return self.homes[vshard]

    async def move(self, change_home=None) -> int:
        """Hand the virtual shard over, and settle both sides."""
        source, target = self.desks[1], self.desks[2]
        change = change_home or self.change_home
        try:
            await hand_over(
                source=source, target=target, vshard=V, epoch=self.epoch, change_home=lambda: change(MOVE)
            )
        finally:
            home = await target.settle(V)
            assert await source.settle(V) == home
        return home

    def where(self, number: int) -> list[int]:
        return [shard for shard, one in sorted(self.runners.items()) if one.shard.accounts.find(1, number)]


@pytest.fixture
async def pair() -> Pair:
    found = Pair()
    for shard in (1, 2):
        await found.start(shard)
    for number in (*NUMBERS, OTHER):
        await found.ask(Open(an_account(number)))
        await found.ask(top_up(number, 1, 100))
    return found


async def test_accounts_move_under_load_with_their_sessions_and_keys(pair):
    first = {number: await pair.ask(session(number, 0, Phase.INITIAL)) for number in NUMBERS}
    stop = False

    async def load(number: int) -> int:
        key = 10
        while not stop:
            await pair.ask(top_up(number, key, 1))
            key += 1
        return key - 10

    loads = [asyncio.ensure_future(load(number)) for number in (*NUMBERS, OTHER)]
    await asyncio.sleep(0.02)
    home = await pair.move()
    await asyncio.sleep(0.02)
    stop = True
    added = dict(zip((*NUMBERS, OTHER), await asyncio.gather(*loads), strict=True))
    assert home == 2
    assert pair.moved > 0
    assert pair.where(OTHER) == [1]
    for number in NUMBERS:
        assert pair.where(number) == [2]
        assert pair.runners[2].shard.accounts.find(1, number).balances[0].amount == 100 + added[number]
        assert await pair.ask(session(number, 0, Phase.INITIAL)) == first[number]
        assert (await pair.ask(top_up(number, 1, 100))).cost == 100
        assert pair.runners[2].shard.accounts.find(1, number).balances[0].amount == 100 + added[number]


@pytest.mark.parametrize("step", ["depart", "arrive", "change", "target", "source"])
async def test_a_crash_of_both_at_any_step_leaves_each_account_in_one_place(pair, step):
    steps = ["depart", "arrive", "change", "target", "source"]
    done = steps[: steps.index(step) + 1]
    shipment = await depart(pair.runners[1], V)
    if "arrive" in done:
        await arrive(pair.runners[2], shipment)
    if "change" in done:
        await pair.change_home(MOVE)
    if "target" in done:
        await settle(pair.runners[2], V, 2)
    if "source" in done:
        await settle(pair.runners[1], V, 2)
    for shard in (1, 2):
        await pair.start(shard)
    home = 2 if "change" in done else 1
    for number in NUMBERS:
        assert pair.where(number) == [home]
        assert (await pair.ask(top_up(number, 2, 5))).cost == 5
        assert pair.runners[home].shard.accounts.find(1, number).balances[0].amount == 105
    if home == 1:  # the move is simply begun anew
        await pair.move()
        assert {tuple(pair.where(number)) for number in NUMBERS} == {(2,)}
    records = {shard: one.shard.arena.records for shard, one in pair.runners.items()}
    for shard in (1, 2):
        await pair.start(shard)
    assert {shard: one.shard.arena.records for shard, one in pair.runners.items()} == records


async def test_a_full_target_leaves_everything_at_the_source(pair):
    pair.runners[2].shard.arena.capacity = 3
    with pytest.raises(Exception, match="room for"):
        await pair.move()
    assert pair.where(NUMBERS[0]) == [1]
    assert (await pair.ask(top_up(NUMBERS[0], 2, 5))).cost == 5


async def test_what_is_due_while_an_account_is_frozen_or_moved_is_done_at_its_home(pair):
    number = NUMBERS[0]
    await pair.ask(session(number, 0, Phase.INITIAL))
    shipment = await depart(pair.runners[1], V)
    pair.clock.advance(timedelta(days=3))
    pair.runners[1].shard.step()
    assert pair.runners[1].shard.accounts.find(1, number).sessions
    await arrive(pair.runners[2], shipment)
    await settle(pair.runners[2], V, 2)
    await settle(pair.runners[1], V, 2)
    pair.runners[2].shard.step()
    assert pair.runners[2].shard.accounts.find(1, number).sessions == ()


async def test_a_transfer_to_an_account_that_is_on_its_way_is_tried_again(pair):
    await depart(pair.runners[1], V)
    transfer = Command(OTHER, 3, 3, CommandKind.TRANSFER, 10, NUMBERS[0])
    assert (await pair.runners[1].ask(1, transfer)).result == ResultCode.TOO_BUSY
    await settle(pair.runners[1], V, 1)
    assert (await pair.runners[1].ask(1, transfer)).cost == 10


async def test_accounts_that_share_have_one_virtual_shard(pair):
    account = an_account(V + VSHARDS * 20)
    for owner, result in ((OTHER, ResultCode.INVALID), (NUMBERS[0], ResultCode.SUCCESS)):
        shared = type(account)(**{name: getattr(account, name) for name in account.__struct_fields__} | {
            "shares": (Share(owner, 0, 5, 100, 0, 0, 0, NEVER),)})  # fmt: skip
        assert (await pair.ask(Open(shared))).result == result


async def test_the_homes_in_the_database_are_changed_in_one_step(db, pair):
    await place(db=db, shards=[1])

    async def change(move: Move) -> None:
        async with db.untenanted() as tx:
            await change_home(tx, move=move, epoch=epoch)

    epoch = (await place(db=db, shards=[1]))[V].epoch
    claimed = await claim(db=db)  # a shard has recovered meanwhile: what the move counts on may be gone
    with pytest.raises(Conflict):
        await change(MOVE)
    epoch = claimed[V].epoch
    await hand_over(
        source=pair.desks[1], target=pair.desks[2], vshard=V, epoch=epoch, change_home=lambda: change(MOVE)
    )
    home = await home_of(db=db, vshard=V)
    assert home == Home(2, epoch + 1)
    assert await claim_one(db=db, vshard=V) == Home(2, epoch + 2)
    pair.homes = [home.shard for home in await place(db=db, shards=[1])]
    for shard in (1, 2):
        await pair.start(shard)
    assert {tuple(pair.where(number)) for number in NUMBERS} == {(2,)}


async def test_a_side_that_no_mover_asks_any_more_settles_by_itself_and_ends_the_move(pair):
    watching = [asyncio.ensure_future(desk.watch()) for desk in pair.desks.values()]
    epoch = pair.epoch
    manifest = await pair.desks[1].depart(V, epoch)
    await pair.desks[2].bring(V, epoch, 0, b"")
    await pair.desks[2].bring(V, epoch, 0, await pair.desks[1].export(V, epoch, 0))
    await pair.desks[2].arrive(V, epoch, manifest)
    assert [pair.where(number) for number in NUMBERS] == [[1, 2]] * len(NUMBERS)
    assert (await pair.runners[1].ask(1, top_up(NUMBERS[0], 7, 5))).result == ResultCode.TOO_BUSY
    assert (await pair.ask(top_up(NUMBERS[0], 7, 5))).cost == 5
    while pair.where(NUMBERS[0]) != [1]:  # noqa: ASYNC110 - it waits for a log
        await asyncio.sleep(0.01)
    assert pair.epoch > epoch  # what the mover still does meets a newer epoch
    with pytest.raises(Conflict):
        await pair.desks[1].export(V, epoch, 0)
    for task in watching:
        task.cancel()


async def test_a_side_that_is_slow_to_do_what_its_mover_asked_does_not_take_that_for_silence(pair):
    watching = asyncio.ensure_future(pair.desks[1].watch())
    epoch = pair.epoch
    pair.writers[1].waits = []
    departing = asyncio.ensure_future(pair.desks[1].depart(V, epoch))
    await asyncio.sleep(0.4)  # longer than its patience
    pair.writers[1].go_on()
    manifest = await departing
    assert await pair.desks[1].depart(V, epoch) == manifest  # behind whatever waited for the first to end
    assert pair.epoch == epoch
    watching.cancel()


async def test_a_mover_that_hangs_up_ends_its_own_hand_over_only(pair):
    watching = asyncio.ensure_future(pair.desks[1].watch())
    pair.desks[1]._patience_ms = 60_000
    await pair.desks[1].depart(V, 7)
    await pair.desks[1].depart(V, 8)  # of another mover
    pair.desks[1].leave({V: 7})
    await asyncio.sleep(0.4)
    assert await pair.desks[1].export(V, 8, 0)
    pair.desks[1].leave({V: 8})
    while pair.epoch == 1:  # noqa: ASYNC110 - it waits for a log
        await asyncio.sleep(0.01)
    watching.cancel()


async def test_records_that_came_incomplete_or_of_an_older_mover_do_not_arrive(pair):
    manifest = await pair.desks[1].depart(V, 7)
    await pair.desks[2].bring(V, 7, 0, b"")
    with pytest.raises(Conflict, match="incomplete"):
        await pair.desks[2].arrive(V, 7, manifest)
    await pair.desks[2].bring(V, 7, 0, await pair.desks[1].export(V, 7, 0))
    await pair.desks[2].arrive(V, 7, manifest)
    with pytest.raises(Conflict, match="another mover"):
        await pair.desks[2].bring(V, 6, 0, b"")
    pair.homes[V] = 2
    await pair.desks[2].settle(V)
    with pytest.raises(Conflict, match="it is here"):
        await pair.desks[2].bring(V, 8, 0, b"")
    await pair.desks[1].settle(V)
    with pytest.raises(Conflict, match="not here"):
        await pair.desks[1].depart(V, 8)
