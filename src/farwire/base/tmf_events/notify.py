"""From events to listeners: one subscriber finds who wants to hear of an event, another one tells each.

What is under way to one listener is an event of its own, with listener and resource as its subject: it is tried again,
keeps its order, waits and is parked (``farwire events``) without holding another listener or resource up. A listener
that does not answer at all is away: a third subscriber calls it until it is back, and then posts what it missed.
"""

from __future__ import annotations

import asyncio
import time
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid5

from farwire.base import callbacks, eventbus
from farwire.base.canonical import stored_time, to_text
from farwire.base.clock import Clock
from farwire.base.config import load_settings
from farwire.base.eventbus import Event
from farwire.base.eventbus.delivery import RetryPolicy, Subscriber
from farwire.base.storage import Database, Tx
from farwire.base.tmf import documents as store
from farwire.base.tmf.descriptor import PARENT, Target, Version
from farwire.base.tmf.query import jsonpath
from farwire.base.tmf.resource import SERVED, Api, Document, Resource
from farwire.base.tmf.versions import to_wire
from farwire.base.tmf.writing import event_types
from farwire.base.tmf_events import hub
from farwire.base.tmf_events.store import hubs
from farwire.base.tmf_events.store.hubs import Hub
from farwire.kernel.errors import FarwireError

NOTIFICATION: Final = "farwire.tmf.notification_due.v1"
RETRY: Final = RetryPolicy(max_attempts=60, longest_delay=timedelta(minutes=5))
"""About four and a half hours until a notification, or a listener that is away, is parked for a person."""
AWAY: Final = "farwire.tmf.listener_away.v1"
AWAY_FAILURES: Final = 20
AWAY_AFTER: Final = timedelta(minutes=1)
"""A listener is away after so many failed posts one after the other, or when it has failed for so long."""
AWAY_PAGE: Final = 100
"""Notifications that are read at a time for a listener that comes back."""


def subscribers(*, db: Database, clock: Clock, private: bool | None = None) -> tuple[Subscriber, ...]:
    """Return the three subscribers, for what is served: make the routes before.

    ``private`` lets callbacks be at private addresses; by default as the setting ``hub_private_callbacks`` says.
    """
    allowed = load_settings().hub_private_callbacks if private is None else private
    types = sorted({name for _, resource in SERVED.all() for name in event_types(resource)})

    async def spread(event: Event) -> None:
        await fan_out(db=db, clock=clock, event=event)

    async def tell(event: Event) -> None:
        await deliver(db=db, clock=clock, event=event, private=allowed)

    async def call_back(event: Event) -> None:
        await catch_up(db=db, clock=clock, event=event, private=allowed)

    return (
        Subscriber("tmf-hub", spread, types=tuple(types), from_start=False),
        Subscriber("tmf-listeners", tell, types=(NOTIFICATION,), from_start=False, retry=RETRY),
        Subscriber("tmf-listeners-away", call_back, types=(AWAY,), from_start=False, retry=RETRY),
    )


async def fan_out(*, db: Database, clock: Clock, event: Event) -> None:
    """Publish one notification for each listener that wants to hear of ``event``. Again: the same ``eventId``."""
    async with db.transaction(event.tenant_id) as tx:
        for api, resource in SERVED.all():
            word = event_types(resource).get(event.type)
            if word is None:
                continue
            for listener in await hubs.of_api(tx, api.number):
                name = _event_name(resource, listener.version, word)
                if await _wants(tx, api, resource, listener, name, event.subject, clock.now()):
                    await eventbus.publish(tx, _notification(event, listener, resource, name, clock))


def _event_name(resource: Resource, version: Version, word: str) -> str:
    descriptor = resource.descriptor
    return f"{descriptor.type_in(version)}{descriptor.word_in(version, word)}Event"


def _notification(event: Event, listener: Hub, resource: Resource, name: str, clock: Clock) -> Event:
    about = {"hub": str(listener.id), "api": listener.api, "type": resource.descriptor.type}
    return eventbus.new_event(
        tenant_id=event.tenant_id,
        type=NOTIFICATION,
        subject=f"{listener.id}/{event.subject}",
        occurred_at=event.occurred_at,
        recorded_at=clock.now(),
        data={**about, "id": event.subject, "name": name, "event": str(uuid5(listener.id, str(event.id)))},
        cause_id=event.id,
    )


async def _wants(
    tx: Tx, api: Api, resource: Resource, listener: Hub, name: str, key: str, now: datetime
) -> bool:
    try:
        names, query = hub.wanted(resource.descriptor, listener.version, listener.query)
    except Exception:  # noqa: BLE001 - the query is about another resource of the API
        return False
    if names and name not in names:
        return False
    predicate = jsonpath(query)
    if not predicate and resource.behaviour is None:
        return True
    document = await _current(tx, api, resource, key, now)  # one event type may be of several resources
    if document is None or not predicate:
        return document is not None or (name.endswith("DeleteEvent") and not predicate)
    return bool(await store.fitting(tx, [document], predicate))


async def _current(tx: Tx, api: Api, resource: Resource, key: str, now: datetime) -> Document | None:
    if resource.behaviour is not None:
        found = await resource.behaviour.find(tx, key, now)
        return None if found is None else resource.behaviour.shown_to(found, None)
    return await store.load(tx, Target(api.number, resource.descriptor.type), key)


async def deliver(*, db: Database, clock: Clock, event: Event, private: bool) -> None:
    """Post one notification. Raises ``Unavailable`` when the listener does not take it: it is tried again.

    One that failed too often goes away instead: what it has to hear waits in the outbox until it is back.
    """
    async with db.transaction(event.tenant_id) as tx:
        listener = await hubs.by_id(tx, str(event.data["hub"]))
        place = await eventbus.position_of(tx, event.id)
        if listener is None or place is None:
            return
        if listener.missed and await hubs.miss(tx, listener.id, place):
            return
    try:
        await _tell(db, clock, event, listener, private=private)
    except FarwireError:
        async with db.transaction(event.tenant_id) as tx:
            now = clock.now()
            away = await hubs.count_failure(tx, listener.id, now, now - AWAY_AFTER, AWAY_FAILURES)
            if away and not await hubs.miss(tx, listener.id, place):
                await go_away(tx, listener, place, place, clock)
        if not away:
            raise
    else:
        if not listener.failures:
            return
        async with db.transaction(event.tenant_id) as tx:
            await hubs.clear_failures(tx, listener.id)


async def go_away(tx: Tx, listener: Hub, first: int, last: int, clock: Clock) -> None:
    """Let the listener hear these positions, and all that comes meanwhile, by ``catch_up`` only."""
    await hubs.set_missed(tx, listener.id, first, last)
    await _call_back(tx, str(listener.id), clock)


async def _call_back(tx: Tx, key: str, clock: Clock) -> None:
    now, about = clock.now(), {"hub": key}
    event = eventbus.new_event(
        tenant_id=tx.tenant_id, type=AWAY, subject=key, occurred_at=now, recorded_at=now, data=about
    )
    await eventbus.publish(tx, event)


async def catch_up(*, db: Database, clock: Clock, event: Event, private: bool) -> None:
    """Post what an away listener missed, in its order, a page at a time. Raises ``Unavailable`` as long as it is."""
    async with db.transaction(event.tenant_id) as tx:
        listener = await hubs.by_id(tx, event.subject)
        if listener is None or listener.missed is None:
            return
        (first, last), theirs = listener.missed, f"{listener.id}/"
        missed = await eventbus.list_events(
            tx=tx,
            after=first - 1,
            up_to=last,
            limit=AWAY_PAGE,
            type_prefix=NOTIFICATION,
            subject_prefix=theirs,
        )
    heard, until = first - 1, time.monotonic() + callbacks.POST_TIMEOUT_S
    try:
        for place, one in missed:
            await _tell(db, clock, one, listener, private=private)
            heard = place
            if time.monotonic() > until:
                break
        else:
            heard = last if len(missed) < AWAY_PAGE else heard
    finally:
        async with db.transaction(event.tenant_id) as tx:
            if heard >= first:
                await hubs.caught_up(tx, listener, heard)
    async with db.transaction(event.tenant_id) as tx:
        after = await hubs.by_id(tx, event.subject)
        if after is not None and after.missed:
            await _call_back(tx, event.subject, clock)


async def _tell(db: Database, clock: Clock, event: Event, listener: Hub, *, private: bool) -> None:
    served = SERVED.get(Target(str(event.data["api"]), str(event.data["type"])))
    if served is None:
        return
    async with db.transaction(event.tenant_id, read_only=True) as tx:
        document = await _current(tx, *served, str(event.data["id"]), clock.now())
    body = to_text(message(event, listener, *served, document)).encode()
    signed = callbacks.signature(listener.secret, body, clock.now())
    await asyncio.to_thread(callbacks.post, listener.callback, body, signed, private=private)


def message(
    event: Event, listener: Hub, api: Api, resource: Resource, document: Document | None
) -> dict[str, Any]:
    """Return the body: the event, with the resource as it is now; a deleted one by its id only."""
    version, descriptor = listener.version, resource.descriptor
    stored = {"id": event.data["id"], "@type": descriptor.type} if document is None else document
    shown = to_wire(descriptor, stored, version)
    path = descriptor.collection(version, str(stored.get(PARENT.name, "")))
    shown["href"] = f"{api.base(version)}/{path}/{stored['id']}"
    key, name, at = event.data["event"], event.data["name"], stored_time(event.occurred_at)
    about = {"eventId": key, "eventTime": at, "eventType": name, "title": name, "domain": api.title}
    kind = {"@type": name} if version is Version.V5 else {}
    return {**about, "event": {descriptor.path_in(version): shown}, **kind}
