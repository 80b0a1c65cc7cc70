"""What a listener does not take of one resource: held, tried again, set aside for a person, played again.

Later notifications of the same resource wait behind it; other resources of the listener go on.
"""

from __future__ import annotations

import time
from typing import Final

from farwire.base import callbacks, eventbus
from farwire.base.clock import Clock
from farwire.base.eventbus import Event
from farwire.base.storage import Tx
from farwire.base.telemetry import error_text
from farwire.base.tmf_events.message import Teller
from farwire.base.tmf_events.store import held as store
from farwire.base.tmf_events.store import hubs
from farwire.base.tmf_events.store.held import Held
from farwire.base.tmf_events.store.hubs import Hub
from farwire.kernel.errors import FarwireError

NOTIFICATION: Final = "farwire.tmf.notification_due.v1"
HELD: Final = "farwire.tmf.notification_held.v1"
DEAD_AFTER: Final = 12
"""Attempts, about 18 minutes of them, after which a notification is dead if its listener takes others meanwhile."""
DEAD_AT_LAST: Final = 60
"""Attempts, about four and a half hours, after which it is dead in any case."""
MOST_WAITING: Final = 200
"""Resources of one listener that are tried again; what fails beyond is dead at once."""
PAGE: Final = 100
"""Notifications that are read at a time."""


async def hold(
    tx: Tx, *, listener: Hub, subject: str, places: tuple[int, int], error: str, clock: Clock
) -> None:
    """Hold what failed once, and have it tried again."""
    first, last = places
    tried_again = await store.hold(
        tx,
        hub=listener.id,
        subject=subject,
        first=first,
        last=last,
        error=error,
        now=clock.now(),
        most=MOST_WAITING,
    )
    if tried_again:
        await try_later(tx, subject, clock)


async def try_later(tx: Tx, subject: str, clock: Clock) -> None:
    """Have what is held of a resource tried again, in the order of its events."""
    now = clock.now()
    event = eventbus.new_event(
        tenant_id=tx.tenant_id, type=HELD, subject=subject, occurred_at=now, recorded_at=now, data={}
    )
    await eventbus.publish(tx, event)


async def revive(tx: Tx, listener: Hub, clock: Clock) -> None:
    """Have all that waits tried again: the listener is back."""
    for one in await store.of_hub(tx, listener.id):
        if not one.dead:
            await try_later(tx, one.subject, clock)


async def waiting(tx: Tx, held: Held, limit: int = PAGE) -> list[tuple[int, Event]]:
    """Return what is held of a resource, the oldest first, with positions."""
    return await eventbus.list_events(
        tx=tx,
        after=held.first - 1,
        up_to=held.last,
        limit=limit,
        type_prefix=NOTIFICATION,
        subject=held.subject,
    )


async def resume(event: Event, teller: Teller) -> None:
    """Post what is held of a resource. Raises what the listener answers, as long as it shall be tried again."""
    clock, key = teller.clock, event.subject.partition("/")[0]
    async with teller.db.transaction(event.tenant_id) as tx:
        listener = await hubs.by_id(tx, key)
        held = None if listener is None else await store.by_subject(tx, listener.id, event.subject)
        if listener is None or held is None or held.dead or listener.missed is not None:
            return
        found, purged = await waiting(tx, held), await hubs.purged_before(tx)
    try:
        if purged is not None and held.failing_since < purged and (not found or found[0][0] > held.first):
            await teller.tell_gap(listener, held.failing_since, purged)
        heard = await _told(teller, listener, held, found)
    except FarwireError as error:
        async with teller.db.transaction(event.tenant_id) as tx:
            dead = await store.failed_again(
                tx,
                held,
                error=error_text(error),
                now=clock.now(),
                attempts=DEAD_AFTER,
                most=DEAD_AT_LAST,
            )
        if not dead:
            raise
        return
    async with teller.db.transaction(event.tenant_id) as tx:
        whole = len(found) < PAGE and (not found or heard == found[-1][0])
        if await store.heard(tx, held, held.last if whole else heard, clock.now()):
            await try_later(tx, held.subject, clock)


async def _told(teller: Teller, listener: Hub, held: Held, found: list[tuple[int, Event]]) -> int:
    """Post one after the other for a time, and keep each that was heard; return the position of the last one."""
    until, heard = time.monotonic() + callbacks.POST_TIMEOUT_S, held.first - 1
    for place, one in found:
        await teller.tell(one, listener)
        heard = place
        async with teller.db.transaction(one.tenant_id) as tx:
            if place < held.last:
                await store.heard(tx, held, place, teller.clock.now())
            await hubs.clear_failures(tx, listener.id, teller.clock.now())
        if time.monotonic() > until:
            break
    return heard
