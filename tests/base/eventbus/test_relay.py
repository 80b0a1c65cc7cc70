"""The relay: nothing skipped, nothing lost, order per subject, failures set aside, one process per subscriber."""

from __future__ import annotations

import asyncio
import contextlib
from datetime import timedelta

import pytest

from farwire.base.audit import service as audit_service
from farwire.base.clock import MovableClock
from farwire.base.eventbus import Event, operations, publish
from farwire.base.eventbus.delivery import DeliveryState, RetryPolicy, Subscriber
from farwire.base.eventbus.relay import LeaseLost, Relay, RelaySettings
from farwire.base.eventbus.store import relay as store
from farwire.base.storage import Database
from farwire.kernel.errors import Defect, Exhausted, Unavailable, check
from farwire.kernel.ids import TenantId
from farwire.kernel.tenancy import SYSTEM

from .conftest import Publish, event_of

ONE_RETRY = RetryPolicy(max_attempts=2, first_delay=timedelta(seconds=10))


class Receiver:
    """Remembers what it saw; fails on the subjects and numbers that it is told to."""

    def __init__(self, *, failing: set[str] | None = None) -> None:
        self.seen: list[Event] = []
        self.failing = failing or set()

    async def __call__(self, event: Event) -> None:
        if event.subject in self.failing or f"{event.subject}#{event.data['n']}" in self.failing:
            raise ValueError(f"cannot take {event.subject} of 4915112345678")
        self.seen.append(event)

    @property
    def numbers(self) -> list[object]:
        return [event.data["n"] for event in self.seen]

    def of(self, subject: str) -> list[object]:
        return [event.data["n"] for event in self.seen if event.subject == subject]


def relay_of(relay_db: Database, clock: MovableClock, *subscribers: Subscriber, **bounds: object) -> Relay:
    return Relay(
        db=relay_db,
        clock=clock,
        subscribers=subscribers,
        settings=RelaySettings(**bounds),  # type: ignore[arg-type]
    )


async def test_every_event_of_every_tenant_arrives_in_order(
    relay_db: Database, clock: MovableClock, published: Publish, other_tenant_id: TenantId
) -> None:
    mine = await published("a", "b", "a")
    theirs = await published("a", tenant=other_tenant_id, start=3)
    receiver = Receiver()
    relay = relay_of(relay_db, clock, Subscriber("s", receiver))
    assert await relay.drain() == 4
    assert sorted(receiver.seen, key=lambda e: str(e.data["n"])) == mine + theirs
    assert [e.data["n"] for e in receiver.seen if e.subject == "a" and e.tenant_id == mine[0].tenant_id] == [
        0,
        2,
    ]
    assert await relay.drain() == 0


async def test_an_event_that_commits_late_is_not_skipped(
    db: Database, relay_db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    """Two interleaved transactions: the first to take a position is the last to commit."""
    receiver = Receiver()
    subscriber = Subscriber("s", receiver)
    relay = relay_of(relay_db, clock, subscriber)
    async with db.transaction(tenant_id) as late:
        await publish(late, event_of(tenant_id, "late", 1))
        async with db.transaction(tenant_id) as early:
            await publish(early, event_of(tenant_id, "early", 2))
        # "early" is committed and visible at a higher position. Going there now would skip "late" for ever.
        for _ in range(5):
            await relay.serve_once(subscriber)
        assert receiver.numbers == []
    await relay.drain()
    assert receiver.numbers == [1, 2]


async def test_a_transaction_that_is_older_but_publishes_later_comes_later(
    db: Database, relay_db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    """Order by transaction id would turn a subject's events round; order by position does not.

    The older transaction waits for the lock of the subject and publishes after the younger one has committed, while a
    third one, between them, keeps the younger one's id above the oldest running.
    """
    receiver = Receiver()
    subscriber = Subscriber("s", receiver)
    relay = relay_of(relay_db, clock, subscriber)
    async with db.transaction(tenant_id) as third:
        async with db.transaction(tenant_id) as older:
            await older.fetchval("SELECT pg_current_xact_id()")
            await third.fetchval("SELECT pg_current_xact_id()")
            async with db.transaction(tenant_id) as younger:
                await publish(younger, event_of(tenant_id, "bill/1", 1))
            await publish(older, event_of(tenant_id, "bill/1", 2))
        for _ in range(3):
            await relay.serve_once(subscriber)
        assert receiver.numbers in ([], [1], [1, 2])
    await relay.drain()
    assert receiver.numbers == [1, 2]


async def test_a_rolled_back_position_does_not_stop_the_relay(
    db: Database, relay_db: Database, clock: MovableClock, tenant_id: TenantId, published: Publish
) -> None:
    with contextlib.suppress(Defect):
        async with db.transaction(tenant_id) as tx:
            await publish(tx, event_of(tenant_id))
            check(False, "test.undo")
    await published("a")
    receiver = Receiver()
    await relay_of(relay_db, clock, Subscriber("s", receiver)).drain()
    assert receiver.numbers == [0]


async def test_a_drain_says_when_something_is_in_the_way(
    db: Database, relay_db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    relay = relay_of(relay_db, clock, Subscriber("s", Receiver()))
    async with db.transaction(tenant_id) as tx:
        await publish(tx, event_of(tenant_id))
        with pytest.raises(Unavailable) as raised:
            await relay.drain(timeout_s=0.2)
    assert raised.value.code == "eventbus.drain_timeout"


async def test_a_subscriber_gets_the_types_that_it_names(
    db: Database, relay_db: Database, clock: MovableClock, tenant_id: TenantId
) -> None:
    types = (
        "farwire.bill.issued.v1",
        "farwire.bill.issued.v2",
        "farwire.usage.imported.v1",
        "farwire.usage_x.y.v1",
    )
    async with db.transaction(tenant_id) as tx:
        for n, type_ in enumerate(types):
            await publish(tx, event_of(tenant_id, "a", n, kind=type_))
    exact, prefix, all_ = Receiver(), Receiver(), Receiver()
    await relay_of(
        relay_db,
        clock,
        Subscriber("exact", exact, types=("farwire.bill.issued.v2",)),
        Subscriber("prefix", prefix, types=("farwire.usage.*", "farwire.bill.issued.v1")),
        Subscriber("all", all_),
    ).drain()
    assert (exact.numbers, prefix.numbers, all_.numbers) == ([1], [0, 2], [0, 1, 2, 3])


async def test_a_new_subscriber_starts_where_it_wants(
    relay_db: Database, clock: MovableClock, published: Publish
) -> None:
    await published("old")
    from_start, from_now = Receiver(), Receiver()
    relay = relay_of(
        relay_db, clock, Subscriber("start", from_start), Subscriber("now", from_now, from_start=False)
    )
    await relay.drain()
    await published("new", start=1)
    await relay.drain()
    assert (from_start.numbers, from_now.numbers) == ([0, 1], [1])


async def test_more_events_than_a_batch_arrive_in_their_order(
    relay_db: Database, clock: MovableClock, published: Publish
) -> None:
    await published(*["a", "b", "c"] * 10)
    receiver = Receiver()
    assert await relay_of(relay_db, clock, Subscriber("s", receiver), batch=7, concurrency=3).drain() == 30
    for offset, subject in enumerate("abc"):
        assert receiver.of(subject) == list(range(offset, 30, 3))


async def test_a_failing_event_holds_back_its_subject_only(
    relay_db: Database, clock: MovableClock, published: Publish
) -> None:
    await published("a", "b", "a", "b")
    receiver = Receiver(failing={"a#0"})
    subscriber = Subscriber("s", receiver)
    relay = relay_of(relay_db, clock, subscriber)
    await relay.drain()
    assert receiver.numbers == [1, 3]
    await published("a", "b", start=4)
    await relay.drain()
    assert receiver.numbers == [1, 3, 5]
    receiver.failing.clear()
    await relay.serve_once(subscriber)
    assert receiver.numbers == [1, 3, 5], "its next attempt is not due yet"
    clock.advance(timedelta(seconds=1))
    await relay.serve_once(subscriber)
    assert receiver.numbers == [1, 3, 5, 0, 2, 4]
    (state,) = await operations.subscribers(relay_db=relay_db)
    assert (state.waiting, state.parked, state.behind) == (0, 0, 0)


@pytest.mark.parametrize("text", ["a\x00b", "a\ud800b"])
async def test_a_failure_that_no_database_can_write_down_holds_back_its_subject_only(
    relay_db: Database, clock: MovableClock, published: Publish, text: str
) -> None:
    await published("bad", "good")
    receiver = Receiver()

    async def handle(event: Event) -> None:
        if event.subject == "bad":
            raise ValueError(text)
        await receiver(event)

    await relay_of(relay_db, clock, Subscriber("s", handle)).drain()
    assert receiver.of("good") == [1]
    (state,) = await operations.subscribers(relay_db=relay_db)
    assert state.waiting == 1


async def test_a_handler_that_awaits_something_cancelled_loses_no_event(
    relay_db: Database, clock: MovableClock, published: Publish
) -> None:
    await published("a", "b")
    receiver = Receiver()

    async def handle(event: Event) -> None:
        if not tried:
            tried.append(event)
            inner = asyncio.ensure_future(asyncio.sleep(60))
            inner.cancel()
            await inner
        await receiver(event)

    tried: list[Event] = []
    subscriber = Subscriber("s", handle, retry=ONE_RETRY)
    relay = relay_of(relay_db, clock, subscriber, concurrency=1)
    await relay.drain()
    clock.advance(timedelta(minutes=1))
    await relay.serve_once(subscriber)
    assert sorted(receiver.numbers, key=str) == [0, 1]


async def test_an_event_is_parked_when_its_attempts_are_used_up(
    relay_db: Database, clock: MovableClock, published: Publish, tenant_id: TenantId
) -> None:
    (bad, *_) = await published("a", "a", "b")
    receiver = Receiver(failing={"a#0"})
    subscriber = Subscriber("s", receiver, retry=ONE_RETRY)
    relay = relay_of(relay_db, clock, subscriber)
    await relay.drain()
    assert await operations.parked(relay_db=relay_db) == []
    clock.advance(timedelta(seconds=10))
    await relay.serve_once(subscriber)
    (parked,) = await operations.parked(relay_db=relay_db, subscriber="s")
    assert (parked.event_id, parked.tenant_id, parked.attempts, parked.waiting_behind) == (
        bad.id,
        tenant_id,
        2,
        1,
    )
    assert parked.error == "ValueError: cannot take a of [digits]"
    for _ in range(3):
        clock.advance(timedelta(days=1))
        await relay.serve_once(subscriber)
    assert receiver.numbers == [2], "a parked event waits for a person, and its subject behind it"


async def test_a_parked_event_and_those_behind_it_go_on_after_a_retry(
    relay_db: Database, clock: MovableClock, published: Publish
) -> None:
    await published("a", "a")
    receiver = Receiver(failing={"a#0"})
    subscriber = Subscriber("s", receiver, retry=RetryPolicy(max_attempts=1))
    relay = relay_of(relay_db, clock, subscriber)
    await relay.drain()
    receiver.failing.clear()
    assert await operations.retry(relay_db=relay_db, clock=clock, subscriber="s") == 1
    await relay.serve_once(subscriber)
    assert receiver.numbers == [0, 1]


async def test_the_events_behind_a_parked_one_go_on_when_it_is_discarded(
    db: Database, relay_db: Database, clock: MovableClock, published: Publish, tenant_id: TenantId
) -> None:
    await published("a", "a")
    receiver = Receiver(failing={"a#0"})
    subscriber = Subscriber("s", receiver, retry=RetryPolicy(max_attempts=1))
    relay = relay_of(relay_db, clock, subscriber)
    await relay.drain()
    (parked,) = await operations.parked(relay_db=relay_db)
    await operations.discard(
        relay_db=relay_db, db=db, clock=clock, actor=SYSTEM, subscriber="s", position=parked.position
    )
    async with db.transaction(tenant_id) as tx:
        (entry,) = await audit_service.latest(tx=tx)
    assert (entry.act.action, entry.act.subject) == ("event.discard", str(parked.event_id))
    await relay.serve_once(subscriber)
    assert receiver.numbers == [1]


async def test_a_handler_that_hangs_is_an_attempt_that_failed(
    relay_db: Database, clock: MovableClock, published: Publish
) -> None:
    await published("a", "b")
    done = []

    async def handle(event: Event) -> None:
        if event.subject == "a":
            await asyncio.sleep(60)
        done.append(event.subject)

    relay = relay_of(relay_db, clock, Subscriber("s", handle), handler_timeout=timedelta(milliseconds=50))
    await relay.drain()
    assert done == ["b"]
    (state,) = await operations.subscribers(relay_db=relay_db)
    assert state.waiting == 1


async def test_a_subscriber_with_too_much_set_aside_stands_still(
    relay_db: Database, clock: MovableClock, published: Publish
) -> None:
    await published("a", "b", "c")
    receiver = Receiver(failing={"a", "b"})
    subscriber = Subscriber("s", receiver)
    relay = relay_of(relay_db, clock, subscriber, max_set_aside=2)
    await relay.drain()
    await published("d", start=3)
    with pytest.raises(Exhausted) as raised:
        await relay.drain()
    assert raised.value.code == "eventbus.backlog_full"
    receiver.failing.clear()
    clock.advance(timedelta(seconds=1))
    await relay.drain()
    assert receiver.numbers == [2, 0, 1, 3]


async def test_a_crash_after_handling_brings_the_events_again(
    relay_db: Database, clock: MovableClock, published: Publish
) -> None:
    await published("a", "a")
    receiver = Receiver()

    class PowerCutError(BaseException):
        pass

    async def handle(event: Event) -> None:
        await receiver(event)
        if event.data["n"] == 1:
            raise PowerCutError

    first = relay_of(relay_db, clock, Subscriber("s", handle))
    with pytest.raises(PowerCutError):
        await first.drain()
    second = relay_of(relay_db, clock, Subscriber("s", receiver))
    assert await second.serve_once(Subscriber("s", receiver)) == 0, "the lease of the dead one still runs"
    clock.advance(RelaySettings().lease)
    await second.drain()
    assert receiver.numbers == [0, 1, 0, 1]


async def test_two_relays_do_not_serve_one_subscriber(
    relay_db: Database, clock: MovableClock, published: Publish
) -> None:
    await published("a")
    receiver = Receiver()
    subscriber = Subscriber("s", receiver)
    first, second = relay_of(relay_db, clock, subscriber), relay_of(relay_db, clock, subscriber)
    await first.drain()
    await published("a", start=1)
    assert await second.serve_once(subscriber) == 0
    await first.release()
    await second.drain()
    assert receiver.numbers == [0, 1]


async def test_a_relay_that_lost_its_lease_cannot_move_the_position(
    relay_db: Database, clock: MovableClock, published: Publish
) -> None:
    await published("a")
    late = Receiver()

    async def overtaken(event: Event) -> None:
        """The process stands still here for longer than its lease; another one takes over and finishes."""
        clock.advance(RelaySettings().lease)
        await other.drain()
        await published("a", start=1)
        await other.drain()
        await late(event)

    receiver = Receiver()
    other = relay_of(relay_db, clock, Subscriber("s", receiver))
    slow = relay_of(relay_db, clock, Subscriber("s", overtaken))
    with pytest.raises(LeaseLost):
        await slow.drain()
    assert receiver.numbers == [0, 1]
    async with relay_db.untenanted() as tx:
        (state,) = await store.subscriber_states(tx)
    assert state.behind == 0


async def test_a_running_relay_serves_until_it_is_stopped(
    relay_db: Database, clock: MovableClock, published: Publish
) -> None:
    stop, both = asyncio.Event(), asyncio.Event()

    async def handle(event: Event) -> None:
        if event.data["n"] == 1:
            both.set()

    receiver = Receiver()
    relay = relay_of(relay_db, clock, Subscriber("s", handle), poll=timedelta(milliseconds=5))
    task = asyncio.create_task(relay.run(stop))
    await published("a")
    await published("b", start=1)
    async with asyncio.timeout(60):
        await both.wait()
        stop.set()
        await task
    successor = relay_of(relay_db, clock, Subscriber("s", receiver))
    await published("c", start=2)
    assert await successor.drain() == 1, "a stopped relay gives its lease back"


async def test_what_fails_is_written_down_with_its_state(
    relay_db: Database, clock: MovableClock, published: Publish
) -> None:
    await published("a", "a")
    subscriber = Subscriber("s", Receiver(failing={"a"}))
    await relay_of(relay_db, clock, subscriber).drain()
    async with relay_db.untenanted() as tx:
        due = await store.due_events(tx, name="s", now=clock.now() + timedelta(days=1), limit=10)
    assert [(aside.attempts, aside.state) for _, aside in due] == [
        (1, DeliveryState.WAITING),
        (0, DeliveryState.WAITING),
    ]
