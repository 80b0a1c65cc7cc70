"""Payments, charges, notices of gateways, open items."""

from __future__ import annotations

from typing import Annotated, Final
from uuid import UUID

import msgspec

from farwire.account import service as accounts
from farwire.account.model import BillingAccount
from farwire.base.authz import Permission
from farwire.base.storage import Tx
from farwire.base.web import AnyRoute, ById, Call, Method, Nothing, PageQuery, Reply, Route, page_reply
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import AccountId, PaymentId, parse_id
from farwire.payment import service
from farwire.payment.api.documents import (
    PAYMENTS,
    AllocationCreate,
    AssignmentCreate,
    ChargeCreate,
    ChargeDocument,
    NoticeCreate,
    NoticeReply,
    OpenItemDocument,
    PaymentCreate,
    PaymentDocument,
    ReversalCreate,
    to_charge,
    to_open_item,
    to_payment,
)
from farwire.payment.model import PaymentState

CHARGES: Final = "/farwire/v1/charges"
NOTICES: Final = "/farwire/v1/paymentNotices"
OPEN_ITEMS: Final = "/farwire/v1/openItems"
TAG: Final = "Payments"


class PaymentQuery(PageQuery, frozen=True, kw_only=True, rename="camel"):
    """Filters of the list."""

    account_id: Annotated[UUID, msgspec.Meta(description="Of this account only.")] | None = None
    state: (
        Annotated[PaymentState, msgspec.Meta(description="In this state only; unmatched is suspense.")] | None
    ) = None


class OpenItemQuery(PageQuery, frozen=True, kw_only=True, rename="camel"):
    """Filters of the list."""

    account_id: Annotated[UUID, msgspec.Meta(description="Of this account only.")] | None = None
    settled: Annotated[bool, msgspec.Meta(description="Also what is paid.")] = False


async def account_of(tx: Tx, text: str) -> BillingAccount:
    """Return the account with the id ``text``. Raises ``NotFound`` (``account.unknown``)."""
    account_id = AccountId(parse_id(text, field="accountId"))
    found = (await accounts.accounts_by_id(tx=tx, account_ids=[account_id])).get(account_id)
    if found is None:
        raise NotFound("there is no such account", code="account.unknown", field="accountId", value=text)
    return found


async def list_payments(call: Call[Nothing, PaymentQuery, None]) -> Reply:
    """Return a page of payments, newest first."""
    account = None if call.query.account_id is None else AccountId(call.query.account_id)
    async with call.transaction() as tx:
        page = await service.list_payments(
            tx, page=call.query.page(), account_id=account, state=call.query.state
        )
    return page_reply(page, to_payment)


async def get_payment(call: Call[ById, Nothing, None]) -> Reply:
    """Return one payment and what it pays."""
    payment_id = PaymentId(call.path.id)
    async with call.transaction() as tx:
        payment = await service.get_payment(tx, payment_id=payment_id)
        items = await service.payment_items(tx, payment_id=payment_id)
    return Reply(to_payment(payment, items))


async def create_payment(call: Call[Nothing, Nothing, PaymentCreate]) -> Reply:
    """Take in a payment and put it against open bills."""
    body, now = call.body, call.now()
    async with call.transaction() as tx:
        account = await account_of(tx, body.account_id)
        payment = await service.receive_payment(
            tx,
            method=body.method,
            external_reference=body.external_reference,
            amount=body.amount.to_money(),
            received_at=now,
            now=now,
            actor=call.principal.actor,
            account_id=account.id,
            reference=body.reference,
        )
        items = await service.payment_items(tx, payment_id=payment.id)
    return Reply(to_payment(payment, items))


async def allocate_payment(call: Call[ById, Nothing, AllocationCreate]) -> Reply:
    """Put what is left of a payment against open bills."""
    payment_id = PaymentId(call.path.id)
    async with call.transaction() as tx:
        await service.allocate_payment(
            tx,
            payment_id=payment_id,
            now=call.now(),
            actor=call.principal.actor,
            number=call.body.number,
        )
        payment = await service.get_payment(tx, payment_id=payment_id)
        items = await service.payment_items(tx, payment_id=payment_id)
    return Reply(to_payment(payment, items))


async def assign_payment(call: Call[ById, Nothing, AssignmentCreate]) -> Reply:
    """Give a payment in suspense its account."""
    payment_id = PaymentId(call.path.id)
    async with call.transaction() as tx:
        await service.get_payment(tx, payment_id=payment_id)
        account = await account_of(tx, call.body.account_id)
        payment = await service.assign_payment(
            tx,
            payment_id=payment_id,
            account_id=account.id,
            now=call.now(),
            actor=call.principal.actor,
        )
        items = await service.payment_items(tx, payment_id=payment_id)
    return Reply(to_payment(payment, items))


async def reverse_payment(call: Call[ById, Nothing, ReversalCreate]) -> Reply:
    """Take a payment back."""
    async with call.transaction() as tx:
        payment = await service.reverse_payment(
            tx,
            payment_id=PaymentId(call.path.id),
            reason=call.body.reason,
            now=call.now(),
            actor=call.principal.actor,
        )
    return Reply(to_payment(payment))


async def create_charge(call: Call[Nothing, Nothing, ChargeCreate]) -> Reply:
    """Ask the gateway of the method for money."""
    body = call.body
    async with call.transaction() as tx:
        account = await account_of(tx, body.account_id)
        charge = await service.take_payment(
            tx,
            account_id=account.id,
            method=body.method,
            token=body.token,
            amount=body.amount.to_money(),
            now=call.now(),
            actor=call.principal.actor,
            reference=body.reference,
            key=body.key,
            topup_for=body.topup_for,
        )
    return Reply(to_charge(charge))


async def hear_notice(call: Call[Nothing, Nothing, NoticeCreate]) -> Reply:
    """Take in what a gateway tells, as often as it tells it."""
    async with call.transaction() as tx:
        payment = await service.hear_notice(
            tx,
            method=call.body.method,
            payload=call.body.payload,
            signature=call.body.signature,
            now=call.now(),
            actor=call.principal.actor,
        )
    return Reply(NoticeReply(None if payment is None else str(payment.id)))


async def list_open_items(call: Call[Nothing, OpenItemQuery, None]) -> Reply:
    """Return a page of open items, oldest due first."""
    account = None if call.query.account_id is None else AccountId(call.query.account_id)
    async with call.transaction() as tx:
        page = await service.list_open_items(
            tx, page=call.query.page(), account_id=account, only_open=not call.query.settled
        )
    return page_reply(page, to_open_item)


def _act(name: str, handler: object, body: type, summary: str, description: str) -> AnyRoute:
    return Route(
        method=Method.POST,
        path=f"{PAYMENTS}/{{id}}/{name}",
        handler=handler,  # type: ignore[arg-type]
        summary=summary,
        tag=TAG,
        permission=Permission.PAYMENT_WRITE,
        response=PaymentDocument,
        path_type=ById,
        body_type=body,
        errors=("409",),
        idempotent=True,
        description=description,
    )


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=PAYMENTS,
        handler=list_payments,
        summary="List payments",
        tag=TAG,
        permission=Permission.PAYMENT_READ,
        response=list[PaymentDocument],
        query_type=PaymentQuery,
        description="Newest first.",
    ),
    Route(
        method=Method.GET,
        path=f"{PAYMENTS}/{{id}}",
        handler=get_payment,
        summary="Get a payment and what it pays",
        tag=TAG,
        permission=Permission.PAYMENT_READ,
        response=PaymentDocument,
        path_type=ById,
    ),
    Route(
        method=Method.POST,
        path=PAYMENTS,
        handler=create_payment,
        summary="Take in a payment",
        tag=TAG,
        permission=Permission.PAYMENT_WRITE,
        response=PaymentDocument,
        body_type=PaymentCreate,
        status=201,
        errors=("404", "409"),
        idempotent=True,
        description="It pays the bill that reference numbers, then the oldest due; what is left stays as credit.",
    ),
    _act(
        "allocate", allocate_payment, AllocationCreate, "Put a payment against bills", "What is left of it."
    ),
    _act(
        "assign", assign_payment, AssignmentCreate, "Assign a payment in suspense", "It pays the oldest due."
    ),
    _act("reverse", reverse_payment, ReversalCreate, "Take a payment back", "What it paid is open again."),
    Route(
        method=Method.POST,
        path=CHARGES,
        handler=create_charge,
        summary="Charge a card or a wallet",
        tag=TAG,
        permission=Permission.PAYMENT_WRITE,
        response=ChargeDocument,
        body_type=ChargeCreate,
        status=201,
        errors=("404", "409"),
        idempotent=True,
        description="done has its payment; pending waits for the gateway's notice.",
    ),
    Route(
        method=Method.POST,
        path=NOTICES,
        handler=hear_notice,
        summary="Take in a gateway's signed notice",
        tag=TAG,
        permission=Permission.PAYMENT_WRITE,
        response=NoticeReply,
        body_type=NoticeCreate,
        errors=("404",),
        idempotent=True,
        description="However often it is sent, it is one payment. Without a known payer it is in suspense.",
    ),
    Route(
        method=Method.GET,
        path=OPEN_ITEMS,
        handler=list_open_items,
        summary="List open items",
        tag=TAG,
        permission=Permission.PAYMENT_READ,
        response=list[OpenItemDocument],
        query_type=OpenItemQuery,
        description="Oldest due first.",
    ),
)
