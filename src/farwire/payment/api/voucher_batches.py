"""Batches of vouchers and the vouchers in them.

A batch is made by ``farwire voucher generate`` only: its codes go into one file, once, and an answer of the API would
be kept with its idempotency key.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, Final

import msgspec

from farwire.base.authz import Permission
from farwire.base.web import AnyRoute, ById, Call, Method, Nothing, PageQuery, Reply, Route, page_reply
from farwire.kernel.errors import Invalid, NotFound
from farwire.payment.api.payments import account_of
from farwire.payment.api.voucher_documents import (
    BATCHES,
    VOUCHERS,
    ActivationCreate,
    ActivationReply,
    BatchDocument,
    ChangeCreate,
    ChangeReply,
    VoucherDocument,
    money_of,
    to_batch,
    to_voucher,
)
from farwire.payment.model.voucher import Buyer, Change, SerialRange, VoucherState
from farwire.payment.service import voucher as service

TAG: Final = "Vouchers"


class BySerial(msgspec.Struct, frozen=True):
    """The path of one voucher."""

    serial: Annotated[str, msgspec.Meta(description="Its serial number.", max_length=40)]


class VoucherQuery(PageQuery, frozen=True, kw_only=True, rename="camel"):
    """Filters of the list."""

    batch: Annotated[str, msgspec.Meta(description="Of the batch with this key only.", max_length=80)] = ""
    state: Annotated[VoucherState, msgspec.Meta(description="In this state only.")] | None = None


def _range(first: int | None, last: int | None) -> SerialRange | None:
    """Return the range that is meant, or None for all. Raises ``Invalid`` (``payment.serial_range``)."""
    if first is None and last is None:
        return None
    if first is None or last is None:
        raise Invalid("a range has two ends", code="payment.serial_range", field="lastSerial")
    return SerialRange(first, last)


async def list_batches(call: Call[Nothing, PageQuery, None]) -> Reply:
    """Return a page of batches, newest first."""
    async with call.transaction() as tx:
        page = await service.list_batches(tx, page=call.query.page())
    return page_reply(page, to_batch)


async def get_batch(call: Call[ById, Nothing, None]) -> Reply:
    """Return one batch with how many of its vouchers are in which state."""
    async with call.transaction() as tx:
        return Reply(to_batch(await service.batch_with_id(tx, call.path.id)))


async def list_vouchers(call: Call[Nothing, VoucherQuery, None]) -> Reply:
    """Return a page of vouchers by serial number."""
    async with call.transaction() as tx:
        page = await service.list_vouchers(
            tx, page=call.query.page(), batch=call.query.batch, state=call.query.state
        )
    return page_reply(page, to_voucher)


async def get_voucher(call: Call[BySerial, Nothing, None]) -> Reply:
    """Return one voucher."""
    text = call.path.serial
    if not (text.isascii() and text.isdigit()):
        raise NotFound("there is no such voucher", code="payment.voucher_unknown", field="serial", value=text)
    async with call.transaction() as tx:
        return Reply(to_voucher((await service.get_voucher(tx, serial=int(text))).voucher))


async def activate(call: Call[ById, Nothing, ActivationCreate]) -> Reply:
    """Sell a batch or a range of it."""
    body = call.body
    async with call.transaction() as tx:
        batch = await service.batch_with_id(tx, call.path.id)
        dealer = None if body.account_id is None else (await account_of(tx, body.account_id)).id
        price = None if body.price is None else body.price.to_money()
        sale = await service.activate(
            tx,
            batch=batch.order.key,
            serials=_range(body.first_serial, body.last_serial),
            buyer=Buyer(dealer, body.method, price, body.due_days),
            now=call.now(),
            actor=call.principal.actor,
        )
        now_is = to_batch(await service.batch_with_id(tx, batch.id))
    if sale is None:
        return Reply(ActivationReply(0, now_is))
    return Reply(ActivationReply(sale.quantity, now_is, money_of(sale.value), money_of(sale.price)))


def _changing(change: Change) -> Callable[[Call[ById, Nothing, ChangeCreate]], Awaitable[Reply]]:
    async def act(call: Call[ById, Nothing, ChangeCreate]) -> Reply:
        async with call.transaction() as tx:
            batch = await service.batch_with_id(tx, call.path.id)
            changed = await service.change_vouchers(
                tx,
                change=change,
                batch=batch.order.key,
                serials=_range(call.body.first_serial, call.body.last_serial),
                reason=call.body.reason,
                now=call.now(),
                actor=call.principal.actor,
                sold=call.body.sold,
            )
            now_is = to_batch(await service.batch_with_id(tx, batch.id))
        return Reply(ChangeReply(changed, now_is))

    act.__name__ = f"{change.value}_vouchers"
    return act


def _change_route(change: Change, description: str) -> AnyRoute:
    return Route(
        method=Method.POST,
        path=f"{BATCHES}/{{id}}/{change.value}",
        handler=_changing(change),
        summary=f"{change.value.capitalize()} vouchers",
        tag=TAG,
        permission=Permission.VOUCHER_MANAGE,
        response=ChangeReply,
        path_type=ById,
        body_type=ChangeCreate,
        errors=("409",),
        idempotent=True,
        description=description,
    )


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=BATCHES,
        handler=list_batches,
        summary="List batches of vouchers",
        tag=TAG,
        permission=Permission.VOUCHER_READ,
        response=list[BatchDocument],
        query_type=PageQuery,
        description="Newest first. farwire voucher generate makes a batch and writes its codes into one file, once.",
    ),
    Route(
        method=Method.GET,
        path=f"{BATCHES}/{{id}}",
        handler=get_batch,
        summary="Get a batch of vouchers",
        tag=TAG,
        permission=Permission.VOUCHER_READ,
        response=BatchDocument,
        path_type=ById,
    ),
    Route(
        method=Method.POST,
        path=f"{BATCHES}/{{id}}/activate",
        handler=activate,
        summary="Sell vouchers",
        tag=TAG,
        permission=Permission.VOUCHER_MANAGE,
        response=ActivationReply,
        path_type=ById,
        body_type=ActivationCreate,
        errors=("409",),
        idempotent=True,
        description="From now on their codes are worth their value. Who made the batch does not sell it.",
    ),
    _change_route(Change.BLOCK, "Their codes are refused until they are unblocked."),
    _change_route(Change.UNBLOCK, "They are again what they were before."),
    _change_route(
        Change.CANCEL,
        "For good: what was never sold; with sold, what somebody else has blocked of what was, which undoes its sale.",
    ),
    Route(
        method=Method.GET,
        path=VOUCHERS,
        handler=list_vouchers,
        summary="List vouchers",
        tag=TAG,
        permission=Permission.VOUCHER_READ,
        response=list[VoucherDocument],
        query_type=VoucherQuery,
        errors=("404",),
        description="By serial number.",
    ),
    Route(
        method=Method.GET,
        path=f"{VOUCHERS}/{{serial}}",
        handler=get_voucher,
        summary="Get a voucher",
        tag=TAG,
        permission=Permission.VOUCHER_READ,
        response=VoucherDocument,
        path_type=BySerial,
    ),
)
