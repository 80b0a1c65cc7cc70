"""Use a voucher, from self care or a USSD gateway; what was used, and what was tried."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from farwire.base.authz import Permission
from farwire.base.web import AnyRoute, Call, Method, Nothing, PageQuery, Reply, Route, page_reply
from farwire.payment.api.payments import account_of
from farwire.payment.api.voucher_documents import (
    ATTEMPTS,
    REDEMPTIONS,
    AttemptDocument,
    RedemptionCreate,
    RedemptionDocument,
    RedemptionReply,
    to_attempt,
    to_redemption,
    to_reply,
)
from farwire.payment.model.voucher import Asked
from farwire.payment.service import voucher as service

TAG: Final = "Vouchers"


class RedemptionQuery(PageQuery, frozen=True, kw_only=True, rename="camel"):
    """Filters of the list."""

    waiting: Annotated[bool, msgspec.Meta(description="Only those that charging did not credit yet.")] = False


class AttemptQuery(PageQuery, frozen=True, kw_only=True, rename="camel"):
    """Filters of the list."""

    subscriber: Annotated[str, msgspec.Meta(description="Of this subscriber only.", max_length=80)] = ""


async def redeem(call: Call[Nothing, Nothing, RedemptionCreate]) -> Reply:
    """Use a voucher, or keep that it was tried."""
    body = call.body
    async with call.transaction() as tx:
        account = None if body.account_id is None else (await account_of(tx, body.account_id)).id
        asked = Asked(str(call.principal.key_id), body.key, body.subscriber, account)
        answer = await service.redeem(tx, code=body.code, asked=asked, now=call.now())
    return Reply(to_reply(answer))


async def list_redemptions(call: Call[Nothing, RedemptionQuery, None]) -> Reply:
    """Return a page of vouchers that were used, oldest first."""
    async with call.transaction() as tx:
        page = await service.list_credit_orders(tx, page=call.query.page(), waiting_only=call.query.waiting)
    return page_reply(page, to_redemption)


async def list_attempts(call: Call[Nothing, AttemptQuery, None]) -> Reply:
    """Return a page of tries that failed, newest first."""
    async with call.transaction() as tx:
        page = await service.list_attempts(tx, page=call.query.page(), subscriber=call.query.subscriber)
    return page_reply(page, to_attempt)


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.POST,
        path=REDEMPTIONS,
        handler=redeem,
        summary="Use a voucher",
        tag=TAG,
        permission=Permission.VOUCHER_REDEEM,
        response=RedemptionReply,
        body_type=RedemptionCreate,
        errors=("404", "409"),
        description=(
            "Once, by whoever comes first. The body's key makes it idempotent, so that no code is kept with an answer. "
            "A refusal does not say why; after some of them a subscriber is locked for a time that doubles."
        ),
    ),
    Route(
        method=Method.GET,
        path=REDEMPTIONS,
        handler=list_redemptions,
        summary="List vouchers that were used",
        tag=TAG,
        permission=Permission.VOUCHER_READ,
        response=list[RedemptionDocument],
        query_type=RedemptionQuery,
        description="Oldest first.",
    ),
    Route(
        method=Method.GET,
        path=ATTEMPTS,
        handler=list_attempts,
        summary="List tries that failed",
        tag=TAG,
        permission=Permission.VOUCHER_READ,
        response=list[AttemptDocument],
        query_type=AttemptQuery,
        description="Newest first, with the reason that the outside was not told.",
    ),
)
