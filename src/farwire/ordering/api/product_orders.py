"""Our own API of orders: place, look, amend, hold, release, cancel; decide about tasks in the fallout.

The work is done in the background (`farwire worker`): poll the order, or follow its events.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

import msgspec

from farwire.base.authz import Permission, Principal
from farwire.base.storage import Tx
from farwire.base.web import AnyRoute, ById, Call, Method, Nothing, PageQuery, Reply, Route, page_reply
from farwire.kernel.ids import AccountId, OrderId, TaskId, uuid7
from farwire.ordering import service
from farwire.ordering.api.documents import (
    ORDERS,
    FalloutTaskDocument,
    ProductOrderDocument,
    ReasonInput,
    to_fallout,
    to_order,
    to_order_view,
)
from farwire.ordering.jobs import enqueue_work
from farwire.ordering.model import Jeopardy, OrderRequest, OrderState, ProductOrder
from farwire.ordering.service import Decision

FALLOUT: Final = "/farwire/v1/falloutTasks"
TAG: Final = "Product orders"
FALLOUT_TAG: Final = "Order fallout"


class OrderQuery(PageQuery, frozen=True, kw_only=True, rename="camel"):
    """Which orders to list."""

    state: OrderState | None = None
    account_id: UUID | None = None
    jeopardy: Annotated[
        Jeopardy | None,
        msgspec.Meta(description="Only those to be done that will miss, or missed, their date."),
    ] = None


async def place_product_order(call: Call[Nothing, Nothing, OrderRequest]) -> Reply:
    """Place an order."""
    async with call.transaction() as tx:
        placed = await service.place_order(
            tx=tx, clock=call.clock, request=call.body, key=uuid7().hex, actor=call.principal.actor
        )
        return await _replied(tx, placed.order.id, call.now(), call.principal)


async def _replied(tx: Tx, order_id: OrderId, now: datetime, principal: Principal) -> Reply:
    """Let a worker look at the order at once, and show it."""
    await enqueue_work(tx, key=uuid7().hex, now=now)
    document = to_order_view(await service.get_order(tx=tx, order_id=order_id), principal)
    return Reply(document, headers={"location": document.href})


async def list_product_orders(call: Call[Nothing, OrderQuery, None]) -> Reply:
    """Return a page of orders, newest first."""
    account = call.query.account_id
    async with call.transaction() as tx:
        page = await service.list_orders(
            tx=tx,
            page=call.query.page(),
            state=call.query.state,
            account_id=None if account is None else AccountId(account),
            jeopardy=call.query.jeopardy,
        )
    return page_reply(page, lambda one: to_order(one, call.principal))


async def get_product_order(call: Call[ById, Nothing, None]) -> Reply:
    """Return one order with its plan and journal."""
    async with call.transaction() as tx:
        view = await service.get_order(tx=tx, order_id=OrderId(call.path.id))
        return Reply(to_order_view(view, call.principal))


async def amend_product_order(call: Call[ById, Nothing, OrderRequest]) -> Reply:
    """Replace the items and the date of an order that has not begun."""
    async with call.transaction() as tx:
        order = await service.amend_order(
            tx=tx,
            clock=call.clock,
            order_id=OrderId(call.path.id),
            request=call.body,
            actor=call.principal.actor,
        )
        return await _replied(tx, order.id, call.now(), call.principal)


_Act = Callable[[Call[ById, Nothing, ReasonInput], Tx], Awaitable[ProductOrder]]


async def _cancel(call: Call[ById, Nothing, ReasonInput], tx: Tx) -> ProductOrder:
    return await service.cancel_order(
        tx=tx,
        clock=call.clock,
        order_id=OrderId(call.path.id),
        reason=call.body.reason,
        actor=call.principal.actor,
    )


async def _hold(call: Call[ById, Nothing, ReasonInput], tx: Tx) -> ProductOrder:
    return await service.hold_order(
        tx=tx,
        clock=call.clock,
        order_id=OrderId(call.path.id),
        reason=call.body.reason,
        actor=call.principal.actor,
    )


async def _refuse(call: Call[ById, Nothing, ReasonInput], tx: Tx) -> ProductOrder:
    return await service.reject_order(
        tx=tx,
        clock=call.clock,
        order_id=OrderId(call.path.id),
        reason=call.body.reason,
        actor=call.principal.actor,
    )


async def _release(call: Call[ById, Nothing, ReasonInput], tx: Tx) -> ProductOrder:
    return await service.release_order(
        tx=tx, clock=call.clock, order_id=OrderId(call.path.id), actor=call.principal.actor
    )


def _on_order(name: str, act: _Act, summary: str, permission: Permission, description: str) -> AnyRoute:
    async def handle(call: Call[ById, Nothing, ReasonInput]) -> Reply:
        async with call.transaction() as tx:
            order = await act(call, tx)
            return await _replied(tx, order.id, call.now(), call.principal)

    handle.__name__ = f"{name}_product_order"
    return Route(
        method=Method.POST,
        path=f"{ORDERS}/{{id}}/{name}",
        handler=handle,
        summary=summary,
        tag=TAG,
        permission=permission,
        response=ProductOrderDocument,
        path_type=ById,
        body_type=ReasonInput,
        errors=("409",),
        idempotent=True,
        description=description,
    )


async def list_fallout_tasks(call: Call[Nothing, PageQuery, None]) -> Reply:
    """Return a page of the tasks that wait for a decision, oldest first."""
    async with call.transaction() as tx:
        return page_reply(await service.list_fallout(tx=tx, page=call.query.page()), to_fallout)


def _on_task(decision: Decision, summary: str) -> AnyRoute:
    async def handle(call: Call[ById, Nothing, ReasonInput]) -> Reply:
        async with call.transaction() as tx:
            order = await service.decide_fallout(
                tx=tx,
                clock=call.clock,
                task_id=TaskId(call.path.id),
                decision=decision,
                reason=call.body.reason,
                actor=call.principal.actor,
            )
            return await _replied(tx, order.id, call.now(), call.principal)

    handle.__name__ = f"{decision.value}_fallout_task"
    return Route(
        method=Method.POST,
        path=f"{FALLOUT}/{{id}}/{decision.value}",
        handler=handle,
        summary=summary,
        tag=FALLOUT_TAG,
        permission=Permission.ORDER_MANAGE,
        response=ProductOrderDocument,
        path_type=ById,
        body_type=ReasonInput,
        errors=("409",),
        idempotent=True,
        description="A task that does not wait for a decision is refused.",
    )


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.POST,
        path=ORDERS,
        handler=place_product_order,
        summary="Place an order",
        tag=TAG,
        permission=Permission.ORDER_WRITE,
        response=ProductOrderDocument,
        body_type=OrderRequest,
        status=201,
        errors=("404", "409"),
        idempotent=True,
        description="Refused with every reason at once (`reasons`). The work is done in the background.",
    ),
    Route(
        method=Method.GET,
        path=ORDERS,
        handler=list_product_orders,
        summary="List orders",
        tag=TAG,
        permission=Permission.ORDER_READ,
        response=list[ProductOrderDocument],
        query_type=OrderQuery,
        description="Newest first, without tasks and journal.",
    ),
    Route(
        method=Method.GET,
        path=f"{ORDERS}/{{id}}",
        handler=get_product_order,
        summary="Get an order",
        tag=TAG,
        permission=Permission.ORDER_READ,
        response=ProductOrderDocument,
        path_type=ById,
        description="With its plan and the newest thousand entries of its journal.",
    ),
    Route(
        method=Method.POST,
        path=f"{ORDERS}/{{id}}/amend",
        handler=amend_product_order,
        summary="Amend an order",
        tag=TAG,
        permission=Permission.ORDER_WRITE,
        response=ProductOrderDocument,
        path_type=ById,
        body_type=OrderRequest,
        errors=("409",),
        idempotent=True,
        description="Only before it begins; its version rises.",
    ),
    _on_order(
        "cancel",
        _cancel,
        "Cancel an order",
        Permission.ORDER_WRITE,
        "Before it begins at once; afterwards what was done is undone, the last first.",
    ),
    _on_order(
        "refuse",
        _refuse,
        "Refuse an order",
        Permission.ORDER_MANAGE,
        "Before it begins, e.g. because the customer could not be verified.",
    ),
    _on_order(
        "hold",
        _hold,
        "Hold an order",
        Permission.ORDER_WRITE,
        "It waits until it is released; before it begins.",
    ),
    _on_order(
        "release",
        _release,
        "Release an order",
        Permission.ORDER_MANAGE,
        "One that was held by hand. One that waits for a verification goes on by that, and only by that.",
    ),
    Route(
        method=Method.GET,
        path=FALLOUT,
        handler=list_fallout_tasks,
        summary="List tasks in the fallout",
        tag=FALLOUT_TAG,
        permission=Permission.ORDER_READ,
        response=list[FalloutTaskDocument],
        query_type=PageQuery,
        description="What failed and waits for a decision, the oldest first.",
    ),
    _on_task(Decision.RETRY, "Try a task again"),
    _on_task(Decision.SKIP, "Go on without a task"),
    _on_task(Decision.ROLLBACK, "Undo the item of a task"),
    _on_task(Decision.ABORT, "Give up the item of a task"),
)
