"""Topics of TMF688: the standing ones, which hold what each Open API tells, and those that clients make and post to."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import parse_qsl

from farwire.base import audit, eventbus
from farwire.base.storage import Tx
from farwire.base.tmf import documents
from farwire.base.tmf.descriptor import PARENT, Descriptor, Target, Version
from farwire.base.tmf.query import Condition, Query, jsonpath, parse
from farwire.base.tmf.resource import SERVED, Act, Api, Document, Wanted
from farwire.base.tmf_events.standing import standing_event, standing_page
from farwire.base.tmf_events.store import topics as store
from farwire.base.tmf_events.topic_tables import TOPIC_EVENT
from farwire.kernel.errors import Conflict, Exhausted, Invalid
from farwire.kernel.page import Page

CREATED, DELETED = "farwire.tmf.topic_created.v1", "farwire.tmf.topic_deleted.v1"
POSTED: Final = "farwire.tmf.topic_event_posted.v1"
EVENTS: Final = Target("688", TOPIC_EVENT.type)
MAX_TOPICS: Final = 100
"""Topics that a tenant makes."""
KEPT: Final = timedelta(days=30)
"""How long what was posted to a topic is kept at least."""
_FORGOTTEN: Final = 20
"""Old events that go when a new one comes."""
MAX_SOURCE: Final = 100
"""Characters of the id of a source: events of one source keep their order, others that of their topic."""
_STANDING: Final = re.compile(r"TMF([0-9]{3})")


def is_standing(key: str) -> bool:
    """Return whether an id is of the form that standing topics have."""
    return _STANDING.fullmatch(key) is not None


def api_of_topic(key: str) -> Api | None:
    """Return the API whose events a standing topic holds."""
    return next((api for api, _ in SERVED.all() if f"TMF{api.number}" == key), None)


def _standing() -> list[Document]:
    apis = {api.number: api for api, _ in SERVED.all()}
    return [_standing_topic(apis[number]) for number in sorted(apis)]


def _standing_topic(api: Api) -> Document:
    return {"id": f"TMF{api.number}", "@type": "Topic", "name": f"TMF{api.number} {api.title}"}


async def find_topic(tx: Tx, key: str, now: datetime) -> Document | None:
    """Return one topic."""
    del now
    api = api_of_topic(key)
    return await store.load(tx, key) if api is None else _standing_topic(api)


async def page_topics(tx: Tx, wanted: Wanted) -> Page[Document]:
    """Return the standing topics, then those that clients made."""
    every = [*_standing(), *await store.every(tx, MAX_TOPICS)]
    items = every[wanted.offset : wanted.offset + wanted.limit]
    return Page(tuple(items), len(every), wanted.offset, wanted.limit)


async def create_topic(tx: Tx, document: Document, act: Act) -> Document:
    """Make a topic. Its queries say what may be posted to it."""
    for name in ("headerQuery", "contentQuery"):
        _query_of(document, name)
    if len(await store.every(tx, MAX_TOPICS)) >= MAX_TOPICS:
        raise Exhausted(f"at most {MAX_TOPICS} topics", code="tmf.topics", fix="remove one")
    key = document["id"]
    if is_standing(key) or not await store.insert(tx, document, act.now):
        raise Conflict("this id is taken", code="tmf.exists", field="id", value=key)
    await _told(tx, CREATED, key, act)
    return document


async def delete_topic(tx: Tx, key: str, act: Act) -> None:
    """Remove a topic with its listeners and events. Raises ``Conflict`` (``tmf.topic_standing``)."""
    _check_own(key)
    await store.delete(tx, key)
    await _told(tx, DELETED, key, act)


def _check_own(key: str) -> None:
    if is_standing(key):
        why, fix = "this topic holds what the platform tells", "make a topic of your own"
        raise Conflict(why, code="tmf.topic_standing", field="topicId", value=key, fix=fix)


async def _told(tx: Tx, kind: str, key: str, act: Act) -> None:
    event = eventbus.new_event(
        tenant_id=tx.tenant_id,
        type=kind,
        subject=key,
        occurred_at=act.now,
        recorded_at=act.now,
        data={"topic_id": key},
    )
    await eventbus.publish(tx, event)
    action = kind.removeprefix("farwire.").removesuffix(".v1")
    await audit.record(tx, actor=act.actor, action=action, subject=key, at=act.now, detail={})


async def find_event(tx: Tx, key: str, now: datetime) -> Document | None:
    """Return one event of a topic."""
    del now
    key = key.rpartition("/")[2]
    found = await documents.load(tx, EVENTS, key)
    return await standing_event(tx, key) if found is None else found


async def page_events(tx: Tx, wanted: Wanted) -> Page[Document]:
    """Return a part of the events of a topic, the oldest first."""
    (topic,) = wanted.equal[PARENT.name]
    api = api_of_topic(topic)
    if api is not None:
        return await standing_page(tx, api, wanted)
    times = [
        Condition(("eventTime",), name.rpartition(".")[2], values)
        for name, values in wanted.equal.items()
        if name != PARENT.name
    ]
    query = Query(
        conditions=(Condition((PARENT.name,), "eq", (topic,)), *times),
        offset=wanted.offset,
        limit=wanted.limit,
        count_all=True,
    )
    found = await documents.documents(tx, EVENTS, query)
    return Page(tuple(found.items), found.total, wanted.offset, wanted.limit)


async def post_event(tx: Tx, document: Document, act: Act) -> Document:
    """Keep what a client posts to its topic, and let the topic's listeners hear of it."""
    key = document[PARENT.name]
    _check_own(key)
    topic = await store.load(tx, key) or {}
    document = {"eventId": document["id"], "eventType": "Event"} | document
    await _check_queries(tx, topic, document)
    await store.forget_old(tx, act.now - KEPT, _FORGOTTEN)
    if not await documents.insert(tx, EVENTS, document, act.now):
        raise Conflict("this id is taken", code="tmf.exists", field="id", value=document["id"])
    source = document.get("source", {}).get("id")
    subject = source if isinstance(source, str) and 0 < len(source) <= MAX_SOURCE else key
    event = eventbus.new_event(
        tenant_id=tx.tenant_id,
        type=POSTED,
        subject=subject,
        occurred_at=act.now,
        recorded_at=act.now,
        data={"topic_id": key, "id": document["id"]},
    )
    await eventbus.publish(tx, event)
    detail = {"topic": key}
    await audit.record(
        tx, actor=act.actor, action="tmf.post_event", subject=document["id"], at=act.now, detail=detail
    )
    return document


async def _check_queries(tx: Tx, topic: Document, document: Document) -> None:
    for name in ("headerQuery", "contentQuery"):
        predicate = jsonpath(_query_of(topic, name))
        if predicate and not await documents.fitting(tx, [document], predicate):
            why = f"the topic takes what fits its {name}"
            raise Invalid(why, code="tmf.topic_query", field=f"$.{name}", value=topic[name])


def _query_of(topic: Document, name: str) -> Query:
    """Return a query of a topic; that of content is about ``event``. Raises ``Invalid`` (``tmf.query``)."""
    pairs = parse_qsl(str(topic.get(name, "")).removeprefix("?"), keep_blank_values=True)
    stem = "event." if name == "contentQuery" else ""
    if topic.get(name) and not pairs:
        raise Invalid("the query has the form a=b&c=d", code="tmf.query", field=f"$.{name}")
    return asked(TOPIC_EVENT, [(stem + key.removeprefix(stem), value) for key, value in pairs])


def asked(descriptor: Descriptor, pairs: list[tuple[str, str]]) -> Query:
    """Return the query of ``pairs``: an attribute that is named twice may be either."""
    merged: dict[str, str] = {}
    for key, value in pairs:
        merged[key] = f"{merged[key]},{value}" if key in merged else value
    return parse(descriptor, list(merged.items()), Version.V4)
