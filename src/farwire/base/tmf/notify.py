"""From events to listeners: one subscriber finds who wants to hear of an event, another one tells each of them.

What is under way to one listener is an event of its own, with listener and resource as its subject: it is tried again,
keeps its order, waits and is parked (``farwire events``) without holding another listener or resource up.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import http.client
import socket
import ssl
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit
from uuid import uuid5

from farwire.base import eventbus
from farwire.base.clock import Clock
from farwire.base.config import load_settings
from farwire.base.eventbus import Event
from farwire.base.eventbus.delivery import RetryPolicy, Subscriber
from farwire.base.storage import Database, Tx
from farwire.base.tmf import hub
from farwire.base.tmf.descriptor import Target, Version
from farwire.base.tmf.hub import is_public, refused
from farwire.base.tmf.query import jsonpath
from farwire.base.tmf.resource import SERVED, Api, Document, Resource
from farwire.base.tmf.shape import stored_time
from farwire.base.tmf.store import documents as store
from farwire.base.tmf.store import hubs
from farwire.base.tmf.store.hubs import Hub
from farwire.base.tmf.versions import to_wire
from farwire.base.tmf.writing import event_types
from farwire.kernel.errors import Unavailable

NOTIFICATION: Final = "farwire.tmf.notification_due.v1"
SIGNATURE: Final = "x-farwire-signature"
POST_TIMEOUT_S: Final = 10.0
RETRY: Final = RetryPolicy(max_attempts=60, longest_delay=timedelta(minutes=5))
"""About four and a half hours until a notification is parked for a person."""


def subscribers(*, db: Database, clock: Clock, private: bool | None = None) -> tuple[Subscriber, ...]:
    """Return the two subscribers, for what is served: make the routes before.

    ``private`` lets callbacks be at private addresses; by default as the setting ``hub_private_callbacks`` says.
    """
    allowed = load_settings().hub_private_callbacks if private is None else private
    types = sorted({name for _, resource in SERVED.all() for name in event_types(resource)})

    async def spread(event: Event) -> None:
        await fan_out(db=db, clock=clock, event=event)

    async def tell(event: Event) -> None:
        await deliver(db=db, clock=clock, event=event, private=allowed)

    return (
        Subscriber("tmf-hub", spread, types=tuple(types), from_start=False),
        Subscriber("tmf-listeners", tell, types=(NOTIFICATION,), from_start=False, retry=RETRY),
    )


async def fan_out(*, db: Database, clock: Clock, event: Event) -> None:
    """Publish one notification for each listener that wants to hear of ``event``. Again: the same ``eventId``."""
    async with db.transaction(event.tenant_id) as tx:
        for api, resource in SERVED.all():
            word = event_types(resource).get(event.type)
            if word is None:
                continue
            for listener in await hubs.of_api(tx, api.number):
                name = f"{resource.descriptor.type_in(listener.version)}{word}Event"
                if await _wants(tx, api, resource, listener, name, event.subject, clock.now()):
                    await eventbus.publish(tx, _notification(event, listener, resource, name, clock))


def _notification(event: Event, listener: Hub, resource: Resource, name: str, clock: Clock) -> Event:
    return eventbus.new_event(
        tenant_id=event.tenant_id,
        type=NOTIFICATION,
        subject=f"{listener.id}/{event.subject}",
        occurred_at=event.occurred_at,
        recorded_at=clock.now(),
        data={
            "hub": str(listener.id),
            "api": listener.api,
            "type": resource.descriptor.type,
            "id": event.subject,
            "name": name,
            "event": str(uuid5(listener.id, str(event.id))),
        },
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
    """Post one notification. Raises ``Unavailable`` when the listener does not take it: it is tried again."""
    async with db.transaction(event.tenant_id, read_only=True) as tx:
        listener = await hubs.by_id(tx, str(event.data["hub"]))
        served = SERVED.get(Target(str(event.data["api"]), str(event.data["type"])))
        if listener is None or served is None:
            return
        api, resource = served
        document = await _current(tx, api, resource, str(event.data["id"]), clock.now())
    body = store.to_text(message(event, listener, api, resource, document)).encode()
    await asyncio.to_thread(post, listener.callback, body, signature(listener, body, clock), private=private)


def message(
    event: Event, listener: Hub, api: Api, resource: Resource, document: Document | None
) -> dict[str, Any]:
    """Return the body: the event, with the resource as it is now; a deleted one by its id only."""
    version, descriptor = listener.version, resource.descriptor
    stored = {"id": event.data["id"], "@type": descriptor.type} if document is None else document
    shown = to_wire(descriptor, stored, version)
    path = descriptor.path_in(version)
    shown["href"] = f"{api.base(version)}/{path}/{stored['id']}"
    body: dict[str, Any] = {
        "eventId": event.data["event"],
        "eventTime": stored_time(event.occurred_at),
        "eventType": event.data["name"],
        "title": event.data["name"],
        "domain": api.title,
        "event": {path: shown},
    }
    if version is Version.V5:
        body["@type"] = event.data["name"]
    return body


def signature(listener: Hub, body: bytes, clock: Clock) -> str:
    """Return ``t=<seconds>,v1=<hex>``: HMAC-SHA256 of ``<seconds>.<body>`` under the listener's key."""
    seconds = int(clock.now().timestamp())
    digest = hmac.new(listener.secret.encode(), f"{seconds}.".encode() + body, hashlib.sha256)
    return f"t={seconds},v1={digest.hexdigest()}"


def post(url: str, body: bytes, signed: str, *, private: bool) -> None:
    """Post ``body`` to exactly ``url``; redirects are not followed. Blocks: call it in a thread.

    The address that was checked is the one that is connected to, so that a name cannot change in between.
    """
    parts = urlsplit(url)
    host, tls = parts.hostname or "", parts.scheme == "https"
    port = parts.port or (443 if tls else 80)
    try:
        address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][4][0]
        if not private and not is_public(str(address)):
            raise refused(host)
        connection = http.client.HTTPConnection(host, port, timeout=POST_TIMEOUT_S)
        connection.sock = socket.create_connection((str(address), port), timeout=POST_TIMEOUT_S)
        if tls:
            context = ssl.create_default_context()
            connection.sock = context.wrap_socket(connection.sock, server_hostname=host)
        target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        connection.request(
            "POST",
            target,
            body,
            {"content-type": "application/json", SIGNATURE: signed, "host": parts.netloc},
        )
        status = connection.getresponse().status
        connection.close()
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable(
            f"the listener does not answer: {type(error).__name__}", code="tmf.listener_away"
        ) from error
    if not 200 <= status < 300:
        raise Unavailable(f"the listener answered {status}", code="tmf.listener_refused")
