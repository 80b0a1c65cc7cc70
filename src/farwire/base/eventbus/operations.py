"""What a person does with subscribers: look, replay, retry or discard what is parked, forget, purge old events.

``relay_db`` is a ``Database`` opened with ``storage.open_relay``: it sees every tenant.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from farwire.base import audit
from farwire.base.clock import Clock
from farwire.base.eventbus.delivery import Parked, SubscriberState
from farwire.base.eventbus.store import relay as store
from farwire.base.storage import Database
from farwire.kernel.errors import Conflict, FarwireError, Invalid, NotFound
from farwire.kernel.page import PageRequest
from farwire.kernel.tenancy import Actor

PURGE_BATCH: Final = 5000
"""Events deleted per transaction: short locks, whatever the backlog."""


async def subscribers(*, relay_db: Database) -> list[SubscriberState]:
    """Return every subscriber that ever ran, how far it is and what it has set aside (at most 1000)."""
    async with relay_db.untenanted() as tx:
        return await store.subscriber_states(tx)


async def parked(*, relay_db: Database, subscriber: str | None = None, limit: int = 100) -> list[Parked]:
    """Return parked events, of one subscriber or of all, oldest first."""
    page = PageRequest(limit=limit)
    async with relay_db.untenanted() as tx:
        return await store.parked_events(tx, name=subscriber, limit=page.limit)


async def replay(*, relay_db: Database, clock: Clock, subscriber: str, from_position: int) -> int:
    """Let the subscriber see every kept event from ``from_position`` (inclusive) on again.

    Returns the position of the first event that is still there to be seen. What was set aside from there on comes
    again with the rest. Raises ``Invalid`` (``eventbus.position``), ``NotFound`` (``eventbus.subscriber_unknown``),
    ``Conflict`` (``eventbus.replay_forward``) for a position that it has not reached: going forward skips events.
    """
    async with relay_db.untenanted() as tx:
        state = next((s for s in await store.subscriber_states(tx) if s.name == subscriber), None)
        if state is None:
            raise _unknown(subscriber)
        if from_position < 1:
            raise Invalid("positions start at 1", code="eventbus.position", field="from", value=from_position)
        if from_position > state.position + 1:
            raise Conflict(
                f"{subscriber} has only come to {state.position}",
                code="eventbus.replay_forward",
                field="from",
                value=from_position,
                fix="choose a position up to there",
            )
        first = await store.oldest_kept(tx) or 1
        await store.rewind(tx, name=subscriber, position=from_position - 1, now=clock.now())
        return max(from_position, first)


async def retry(*, relay_db: Database, clock: Clock, subscriber: str, position: int | None = None) -> int:
    """Try parked events again, one or all of the subscriber's; return how many.

    Raises ``NotFound`` (``eventbus.nothing_parked``).
    """
    async with relay_db.untenanted() as tx:
        count = await store.retry_parked(tx, name=subscriber, position=position, now=clock.now())
    if count == 0:
        raise _nothing_parked(subscriber, position)
    return count


async def discard(
    *, relay_db: Database, db: Database, clock: Clock, actor: Actor, subscriber: str, position: int
) -> Parked:
    """Give one parked event up for this subscriber, so that those behind it go on; return it.

    The audit log of the event's tenant says who did it. Raises ``NotFound`` (``eventbus.nothing_parked``).
    """
    async with relay_db.untenanted() as tx:
        found = await store.parked_event(tx, name=subscriber, position=position)
    if found is None:
        raise _nothing_parked(subscriber, position)
    async with db.transaction(found.tenant_id) as tenant_tx:
        await audit.record(
            tenant_tx,
            actor=actor,
            action="event.discard",
            subject=str(found.event_id),
            at=clock.now(),
            detail={"subscriber": subscriber, "position": position, "type": found.type},
        )
        # Two roles, so two transactions: the entry is kept only if the event could be discarded.
        async with relay_db.untenanted() as tx:
            if not await store.discard_parked(tx, name=subscriber, position=position):
                raise _nothing_parked(subscriber, position)
    return found


async def forget(*, relay_db: Database, subscriber: str) -> None:
    """Remove a subscriber that no process serves any more: it would keep old events from being purged for ever.

    Raises ``NotFound`` (``eventbus.subscriber_unknown``).
    """
    async with relay_db.untenanted() as tx:
        if not await store.forget(tx, name=subscriber):
            raise _unknown(subscriber)


async def purge(*, relay_db: Database, before: datetime) -> int:
    """Delete events recorded before ``before`` that every subscriber has passed and none has set aside.

    Works in transactions of ``PURGE_BATCH``; stopping it half-way loses nothing. Returns how many were deleted.
    """
    total = 0
    async with relay_db.untenanted() as tx:
        await store.purged(tx, before)
    while True:
        async with relay_db.untenanted() as tx:
            count = await store.purge(tx, before=before, limit=PURGE_BATCH)
        total += count
        if count < PURGE_BATCH:
            return total


def _unknown(subscriber: str) -> FarwireError:
    return NotFound(
        f"no subscriber {subscriber}",
        code="eventbus.subscriber_unknown",
        field="subscriber",
        value=subscriber,
        fix="`farwire events subscribers` lists them; one appears when a relay first serves it",
    )


def _nothing_parked(subscriber: str, position: int | None) -> FarwireError:
    where = "" if position is None else f" at {position}"
    return NotFound(
        f"{subscriber} has nothing parked{where}",
        code="eventbus.nothing_parked",
        field="position",
        value=position,
        fix="`farwire events parked` lists what is",
    )
