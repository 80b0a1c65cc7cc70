"""The network over HTTP: elements and links."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from farwire.base import audit
from farwire.base.authz import Permission, Principal
from farwire.base.storage import Tx
from farwire.base.web import (
    AnyRoute,
    Call,
    Method,
    Nothing,
    Reply,
    Route,
    moment,
    page_reply,
)
from farwire.inventory import service
from farwire.inventory.api import topology
from farwire.inventory.api.documents import BASE
from farwire.inventory.api.network_documents import (
    TAG,
    ByElement,
    ElementAmend,
    ElementCreate,
    ElementDetailDocument,
    ElementDocument,
    ElementEnd,
    ElementQuery,
    LinkCreate,
    LinkDocument,
    LinkEnd,
    LinkQuery,
    element_document,
    link_document,
    past,
    standing_document,
)
from farwire.inventory.model import NewElement, NewLink


def _stated(at: datetime | None) -> datetime | None:
    return None if at is None else moment(at, field="at")


async def list_elements(call: Call[Nothing, ElementQuery, None]) -> Reply:
    """Return a page of elements."""
    query = call.query
    async with call.transaction() as tx:
        page = await service.list_elements(
            tx,
            page=query.page(),
            at=past(query.at) or call.now(),
            layer=query.layer,
            kind=query.kind,
            prefix=query.prefix,
        )
    return page_reply(page, element_document)


async def get_element(call: Call[ByElement, Nothing, None]) -> Reply:
    """Return an element and how it stood."""
    async with call.transaction() as tx:
        one = await service.get_element(tx, element_id=call.path.element_id, at=call.now())
        history = await service.element_history(tx, element=one, now=call.now())
    return Reply(ElementDetailDocument(element_document(one), [standing_document(each) for each in history]))


async def create_element(call: Call[Nothing, Nothing, ElementCreate]) -> Reply:
    """Add an element."""
    body = call.body
    new = NewElement(body.name, body.layer, body.kind, body.state, body.place)
    async with call.transaction() as tx:
        one = await service.add_element(tx, new=new, at=_stated(body.at) or call.now(), now=call.now())
        await _note(tx, call.principal, call.now(), "add_element", one.name)
    return Reply(element_document(one))


async def amend_element(call: Call[ByElement, Nothing, ElementAmend]) -> Reply:
    """Change how an element stands."""
    body = call.body
    async with call.transaction() as tx:
        found = await service.get_element(tx, element_id=call.path.element_id, at=call.now())
        one = await service.change_element(
            tx,
            name=found.name,
            state=body.state,
            place=body.place,
            at=_stated(body.at) or call.now(),
            now=call.now(),
        )
        await _note(tx, call.principal, call.now(), "change_element", one.name)
    return Reply(element_document(one))


async def end_element(call: Call[ByElement, Nothing, ElementEnd]) -> Reply:
    """End an element and every link of it."""
    async with call.transaction() as tx:
        found = await service.get_element(tx, element_id=call.path.element_id, at=call.now())
        at = _stated(call.body.at) or call.now()
        one = await service.end_element(tx, name=found.name, at=at, now=call.now())
        await _note(tx, call.principal, call.now(), "end_element", one.name)
    return Reply(element_document(one))


async def list_links(call: Call[ByElement, LinkQuery, None]) -> Reply:
    """Return a page of an element's links."""
    query = call.query
    at = past(query.at) or call.now()
    async with call.transaction() as tx:
        one = await service.get_element(tx, element_id=call.path.element_id, at=at)
        page = await service.list_links(tx, page=query.page(), element=one, at=at, kind=query.kind)
    return page_reply(page, link_document)


async def create_link(call: Call[Nothing, Nothing, LinkCreate]) -> Reply:
    """Link two elements."""
    body = call.body
    new = NewLink(body.start, body.end, body.kind, body.protection)
    async with call.transaction() as tx:
        one = await service.add_link(tx, new=new, at=_stated(body.at) or call.now(), now=call.now())
        await _note(tx, call.principal, call.now(), "add_link", f"{one.start}-{one.end}")
    return Reply(link_document(one))


async def end_link(call: Call[Nothing, Nothing, LinkEnd]) -> Reply:
    """End a link."""
    body = call.body
    held = NewLink(body.start, body.end, body.kind)
    async with call.transaction() as tx:
        one = await service.end_link(tx, link=held, at=_stated(body.at) or call.now(), now=call.now())
        await _note(tx, call.principal, call.now(), "end_link", f"{one.start}-{one.end}")
    return Reply(link_document(one))


async def _note(tx: Tx, principal: Principal, at: datetime, act: str, subject: str) -> None:
    await audit.record(
        tx, actor=principal.actor, action=f"inventory.{act}", subject=subject, at=at, detail={}
    )


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=f"{BASE}/elements",
        handler=list_elements,
        summary="List elements of the network",
        tag=TAG,
        permission=Permission.RESOURCE_READ,
        response=list[ElementDocument],
        query_type=ElementQuery,
        description="By name, as they stand or stood at a time.",
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/elements",
        handler=create_element,
        summary="Add an element",
        tag=TAG,
        permission=Permission.RESOURCE_WRITE,
        response=ElementDocument,
        body_type=ElementCreate,
        status=201,
        idempotent=True,
        errors=("409",),
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/elements/{{id}}",
        handler=get_element,
        summary="Get an element and how it stood",
        tag=TAG,
        permission=Permission.RESOURCE_READ,
        response=ElementDetailDocument,
        path_type=ByElement,
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/elements/{{id}}/amend",
        handler=amend_element,
        summary="Change how an element stands",
        tag=TAG,
        permission=Permission.RESOURCE_WRITE,
        response=ElementDocument,
        path_type=ByElement,
        body_type=ElementAmend,
        idempotent=True,
        errors=("409",),
        description="How it stood before is kept.",
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/elements/{{id}}/end",
        handler=end_element,
        summary="End an element and its links",
        tag=TAG,
        permission=Permission.RESOURCE_WRITE,
        response=ElementDocument,
        path_type=ByElement,
        body_type=ElementEnd,
        idempotent=True,
        errors=("409",),
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/elements/{{id}}/links",
        handler=list_links,
        summary="List the links of an element",
        tag=TAG,
        permission=Permission.RESOURCE_READ,
        response=list[LinkDocument],
        path_type=ByElement,
        query_type=LinkQuery,
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/links",
        handler=create_link,
        summary="Link two elements",
        tag=TAG,
        permission=Permission.RESOURCE_WRITE,
        response=LinkDocument,
        body_type=LinkCreate,
        status=201,
        idempotent=True,
        errors=("404", "409"),
        description="A link that holds already is returned.",
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/links/end",
        handler=end_link,
        summary="End a link",
        tag=TAG,
        permission=Permission.RESOURCE_WRITE,
        response=LinkDocument,
        body_type=LinkEnd,
        idempotent=True,
        errors=("404", "409"),
        description="That it held is kept.",
    ),
    *topology.ROUTES,
)
