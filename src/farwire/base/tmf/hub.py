"""Listeners of events: where they stand, what they want to hear, and which callbacks are refused."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime
from typing import Final
from urllib.parse import parse_qsl

from farwire.base import audit
from farwire.base.callbacks import check_callback
from farwire.base.storage import Tx
from farwire.base.tmf.descriptor import Descriptor, Version
from farwire.base.tmf.query import Query, parse
from farwire.base.tmf.resource import Api
from farwire.base.tmf.store import hubs as store
from farwire.base.tmf.store.hubs import Hub
from farwire.kernel.errors import Conflict, Exhausted, Invalid
from farwire.kernel.ids import uuid7
from farwire.kernel.tenancy import Actor

MAX_HUBS: Final = 100
"""Listeners of one tenant and API."""


async def register(
    tx: Tx,
    *,
    api: Api,
    version: Version,
    callback: str,
    query: str,
    private: bool,
    actor: Actor,
    now: datetime,
) -> Hub:
    """Keep a new listener. Raises ``Invalid`` (``tmf.callback``, ``tmf.hub_query``), ``Conflict``, ``Exhausted``."""
    check_callback(callback, private=private)
    check_query(api, version, query)
    there = await store.of_api(tx, api.number)
    if len(there) >= MAX_HUBS:
        raise Exhausted(f"an API has at most {MAX_HUBS} listeners", code="tmf.hubs", fix="remove one")
    if any((one.callback, one.query, one.version) == (callback, query, version) for one in there):
        raise Conflict(
            "this listener is registered", code="tmf.hub_exists", field="$.callback", value=callback
        )
    made = Hub(uuid7(now), api.number, version, callback, query, secrets.token_urlsafe(32))
    await store.insert(tx, made, now)
    await audit.record(
        tx, actor=actor, action="tmf.hub_register", subject=str(made.id), at=now, detail={"api": api.number}
    )
    return made


async def unregister(tx: Tx, *, api: Api, key: str, actor: Actor, now: datetime) -> bool:
    """Remove a listener; return False for an unknown one. What is under way to it is dropped."""
    if not await store.delete(tx, api.number, key):
        return False
    await audit.record(
        tx, actor=actor, action="tmf.hub_unregister", subject=key, at=now, detail={"api": api.number}
    )
    return True


def check_query(api: Api, version: Version, query: str) -> None:
    """Raise ``Invalid`` (``tmf.hub_query``) for a query that no resource of ``api`` can be asked."""
    if not query:
        return
    problems = []
    for resource in api.resources:
        try:
            wanted(resource.descriptor, version, query)
        except Invalid as error:
            problems.append(error)
    if len(problems) == len(api.resources):
        raise Invalid(
            problems[0].message, code="tmf.hub_query", field="$.query", value=query[:200], fix=problems[0].fix
        )


def wanted(descriptor: Descriptor, version: Version, query: str) -> tuple[Sequence[str], Query]:
    """Return the event types of ``eventType=A,B&status=active``, and the rest as a query on the resource.

    An attribute may also be written as it stands in the event: ``event.productOrder.state``.
    """
    prefix = f"event.{descriptor.path_in(version)}."
    pairs = parse_qsl(query, keep_blank_values=True, max_num_fields=20)
    if query and not pairs:
        raise Invalid("the query has the form a=b&c=d", code="tmf.hub_query", field="$.query")
    names = [name for key, value in pairs if key == "eventType" for name in value.split(",")]
    rest = [(key.removeprefix(prefix), value) for key, value in pairs if key != "eventType"]
    return names, parse(descriptor, rest, version)
