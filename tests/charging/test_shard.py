"""The loop: answers leave in order and only when durable; overload, repeats, failure, recovery, the sweep."""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor, Future
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from farwire.base.clock import MovableClock
from farwire.charging.log.file import FileLog, highest_epoch
from farwire.charging.model import Answer, Phase, ResultCode, Service
from farwire.charging.shard.admission import Moved
from farwire.charging.shard.facts import unpack
from farwire.charging.shard.shard import Open, Settings, Shard, recover
from tests.charging.inline import Inline
from tests.charging.shard_world import FlatTariffs, an_account, session, top_up
from tests.charging.virtual_disk import VirtualDisk

START = datetime(2026, 6, 1, tzinfo=UTC)
SEGMENT = 1 << 16


class Held(Executor):
    """Does what was submitted when the test says so: a slow disk."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future, object, tuple]] = []
        self.slow = False

    def submit(self, fn, /, *args, **kwargs):
        future: Future = Future()
        self.waiting.append((future, fn, args))
        if not self.slow:
            self.work()
        return future

    def work(self, count: int = 1_000) -> None:
        while self.waiting and count:
            future, fn, args = self.waiting.pop(0)
            count -= 1
            try:
                future.set_result(fn(*args))
            except Exception as error:  # noqa: BLE001
                future.set_exception(error)


class World:
    def __init__(self, settings: Settings | None = None) -> None:
        self.disk = VirtualDisk()
        self.clock = MovableClock(START)
        self.settings = settings
        self.answers: list[Answer | Moved | None] = []
        self.shard = self.start()

    def start(self) -> Shard:
        self.writer = Held()
        log = FileLog(
            self.disk, shard=1, epoch=highest_epoch(self.disk, 1) + 1, segment_bytes=SEGMENT,
            writer=self.writer, background=Inline(),
        )  # fmt: skip
        return asyncio.run(
            recover(log=log, records=5_000, tariffs=FlatTariffs(), clock=self.clock, settings=self.settings)
        )

    def restart(self) -> None:
        self.disk.crash()
        self.shard = self.start()

    def send(self, request) -> None:
        self.shard.submit(1, request, self.answers.append)

    def ask(self, request):
        """Send a request and play until its answer is there."""
        self.send(request)
        while self.shard.step():
            pass
        self.writer.work()
        self.shard.settle()
        return self.answers[-1]

    def balance(self, number: int):
        return self.shard.accounts.find(1, number).balances[0]


@pytest.fixture
def world() -> World:
    return World()


def test_an_account_is_opened_once_and_charged(world):
    assert world.ask(Open(an_account(7))).result == ResultCode.SUCCESS
    assert world.ask(top_up(7, 1, 150)).cost == 150
    assert world.ask(Open(an_account(7))).result == ResultCode.SUCCESS
    granted = world.ask(session(7, 0, Phase.INITIAL)).groups[0]
    assert 0 < granted.granted <= 100
    assert world.ask(session(7, 1, Phase.TERMINATION, used=granted.granted)).result == ResultCode.SUCCESS
    assert world.balance(7).amount == 150 - granted.granted
    assert world.balance(7).reserved == 0


def test_another_tenant_s_account_is_unknown(world):
    world.ask(Open(an_account(7, 100)))
    world.shard.submit(2, top_up(7, 1, 5), world.answers.append)
    world.shard.step()
    world.shard.settle()
    assert world.answers[-1].result == ResultCode.UNKNOWN_USER


def test_no_answer_leaves_before_its_batch_is_durable_and_none_overtakes(world):
    world.ask(Open(an_account(7, 100)))
    world.answers.clear()
    world.writer.slow = True
    world.send(top_up(7, 1, 5))
    world.shard.step()
    world.send(
        top_up(7, 1, 5)
    )  # the repeat, while the first is not durable: it changes nothing and waits too
    world.shard.step()
    world.send(top_up(7, 2, 6))
    world.shard.step()
    world.shard.settle()
    assert world.answers == []
    assert world.balance(7).amount == 111
    world.writer.work(1)
    world.shard.settle()
    assert [answer.cost for answer in world.answers] == [5]
    world.writer.work()
    world.shard.settle()
    assert [answer.cost for answer in world.answers] == [5, 5, 6]


def test_batches_in_flight_are_bounded(world):
    world.ask(Open(an_account(7, 100)))
    world.writer.slow = True
    for key in range(10):
        world.send(top_up(7, key, 1))
        world.shard.step()
    assert world.shard.in_flight == world.shard.settings.in_flight
    assert world.shard.waiting == 10 - world.shard.settings.in_flight
    for _ in range(10):
        world.writer.work()
        world.shard.settle()
        world.shard.step()
    assert world.balance(7).amount == 110
    assert world.shard.idle


def test_a_failing_sync_ends_the_shard_and_what_was_not_durable_is_never_answered(world):
    world.ask(Open(an_account(7, 100)))
    world.answers.clear()
    world.disk.fail_sync_at = world.disk.syncs + 1
    world.send(top_up(7, 1, 5))
    world.shard.step()
    world.send(top_up(7, 2, 6))
    world.shard.settle()
    assert world.answers == [None, None]
    assert world.shard.failure.code == "charging.log_failed"
    world.send(top_up(7, 3, 7))
    assert world.answers == [None, None, None]
    assert not world.shard.step()


def test_what_was_answered_is_there_after_a_crash_and_a_repeat_moves_nothing(world):
    world.ask(Open(an_account(7)))
    world.ask(top_up(7, 1, 90))
    first = world.ask(session(7, 0, Phase.INITIAL))
    world.restart()
    assert world.balance(7).amount == 90
    assert world.ask(session(7, 0, Phase.INITIAL)) == first
    assert world.ask(top_up(7, 1, 90)).cost == 90
    assert world.balance(7).amount == 90


def test_the_sweep_frees_what_a_silent_session_holds_also_after_a_restart(world):
    world.ask(Open(an_account(7, 90)))
    world.ask(session(7, 0, Phase.INITIAL))
    assert world.balance(7).reserved > 0
    world.restart()
    world.clock.advance(timedelta(days=3))
    world.shard.step()
    assert world.balance(7).reserved == 0
    assert world.shard.accounts.find(1, 7).sessions == ()


def test_overload_refuses_new_sessions_first_and_terminations_last_and_emergency_never():
    outcomes = {}
    for name, request in {
        "new": session(7, 0, Phase.INITIAL),
        "update": session(7, 1, Phase.UPDATE),
        "end": session(7, 2, Phase.TERMINATION),
        "emergency": session(7, 0, Phase.INITIAL, kind="voice", destination="112"),
    }.items():
        taken = []
        fresh = World(Settings(queue=10))
        for _ in range(12):
            fresh.shard.submit(1, request, taken.append)
        outcomes[name] = (fresh.shard.waiting, {answer.result for answer in taken})
    assert outcomes == {
        "new": (6, {ResultCode.TOO_BUSY}),
        "update": (8, {ResultCode.TOO_BUSY}),
        "end": (10, {ResultCode.TOO_BUSY}),
        "emergency": (6, {ResultCode.SUCCESS}),
    }


def test_an_emergency_call_goes_on_in_an_overload_though_nobody_says_again_whom_it_calls():
    world = World(Settings(queue=10))
    world.ask(Open(an_account(7, 100)))
    for number, kind in ((8, "voice"), (9, "data")):
        assert world.ask(session(7, 0, Phase.INITIAL, id_lo=number, kind=kind, destination="112")).groups
    taken = []
    for _ in range(10):
        world.shard.submit(1, session(7, 1, Phase.TERMINATION, id_lo=5), lambda _: None)
    for number, kind in ((8, "voice"), (9, "data"), (6, "voice")):
        world.shard.submit(1, session(7, 1, Phase.UPDATE, id_lo=number, kind=kind), taken.append)
    assert [answer.result for answer in taken] == [
        ResultCode.SUCCESS,
        ResultCode.TOO_BUSY,
        ResultCode.TOO_BUSY,
    ]
    assert taken[0].groups[0].granted > 0


def test_a_full_arena_refuses_and_leaves_no_trace(world):
    world.shard.arena.capacity = world.shard.arena.used + 3
    assert world.ask(Open(an_account(7, 100))).result == ResultCode.SUCCESS
    assert world.ask(session(7, 0, Phase.INITIAL)).result == ResultCode.TOO_BUSY
    assert world.balance(7).reserved == 0
    emergency = world.ask(session(7, 0, Phase.INITIAL, kind="voice", destination="112"))
    assert emergency.result == ResultCode.SUCCESS


def test_a_rating_group_that_no_protocol_has_is_invalid(world):
    world.ask(Open(an_account(7, 100)))
    request = session(7, 0, Phase.INITIAL)
    strange = type(request)(7, 7, 1, 0, Phase.INITIAL, request.service, (type(request.asks[0])(2**40),))
    assert world.ask(strange).result == ResultCode.INVALID
    assert world.balance(7).reserved == 0
    call = replace(strange, session_lo=8, service=Service("voice", "112"))
    assert world.ask(call).result == ResultCode.SUCCESS, "an emergency call is granted without state"


def test_the_facts_of_a_batch_say_what_moved(world):
    world.ask(Open(an_account(7)))
    world.ask(top_up(7, 1, 50))

    async def facts():
        return [fact async for batch in world.shard.log.facts(0) for fact in unpack(batch.facts)]

    found = asyncio.run(facts())
    assert [(tenant, one.account, one.amount) for tenant, one in found] == [(1, 7, 50)]


def test_time_never_goes_back(world):
    before = world.shard.now()
    world.shard._clock = MovableClock(START - timedelta(days=1))
    assert world.shard.now() == before


def test_a_client_that_cannot_be_told_does_not_keep_others_from_their_answers(world):
    world.ask(Open(an_account(7)))

    def broken(_):
        raise RuntimeError("the way back is broken")

    world.shard.submit(1, top_up(7, 1, 5), broken)
    assert world.ask(top_up(7, 2, 6)).cost == 6
    assert world.balance(7).amount == 11
