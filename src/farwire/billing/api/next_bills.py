"""Our own API of an account's next bill: preview it, hold it, release it."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final

import msgspec

from farwire.account import service as accounts
from farwire.base.authz import Permission
from farwire.base.web import (
    AnyRoute,
    ById,
    Call,
    Method,
    Nothing,
    Reply,
    Route,
    moment,
    shown_actor,
    timestamp,
)
from farwire.billing import service
from farwire.billing.api.documents import (
    BillingRateDocument,
    CustomerBillDocument,
    to_tmf_billing_rate,
    to_tmf_customer_bill,
)
from farwire.billing.model import Hold
from farwire.kernel.ids import AccountId

ACCOUNT: Final = "/farwire/v1/accounts/{id}"
TAG: Final = "Next bills"

Reason = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]


class BillPreviewDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="BillPreview"
):
    """What the next bill would be by what is known now. Without a bill there is nothing to charge."""

    account_id: str
    bill: CustomerBillDocument | None = None
    lines: list[BillingRateDocument] | None = None


class HoldCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Why the account is not billed, and until when."""

    reason: Reason
    until: datetime | None = None


class HoldDocument(msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="BillHold"):
    """An account that is not billed for now."""

    account_id: str
    reason: str
    held_at: str
    held_by: str
    until: str | None = None


class ReleaseDocument(msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="BillRelease"):
    """An account that is billed again."""

    account_id: str


def _hold(hold: Hold) -> HoldDocument:
    return HoldDocument(
        str(hold.account_id),
        hold.reason,
        timestamp(hold.held_at),
        shown_actor(hold.held_by),
        None if hold.until is None else timestamp(hold.until),
    )


async def preview_bill(call: Call[ById, Nothing, None]) -> Reply:
    """Return what the next bill of an account would be."""
    async with call.transaction() as tx:
        bill = await service.preview_bill(tx, account_id=AccountId(call.path.id), now=call.now())
    if bill is None:
        return Reply(BillPreviewDocument(str(call.path.id)))
    lines = [to_tmf_billing_rate(bill, line) for line in bill.lines]
    return Reply(BillPreviewDocument(str(call.path.id), to_tmf_customer_bill(bill, whole=True), lines))


async def hold_account(call: Call[ById, Nothing, HoldCreate]) -> Reply:
    """Bill an account no more for now."""
    until = call.body.until
    async with call.transaction() as tx:
        hold = await service.hold_account(
            tx,
            account_id=AccountId(call.path.id),
            reason=call.body.reason,
            actor=call.principal.actor,
            now=call.now(),
            until=None if until is None else moment(until, field="until"),
        )
    return Reply(_hold(hold))


async def release_account(call: Call[ById, Nothing, None]) -> Reply:
    """Let an account be billed again."""
    account_id = AccountId(call.path.id)
    async with call.transaction() as tx:
        await accounts.account_with_id(tx, account_id)
        await service.release_account(tx, account_id=account_id, actor=call.principal.actor, now=call.now())
    return Reply(ReleaseDocument(str(account_id)))


def _post(
    path: str,
    handler: object,
    summary: str,
    permission: Permission,
    response: object,
    body_type: type[msgspec.Struct] | None = None,
) -> AnyRoute:
    return Route(
        method=Method.POST,
        path=path,
        handler=handler,  # type: ignore[arg-type]
        summary=summary,
        tag=TAG,
        permission=permission,
        response=response,
        path_type=ById,
        body_type=body_type,
        errors=("409",),
        idempotent=True,
    )


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.POST,
        path=f"{ACCOUNT}/billPreviews",
        handler=preview_bill,
        summary="Preview the next bill of an account",
        tag=TAG,
        permission=Permission.BILL_READ,
        response=BillPreviewDocument,
        path_type=ById,
        errors=("409",),
        description="By what is known now. Nothing is saved.",
    ),
    _post(
        f"{ACCOUNT}/hold",
        hold_account,
        "Put an account on hold",
        Permission.BILL_RUN,
        HoldDocument,
        HoldCreate,
    ),
    _post(f"{ACCOUNT}/release", release_account, "Release an account", Permission.BILL_RUN, ReleaseDocument),
)
