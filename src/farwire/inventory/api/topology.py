"""What fails with what, and ways through the network, over HTTP.

What loads NumPy is imported with the first question that needs it: an API that is not asked stays small.
"""

from __future__ import annotations

from typing import Final

from farwire.base.authz import Permission
from farwire.base.web import AnyRoute, Call, Method, Reply, Route, page_reply
from farwire.inventory import service
from farwire.inventory.api.documents import BASE
from farwire.inventory.api.network_documents import (
    TAG,
    ByElement,
    ElementDocument,
    HitDocument,
    ImpactQuery,
    NeedsQuery,
    PathQuery,
    StepDocument,
    TraceQuery,
    element_document,
    hit_document,
    past,
    step_documents,
)
from farwire.kernel.page import Page


async def list_impacts(call: Call[ByElement, ImpactQuery, None]) -> Reply:
    """Return what is hit when an element fails."""
    from farwire.inventory.service import topology

    query = call.query
    async with call.transaction() as tx:
        one = await service.get_element(tx, element_id=call.path.element_id, at=call.now())
        found = await topology.impact(
            tx,
            failed=[one.name],
            page=query.page(),
            now=call.now(),
            at=past(query.at),
            layer=query.layer,
            unprotected=query.unprotected,
        )
    return page_reply(found.page, hit_document)


async def list_needs(call: Call[ByElement, NeedsQuery, None]) -> Reply:
    """Return all that an element depends on."""
    from farwire.inventory.service import topology

    query = call.query
    async with call.transaction() as tx:
        one = await service.get_element(tx, element_id=call.path.element_id, at=call.now())
        found = await topology.needs(
            tx, names=[one.name], page=query.page(), now=call.now(), at=past(query.at), layer=query.layer
        )
    return page_reply(found.page, hit_document)


async def list_path(call: Call[ByElement, PathQuery, None]) -> Reply:
    """Return the elements of a shortest path."""
    from farwire.inventory.service import topology

    query = call.query
    async with call.transaction() as tx:
        one = await service.get_element(tx, element_id=call.path.element_id, at=call.now())
        found = await topology.path(
            tx,
            start=one.name,
            end=query.end,
            now=call.now(),
            at=past(query.at),
            over=(query.over,),
            without=() if query.without is None else (query.without,),
        )
    page = query.page()
    shown = found[page.offset : page.offset + page.limit]
    return page_reply(Page(shown, len(found), page.offset, page.limit), element_document)


async def list_trace(call: Call[ByElement, TraceQuery, None]) -> Reply:
    """Return the steps of the ways from an element to what it needs."""
    from farwire.inventory.service import topology

    query = call.query
    async with call.transaction() as tx:
        one = await service.get_element(tx, element_id=call.path.element_id, at=call.now())
        found = await topology.trace(
            tx,
            start=one.name,
            end=query.end or "",
            kind=query.kind or "",
            now=call.now(),
            at=past(query.at),
            without=() if query.without is None else (query.without,),
        )
    steps, page = step_documents(found), query.page()
    shown = tuple(steps[page.offset : page.offset + page.limit])
    return page_reply(Page(shown, len(steps), page.offset, page.limit), lambda step: step)


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=f"{BASE}/elements/{{id}}/impacts",
        handler=list_impacts,
        summary="List what is hit when an element fails",
        tag=TAG,
        permission=Permission.RESOURCE_READ,
        response=list[HitDocument],
        path_type=ByElement,
        query_type=ImpactQuery,
        errors=("409",),
        description="By name, itself included. What has a working second path is not hit.",
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/elements/{{id}}/needs",
        handler=list_needs,
        summary="List what an element depends on",
        tag=TAG,
        permission=Permission.RESOURCE_READ,
        response=list[HitDocument],
        path_type=ByElement,
        query_type=NeedsQuery,
        errors=("409",),
        description="By name: working path and protection alike.",
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/elements/{{id}}/paths",
        handler=list_path,
        summary="Find a shortest path to another element",
        tag=TAG,
        permission=Permission.RESOURCE_READ,
        response=list[ElementDocument],
        path_type=ByElement,
        query_type=PathQuery,
        errors=("409",),
        description="The elements in their order, both ends included.",
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/elements/{{id}}/traces",
        handler=list_trace,
        summary="Trace an element to what it needs, with the second way",
        tag=TAG,
        permission=Permission.RESOURCE_READ,
        response=list[StepDocument],
        path_type=ByElement,
        query_type=TraceQuery,
        errors=("409",),
        description="From a service to the element `end`, or to the nearest of a `kind`; then the way that is left.",
    ),
)
