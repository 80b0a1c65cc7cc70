"""Delivering what is pending, for a demo: its clock stands in another month than the one it died in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from farwire.base.clock import MovableClock, SystemClock
from farwire.base.eventbus import Event
from farwire.base.eventbus.delivery import Subscriber
from farwire.base.eventbus.pending import deliver_pending
from farwire.base.eventbus.relay import Relay, RelaySettings
from farwire.base.storage import Database
from tests.base.eventbus.conftest import Publish


async def test_a_killed_demo_goes_on_though_it_died_in_a_later_month_of_its_own_clock(
    relay_db: Database, published: Publish
) -> None:
    seen: list[Event] = []

    async def note(event: Event) -> None:
        seen.append(event)

    short = RelaySettings(lease=timedelta(seconds=1))
    died_at = MovableClock(datetime(2026, 7, 1, tzinfo=UTC))
    dead = Relay(
        db=relay_db,
        clock=died_at,
        lease_clock=SystemClock(),
        subscribers=(Subscriber("s", note, from_start=True),),
        settings=short,
    )
    await published("bill/1")
    while not seen:  # The server's other databases may hold the horizon back for a moment.
        await dead.serve_once(Subscriber("s", note, from_start=True))
    await published("bill/2")

    again = MovableClock(datetime(2026, 6, 11, tzinfo=UTC))
    handled = await deliver_pending(
        relay_db=relay_db,
        clock=again,
        subscribers=(Subscriber("s", note, from_start=True),),
        timeout_s=5,
    )

    assert handled == 1
    assert [event.subject for event in seen] == ["bill/1", "bill/2"]


async def test_a_delivery_leaves_a_subscriber_free_within_half_a_minute_of_its_death(
    relay_db: Database, published: Publish
) -> None:
    await published("bill/1")
    left: list[float] = []

    async def look(event: Event) -> None:
        async with relay_db.untenanted() as tx:
            left.append(
                float(
                    await tx.fetchval("SELECT extract(epoch FROM lease_until - now()) FROM base.subscription")
                )
            )

    await deliver_pending(
        relay_db=relay_db,
        clock=MovableClock(datetime(2026, 6, 11, tzinfo=UTC)),
        subscribers=(Subscriber("s", look, from_start=True),),
    )

    assert 0 < left[0] < 30, "a second play waits at most as long as it is ready to wait"
