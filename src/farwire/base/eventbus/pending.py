"""Deliver what is pending and stop, for a process that must see the consequences of what it did."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Final

from farwire.base.clock import Clock, SystemClock
from farwire.base.eventbus.delivery import Subscriber
from farwire.base.eventbus.relay import Relay, RelaySettings
from farwire.base.storage import Database

# The lease ends within the default time-out: who plays again right after a kill waits, and then goes on.
_SETTINGS: Final = RelaySettings(lease=timedelta(seconds=25), handler_timeout=timedelta(seconds=10))


async def deliver_pending(
    *, relay_db: Database, clock: Clock, subscribers: Sequence[Subscriber], timeout_s: float = 30.0
) -> int:
    """Deliver until nothing is left that was published, also by the handlers themselves; return how many were handled.

    For a process that must see the consequences of what it did: a demo, a test. Events that fail stay set aside.
    Raises ``Unavailable`` (``eventbus.drain_timeout``) as ``Relay.drain`` does, so also while a worker serves one of
    the subscribers. ``clock`` may be one that stands in another month: leases end by the clock of the machine, which
    all processes share, else those of a killed demo would outlast the next one.
    """
    relay = Relay(
        db=relay_db, clock=clock, subscribers=subscribers, settings=_SETTINGS, lease_clock=SystemClock()
    )
    total = 0
    try:
        while (handled := await relay.drain(timeout_s=timeout_s)) > 0:
            total += handled
    finally:
        await relay.release()
    return total
