"""SQL of billing accounts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import msgspec

from farwire.account.model import AccountState, BillingAccount, Delivery, FormerTerms, TaxClass
from farwire.base.storage import Tx
from farwire.kernel.ids import AccountId, LegalEntityId, PartyId
from farwire.kernel.money import currency

if TYPE_CHECKING:
    from asyncpg import Record

_COLUMNS = (
    "account_id, number, party_id, legal_entity_id, currency, cycle_day, zone, language, tax_class, state, "
    "opened_at, closed_at, region, segment, parent_id, delivery, purchase_order, former, version"
)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


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
        parent_id=None if row["parent_id"] is None else AccountId(row["parent_id"]),
        delivery=Delivery(row["delivery"]),
        purchase_order=row["purchase_order"],
        # Terms seldom change: the decoder is not started for accounts without a history.
        former=()
        if row["former"] == "[]"
        else msgspec.json.decode(row["former"], type=tuple[FormerTerms, ...]),
        version=row["version"],
    )


async def add_accounts(tx: Tx, accounts: Sequence[BillingAccount]) -> None:
    """Insert many accounts in one statement. A number that is taken raises the driver's unique violation."""
    await tx.execute(
        f"INSERT INTO account.account (tenant_id, {_COLUMNS}) SELECT $1, a.id, a.number, a.party, a.entity, "
        "a.currency, a.cycle_day, a.zone, a.language, a.tax_class, a.state, a.opened_at, a.closed_at, a.region, "
        "a.segment, a.parent, a.delivery, a.purchase_order, a.former::jsonb, a.version "
        "FROM unnest($2::uuid[], $3::text[], "
        "$4::uuid[], $5::uuid[], $6::text[], $7::smallint[], $8::text[], $9::text[], $10::text[], $11::text[], "
        "$12::timestamptz[], $13::timestamptz[], $14::text[], $15::text[], $16::uuid[], $17::text[], $18::text[], "
        "$19::text[], $20::int[]) AS a (id, number, party, entity, currency, cycle_day, zone, language, tax_class, "
        "state, opened_at, closed_at, region, segment, parent, delivery, purchase_order, former, version)",
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
        [account.parent_id for account in accounts],
        [account.delivery.value for account in accounts],
        [account.purchase_order for account in accounts],
        [_json(account.former) for account in accounts],
        [account.version for account in accounts],
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


async def accounts_of_parties(tx: Tx, party_ids: Sequence[PartyId]) -> tuple[BillingAccount, ...]:
    """Return the accounts of the parties, of any state, in the order of their ids."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM account.account WHERE tenant_id = $1 AND party_id = ANY($2::uuid[]) "
        "ORDER BY account_id",
        tx.tenant_id,
        list(party_ids),
    )
    return tuple(_from_row(row) for row in rows)


async def lock_accounts(tx: Tx, account_ids: Sequence[AccountId]) -> Mapping[AccountId, BillingAccount]:
    """Return those of the accounts that exist, locked in the order of their ids until the transaction ends."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM account.account WHERE tenant_id = $1 AND account_id = ANY($2::uuid[]) "
        "ORDER BY account_id FOR UPDATE",
        tx.tenant_id,
        list(account_ids),
    )
    return {AccountId(row["account_id"]): _from_row(row) for row in rows}


async def keep_accounts(tx: Tx, account_ids: Sequence[AccountId]) -> None:
    """Let nobody else close, change or keep the accounts until the transaction ends."""
    await tx.execute(
        "SELECT 1 FROM account.account WHERE tenant_id = $1 AND account_id = ANY($2::uuid[]) "
        "ORDER BY account_id FOR NO KEY UPDATE",
        tx.tenant_id,
        list(account_ids),
    )


async def save_account(tx: Tx, account: BillingAccount) -> None:
    """Overwrite everything of ``account`` that may change. Number, party, company, currency and cycle may not."""
    await tx.execute(
        "UPDATE account.account SET language = $3, tax_class = $4, state = $5, closed_at = $6, region = $7, "
        "segment = $8, parent_id = $9, delivery = $10, purchase_order = $11, former = $12::jsonb, version = $13 "
        "WHERE tenant_id = $1 AND account_id = $2",
        tx.tenant_id,
        account.id,
        account.language,
        account.tax_class.value,
        account.state.value,
        account.closed_at,
        account.region,
        account.segment,
        account.parent_id,
        account.delivery.value,
        account.purchase_order,
        _json(account.former),
        account.version,
    )


async def lock_hierarchy(tx: Tx) -> None:
    """Let one transaction of the tenant at a time change who stands above whom and who pays for whom."""
    await tx.execute(
        "SELECT pg_advisory_xact_lock(hashtext('account.hierarchy'), hashtext($1::text))", str(tx.tenant_id)
    )


async def family(tx: Tx, account_ids: Sequence[AccountId]) -> Mapping[AccountId, AccountId | None]:
    """Return account → parent for ``account_ids`` and all that stand above or below them."""
    rows = await tx.fetch(
        """WITH RECURSIVE up AS (
            SELECT account_id, parent_id FROM account.account WHERE tenant_id = $1 AND account_id = ANY($2::uuid[])
            UNION
            SELECT a.account_id, a.parent_id FROM up JOIN account.account a
                ON a.tenant_id = $1 AND a.account_id = up.parent_id
        ), down AS (
            SELECT account_id, parent_id FROM account.account WHERE tenant_id = $1 AND account_id = ANY($2::uuid[])
            UNION
            SELECT a.account_id, a.parent_id FROM down JOIN account.account a
                ON a.tenant_id = $1 AND a.parent_id = down.account_id
        )
        SELECT account_id, parent_id FROM up UNION SELECT account_id, parent_id FROM down""",
        tx.tenant_id,
        list(account_ids),
    )
    return {
        AccountId(row["account_id"]): None if row["parent_id"] is None else AccountId(row["parent_id"])
        for row in rows
    }
