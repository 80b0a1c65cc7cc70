"""Open, read, change and close billing accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from farwire.account.events import ACCOUNT_CHANGED, ACCOUNT_CLOSED, ACCOUNT_OPENED, account_event
from farwire.account.model import (
    AccountChange,
    BillingAccount,
    TaxClass,
    TermsChange,
    changed,
    check_account,
    check_open,
    closed,
    with_terms,
)
from farwire.account.store import accounts as store
from farwire.base import audit, eventbus
from farwire.base.canonical import JSON
from farwire.base.storage import Database, Tx, on_violation
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import AccountId, LegalEntityId, PartyId, TenantId
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import SYSTEM, Actor
from farwire.party import service as parties
from farwire.party.model import Party, check_parent, gone
from farwire.tenant import service as tenants
from farwire.tenant.model import LegalEntity

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


async def accounts_of_party(tx: Tx, party_id: PartyId) -> tuple[BillingAccount, ...]:
    """Return the accounts of a party, of any state, in the order of their ids."""
    return await store.accounts_of_parties(tx, [party_id])


async def account_numbered(*, tx: Tx, number: str) -> BillingAccount:
    """Return one account. Raises ``NotFound`` (``account.unknown``)."""
    found = (await store.accounts_by_number(tx, [number])).get(number)
    if found is None:
        raise unknown(number)
    return found


async def account_with_id(tx: Tx, account_id: AccountId) -> BillingAccount:
    """Return one account. Raises ``NotFound`` (``account.unknown``)."""
    found = (await store.accounts_by_id(tx, [account_id])).get(account_id)
    if found is None:
        raise unknown(account_id)
    return found


def unknown(value: object) -> NotFound:
    """Return the error for a number or an id that is no account of this tenant."""
    return NotFound(
        "there is no such account",
        code="account.unknown",
        field="account",
        value=value,
        fix="see: farwire account list",
    )


async def lock_accounts(tx: Tx, account_ids: Sequence[AccountId]) -> Mapping[AccountId, BillingAccount]:
    """Return the accounts, locked until the transaction ends. Raises ``NotFound`` (``account.unknown``)."""
    found = await store.lock_accounts(tx, account_ids)
    for account_id in account_ids:
        if account_id not in found:
            raise unknown(account_id)
    return found


async def lock_account(tx: Tx, account_id: AccountId) -> BillingAccount:
    """Return one account that nobody else changes, or keeps, until the transaction ends. Raises ``NotFound``."""
    return (await lock_accounts(tx, [account_id]))[account_id]


async def keep_account(tx: Tx, account_id: AccountId) -> None:
    """Let the account stay as it is until the transaction ends, for one who is about to sell on it.

    Who closes it, or sells on it too, waits, and then finds what was sold.
    """
    await store.keep_accounts(tx, [account_id])


async def list_accounts(
    *, db: Database, tenant_id: TenantId, page: PageRequest = FIRST_PAGE
) -> Page[BillingAccount]:
    """Return a page of accounts by number."""
    async with db.transaction(tenant_id) as tx:
        return await page_of_accounts(tx, page=page)


async def page_of_accounts(tx: Tx, *, page: PageRequest = FIRST_PAGE) -> Page[BillingAccount]:
    """Return a page of accounts by number."""
    items, total = await store.list_accounts(tx, offset=page.offset, limit=page.limit)
    return Page(items, total, page.offset, page.limit)


async def accounts_after(*, tx: Tx, after: AccountId | None, limit: int) -> tuple[BillingAccount, ...]:
    """Return the next ``limit`` accounts in the order of their ids, whatever their state."""
    return await store.accounts_after(tx, after=after, limit=limit)


async def count_accounts(*, tx: Tx) -> int:
    """Return how many accounts the tenant has."""
    return await store.count_accounts(tx)


async def _seller(tx: Tx, entity_id: LegalEntityId) -> LegalEntity:
    found = (await tenants.legal_entities(tx)).get(entity_id)
    if found is None:
        raise NotFound(
            "there is no such company",
            code="tenant.legal_entity_unknown",
            field="legal_entity",
            value=entity_id,
            fix="see: farwire tenant show NAME",
        )
    return found


async def open_account(
    tx: Tx, *, account: BillingAccount, now: datetime, actor: Actor = SYSTEM
) -> BillingAccount:
    """Open one account after all checks and return it. Its region is that of the party's address if it has none.

    Raises ``NotFound`` (``party.unknown``, ``tenant.legal_entity_unknown``, ``account.unknown`` for the parent),
    ``Conflict`` (``account.number_taken``, ``account.currency_differs``, ``party.erased``, ``account.parent_cycle``,
    ``account.parent_too_deep``), ``Invalid`` (``account.vat_id_missing`` and what ``check_account`` raises).
    """
    party = await parties.lock_party(tx, account.party_id)  # an erasure waits, and then finds the account
    if party.erased_at is not None:
        raise gone(party)
    account = check_account(replace(account, region=account.region or party.address.region))
    check_tax_class(account, party)
    entity = await _seller(tx, account.legal_entity_id)
    if entity.currency != account.currency:
        raise Conflict(
            "the company keeps its books in another currency",
            code="account.currency_differs",
            field="currency",
            value=account.currency.code,
            fix=f"use {entity.currency.code}",
        )
    if account.parent_id is not None:
        await _check_parent(tx, account.id, account.parent_id)
    taken = Conflict(
        "another account has this number",
        code="account.number_taken",
        field="number",
        value=account.number,
        fix=f"choose another number; what has this one: farwire account show {account.number}",
    )
    with on_violation({"account_tenant_id_number_key": taken}):
        await store.add_accounts(tx, [account])
    data: Mapping[str, JSON] = {"legal_entity_id": str(entity.id), "currency": account.currency.code}
    await _note(tx, account, ACCOUNT_OPENED, "account.opened", data, now, actor)
    return account


async def _check_parent(tx: Tx, account_id: AccountId, parent_id: AccountId) -> None:
    await store.lock_hierarchy(tx)
    parent = (await store.accounts_by_id(tx, [parent_id])).get(parent_id)
    if parent is None:
        raise unknown(parent_id)
    check_open(parent)
    check_parent(
        account_id, parent_id, await store.family(tx, [account_id, parent_id]), code="account.parent"
    )


async def _note(
    tx: Tx,
    account: BillingAccount,
    event_type: str,
    action: str,
    data: Mapping[str, JSON],
    now: datetime,
    actor: Actor,
) -> None:
    await eventbus.publish(tx, account_event(event_type, account, tenant_id=tx.tenant_id, at=now, data=data))
    await audit.record(
        tx,
        actor=actor,
        action=action,
        subject=str(account.id),
        at=now,
        detail={"version": account.version, **data},
    )


async def _load(tx: Tx, account_id: AccountId, expected_version: int | None) -> BillingAccount:
    account = (await lock_accounts(tx, [account_id]))[account_id]
    if expected_version is not None and expected_version != account.version:
        raise Conflict(
            "somebody else has changed the account meanwhile",
            code="account.version_differs",
            field="version",
            value=expected_version,
            fix=f"read it again; it is at version {account.version}",
        )
    return account


async def change_account(
    tx: Tx,
    *,
    account_id: AccountId,
    change: AccountChange,
    now: datetime,
    expected_version: int | None = None,
    actor: Actor = SYSTEM,
) -> BillingAccount:
    """Change language or delivery at once and return the account; the same again changes nothing.

    Raises ``NotFound`` (``account.unknown``), ``Conflict`` (``account.version_differs``, ``account.closed``),
    ``Invalid`` (``account.text``).
    """
    before = await _load(tx, account_id, expected_version)
    after = changed(before, change)
    if after is not before:
        await store.save_account(tx, after)
        await _note(tx, after, ACCOUNT_CHANGED, "account.changed", _differences(before, after), now, actor)
    return after


def _differences(before: BillingAccount, after: BillingAccount) -> Mapping[str, JSON]:
    names = ("language", "segment", "delivery", "region", "tax_class", "purchase_order")
    return {"fields": [name for name in names if getattr(before, name) != getattr(after, name)]}


async def change_terms(
    tx: Tx,
    *,
    account_id: AccountId,
    change: TermsChange,
    valid_from: datetime,
    now: datetime,
    expected_version: int | None = None,
    actor: Actor = SYSTEM,
) -> BillingAccount:
    """Change region, segment, tax class or purchase order from ``valid_from`` on and return the account.

    Segment and purchase order may be planned; region and tax class are facts and not in the future. Issued bills stay.
    Raises ``NotFound`` (``account.unknown``), ``Conflict`` (``account.version_differs``, ``account.closed``),
    ``Invalid`` (``account.terms_in_future``, ``account.vat_id_missing``, ``account.text``).
    """
    before = await _load(tx, account_id, expected_version)
    if valid_from > now and (change.region is not None or change.tax_class is not None):
        raise Invalid(
            "region and tax class are recorded when they hold",
            code="account.terms_in_future",
            field="valid_from",
            value=valid_from.isoformat(),
            fix="record it on the day",
        )
    after = check_account(with_terms(before, change, valid_from))
    check_tax_class(after, await parties.get_party(tx=tx, party_id=after.party_id))
    return await save_terms(tx, before, after, valid_from, now, actor)


async def save_terms(
    tx: Tx, before: BillingAccount, after: BillingAccount, valid_from: datetime, now: datetime, actor: Actor
) -> BillingAccount:
    """Save an account whose terms changed from ``valid_from`` on, tell it and write it down; nothing where none did."""
    if after is before:
        return before
    await store.save_account(tx, after)
    data = {**_differences(before, after), "valid_from": valid_from.isoformat()}
    await _note(tx, after, ACCOUNT_CHANGED, "account.terms_changed", data, now, actor)
    return after


async def change_cycle(tx: Tx, *, account_id: AccountId, cycle_day: int) -> BillingAccount:
    """Return the account if it has this cycle day already; refuse any other.

    A new anchor would need a bridging period that no plan prices, and would move the periods of what was billed in
    advance. Raises ``NotFound`` (``account.unknown``), ``Conflict`` (``account.cycle_fixed``).
    """
    account = (await lock_accounts(tx, [account_id]))[account_id]
    if account.cycle_day != cycle_day:
        raise Conflict(
            "an account keeps its cycle day: what is billed in advance ends on it",
            code="account.cycle_fixed",
            field="cycle_day",
            value=cycle_day,
            fix="open another account with this day, move the products to it, then close this one",
        )
    return account


async def set_parent(
    tx: Tx, *, account_id: AccountId, parent_id: AccountId | None, now: datetime, actor: Actor = SYSTEM
) -> BillingAccount:
    """Put an account below another one, or with None at the top, and return it.

    Raises ``NotFound`` (``account.unknown``), ``Conflict`` (``account.parent_cycle``, ``account.parent_too_deep``,
    ``account.closed``).
    """
    await store.lock_hierarchy(tx)
    before = await _load(tx, account_id, None)
    check_open(before)
    if before.parent_id == parent_id:
        return before
    if parent_id is not None:
        await _check_parent(tx, account_id, parent_id)
    after = replace(before, parent_id=parent_id, version=before.version + 1)
    await store.save_account(tx, after)
    data: Mapping[str, JSON] = {"parent_id": str(parent_id or "")}
    await _note(tx, after, ACCOUNT_CHANGED, "account.parent_set", data, now, actor)
    return after


async def close_account(
    tx: Tx, *, account_id: AccountId, at: datetime, now: datetime, actor: Actor = SYSTEM
) -> BillingAccount:
    """Close an account at ``at`` and return it. Idempotent.

    Knows only accounts: use ``process.account_closing.close_account``, which looks at products, bills and open items
    first. Raises ``NotFound`` (``account.unknown``), ``Invalid`` (``account.closed_before_opened``), ``Conflict``
    (``account.has_children``).
    """
    await store.lock_hierarchy(tx)  # nobody puts an account below it meanwhile
    before = await _load(tx, account_id, None)
    after = closed(before, at)
    if after is before:
        return before
    below = [one for one, parent in (await store.family(tx, [account_id])).items() if parent == account_id]
    if any(one.closed_at is None for one in (await store.accounts_by_id(tx, below)).values()):
        raise Conflict(
            "an open account stands below it",
            code="account.has_children",
            field="account",
            value=before.number,
            fix="close the accounts below it first, or give them another parent",
        )
    await store.save_account(tx, after)
    await _note(tx, after, ACCOUNT_CLOSED, "account.closed", {"closed_at": at.isoformat()}, now, actor)
    return after
