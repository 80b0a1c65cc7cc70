"""SQL of billing accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from farwire.account.model import AccountState, BillingAccount, TaxClass
from farwire.base.storage import Tx
from farwire.kernel.ids import AccountId, LegalEntityId, PartyId
from farwire.kernel.money import currency

if TYPE_CHECKING:
    from asyncpg import Record

_COLUMNS = (
    "account_id, number, party_id, legal_entity_id, currency, cycle_day, zone, language, tax_class, state, "
    "opened_at, closed_at, region, segment"
)


def _from_row(row: Record) -> BillingAccount:
    return BillingAccount(
        id=AccountId(row["account_id"]),
        number=row["number"],
        party_id=PartyId(row["party_id"]),
        legal_entity_id=LegalEntityId(row["legal_entity_id"]),
        currency=currency(row["currency"]),
        cycle_day=row["cycle_day"],
        zone=row["zone"],
        language=row["language"],
        tax_class=TaxClass(row["tax_class"]),
        opened_at=row["opened_at"],
        state=AccountState(row["state"]),
        closed_at=row["closed_at"],
        region=row["region"],
        segment=row["segment"],
    )


async def add_accounts(tx: Tx, accounts: Sequence[BillingAccount]) -> None:
    """Insert many accounts in one statement. A number that is taken raises the driver's unique violation."""
    await tx.execute(
        f"INSERT INTO account.account (tenant_id, {_COLUMNS}) SELECT $1, a.* FROM unnest($2::uuid[], $3::text[], "
        "$4::uuid[], $5::uuid[], $6::text[], $7::smallint[], $8::text[], $9::text[], $10::text[], $11::text[], "
        "$12::timestamptz[], $13::timestamptz[], $14::text[], $15::text[]) AS a",
        tx.tenant_id,
        [account.id for account in accounts],
        [account.number for account in accounts],
        [account.party_id for account in accounts],
        [account.legal_entity_id for account in accounts],
        [account.currency.code for account in accounts],
        [account.cycle_day for account in accounts],
        [account.zone for account in accounts],
        [account.language for account in accounts],
        [account.tax_class.value for account in accounts],
        [account.state.value for account in accounts],
        [account.opened_at for account in accounts],
        [account.closed_at for account in accounts],
        [account.region for account in accounts],
        [account.segment for account in accounts],
    )


async def accounts_by_number(tx: Tx, numbers: Sequence[str]) -> Mapping[str, BillingAccount]:
    """Return those of the accounts that exist, by number."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM account.account WHERE tenant_id = $1 AND number = ANY($2::text[])",
        tx.tenant_id,
        list(numbers),
    )
    return {row["number"]: _from_row(row) for row in rows}


async def accounts_by_id(tx: Tx, account_ids: Sequence[AccountId]) -> Mapping[AccountId, BillingAccount]:
    """Return those of the accounts that exist, by id."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM account.account WHERE tenant_id = $1 AND account_id = ANY($2::uuid[])",
        tx.tenant_id,
        list(account_ids),
    )
    return {AccountId(row["account_id"]): _from_row(row) for row in rows}


async def list_accounts(tx: Tx, *, offset: int, limit: int) -> tuple[tuple[BillingAccount, ...], int]:
    """Return one page of accounts by number, and how many there are."""
    total: int = await tx.fetchval("SELECT count(*) FROM account.account WHERE tenant_id = $1", tx.tenant_id)
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM account.account WHERE tenant_id = $1 ORDER BY number OFFSET $2 LIMIT $3",
        tx.tenant_id,
        offset,
        limit,
    )
    return tuple(_from_row(row) for row in rows), total


async def accounts_after(tx: Tx, *, after: AccountId | None, limit: int) -> tuple[BillingAccount, ...]:
    """Return the next accounts in the order of their ids, of any state."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM account.account WHERE tenant_id = $1 AND ($2::uuid IS NULL OR account_id > $2) "
        "ORDER BY account_id LIMIT $3",
        tx.tenant_id,
        after,
        limit,
    )
    return tuple(_from_row(row) for row in rows)


async def count_accounts(tx: Tx) -> int:
    """Return how many accounts the tenant has."""
    count: int = await tx.fetchval("SELECT count(*) FROM account.account WHERE tenant_id = $1", tx.tenant_id)
    return count
