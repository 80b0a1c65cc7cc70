"""From events to listeners: one subscriber finds who wants to hear of an event, another one tells each.

What is under way to one listener is an event of its own, with listener and resource as its subject: it keeps its order
without holding another listener or resource up. What a listener does not take is held (``holding``) and tried again; a
listener that takes nothing is away (``away``).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import uuid5

from farwire.base import eventbus
from farwire.base.clock import Clock
from farwire.base.config import load_settings
from farwire.base.eventbus import Event
from farwire.base.eventbus.delivery import RetryPolicy, Subscriber
from farwire.base.storage import Database, Tx
from farwire.base.telemetry import error_text
from farwire.base.tmf import documents as store
from farwire.base.tmf.query import jsonpath
from farwire.base.tmf.resource import SERVED, Api, Resource
from farwire.base.tmf.writing import event_types
from farwire.base.tmf_events import holding, hub
from farwire.base.tmf_events.away import AWAY, catch_up, go_away
from farwire.base.tmf_events.holding import HELD, NOTIFICATION
from farwire.base.tmf_events.message import Teller, current, event_name
from farwire.base.tmf_events.store import held, hubs
from farwire.base.tmf_events.store.hubs import Hub
from farwire.base.tmf_events.topic_tables import TOPIC_EVENT
from farwire.base.tmf_events.topics import EVENTS, POSTED, is_standing
from farwire.kernel.errors import FarwireError

FOR_EVER: Final = RetryPolicy(max_attempts=10**9, longest_delay=timedelta(minutes=5))
"""A listener that is away is called as long as it is registered; what is held says itself when it is dead."""
AWAY_FAILURES: Final = 20
AWAY_AFTER: Final = timedelta(minutes=1)
"""A listener is away after so many failed posts one after the other, or when it has failed for so long."""


def subscribers(
    *, db: Database, clock: Clock, private: bool | None = None, public_url: str | None = None
) -> tuple[Subscriber, ...]:
    """Return the five subscribers, for what is served: make the routes before.

    ``private`` lets callbacks be at private addresses; by default as the setting ``hub_private_callbacks`` says.
    ``public_url`` stands before each ``href``; by default the setting of that name.
    """
    settings = load_settings()
    allowed = settings.hub_private_callbacks if private is None else private
    teller = Teller(db, clock, allowed, (settings.public_url or "") if public_url is None else public_url)
    types = sorted({name for _, resource in SERVED.all() for name in event_types(resource)})

    async def spread(event: Event) -> None:
        await fan_out(db=db, clock=clock, event=event)

    async def spread_posted(event: Event) -> None:
        await fan_out_posted(db=db, clock=clock, event=event)

    async def tell(event: Event) -> None:
        await deliver(event, teller)

    async def call_back(event: Event) -> None:
        await catch_up(event, teller)

    async def try_again(event: Event) -> None:
        await holding.resume(event, teller)

    return (
        Subscriber("tmf-hub", spread, types=tuple(types), from_start=False),
        Subscriber("tmf-topics", spread_posted, types=(POSTED,), from_start=False),
        Subscriber("tmf-listeners", tell, types=(NOTIFICATION,), from_start=False),
        Subscriber("tmf-listeners-away", call_back, types=(AWAY,), from_start=False, retry=FOR_EVER),
        Subscriber("tmf-listeners-held", try_again, types=(HELD,), from_start=False, retry=FOR_EVER),
    )


async def fan_out(*, db: Database, clock: Clock, event: Event) -> None:
    """Publish one notification for each listener that wants to hear of ``event``. Again: the same ``eventId``."""
    async with db.transaction(event.tenant_id) as tx:
        for api, resource in SERVED.all():
            word = event_types(resource).get(event.type)
            if word is None:
                continue
            for listener in await hubs.of_api(tx, api.number):
                if listener.topic and not is_standing(listener.topic):
                    continue
                name, key = event_name(resource, listener.version, word), _key(event, resource)
                if await _wants(tx, api, resource, listener, name, key, clock.now()):
                    await eventbus.publish(tx, _notification(event, listener, resource, name, clock))


def _key(event: Event, resource: Resource) -> str:
    return str(event.data.get(resource.about, event.subject))


def _notification(event: Event, listener: Hub, resource: Resource, name: str, clock: Clock) -> Event:
    about = {"hub": str(listener.id), "api": listener.api, "type": resource.descriptor.type}
    return _due(event, listener, {**about, "id": _key(event, resource)}, name, clock)


def _due(event: Event, listener: Hub, about: dict[str, str], name: str, clock: Clock) -> Event:
    return eventbus.new_event(
        tenant_id=event.tenant_id,
        type=NOTIFICATION,
        subject=f"{listener.id}/{event.subject}",
        occurred_at=event.occurred_at,
        recorded_at=clock.now(),
        data={**about, "name": name, "event": str(uuid5(listener.id, str(event.id)))},
        cause_id=event.id,
    )


async def fan_out_posted(*, db: Database, clock: Clock, event: Event) -> None:
    """Publish one notification for each listener of a topic that wants to hear of what was posted to it."""
    key = str(event.data["id"])
    async with db.transaction(event.tenant_id) as tx:
        document = await store.load(tx, EVENTS, key)
        for listener in await hubs.of_topic(tx, str(event.data["topic_id"])) if document else ():
            names, query = hub.wanted(TOPIC_EVENT, listener.version, listener.query)
            name, predicate = str((document or {}).get("eventType", "")), jsonpath(query)
            if not hub.told(names, name):
                continue
            if document and predicate and not await store.fitting(tx, [document], predicate):
                continue
            about = {"hub": str(listener.id), "api": EVENTS.api, "type": EVENTS.type, "id": key}
            await eventbus.publish(tx, _due(event, listener, about, name, clock))


async def _wants(
    tx: Tx, api: Api, resource: Resource, listener: Hub, name: str, key: str, now: datetime
) -> bool:
    try:
        names, query = hub.wanted(resource.descriptor, listener.version, listener.query)
    except Exception:  # noqa: BLE001 - the query is about another resource of the API
        return False
    if not hub.told(names, name):
        return False
    predicate = jsonpath(query)
    if not predicate and resource.behaviour is None and not resource.events:
        return True
    document = await current(tx, api, resource, key, now)  # one event type may be of several resources
    if document is None or not predicate:
        return document is not None or (name.endswith("DeleteEvent") and not predicate)
    return bool(await store.fitting(tx, [document], predicate))


async def deliver(event: Event, teller: Teller) -> None:
    """Post one notification. What is not taken is held; a listener that failed too often goes away instead.

    Nothing fails here: what an away listener has to hear waits in the outbox until it is back.
    """
    async with teller.db.transaction(event.tenant_id) as tx:
        listener = await hubs.by_id(tx, str(event.data["hub"]))
        place = await eventbus.position_of(tx, event.id)
        if listener is None or place is None:
            return
        if listener.holds and await held.extend(tx, listener.id, event.subject, place):
            return
        if listener.missed and await hubs.miss(tx, listener.id, place):
            return
    try:
        await teller.tell(event, listener)
    except FarwireError as error:
        async with teller.db.transaction(event.tenant_id) as tx:
            await _refused(tx, event, listener, place, error, teller.clock)
    else:
        if not listener.failures and not listener.holds:
            return
        async with teller.db.transaction(event.tenant_id) as tx:
            await hubs.clear_failures(tx, listener.id, teller.clock.now())


async def _refused(
    tx: Tx, event: Event, listener: Hub, place: int, error: FarwireError, clock: Clock
) -> None:
    now, places = clock.now(), (place, place)
    if await hubs.count_failure(tx, listener.id, now, now - AWAY_AFTER, AWAY_FAILURES):
        if not await hubs.miss(tx, listener.id, place):
            await go_away(tx, listener, *places, event.recorded_at, clock)
        return
    why = error_text(error)
    await holding.hold(tx, listener=listener, subject=event.subject, places=places, error=why, clock=clock)
