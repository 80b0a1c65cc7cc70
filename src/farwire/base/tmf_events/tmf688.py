"""TMF688: topics, who listens to one, and its events."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from farwire.base import audit
from farwire.base.authz import Permission
from farwire.base.callbacks import MAX_CALLBACK, check_callback
from farwire.base.storage import Tx
from farwire.base.tmf import Act, Api, Behaviour, Document, Resource, Version, Wanted, tmf_routes
from farwire.base.tmf.descriptor import PARENT
from farwire.base.tmf_events import hub, topics
from farwire.base.tmf_events.hub_routes import SECRET_HEADER, keep
from farwire.base.tmf_events.standing import NATIVE
from farwire.base.tmf_events.store import hubs as store
from farwire.base.tmf_events.store.hubs import Hub
from farwire.base.tmf_events.topic_tables import TOPIC, TOPIC_EVENT, TOPIC_HUB
from farwire.base.web import AnyRoute, Method, Reply
from farwire.kernel.errors import Invalid
from farwire.kernel.ids import uuid7
from farwire.kernel.page import Page

MAX_QUERY: Final = 1000


def _shown(found: Hub) -> Document:
    query = {"query": found.query} if found.query else {}
    own = {"id": str(found.id), "@type": "Hub", PARENT.name: found.topic}
    return {**own, "callback": found.callback, **query}


async def find_hub(tx: Tx, key: str, now: datetime) -> Document | None:
    """Return one listener of a topic."""
    del now
    found = await store.by_id(tx, key.rpartition("/")[2])
    return _shown(found) if found is not None and found.topic else None


async def page_hubs(tx: Tx, wanted: Wanted) -> Page[Document]:
    """Return the listeners of a topic, the oldest first."""
    (topic,) = wanted.equal[PARENT.name]
    every = [_shown(one) for one in await store.of_topic(tx, topic)]
    items = every[wanted.offset : wanted.offset + wanted.limit]
    return Page(tuple(items), len(every), wanted.offset, wanted.limit)


async def create_hub(tx: Tx, document: Document, act: Act) -> Document:
    """Register a listener of a topic: of a standing one it hears what the API tells, in the API's oldest version."""
    topic, query = document[PARENT.name], document.get("query") or ""
    if len(query) > MAX_QUERY or len(document["callback"]) > MAX_CALLBACK:
        raise Invalid("the callback or the query is too long", code="tmf.shape", field="$.callback")
    api = topics.api_of_topic(topic)
    version = Version.V4 if api is None or Version.V4 in api.versions else Version.V5
    if api is None:
        hub.wanted(TOPIC_EVENT, version, query)
    else:
        hub.check_query(api, version, query)
    number = API.number if api is None else api.number
    made = Hub(uuid7(act.now), number, version, document["callback"], query, secrets.token_urlsafe(32), topic)
    await keep(tx, made, act.now)
    await _audited(tx, act, "tmf.hub_register", str(made.id), number)
    return _shown(made)


async def delete_hub(tx: Tx, key: str, act: Act) -> None:
    """Remove a listener. What is under way to it is dropped."""
    found = await store.by_id(tx, key)
    if found is not None:
        await store.delete(tx, found.api, key)
        await _audited(tx, act, "tmf.hub_unregister", key, found.api)


async def _audited(tx: Tx, act: Act, action: str, key: str, api: str) -> None:
    await audit.record(tx, actor=act.actor, action=action, subject=key, at=act.now, detail={"api": api})


API: Final = Api(
    number="688",
    title="Events",
    path="event",
    versions=(Version.V4,),
    resources=(
        Resource(
            TOPIC,
            "base",
            Permission.EVENT_READ,
            Permission.EVENT_WRITE,
            behaviour=Behaviour(
                find=topics.find_topic,
                page=topics.page_topics,
                create=topics.create_topic,
                delete=topics.delete_topic,
            ),
            events={topics.CREATED: "Create", topics.DELETED: "Delete"},
        ),
        Resource(
            TOPIC_HUB,
            "base",
            Permission.EVENT_READ,
            Permission.EVENT_READ,
            behaviour=Behaviour(
                find=find_hub,
                page=page_hubs,
                create=create_hub,
                delete=delete_hub,
                native=frozenset({PARENT.name}),
            ),
        ),
        Resource(
            TOPIC_EVENT,
            "base",
            Permission.EVENT_READ,
            Permission.EVENT_WRITE,
            behaviour=Behaviour(
                find=topics.find_event, page=topics.page_events, create=topics.post_event, native=NATIVE
            ),
        ),
    ),
)


def _with_secret(create: Callable[[Any], Awaitable[Reply]]) -> Callable[[Any], Awaitable[Reply]]:
    """Return a handler that shows the key of a new listener once, in a header."""

    async def register(call: Any) -> Reply:
        """Register a listener of a topic. Its key for signatures comes back once, in a header."""
        if isinstance(callback := call.body.get("callback"), str):
            check_callback(callback, private=call.settings.hub_private_callbacks)
        reply = await create(call)
        async with call.transaction() as tx:
            made = await store.by_id(tx, reply.headers["location"].rsplit("/", 1)[1])
        secret = "" if made is None else made.secret
        return replace(reply, headers={**reply.headers, SECRET_HEADER: secret})

    return register


def _routes() -> tuple[AnyRoute, ...]:
    """Return the engine's routes; that of a new listener is not repeatable, as its key is shown once."""
    return tuple(
        replace(one, handler=_with_secret(one.handler), idempotent=False)
        if one.method is Method.POST and one.path.endswith("/topic/{id}/hub")
        else one
        for one in tmf_routes(API)
    )


ROUTES: Final[tuple[AnyRoute, ...]] = _routes()
