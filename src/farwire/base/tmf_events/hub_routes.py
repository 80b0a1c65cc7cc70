"""``/hub``: who wants to hear of an API's events."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any, Final

import msgspec

from farwire.base import audit
from farwire.base.authz import Permission
from farwire.base.callbacks import MAX_CALLBACK, check_callback
from farwire.base.storage import Tx
from farwire.base.tmf.descriptor import Version
from farwire.base.tmf.engine import ByKey, unknown
from farwire.base.tmf.resource import Api
from farwire.base.tmf_events.hub import check_query
from farwire.base.tmf_events.store import hubs as store
from farwire.base.tmf_events.store.hubs import Hub
from farwire.base.web import JSON, AnyRoute, Call, Contract, Method, Nothing, Reply, Route
from farwire.kernel.errors import Conflict, Exhausted
from farwire.kernel.ids import uuid7

SECRET_HEADER = "x-farwire-hub-secret"  # noqa: S105 - a name
MAX_HUBS: Final = 100
"""Listeners of one tenant and API."""


class HubDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """A listener: where events go, and which. Further attributes, such as ``@type``, are not kept."""

    callback: Annotated[str, msgspec.Meta(max_length=MAX_CALLBACK)]
    query: Annotated[str, msgspec.Meta(max_length=1000)] | None = None


_TEXT: Final = {"type": "string", "maxLength": 1000}
_ADDRESS: Final = {"type": "string", "maxLength": MAX_CALLBACK}
SCHEMA: Final = {
    "type": "object",
    "properties": {"id": _TEXT, "callback": _ADDRESS, "query": _TEXT},
    "required": ["callback"],
}


@dataclass(frozen=True, slots=True)
class Listeners:
    """The two operations of the hub of an API in one version."""

    api: Api
    version: Version
    base: str

    async def register(self, call: Call[Nothing, Nothing, HubDocument]) -> Reply:
        """Register a listener. Its key for signatures comes back once, in a header."""
        callback, query, now = call.body.callback, call.body.query or "", call.now()
        check_callback(callback, private=call.settings.hub_private_callbacks)
        check_query(self.api, self.version, query)
        made = Hub(uuid7(now), self.api.number, self.version, callback, query, secrets.token_urlsafe(32))
        async with call.transaction() as tx:
            await keep(tx, made, now)
            await self._audited(tx, call, "tmf.hub_register", str(made.id))
        kind = {"@type": "Hub"} if self.version is Version.V5 else {}
        headers = {SECRET_HEADER: made.secret, "location": f"{self.base}/hub/{made.id}"}
        return Reply({"id": str(made.id), "callback": callback, "query": query, **kind}, headers=headers)

    async def unregister(self, call: Call[ByKey, Nothing, None]) -> Reply:
        """Remove a listener. What is under way to it is dropped."""
        key = call.path.id
        async with call.transaction() as tx:
            if not await store.delete(tx, self.api.number, key):
                raise unknown(key)
            await self._audited(tx, call, "tmf.hub_unregister", key)
        return Reply()

    async def _audited(self, tx: Tx, call: Call[Any, Any, Any], action: str, key: str) -> None:
        who, detail = call.principal.actor, {"api": self.api.number}
        await audit.record(tx, actor=who, action=action, subject=key, at=call.now(), detail=detail)


async def keep(tx: Tx, made: Hub, now: datetime) -> None:
    """Keep a new listener. Raises ``Exhausted`` (``tmf.hubs``), ``Conflict`` (``tmf.hub_exists``)."""
    there = await store.of_api(tx, made.api)
    if len(there) >= MAX_HUBS:
        raise Exhausted(f"an API has at most {MAX_HUBS} listeners", code="tmf.hubs", fix="remove one")
    same = (made.callback, made.query, made.version, made.topic)
    if same in {(one.callback, one.query, one.version, one.topic) for one in there}:
        why, value = "this listener is registered", made.callback
        raise Conflict(why, code="tmf.hub_exists", field="$.callback", value=value)
    await store.insert(tx, made, now)


def hub_routes(api: Api, version: Version, base: str, *, listed: bool) -> Iterator[AnyRoute]:
    """Return the two operations of the hub of ``api``."""
    listeners, stem = Listeners(api, version, base), f"TMF{api.number}{version}"
    common: dict[str, Any] = {"permission": Permission.EVENT_READ, "listed": listed, "response": None}
    common["tag"] = f"TMF{api.number} {api.title}"
    yield Route(
        method=Method.POST,
        path=f"{base}/hub",
        handler=listeners.register,
        summary="Register a listener",
        description=f"Events of TMF{api.number} are posted to the callback, signed with the key in {SECRET_HEADER}.",
        body_type=HubDocument,
        status=201,
        errors=("409", "429"),
        contract=Contract(f"registerListener{stem}", request={JSON: {"schema": SCHEMA}}, response=SCHEMA),
        **common,
    )
    yield Route(
        method=Method.DELETE,
        path=f"{base}/hub/{{id}}",
        handler=listeners.unregister,
        summary="Unregister a listener",
        path_type=ByKey,
        status=204,
        contract=Contract(f"unregisterListener{stem}"),
        **common,
    )
