"""Refunds with four eyes, and payment methods."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

import msgspec

from farwire.base.authz import Permission
from farwire.base.web import AnyRoute, ById, Call, Method, Nothing, PageQuery, Reply, Route, page_reply
from farwire.kernel.ids import AccountId, PaymentId, RefundId, parse_id
from farwire.payment import service
from farwire.payment.api.documents import (
    METHODS,
    REFUNDS,
    ApprovalCreate,
    MethodCreate,
    MethodDocument,
    RefundCreate,
    RefundDocument,
    month,
    to_method,
    to_refund,
)
from farwire.payment.api.payments import account_of
from farwire.payment.model import RefundState

TAG: Final = "Refunds and payment methods"


class RefundQuery(PageQuery, frozen=True, kw_only=True):
    """Filters of the list."""

    state: Annotated[RefundState, msgspec.Meta(description="In this state only.")] | None = None


class MethodQuery(PageQuery, frozen=True, kw_only=True, rename="camel"):
    """Filters of the list."""

    account_id: Annotated[UUID, msgspec.Meta(description="Of this account only.")] | None = None


async def list_refunds(call: Call[Nothing, RefundQuery, None]) -> Reply:
    """Return a page of refunds, newest first."""
    async with call.transaction() as tx:
        page = await service.list_refunds(tx, page=call.query.page(), state=call.query.state)
    return page_reply(page, to_refund)


async def get_refund(call: Call[ById, Nothing, None]) -> Reply:
    """Return one refund."""
    async with call.transaction() as tx:
        return Reply(to_refund(await service.get_refund(tx, refund_id=RefundId(call.path.id))))


async def request_refund(call: Call[Nothing, Nothing, RefundCreate]) -> Reply:
    """Ask for a refund; another key approves it."""
    body = call.body
    async with call.transaction() as tx:
        payment = await service.get_payment(
            tx, payment_id=PaymentId(parse_id(body.payment_id, field="paymentId"))
        )
        refund = await service.request_refund(
            tx,
            payment_id=payment.id,
            amount=body.amount.to_money(),
            reason=body.reason,
            now=call.now(),
            actor=call.principal.actor,
        )
    return Reply(to_refund(refund))


async def approve_refund(call: Call[ById, Nothing, ApprovalCreate]) -> Reply:
    """Pay a refund out, as a second person."""
    async with call.transaction() as tx:
        refund = await service.approve_refund(
            tx,
            refund_id=RefundId(call.path.id),
            now=call.now(),
            actor=call.principal.actor,
            external_reference=call.body.external_reference,
        )
    return Reply(to_refund(refund))


async def reject_refund(call: Call[ById, Nothing, None]) -> Reply:
    """Reject a refund; who asked for it may withdraw it."""
    async with call.transaction() as tx:
        refund = await service.deny_refund(
            tx, refund_id=RefundId(call.path.id), now=call.now(), actor=call.principal.actor
        )
    return Reply(to_refund(refund))


async def list_methods(call: Call[Nothing, MethodQuery, None]) -> Reply:
    """Return a page of the payment methods in use."""
    account = None if call.query.account_id is None else AccountId(call.query.account_id)
    async with call.transaction() as tx:
        page = await service.list_methods(tx, page=call.query.page(), account_id=account)
    return page_reply(page, to_method)


async def add_method(call: Call[Nothing, Nothing, MethodCreate]) -> Reply:
    """Keep a token for an account."""
    body = call.body
    async with call.transaction() as tx:
        account = await account_of(tx, body.account_id)
        method = await service.add_method(
            tx,
            account_id=account.id,
            kind=body.kind,
            token=body.token,
            now=call.now(),
            actor=call.principal.actor,
            brand=body.brand,
            last4=body.last4,
            expires=month(body.expires),
            preferred=body.preferred,
        )
    return Reply(to_method(method))


async def remove_method(call: Call[ById, Nothing, None]) -> Reply:
    """Stop using a method and forget its token."""
    async with call.transaction() as tx:
        method = await service.remove_method(
            tx, method_id=call.path.id, now=call.now(), actor=call.principal.actor
        )
    return Reply(to_method(method))


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=REFUNDS,
        handler=list_refunds,
        summary="List refunds",
        tag=TAG,
        permission=Permission.PAYMENT_READ,
        response=list[RefundDocument],
        query_type=RefundQuery,
        description="Newest first.",
    ),
    Route(
        method=Method.GET,
        path=f"{REFUNDS}/{{id}}",
        handler=get_refund,
        summary="Get a refund",
        tag=TAG,
        permission=Permission.PAYMENT_READ,
        response=RefundDocument,
        path_type=ById,
    ),
    Route(
        method=Method.POST,
        path=REFUNDS,
        handler=request_refund,
        summary="Ask for a refund",
        tag=TAG,
        permission=Permission.REFUND_WRITE,
        response=RefundDocument,
        body_type=RefundCreate,
        status=201,
        errors=("404", "409"),
        idempotent=True,
        description="The amount is set aside until another key approves or rejects it.",
    ),
    Route(
        method=Method.POST,
        path=f"{REFUNDS}/{{id}}/approve",
        handler=approve_refund,
        summary="Approve a refund",
        tag=TAG,
        permission=Permission.REFUND_APPROVE,
        response=RefundDocument,
        path_type=ById,
        body_type=ApprovalCreate,
        errors=("409",),
        idempotent=True,
        description="By another key than the one that asked. Cards and wallets are paid through their gateway.",
    ),
    Route(
        method=Method.POST,
        path=f"{REFUNDS}/{{id}}/reject",
        handler=reject_refund,
        summary="Reject a refund",
        tag=TAG,
        permission=Permission.REFUND_APPROVE,
        response=RefundDocument,
        path_type=ById,
        errors=("409",),
        idempotent=True,
        description="What was set aside is the customer's credit again.",
    ),
    Route(
        method=Method.GET,
        path=METHODS,
        handler=list_methods,
        summary="List payment methods",
        tag=TAG,
        permission=Permission.PAYMENT_READ,
        response=list[MethodDocument],
        query_type=MethodQuery,
        description="Those in use; tokens are never shown.",
    ),
    Route(
        method=Method.POST,
        path=METHODS,
        handler=add_method,
        summary="Add a payment method",
        tag=TAG,
        permission=Permission.PAYMENT_WRITE,
        response=MethodDocument,
        body_type=MethodCreate,
        status=201,
        errors=("404",),
        idempotent=True,
        description="A token only: whatever looks like a card number is refused.",
    ),
    Route(
        method=Method.DELETE,
        path=f"{METHODS}/{{id}}",
        handler=remove_method,
        summary="Remove a payment method",
        tag=TAG,
        permission=Permission.PAYMENT_WRITE,
        response=MethodDocument,
        path_type=ById,
        description="Its token is forgotten. Again changes nothing.",
    ),
)
