"""Listeners of every Open API over HTTP: who listens, what is not taken, hear again."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec

from farwire.base.authz import Permission
from farwire.base.eventbus import Event
from farwire.base.storage import Tx
from farwire.base.tmf_events import operations
from farwire.base.tmf_events.operations import Replayed
from farwire.base.tmf_events.store.held import Held
from farwire.base.tmf_events.store.hubs import Hub
from farwire.base.web import (
    AnyRoute,
    ById,
    Call,
    Method,
    Nothing,
    PageQuery,
    Reply,
    Route,
    moment,
    page_reply,
    timestamp,
)
from farwire.kernel.errors import Invalid

LISTENERS: Final = "/farwire/v1/eventListeners"
HELD: Final = "/farwire/v1/deadLetters"
TAG: Final = "Event listeners"
_Position = Annotated[int, msgspec.Meta(ge=1, le=2**62)]


class ListenerDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A listener. ``awayFrom`` is the position from which on it has still to hear, while it does not answer."""

    id: str
    href: str
    api: str
    version: str
    callback: str
    query: str
    created_at: str
    topic: str | None = None
    away_from: int | None = None
    away_to: int | None = None


class ReplayCreate(
    msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, omit_defaults=True
):
    """What to hear again: from a position or a time on, perhaps up to one, or one event by its ``correlationId``."""

    from_position: _Position | None = None
    to_position: _Position | None = None
    from_time: datetime | None = None
    to_time: datetime | None = None
    event_id: UUID | None = None


class ReplayDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What is sent again: ``count`` events up to ``throughPosition``; without ``count`` all from there on."""

    id: str
    href: str
    from_position: int
    through_position: int
    count: int | None = None


class NotificationDocument(msgspec.Struct, frozen=True, rename="camel"):
    """One notification that is held: its place, and the event that it tells."""

    position: int
    event_id: str
    event_type: str
    event_time: str


class DeadLetterDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What one listener does not take of one resource. ``events`` come with one of them, not in lists."""

    id: str
    href: str
    listener_id: str
    resource_id: str
    state: str
    attempts: int
    error: str
    failing_since: str
    failed_at: str
    first_position: int
    last_position: int
    events: list[NotificationDocument] | None = None


class DeadLetterQuery(PageQuery, frozen=True, kw_only=True, rename="camel"):
    """Filters of the list."""

    listener_id: Annotated[UUID, msgspec.Meta(description="Of this listener only.")] | None = None
    dead: (
        Annotated[bool, msgspec.Meta(description="true: what waits for a person; false: what is tried.")]
        | None
    ) = None


def to_listener(found: Hub) -> ListenerDocument:
    """Return the listener as JSON, without its key."""
    away = found.missed or (None, None)
    return ListenerDocument(
        id=str(found.id),
        href=f"{LISTENERS}/{found.id}",
        api=f"TMF{found.api}",
        version=found.version.value,
        callback=found.callback,
        query=found.query,
        created_at=timestamp(found.created_at) if found.created_at else "",
        topic=found.topic or None,
        away_from=away[0],
        away_to=away[1],
    )


def to_dead_letter(held: Held, events: list[tuple[int, Event]] | None = None) -> DeadLetterDocument:
    """Return what is held as JSON; with ``events`` the first of them."""
    shown = [
        NotificationDocument(place, str(one.data["event"]), str(one.data["name"]), timestamp(one.occurred_at))
        for place, one in events or ()
    ]
    return DeadLetterDocument(
        id=str(held.id),
        href=f"{HELD}/{held.id}",
        listener_id=str(held.hub),
        resource_id=held.resource,
        state="dead" if held.dead else "waiting",
        attempts=held.attempts,
        error=held.error,
        failing_since=timestamp(held.failing_since),
        failed_at=timestamp(held.failed_at),
        first_position=held.first,
        last_position=held.last,
        events=None if events is None else shown,
    )


async def list_event_listeners(call: Call[Nothing, PageQuery, None]) -> Reply:
    """Return a page of those who listen, the oldest first."""
    async with call.transaction() as tx:
        page = await operations.listener_page(tx, call.query.page())
    return page_reply(page, to_listener)


async def get_event_listener(call: Call[ById, Nothing, None]) -> Reply:
    """Return one listener."""
    async with call.transaction() as tx:
        return Reply(to_listener(await operations.get_listener(tx, str(call.path.id))))


async def replay_events(call: Call[ById, Nothing, ReplayCreate]) -> Reply:
    """Let a listener hear again."""
    key, asked = str(call.path.id), call.body
    starts = [one for one in (asked.from_position, asked.from_time, asked.event_id) if one is not None]
    ends = [one for one in (asked.to_position, asked.to_time) if one is not None]
    if len(starts) != 1 or len(ends) > (asked.event_id is None):
        raise Invalid(
            "a replay begins at fromPosition or fromTime and may end at toPosition or toTime, or is of one eventId",
            code="tmf.replay",
            field="$",
        )
    async with call.transaction() as tx:
        await operations.get_listener(tx, key)
        done = await _replay(tx, call, key)
    document = ReplayDocument(key, f"{LISTENERS}/{key}", done.first, done.through, done.count)
    return Reply(document, headers={"location": document.href})


async def _replay(tx: Tx, call: Call[ById, Nothing, ReplayCreate], key: str) -> Replayed:
    asked, actor, clock = call.body, call.principal.actor, call.clock
    if asked.event_id is not None:
        return await operations.replay_event(tx, listener=key, event=asked.event_id, actor=actor, clock=clock)
    first, last = asked.from_position or 0, asked.to_position
    if asked.from_time is not None:
        first = await operations.position_at(tx, moment(asked.from_time, field="fromTime"))
    if asked.to_time is not None:
        last = await operations.position_at(tx, moment(asked.to_time, field="toTime")) - 1
    if last is None:
        return await operations.replay(tx, listener=key, position=first, actor=actor, clock=clock)
    return await operations.replay_range(tx, listener=key, first=first, last=last, actor=actor, clock=clock)


async def list_dead_letters(call: Call[Nothing, DeadLetterQuery, None]) -> Reply:
    """Return a page of what listeners do not take, what fails longest first."""
    asked = call.query
    async with call.transaction() as tx:
        page = await operations.not_taken(tx, page=asked.page(), listener=asked.listener_id, dead=asked.dead)
    return page_reply(page, to_dead_letter)


async def get_dead_letter(call: Call[ById, Nothing, None]) -> Reply:
    """Return what is not taken of one resource, with its first hundred events."""
    async with call.transaction() as tx:
        return Reply(to_dead_letter(*await operations.not_taken_events(tx, call.path.id)))


async def retry_dead_letter(call: Call[ById, Nothing, None]) -> Reply:
    """Send it again, in its order."""
    async with call.transaction() as tx:
        held = await operations.try_again(tx, key=call.path.id, actor=call.principal.actor, clock=call.clock)
    return Reply(to_dead_letter(held))


async def skip_dead_letter(call: Call[ById, Nothing, None]) -> Reply:
    """Leave its first event out; those behind it go on."""
    async with call.transaction() as tx:
        before, _ = await operations.not_taken_events(tx, call.path.id)
        after = await operations.give_up(tx, key=call.path.id, actor=call.principal.actor, clock=call.clock)
    shown = to_dead_letter(before if after is None else after)
    return Reply(msgspec.structs.replace(shown, state="skipped") if after is None else shown)


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=LISTENERS,
        handler=list_event_listeners,
        summary="List who listens to events",
        tag=TAG,
        permission=Permission.EVENT_READ,
        response=list[ListenerDocument],
        query_type=PageQuery,
        description="Of every Open API and topic. One registers itself by the hub of an API.",
    ),
    Route(
        method=Method.GET,
        path=f"{LISTENERS}/{{id}}",
        handler=get_event_listener,
        summary="Get a listener",
        tag=TAG,
        permission=Permission.EVENT_READ,
        response=ListenerDocument,
        path_type=ById,
    ),
    Route(
        method=Method.POST,
        path=f"{LISTENERS}/{{id}}/replays",
        handler=replay_events,
        summary="Let a listener hear again",
        tag=TAG,
        permission=Permission.EVENT_REPLAY,
        response=ReplayDocument,
        path_type=ById,
        body_type=ReplayCreate,
        status=201,
        errors=("409",),
        idempotent=True,
        description="What it was to hear, with the same eventIds. A range has at most 1000 events.",
    ),
    Route(
        method=Method.GET,
        path=HELD,
        handler=list_dead_letters,
        summary="List what listeners do not take",
        tag=TAG,
        permission=Permission.EVENT_READ,
        response=list[DeadLetterDocument],
        query_type=DeadLetterQuery,
        description="A row per listener and resource: later events of the same resource wait behind the first.",
    ),
    Route(
        method=Method.GET,
        path=f"{HELD}/{{id}}",
        handler=get_dead_letter,
        summary="Get what a listener does not take, with its first hundred events",
        tag=TAG,
        permission=Permission.EVENT_READ,
        response=DeadLetterDocument,
        path_type=ById,
    ),
    Route(
        method=Method.POST,
        path=f"{HELD}/{{id}}/retry",
        handler=retry_dead_letter,
        summary="Send what a listener did not take again",
        tag=TAG,
        permission=Permission.EVENT_REPLAY,
        response=DeadLetterDocument,
        path_type=ById,
        idempotent=True,
    ),
    Route(
        method=Method.POST,
        path=f"{HELD}/{{id}}/skip",
        handler=skip_dead_letter,
        summary="Leave out the first event that a listener does not take",
        tag=TAG,
        permission=Permission.EVENT_REPLAY,
        response=DeadLetterDocument,
        path_type=ById,
        idempotent=True,
        description="Those behind it go on; without any it is `skipped`. The audit log keeps who did it.",
    ),
)
