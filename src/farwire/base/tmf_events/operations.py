"""What a person or a listener does: see who listens and what is not taken, hear again, give up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from farwire.base import audit, eventbus
from farwire.base.clock import Clock
from farwire.base.eventbus import Event
from farwire.base.storage import Tx
from farwire.base.tmf_events import holding
from farwire.base.tmf_events.away import go_away
from farwire.base.tmf_events.holding import NOTIFICATION
from farwire.base.tmf_events.store import held as held_store
from farwire.base.tmf_events.store import hubs
from farwire.base.tmf_events.store.held import Held
from farwire.base.tmf_events.store.hubs import Hub
from farwire.kernel.errors import Conflict, NotFound
from farwire.kernel.ids import EventId
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import Actor

MOST_REPLAYED: Final = 1000
"""Notifications that one replay of a range sends again."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a listener hears again: ``count`` notifications up to ``through``; without ``count`` all from there on."""

    first: int
    through: int
    count: int | None = None


async def listeners(tx: Tx, *, limit: int, offset: int = 0) -> Sequence[Hub]:
    """Return the tenant's listeners of every API, the oldest first."""
    return await hubs.all_of_tenant(tx, limit, offset)


async def listener_page(tx: Tx, page: PageRequest) -> Page[Hub]:
    """Return the same as a part of a list."""
    items = await hubs.all_of_tenant(tx, page.limit, page.offset)
    return Page(tuple(items), await hubs.count(tx), page.offset, page.limit)


async def get_listener(tx: Tx, key: str) -> Hub:
    """Return one listener. Raises ``NotFound`` (``tmf.listener_unknown``)."""
    found = await hubs.by_id(tx, key)
    if found is None:
        raise NotFound("no such listener", code="tmf.listener_unknown", field="listener", value=key)
    return found


async def replay(tx: Tx, *, listener: str, position: int, actor: Actor, clock: Clock) -> Replayed:
    """Let a listener hear everything from a position of the tenant's events on again, as far as it is kept.

    One that is away goes on from there, which may leave out what it cannot take. Raises ``NotFound``
    (``tmf.listener_unknown``), ``Conflict`` (``tmf.replay_forward``) for a position without an event.
    """
    found, last = await _listener_and_last(tx, listener, position)
    await held_store.drop_from(tx, found.id, position)
    await go_away(tx, found, position, last, clock.now(), clock)
    await _audited(tx, actor, "tmf.replay", listener, clock, position=position)
    return Replayed(position, last)


async def replay_range(
    tx: Tx, *, listener: str, first: int, last: int, actor: Actor, clock: Clock
) -> Replayed:
    """Let a listener hear again what it was to hear at positions ``first`` to ``last``: at most ``MOST_REPLAYED``.

    It is sent behind what is under way. ``through`` of the answer says how far: ask for the rest from there on.
    Raises as ``replay`` does.
    """
    found, newest = await _listener_and_last(tx, listener, first)
    there = await _notifications(tx, found, after=first - 1, up_to=min(last, newest))
    await _send_again(tx, [one for _, one in there], clock)
    through = there[-1][0] if len(there) == MOST_REPLAYED else min(last, newest)
    await _audited(tx, actor, "tmf.replay", listener, clock, position=first, through=through)
    return Replayed(first, through, len(there))


async def replay_event(tx: Tx, *, listener: str, event: UUID, actor: Actor, clock: Clock) -> Replayed:
    """Let a listener hear one event again, by the ``correlationId`` of its notification.

    Raises ``NotFound`` (``tmf.listener_unknown``, ``tmf.event_unknown``): also for what it was not to hear.
    """
    found = await get_listener(tx, listener)
    place = await eventbus.position_of(tx, EventId(event))
    there = [] if place is None else await _notifications(tx, found, after=place, up_to=2**63 - 1)
    wanted = [(at, one) for at, one in there if one.cause_id == event][:1]
    if not wanted:
        why = "this listener was not to hear of such an event, or it is no longer kept"
        raise NotFound(why, code="tmf.event_unknown", field="eventId", value=str(event))
    ((at, one),) = wanted
    await _send_again(tx, [one], clock)
    await _audited(tx, actor, "tmf.replay", listener, clock, position=at, through=at)
    return Replayed(at, at, 1)


async def position_at(tx: Tx, at: datetime) -> int:
    """Return where the events recorded from a time on begin, or would."""
    found = await eventbus.position_at(tx, at)
    return await eventbus.last_position(tx) + 1 if found is None else found


async def not_taken(
    tx: Tx, *, page: PageRequest, listener: UUID | None = None, dead: bool | None = None
) -> Page[Held]:
    """Return what listeners do not take, resource by resource, the oldest first; ``dead`` waits for a person."""
    items, total = await held_store.page(tx, hub=listener, dead=dead, limit=page.limit, offset=page.offset)
    return Page(tuple(items), total, page.offset, page.limit)


async def not_taken_events(tx: Tx, key: UUID) -> tuple[Held, list[tuple[int, Event]]]:
    """Return one with its first hundred notifications. Raises ``NotFound`` (``tmf.not_held``)."""
    found = await _held(tx, key)
    return found, await holding.waiting(tx, found)


async def try_again(tx: Tx, *, key: UUID, actor: Actor, clock: Clock) -> Held:
    """Send what a listener did not take again, in its order. Raises ``NotFound`` (``tmf.not_held``)."""
    found = await _held(tx, key)
    await held_store.again(tx, found, clock.now())
    await holding.try_later(tx, found.subject, clock)
    await _audited(tx, actor, "tmf.try_again", str(found.hub), clock, position=found.first)
    return await _held(tx, key)


async def give_up(tx: Tx, *, key: UUID, actor: Actor, clock: Clock) -> Held | None:
    """Leave the first notification out that a listener does not take; return what goes on behind it, if anything does.

    Raises ``NotFound`` (``tmf.not_held``).
    """
    found = await _held(tx, key)
    there = await holding.waiting(tx, found, 1)
    if await held_store.heard(tx, found, there[0][0] if there else found.last, clock.now()):
        await held_store.again(tx, found, clock.now())
        await holding.try_later(tx, found.subject, clock)
    await _audited(tx, actor, "tmf.give_up", str(found.hub), clock, position=found.first)
    return await held_store.by_id(tx, key)


async def _listener_and_last(tx: Tx, key: str, position: int) -> tuple[Hub, int]:
    found, last = await get_listener(tx, key), await eventbus.last_position(tx)
    if not 1 <= position <= last:
        why = f"the events stand at positions 1 to {last}"
        raise Conflict(why, code="tmf.replay_forward", field="from", value=position)
    return found, last


async def _notifications(tx: Tx, found: Hub, *, after: int, up_to: int) -> list[tuple[int, Event]]:
    return await eventbus.list_events(
        tx=tx,
        after=after,
        up_to=up_to,
        limit=MOST_REPLAYED,
        type_prefix=NOTIFICATION,
        subject_prefix=f"{found.id}/",
    )


async def _send_again(tx: Tx, events: Sequence[Event], clock: Clock) -> None:
    """Publish notifications a second time, with the ``eventId`` that they had."""
    copies = [
        eventbus.new_event(
            tenant_id=one.tenant_id,
            type=one.type,
            subject=one.subject,
            occurred_at=one.occurred_at,
            recorded_at=clock.now(),
            data=one.data,
            cause_id=one.cause_id,
        )
        for one in events
    ]
    await eventbus.publish_many(tx, copies)


async def _held(tx: Tx, key: UUID) -> Held:
    found = await held_store.by_id(tx, key)
    if found is None:
        raise NotFound("nothing is held under this id", code="tmf.not_held", field="id", value=str(key))
    return found


async def _audited(tx: Tx, actor: Actor, action: str, subject: str, clock: Clock, **detail: int) -> None:
    await audit.record(tx, actor=actor, action=action, subject=subject, at=clock.now(), detail=detail)
