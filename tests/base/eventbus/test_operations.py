"""What a person does with subscribers: replay, forget, purge."""

from __future__ import annotations

from datetime import timedelta

import pytest

from farwire.base.clock import MovableClock
from farwire.base.eventbus import list_events, operations
from farwire.base.eventbus.delivery import Fence, Horizon, RetryPolicy, Subscriber
from farwire.base.storage import Database
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import TenantId
from farwire.kernel.tenancy import SYSTEM

from .conftest import AT, Publish
from .test_relay import Receiver, relay_of


async def positions(db: Database, tenant_id: TenantId) -> list[int]:
    async with db.transaction(tenant_id) as tx:
        return [position for position, _ in await list_events(tx=tx)]


async def test_a_replay_brings_everything_from_the_position_again(
    db: Database, relay_db: Database, clock: MovableClock, published: Publish, tenant_id: TenantId
) -> None:
    await published("a", "b", "a")
    receiver = Receiver()
    relay = relay_of(relay_db, clock, Subscriber("s", receiver))
    await relay.drain()
    second = (await positions(db, tenant_id))[1]
    await operations.replay(relay_db=relay_db, clock=clock, subscriber="s", from_position=second)
    receiver.seen.clear()
    # The same relay notices at its next look; it need not be restarted.
    await relay.serve_once(Subscriber("s", receiver))
    assert receiver.numbers == [1, 2]


async def test_a_replay_takes_what_was_set_aside_along(
    db: Database, relay_db: Database, clock: MovableClock, published: Publish, tenant_id: TenantId
) -> None:
    await published("a", "a")
    receiver = Receiver(failing={"a#0"})
    relay = relay_of(relay_db, clock, Subscriber("s", receiver, retry=RetryPolicy(max_attempts=1)))
    await relay.drain()
    receiver.failing.clear()
    first = (await positions(db, tenant_id))[0]
    await operations.replay(relay_db=relay_db, clock=clock, subscriber="s", from_position=first)
    await relay_of(relay_db, clock, Subscriber("s", receiver)).drain()
    assert receiver.numbers == [0, 1]
    assert await operations.parked(relay_db=relay_db) == []


async def test_a_replay_is_refused_where_it_would_skip_or_make_no_sense(
    relay_db: Database, clock: MovableClock, published: Publish
) -> None:
    await published("a")
    await relay_of(relay_db, clock, Subscriber("s", Receiver())).drain()
    (state,) = await operations.subscribers(relay_db=relay_db)
    with pytest.raises(Conflict, match="only come to"):
        await operations.replay(
            relay_db=relay_db, clock=clock, subscriber="s", from_position=state.position + 2
        )
    with pytest.raises(Invalid):
        await operations.replay(relay_db=relay_db, clock=clock, subscriber="s", from_position=0)
    with pytest.raises(NotFound):
        await operations.replay(relay_db=relay_db, clock=clock, subscriber="x", from_position=1)


async def test_nothing_parked_is_an_answer(db: Database, relay_db: Database, clock: MovableClock) -> None:
    with pytest.raises(NotFound):
        await operations.retry(relay_db=relay_db, clock=clock, subscriber="s")
    with pytest.raises(NotFound):
        await operations.discard(
            relay_db=relay_db, db=db, clock=clock, actor=SYSTEM, subscriber="s", position=1
        )
    with pytest.raises(NotFound):
        await operations.forget(relay_db=relay_db, subscriber="s")


async def test_old_events_are_purged_after_every_subscriber_has_passed_them(
    db: Database, relay_db: Database, clock: MovableClock, published: Publish, tenant_id: TenantId
) -> None:
    await published("a", "b", "bad", "c")
    quick, slow = Receiver(), Receiver(failing={"bad"})
    await relay_of(relay_db, clock, Subscriber("quick", quick)).drain()
    later = AT + timedelta(days=30)
    relay = relay_of(relay_db, clock, Subscriber("slow", slow), batch=1)
    while not slow.seen:  # The server's other databases may hold the horizon back for a moment.
        await relay.serve_once(Subscriber("slow", slow))
    assert await operations.purge(relay_db=relay_db, before=AT) == 0, "nothing is that old"
    assert await operations.purge(relay_db=relay_db, before=later) == 1, "slow has passed one event"
    await relay.drain()
    assert await operations.purge(relay_db=relay_db, before=later) == 2, "the failing one is still needed"
    await operations.forget(relay_db=relay_db, subscriber="slow")
    assert await operations.purge(relay_db=relay_db, before=later) == 1
    assert await positions(db, tenant_id) == []


def test_a_horizon_moves_when_everything_older_than_its_fence_has_ended() -> None:
    horizon = Horizon()
    assert horizon.wants_fence(7)
    horizon.fence = Fence(position=7, transaction=100)
    assert not horizon.wants_fence(9)
    horizon.oldest_running(99)
    assert horizon.safe == 0
    horizon.oldest_running(100)
    assert (horizon.safe, horizon.fence) == (7, None)
    assert not horizon.wants_fence(7)
    assert horizon.wants_fence(8)


def test_the_wait_between_attempts_doubles_up_to_its_bound() -> None:
    retry = RetryPolicy(first_delay=timedelta(seconds=1), longest_delay=timedelta(seconds=10))
    assert [retry.delay_after(n).total_seconds() for n in (1, 2, 3, 4, 5, 60, 10_000)] == [
        1,
        2,
        4,
        8,
        10,
        10,
        10,
    ]
