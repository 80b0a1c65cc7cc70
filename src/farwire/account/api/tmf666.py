"""TMF666 Account Management v4: billing accounts, read only so far.

# DEVIATES: TMF666 §billingAccount because only what a first bill needs is kept: no contact, no bill structure document.
"""

from __future__ import annotations

from typing import Final

import msgspec

from farwire.account import service
from farwire.account.model import BillingAccount
from farwire.base.authz import Permission
from farwire.base.web import (
    AnyRoute,
    ById,
    Call,
    Method,
    Nothing,
    PageQuery,
    Reply,
    Route,
    page_reply,
    timestamp,
)
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import AccountId

BASE: Final = "/tmf-api/accountManagement/v4/billingAccount"
TAG: Final = "TMF666 Account"


class AccountPartyDocument(msgspec.Struct, frozen=True, tag_field="@type", tag="RelatedParty"):
    """Who owns the account."""

    id: str
    role: str


class BillCycleDocument(
    msgspec.Struct, frozen=True, rename="camel", tag_field="@type", tag="BillingCycleSpecificationRef"
):
    """When the account is billed: the anchor day of the month, at midnight of the zone."""

    billing_date_shift: int
    frequency: str
    time_zone: str


class BillingAccountDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="BillingAccount"
):
    """One billing account."""

    id: str
    href: str
    name: str
    state: str
    account_type: str
    currency: str
    language: str
    tax_class: str
    opened_at: str
    related_party: list[AccountPartyDocument]
    bill_cycle: BillCycleDocument
    closed_at: str | None = None


def to_tmf_billing_account(account: BillingAccount) -> BillingAccountDocument:
    """Return the account as TMF666 shows it."""
    return BillingAccountDocument(
        id=str(account.id),
        href=f"{BASE}/{account.id}",
        name=account.number,
        state=account.state.value,
        account_type="billing",
        currency=account.currency.code,
        language=account.language,
        tax_class=account.tax_class.value,
        opened_at=timestamp(account.opened_at),
        closed_at=None if account.closed_at is None else timestamp(account.closed_at),
        related_party=[AccountPartyDocument(id=str(account.party_id), role="customer")],
        bill_cycle=BillCycleDocument(
            billing_date_shift=account.cycle_day, frequency="monthly", time_zone=account.zone
        ),
    )


async def list_billing_accounts(call: Call[Nothing, PageQuery, None]) -> Reply:
    """Return a page of accounts by their number."""
    page = await service.list_accounts(
        db=call.database, tenant_id=call.principal.tenant_id, page=call.query.page()
    )
    return page_reply(page, to_tmf_billing_account)


async def get_billing_account(call: Call[ById, Nothing, None]) -> Reply:
    """Return one account."""
    account_id = AccountId(call.path.id)
    async with call.transaction() as tx:
        account = (await service.accounts_by_id(tx=tx, account_ids=[account_id])).get(account_id)
    if account is None:
        raise NotFound("there is no such account", code="account.unknown", field="id", value=account_id)
    return Reply(to_tmf_billing_account(account))


ROUTES: Final[tuple[AnyRoute, ...]] = (
    Route(
        method=Method.GET,
        path=BASE,
        handler=list_billing_accounts,
        summary="List billing accounts",
        tag=TAG,
        permission=Permission.ACCOUNT_READ,
        response=list[BillingAccountDocument],
        query_type=PageQuery,
        description="Ordered by account number.",
    ),
    Route(
        method=Method.GET,
        path=f"{BASE}/{{id}}",
        handler=get_billing_account,
        summary="Get a billing account",
        tag=TAG,
        permission=Permission.ACCOUNT_READ,
        response=BillingAccountDocument,
        path_type=ById,
    ),
)
