"""Ranges of pools over HTTP."""

from __future__ import annotations

from typing import Final, TypeVar

from farwire.base import audit
from farwire.base.authz import Permission
from farwire.base.storage import Tx
from farwire.base.web import AnyRoute, Call, Method, Nothing, Reply, Route
from farwire.inventory import service
from farwire.inventory.api.documents import BASE
from farwire.inventory.api.pool_documents import (
    PoolRangesDocument,
    RangeCreate,
    WithheldCreate,
    WithheldEnd,
    ranges_document,
)
from farwire.inventory.api.resources import TAG, ByName

B = TypeVar("B")


async def list_ranges(call: Call[ByName, Nothing, None]) -> Reply:
    """Return the ranges of a pool."""
    async with call.transaction() as tx:
        pool = await service.pool_named(tx, call.path.name)
        return Reply(ranges_document(await service.pool_ranges(tx, pool=pool)))


async def add_range(call: Call[ByName, Nothing, RangeCreate]) -> Reply:
    """Let a pool have a range."""
    body = call.body
    async with call.transaction() as tx:
        pool = await service.pool_named(tx, call.path.name)
        found = await service.add_range(tx, pool=pool, text=body.range, gateway=body.gateway or "")
        await _record(tx, call, "inventory.add_range", body.range)
    return Reply(ranges_document(found))


async def withhold(call: Call[ByName, Nothing, WithheldCreate]) -> Reply:
    """Give a part of a pool's ranges to nobody."""
    body = call.body
    async with call.transaction() as tx:
        pool = await service.pool_named(tx, call.path.name)
        await service.withhold(tx, pool=pool, text=body.range, reason=body.reason)
        await _record(tx, call, "inventory.withhold", body.range)
        return Reply(ranges_document(await service.pool_ranges(tx, pool=pool)))


async def offer(call: Call[ByName, Nothing, WithheldEnd]) -> Reply:
    """Let what is withheld be had again."""
    async with call.transaction() as tx:
        pool = await service.pool_named(tx, call.path.name)
        await service.offer(tx, pool=pool, text=call.body.range)
        await _record(tx, call, "inventory.offer", call.body.range)
        return Reply(ranges_document(await service.pool_ranges(tx, pool=pool)))


async def _record(tx: Tx, call: Call[ByName, Nothing, B], action: str, text: str) -> None:
    await audit.record(
        tx,
        actor=call.principal.actor,
        action=action,
        subject=call.path.name,
        at=call.now(),
        detail={"range": text},
    )


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=f"{BASE}/pools/{{name}}/ranges",
        handler=list_ranges,
        summary="Get the ranges of a pool",
        tag=TAG,
        permission=Permission.RESOURCE_READ,
        response=PoolRangesDocument,
        path_type=ByName,
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/pools/{{name}}/ranges",
        handler=add_range,
        summary="Add a range to a pool",
        tag=TAG,
        permission=Permission.RESOURCE_WRITE,
        response=PoolRangesDocument,
        path_type=ByName,
        body_type=RangeCreate,
        status=201,
        idempotent=True,
        description="Network, broadcast and gateway are withheld. Pools of one kind and scope do not overlap.",
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/pools/{{name}}/withholdings",
        handler=withhold,
        summary="Withhold a part of a pool",
        tag=TAG,
        permission=Permission.RESOURCE_WRITE,
        response=PoolRangesDocument,
        path_type=ByName,
        body_type=WithheldCreate,
        status=201,
        idempotent=True,
        description="What nobody has or had; the same again changes nothing.",
    ),
    Route(
        method=Method.POST,
        path=f"{BASE}/pools/{{name}}/withholdings/end",
        handler=offer,
        summary="Offer what was withheld",
        tag=TAG,
        permission=Permission.RESOURCE_WRITE,
        response=PoolRangesDocument,
        path_type=ByName,
        body_type=WithheldEnd,
        idempotent=True,
    ),
)
