"""Standing topics: what the platform published about the resources of one Open API, as far as it is kept."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

from farwire.base import eventbus
from farwire.base.canonical import instant_text, stored_time
from farwire.base.eventbus import Event
from farwire.base.storage import Tx
from farwire.base.tmf.descriptor import PARENT, Version
from farwire.base.tmf.resource import SERVED, Api, Document, Resource, Wanted
from farwire.base.tmf.writing import event_types
from farwire.base.tmf_events.message import event_name
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import EventId
from farwire.kernel.page import Page
from farwire.kernel.time import instant

TIMES: Final = ("gt", "gte", "lt", "lte")
NATIVE: Final = frozenset({PARENT.name, *(f"eventTime.{word}" for word in TIMES)})
"""Filters that the outbox itself answers; others look through at most ten thousand events."""


async def standing_event(tx: Tx, key: str) -> Document | None:
    """Return one event of a standing topic: its id is the number of the API, and that of the event."""
    number, _, rest = key.partition("-")
    try:
        wanted = EventId(UUID(rest))
    except ValueError:
        return None
    api = next((one for one, _ in SERVED.all() if one.number == number), None)
    event = None if api is None else await eventbus.event_of(tx, wanted)
    if api is None or event is None or event.type not in _types(api):
        return None
    return (await _shown(tx, api, [event]))[0]


async def standing_page(tx: Tx, api: Api, wanted: Wanted) -> Page[Document]:
    """Return a part of the events of an API, in the order of their positions."""
    times = {word: _instant(wanted.equal.get(f"eventTime.{word}", ())) for word in TIMES}
    events, total = await eventbus.events_of_types(
        tx,
        types=sorted(_types(api)),
        offset=wanted.offset,
        limit=wanted.limit,
        after=times["gt"],
        since=times["gte"],
        before=times["lt"],
        until=times["lte"],
    )
    return Page(tuple(await _shown(tx, api, events)), total, wanted.offset, wanted.limit)


def _instant(values: Sequence[str]) -> datetime | None:
    if not values:
        return None
    text = instant_text(values[0]) if len(values) == 1 else None
    if text is None:
        raise Invalid("eventTime is one time", code="tmf.query", field="eventTime", value=values[0])
    return instant(text, field="eventTime")


def _types(api: Api) -> dict[str, list[Resource]]:
    """Return the event types that tell of the resources of an API."""
    found: dict[str, list[Resource]] = {}
    for one, resource in SERVED.all():
        if one.number == api.number:
            for name in event_types(resource):
                found.setdefault(name, []).append(resource)
    return found


async def _shown(tx: Tx, api: Api, events: Sequence[Event]) -> list[Document]:
    told = _types(api)
    shared = sorted({one.subject for one in events if len(told[one.type]) > 1})
    whose: dict[str, Resource] = {}  # a person and a company are told by one event
    for one, resource in SERVED.all():
        if shared and one.number == api.number and resource.among is not None:
            whose |= dict.fromkeys(await resource.among(tx, shared), resource)
    return [_document(api, one, whose.get(one.subject, told[one.type][0])) for one in events]


def _document(api: Api, event: Event, resource: Resource) -> Document:
    descriptor = resource.descriptor
    version = next(one for one in (Version.V4, Version.V5) if one in descriptor.versions & set(api.versions))
    name = event_name(resource, version, event_types(resource)[event.type])
    href = f"{api.base(version)}/{descriptor.collection(version, '')}/{event.subject}"
    about = {"id": event.subject} | ({} if descriptor.inside else {"href": href})
    return {
        "id": f"{api.number}-{event.id}",
        "@type": "Event",
        PARENT.name: f"TMF{api.number}",
        "eventId": str(event.id),
        "eventTime": stored_time(event.occurred_at),
        "eventType": name,
        "title": name,
        "domain": api.title,
        "event": {descriptor.path_in(version): about},
    }
