"""The network over HTTP: what an operation would do, what drifted, and what is done about it.

Elements are named by command only: an address and the place of a secret are the business of the house, not of a key.
"""

from __future__ import annotations

from typing import Final

from farwire.activation import service
from farwire.activation.api.documents import (
    BASE,
    AdapterDocument,
    ByAdapter,
    DriftDocument,
    DriftQuery,
    PolicySet,
    PreviewCreate,
    PreviewDocument,
    adapter_document,
    drift_document,
    preview_document,
)
from farwire.activation.model import Operation
from farwire.base.authz import Permission
from farwire.base.web import AnyRoute, Call, Method, Nothing, PageQuery, Reply, Route, page_reply

TAG: Final = "Activation"


async def preview_operation(call: Call[Nothing, Nothing, PreviewCreate]) -> Reply:
    """Say what an operation would change; nothing is sent to the network but questions."""
    body = call.body
    operation = Operation("preview", body.action, body.target, body.attributes)
    async with call.transaction() as tx:
        seen = await service.preview(tx, adapter=body.adapter, operation=operation)
    return Reply(preview_document(seen))


async def list_adapters(call: Call[Nothing, PageQuery, None]) -> Reply:
    """Return a page of the adapters, and how the look for drift stands with each."""
    async with call.transaction() as tx:
        found = await service.list_watched(tx)
    return page_reply(call.query.page().of(found), lambda pair: adapter_document(*pair))


async def set_policy(call: Call[ByAdapter, Nothing, PolicySet]) -> Reply:
    """Say what is done about drift of an adapter."""
    name = call.path.name
    async with call.transaction() as tx:
        await service.set_policy(
            tx, adapter=name, policy=call.body.policy, now=call.now(), actor=call.principal.actor
        )
        found = await service.list_watched(tx)
    return Reply(next(adapter_document(*pair) for pair in found if pair[0].name == name))


async def list_drifts(call: Call[Nothing, DriftQuery, None]) -> Reply:
    """Return a page of what drifted, the newest first."""
    query = call.query
    async with call.transaction() as tx:
        page = await service.list_findings(tx, page=query.page(), adapter=query.adapter, state=query.state)
    return page_reply(page, drift_document)


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.POST,
        path=f"{BASE}/activationPreviews",
        handler=preview_operation,
        summary="Preview an operation",
        tag=TAG,
        permission=Permission.RESOURCE_READ,
        response=PreviewDocument,
        body_type=PreviewCreate,
        errors=("503",),
        description="What is there, what would be, and what differs. Nothing is changed.",
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/activationAdapters",
        handler=list_adapters,
        summary="List adapters",
        tag=TAG,
        permission=Permission.RESOURCE_READ,
        response=list[AdapterDocument],
        query_type=PageQuery,
        description="Names of the catalogue, what speaks for each, and how the look for drift stands with it.",
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/activationAdapters/{{name}}/amend",
        handler=set_policy,
        summary="Set what is done about drift",
        tag=TAG,
        permission=Permission.RESOURCE_WRITE,
        response=AdapterDocument,
        path_type=ByAdapter,
        body_type=PolicySet,
        idempotent=True,
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/drifts",
        handler=list_drifts,
        summary="List drift",
        tag=TAG,
        permission=Permission.RESOURCE_READ,
        response=list[DriftDocument],
        query_type=DriftQuery,
        description="Where the network differed from what was applied, and what became of it, the newest first.",
    ),
)
