"""What is posted to a listener, and the post."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import uuid5

from farwire.base import callbacks
from farwire.base.canonical import stored_time, to_text
from farwire.base.clock import Clock
from farwire.base.eventbus import Event
from farwire.base.storage import Database, Tx
from farwire.base.tmf import documents as store
from farwire.base.tmf.descriptor import PARENT, Target, Version
from farwire.base.tmf.fields import select, wanted
from farwire.base.tmf.resource import SERVED, Api, Document, Resource
from farwire.base.tmf.versions import to_wire
from farwire.base.tmf_events import hub
from farwire.base.tmf_events.store.hubs import Hub
from farwire.base.tmf_events.topic_tables import TOPIC_EVENT


@dataclass(frozen=True, slots=True)
class Teller:
    """Posts to listeners. ``private`` lets callbacks be at private addresses, ``public_url`` makes ``href`` whole."""

    db: Database
    clock: Clock
    private: bool
    public_url: str

    async def tell(self, event: Event, listener: Hub) -> None:
        """Post one notification. Raises ``Unavailable`` when the listener does not take it."""
        served = SERVED.get(Target(str(event.data["api"]), str(event.data["type"])))
        if served is None:
            return
        async with self.db.transaction(event.tenant_id, read_only=True) as tx:
            document = await current(tx, *served, str(event.data["id"]), self.clock.now())
        if served[1].descriptor is TOPIC_EVENT:
            if document is not None:
                await self._post(posted(event, document, served[0], self.public_url), listener)
            return
        await self._post(message(event, listener, *served, document, self.public_url), listener)

    async def tell_gap(self, listener: Hub, since: datetime, until: datetime) -> None:
        """Post that what was recorded meanwhile is no longer kept. Raises ``Unavailable`` as ``tell`` does."""
        await self._post(gap(listener, since, until, self.clock.now()), listener)

    async def _post(self, document: Document, listener: Hub) -> None:
        body = to_text(document).encode()
        signed = callbacks.signature(listener.secret, body, self.clock.now())
        await asyncio.to_thread(callbacks.post, listener.callback, body, signed, private=self.private)


async def current(tx: Tx, api: Api, resource: Resource, key: str, now: datetime) -> Document | None:
    """Return the resource as it is, and as a listener may see it."""
    if resource.behaviour is not None:
        found = await resource.behaviour.find(tx, key, now)
        return None if found is None else resource.behaviour.shown_to(found, None)
    stands = await store.load(tx, Target(api.number, resource.descriptor.type), key)
    return stands if stands is None or resource.current is None else (await resource.current(tx, [stands]))[0]


def message(
    event: Event, listener: Hub, api: Api, resource: Resource, document: Document | None, public_url: str = ""
) -> dict[str, Any]:
    """Return the body: the event, with the resource as it is now; a deleted one by its id only."""
    version, descriptor = listener.version, resource.descriptor
    stored = {"id": event.data["id"], "@type": descriptor.type} if document is None else document
    shown = to_wire(descriptor, stored, version)
    path = descriptor.collection(version, str(stored.get(PARENT.name, "")))
    shown["href"] = f"{public_url}{api.base(version)}/{path}/{stored['id']}"
    _, query = hub.wanted(descriptor, version, listener.query)
    shown = select(shown, wanted(descriptor, query.fields, version))
    key, name, at = event.data["event"], event.data["name"], stored_time(event.occurred_at)
    about = {"eventId": key, "eventTime": at, "eventType": name, "title": name, "domain": api.title}
    kind = {"@type": name} if version is Version.V5 else {}
    return {
        **about,
        "correlationId": str(event.cause_id),
        "event": {descriptor.path_in(version): shown},
        **kind,
    }


def posted(event: Event, document: Document, api: Api, public_url: str) -> dict[str, Any]:
    """Return the body for what a client posted to a topic: just that."""
    shown = to_wire(TOPIC_EVENT, document, Version.V4)
    path = TOPIC_EVENT.collection(Version.V4, str(document[PARENT.name]))
    href = f"{public_url}{api.base(Version.V4)}/{path}/{document['id']}"
    return {"correlationId": str(event.cause_id), **shown, "href": href}


def event_name(resource: Resource, version: Version, word: str) -> str:
    """Return the name of the TMF event that tells ``word`` of a resource."""
    descriptor = resource.descriptor
    return f"{descriptor.type_in(version)}{descriptor.word_in(version, word)}Event"


def gap(listener: Hub, since: datetime, until: datetime, now: datetime) -> dict[str, Any]:
    """Return the body that says what a listener can no longer hear."""
    start, end, name = stored_time(since), stored_time(until), "ListenerGapEvent"
    kind = {"@type": name} if listener.version is Version.V5 else {}
    return {
        "eventId": str(uuid5(listener.id, f"gap {start} {end}")),
        "eventTime": stored_time(now),
        "eventType": name,
        "title": name,
        "description": f"What was recorded from {start} to {end} is no longer kept. Read the resources.",
        "event": {"gap": {"startDateTime": start, "endDateTime": end}},
        **kind,
    }
