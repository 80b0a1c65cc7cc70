"""``/hub``: who wants to hear of an API's events."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Final

import msgspec

from farwire.base.authz import Permission
from farwire.base.callbacks import MAX_CALLBACK
from farwire.base.tmf import hub
from farwire.base.tmf.descriptor import Version
from farwire.base.tmf.engine import ByKey
from farwire.base.tmf.resource import Api
from farwire.base.web import JSON, AnyRoute, Call, Contract, Method, Nothing, Reply, Route
from farwire.kernel.errors import NotFound

SECRET_HEADER = "x-farwire-hub-secret"  # noqa: S105 - a name


class HubDocument(msgspec.Struct, frozen=True, omit_defaults=True):
    """A listener: where events go, and which. Further attributes, such as ``@type``, are not kept."""

    callback: Annotated[str, msgspec.Meta(max_length=MAX_CALLBACK)]
    query: Annotated[str, msgspec.Meta(max_length=1000)] | None = None


SCHEMA: Final = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "callback": {"type": "string", "maxLength": MAX_CALLBACK},
        "query": {"type": "string", "maxLength": 1000},
    },
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
        async with call.transaction() as tx:
            made = await hub.register(
                tx,
                api=self.api,
                version=self.version,
                callback=call.body.callback,
                query=call.body.query or "",
                private=call.settings.hub_private_callbacks,
                actor=call.principal.actor,
                now=call.now(),
            )
        body = {"id": str(made.id), "callback": made.callback, "query": made.query}
        if self.version is Version.V5:
            body["@type"] = "Hub"
        headers = {SECRET_HEADER: made.secret, "location": f"{self.base}/hub/{made.id}"}
        return Reply(body, headers=headers)

    async def unregister(self, call: Call[ByKey, Nothing, None]) -> Reply:
        """Remove a listener."""
        key, actor = call.path.id, call.principal.actor
        async with call.transaction() as tx:
            if not await hub.unregister(tx, api=self.api, key=key, actor=actor, now=call.now()):
                raise NotFound("there is nothing with this id", code="tmf.id_unknown", field="id", value=key)
        return Reply()


def hub_routes(api: Api, version: Version, base: str, *, listed: bool) -> Iterator[AnyRoute]:
    """Return the two operations of the hub of ``api``."""
    listeners, stem = Listeners(api, version, base), f"TMF{api.number}{version}"
    common: dict[str, Any] = {
        "tag": f"TMF{api.number} {api.title}",
        "permission": Permission.EVENT_READ,
        "listed": listed,
        "response": None,
    }
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
