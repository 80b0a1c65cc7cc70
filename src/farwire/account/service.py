"""Use cases of billing accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from farwire.account import store
from farwire.account.model import BillingAccount, TaxClass
from farwire.base.storage import Database, Tx
from farwire.kernel.errors import Invalid, NotFound
from farwire.kernel.ids import AccountId, TenantId
from farwire.kernel.page import Page, PageRequest
from farwire.party.model import Party

FIRST_PAGE: Final = PageRequest()


def check_tax_class(account: BillingAccount, party: Party) -> None:
    """Raise ``Invalid`` (``account.vat_id_missing``) for reverse charge without the customer's VAT id."""
    if account.tax_class is TaxClass.REVERSE_CHARGE and not party.vat_id:
        raise Invalid(
            "reverse charge needs the customer's VAT id",
            code="account.vat_id_missing",
            field="vat_id",
            value=account.number,
            fix="give the VAT id or the tax class standard",
        )


async def add_accounts(*, tx: Tx, accounts: Sequence[BillingAccount]) -> None:
    """Add many accounts in one statement; the caller has looked for numbers that are taken."""
    if accounts:
        await store.add_accounts(tx, accounts)


async def accounts_by_number(*, tx: Tx, numbers: Sequence[str]) -> Mapping[str, BillingAccount]:
    """Return those of the accounts that exist, by number, in one statement."""
    return await store.accounts_by_number(tx, numbers)


async def accounts_by_id(*, tx: Tx, account_ids: Sequence[AccountId]) -> Mapping[AccountId, BillingAccount]:
    """Return those of the accounts that exist, by id, in one statement."""
    return await store.accounts_by_id(tx, account_ids)


async def account_numbered(*, tx: Tx, number: str) -> BillingAccount:
    """Return one account. Raises ``NotFound`` (``account.unknown``)."""
    found = (await store.accounts_by_number(tx, [number])).get(number)
    if found is None:
        raise NotFound("there is no such account", code="account.unknown", field="account", value=number)
    return found


async def list_accounts(
    *, db: Database, tenant_id: TenantId, page: PageRequest = FIRST_PAGE
) -> Page[BillingAccount]:
    """Return a page of accounts by number."""
    async with db.transaction(tenant_id) as tx:
        items, total = await store.list_accounts(tx, offset=page.offset, limit=page.limit)
    return Page(items, total, page.offset, page.limit)


async def accounts_after(*, tx: Tx, after: AccountId | None, limit: int) -> tuple[BillingAccount, ...]:
    """Return the next ``limit`` accounts in the order of their ids, whatever their state."""
    return await store.accounts_after(tx, after=after, limit=limit)


async def count_accounts(*, tx: Tx) -> int:
    """Return how many accounts the tenant has."""
    return await store.count_accounts(tx)
