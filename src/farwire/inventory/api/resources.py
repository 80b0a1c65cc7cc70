"""Resources, pools and reservations over HTTP."""

from __future__ import annotations

from typing import Final
from uuid import UUID

import msgspec

from farwire.base import audit
from farwire.base.authz import Permission, require
from farwire.base.web import (
    AnyRoute,
    ById,
    Call,
    Method,
    Nothing,
    PageQuery,
    Reply,
    Route,
    moment,
    page_reply,
)
from farwire.inventory import service
from farwire.inventory.api.documents import (
    BASE,
    Key,
    Name,
    ReservationCreate,
    ReservationDocument,
    ResourceDetailDocument,
    ResourceDocument,
    Word,
    resource_detail,
    resource_document,
)
from farwire.inventory.api.pool_documents import (
    MAX_FILL,
    FilledDocument,
    PoolCreate,
    PoolDocument,
    PoolFill,
    Scope,
    pool_document,
)
from farwire.inventory.model import ResourceKind, ResourceState, number_range
from farwire.kernel.errors import Conflict, Invalid
from farwire.kernel.ids import ProductId, ResourceId
from farwire.kernel.page import Page

TAG: Final = "Resources and pools"


class ByName(msgspec.Struct, frozen=True):
    """The path of one pool."""

    name: Name


class ByKey(msgspec.Struct, frozen=True):
    """The path of one reservation."""

    key: Key


class ResourceQuery(PageQuery, frozen=True, kw_only=True, rename="camel"):
    """Filters of the list. ``value`` needs ``kind`` and the permission to read personal data; it is audited.

    ``scope`` says in which a ``value`` is sought.
    """

    pool: Name | None = None
    state: ResourceState | None = None
    product_id: UUID | None = None
    kind: ResourceKind | None = None
    value: Word | None = None
    scope: Scope = ""


class FreeQuery(PageQuery, frozen=True, kw_only=True):
    """Which free ones: ``*`` is any text, ``?`` one character; without either, the text anywhere."""

    pattern: str = ""


async def list_resources(call: Call[Nothing, ResourceQuery, None]) -> Reply:
    """Return a page of resources, or the one with a value."""
    query = call.query
    if query.value is not None:
        return await _one_valued(call)
    async with call.transaction() as tx:
        page = await service.list_resources(
            tx,
            page=query.page(),
            pool=query.pool,
            state=query.state,
            product_id=None if query.product_id is None else ProductId(query.product_id),
            kind=query.kind,
        )
    return page_reply(page, lambda one: resource_document(one, call.principal))


async def _one_valued(call: Call[Nothing, ResourceQuery, None]) -> Reply:
    """Find a resource by its value: it says whose a number is, so who asks must be allowed to, and is written down."""
    query = call.query
    require(call.principal, Permission.PARTY_READ)
    if query.kind is None or query.value is None:
        raise Invalid("value needs kind", code="inventory.kind_missing", field="kind", fix="add kind=msisdn")
    async with call.transaction() as tx:
        found = await service.resource_valued(tx, kind=query.kind, value=query.value, scope=query.scope)
        fits = (
            query.pool in (None, found.pool)
            and query.state in (None, found.state)
            and query.product_id in (None, found.product_id)
        )
        await audit.record(
            tx,
            actor=call.principal.actor,
            action="inventory.trace",
            subject=str(found.id),
            at=call.now(),
            detail={},
        )
    items = (found,) if fits and query.offset == 0 else ()
    page = Page(items, 1 if fits else 0, query.offset, query.limit)
    return page_reply(page, lambda one: resource_document(one, call.principal))


async def get_resource(call: Call[ById, Nothing, None]) -> Reply:
    """Return a resource and which products had it."""
    resource_id = ResourceId(call.path.id)
    async with call.transaction() as tx:
        resource = await service.get_resource(tx, resource_id=resource_id)
        uses = await service.resource_history(tx, resource_id=resource_id)
    return Reply(resource_detail(resource, uses, call.principal))


async def list_pools(call: Call[Nothing, PageQuery, None]) -> Reply:
    """Return a page of pools."""
    async with call.transaction() as tx:
        return page_reply(await service.list_pools(tx, page=call.query.page()), pool_document)


async def get_pool(call: Call[ByName, Nothing, None]) -> Reply:
    """Return a pool."""
    async with call.transaction() as tx:
        return Reply(pool_document(await service.count_pool(tx, pool=call.path.name)))


async def create_pool(call: Call[Nothing, Nothing, PoolCreate]) -> Reply:
    """Make a pool."""
    body = call.body
    async with call.transaction() as tx:
        pool = await service.create_pool(
            tx,
            name=body.name,
            kind=body.kind,
            quarantine_days=body.quarantine_days,
            now=call.now(),
            scope=body.scope,
            policy=body.policy,
            prefix_length=body.prefix_length,
            warn_percent=body.warn_percent,
        )
        document = pool_document(await service.count_pool(tx, pool=pool.name))
        await audit.record(
            tx,
            actor=call.principal.actor,
            action="inventory.create_pool",
            subject=pool.name,
            at=call.now(),
            detail={"kind": pool.kind.value, "quarantine_days": pool.quarantine_days},
        )
    return Reply(document)


async def fill_pool(call: Call[ByName, Nothing, PoolFill]) -> Reply:
    """Put a range or a list of resources into a pool."""
    body = call.body
    async with call.transaction() as tx:
        await service.pool_named(tx, call.path.name)
        ranged = () if body.first is None and body.last is None else _range(body.first, body.last)
        listed = [one.to_model() for one in body.resources]
        if not ranged and not listed:
            raise Invalid(
                "there is nothing to fill in",
                code="inventory.fill_source",
                field="resources",
                fix="give first and last, or resources",
            )
        added = await service.fill_pool(tx, pool=call.path.name, values=[*ranged, *listed])
        document = pool_document(await service.count_pool(tx, pool=call.path.name))
        await audit.record(
            tx,
            actor=call.principal.actor,
            action="inventory.fill_pool",
            subject=call.path.name,
            at=call.now(),
            detail={"added": added},
        )
    return Reply(FilledDocument(added, document))


def _range(first: str | None, last: str | None) -> list[str]:
    first, last = first or "", last or ""
    numbers = number_range(first, last)
    if int(last) - int(first) >= MAX_FILL:
        raise Invalid(
            f"a request fills at most {MAX_FILL:,} numbers",
            code="inventory.range",
            field="last",
            value=last,
            fix="send several, or use farwire pool fill",
        )
    return list(numbers)


async def list_free(call: Call[ByName, FreeQuery, None]) -> Reply:
    """Return a page of the resources that can be had."""
    async with call.transaction() as tx:
        page = await service.free_resources(
            tx, pool=call.path.name, pattern=call.query.pattern, page=call.query.page()
        )
    return page_reply(page, lambda one: resource_document(one, call.principal))


async def create_reservation(call: Call[Nothing, Nothing, ReservationCreate]) -> Reply:
    """Reserve resources under a key."""
    body = call.body
    until = None if body.until is None else moment(body.until, field="until")
    async with call.transaction() as tx:
        if body.values:
            held = await service.reserve_chosen(
                tx, pool=body.pool, key=body.key, values=body.values, now=call.now(), until=until
            )
        else:
            held = await service.reserve(
                tx,
                pool=body.pool,
                key=body.key,
                count=body.count,
                now=call.now(),
                until=until,
                length=body.length,
            )
    resources = [resource_document(one, call.principal) for one in held]
    return Reply(ReservationDocument(body.key, f"{BASE}/reservations/{body.key}", resources))


async def delete_reservation(call: Call[ByKey, Nothing, None]) -> Reply:
    """Free what a key reserves."""
    async with call.transaction() as tx:
        await service.release(tx, key=call.path.key)
        held = await service.reserved(tx, key=call.path.key)
    if held:
        raise Conflict(
            "a product has it already: it comes back when the product gives it up",
            code="inventory.assigned",
            field="key",
            value=call.path.key,
        )
    return Reply(status=204)


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=f"{BASE}/resources",
        handler=list_resources,
        summary="List resources",
        tag=TAG,
        permission=Permission.RESOURCE_READ,
        response=list[ResourceDocument],
        query_type=ResourceQuery,
        errors=("404",),
        description="By kind and value. Finding one by its `value` needs `kind` and `party.read`, and is audited.",
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/resources/{{id}}",
        handler=get_resource,
        summary="Get a resource and who had it",
        tag=TAG,
        permission=Permission.RESOURCE_READ,
        response=ResourceDetailDocument,
        path_type=ById,
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/pools",
        handler=list_pools,
        summary="List pools",
        tag=TAG,
        permission=Permission.RESOURCE_READ,
        response=list[PoolDocument],
        query_type=PageQuery,
        description="Ordered by name.",
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/pools",
        handler=create_pool,
        summary="Make a pool",
        tag=TAG,
        permission=Permission.RESOURCE_WRITE,
        response=PoolDocument,
        body_type=PoolCreate,
        status=201,
        idempotent=True,
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/pools/{{name}}",
        handler=get_pool,
        summary="Get a pool",
        tag=TAG,
        permission=Permission.RESOURCE_READ,
        response=PoolDocument,
        path_type=ByName,
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/pools/{{name}}/resources",
        handler=fill_pool,
        summary="Fill a pool",
        tag=TAG,
        permission=Permission.RESOURCE_WRITE,
        response=FilledDocument,
        path_type=ByName,
        body_type=PoolFill,
        idempotent=True,
        description="All or nothing; what the pool has already stays as it is.",
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/pools/{{name}}/freeResources",
        handler=list_free,
        summary="Find free resources",
        tag=TAG,
        permission=Permission.RESOURCE_READ,
        response=list[ResourceDocument],
        path_type=ByName,
        query_type=FreeQuery,
        description="By value. `pattern`: `*` is any text, `?` one character; without either, the text anywhere.",
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/reservations",
        handler=create_reservation,
        summary="Reserve resources",
        tag=TAG,
        permission=Permission.RESOURCE_WRITE,
        response=ReservationDocument,
        body_type=ReservationCreate,
        status=201,
        idempotent=True,
        errors=("404", "429"),
        description="All or none. The same key gets the same resources; without `until` they are freed after a day.",
    ),
    Route(
        method=Method.DELETE,
        path=f"{BASE}/reservations/{{key}}",
        handler=delete_reservation,
        summary="Release a reservation",
        tag=TAG,
        permission=Permission.RESOURCE_WRITE,
        response=None,
        path_type=ByKey,
        status=204,
        errors=("409",),
        description="Idempotent: a key that holds nothing is released already.",
    ),
)
