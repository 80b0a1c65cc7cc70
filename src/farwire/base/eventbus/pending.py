"""Deliver what is pending and stop, for a process that must see the consequences of what it did."""

from __future__ import annotations

from collections.abc import Sequence

from farwire.base.clock import Clock
from farwire.base.eventbus.delivery import Subscriber
from farwire.base.eventbus.relay import Relay
from farwire.base.storage import Database


async def deliver_pending(
    *, relay_db: Database, clock: Clock, subscribers: Sequence[Subscriber], timeout_s: float = 30.0
) -> int:
    """Deliver until nothing is left that was published, also by the handlers themselves; return how many were handled.

    For a process that must see the consequences of what it did: a demo, a test. Events that fail stay set aside.
    Raises ``Unavailable`` (``eventbus.drain_timeout``) as ``Relay.drain`` does, so also while a worker serves one of
    the subscribers.
    """
    relay = Relay(db=relay_db, clock=clock, subscribers=subscribers)
    total = 0
    try:
        while (handled := await relay.drain(timeout_s=timeout_s)) > 0:
            total += handled
    finally:
        await relay.release()
    return total
