"""SQL of legal entities and their charts of accounts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING

import msgspec

from farwire.base.storage import Tx
from farwire.kernel.ids import LegalEntityId
from farwire.kernel.money import currency
from farwire.tenant.model import Address, BankAccount, LegalEntity, NumberSeries

if TYPE_CHECKING:
    from asyncpg import Record

_ENTITY = (
    "legal_entity_id, name, vat_id, address, country, currency, zone, bank_account, number_prefix, "
    "fiscal_year_start, payment_days, vat_ids, bank_accounts, series, version"
)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def _entity_from_row(row: Record) -> LegalEntity:
    return LegalEntity(
        id=LegalEntityId(row["legal_entity_id"]),
        name=row["name"],
        vat_id=row["vat_id"],
        address=msgspec.json.decode(row["address"], type=Address),
        country=row["country"],
        currency=currency(row["currency"]),
        zone=row["zone"],
        bank_account=row["bank_account"],
        number_prefix=row["number_prefix"],
        fiscal_year_start=row["fiscal_year_start"],
        payment_days=row["payment_days"],
        vat_ids=msgspec.json.decode(row["vat_ids"], type=dict[str, str]),
        bank_accounts=msgspec.json.decode(row["bank_accounts"], type=tuple[BankAccount, ...]),
        series=msgspec.json.decode(row["series"], type=tuple[NumberSeries, ...]),
        version=row["version"],
    )


async def add_legal_entity(tx: Tx, entity: LegalEntity, *, created_at: datetime) -> bool:
    """Insert a legal entity; return False where its number prefix is taken in this tenant."""
    row = await tx.fetchrow(
        f"INSERT INTO tenant.legal_entity (tenant_id, {_ENTITY}, created_at) "
        "VALUES ($1, $2, $3, $4, $5::jsonb, $6, $7, $8, $9, $10, $11, $12, "
        "$13::jsonb, $14::jsonb, $15::jsonb, $16, $17) "
        "ON CONFLICT (tenant_id, number_prefix) DO NOTHING RETURNING legal_entity_id",
        tx.tenant_id,
        entity.id,
        entity.name,
        entity.vat_id,
        _json(entity.address),
        entity.country,
        entity.currency.code,
        entity.zone,
        entity.bank_account,
        entity.number_prefix,
        entity.fiscal_year_start,
        entity.payment_days,
        _json(entity.vat_ids),
        _json(entity.bank_accounts),
        _json(entity.series),
        entity.version,
        created_at,
    )
    return row is not None


async def legal_entities(tx: Tx) -> Mapping[LegalEntityId, LegalEntity]:
    """Return the tenant's legal entities (few: each is a company), oldest first."""
    rows = await tx.fetch(
        f"SELECT {_ENTITY} FROM tenant.legal_entity WHERE tenant_id = $1 ORDER BY created_at, legal_entity_id",
        tx.tenant_id,
    )
    return {LegalEntityId(row["legal_entity_id"]): _entity_from_row(row) for row in rows}


async def lock_legal_entities(tx: Tx) -> Mapping[LegalEntityId, LegalEntity]:
    """Return the tenant's legal entities, locked until the transaction ends: prefixes are compared across them."""
    rows = await tx.fetch(
        f"SELECT {_ENTITY} FROM tenant.legal_entity WHERE tenant_id = $1 "
        "ORDER BY created_at, legal_entity_id FOR UPDATE",
        tx.tenant_id,
    )
    return {LegalEntityId(row["legal_entity_id"]): _entity_from_row(row) for row in rows}


async def save_legal_entity(tx: Tx, entity: LegalEntity) -> None:
    """Overwrite everything of a legal entity that may change."""
    await tx.execute(
        "UPDATE tenant.legal_entity SET name = $3, vat_id = $4, address = $5::jsonb, bank_account = $6, "
        "payment_days = $7, vat_ids = $8::jsonb, bank_accounts = $9::jsonb, series = $10::jsonb, version = $11 "
        "WHERE tenant_id = $1 AND legal_entity_id = $2",
        tx.tenant_id,
        entity.id,
        entity.name,
        entity.vat_id,
        _json(entity.address),
        entity.bank_account,
        entity.payment_days,
        _json(entity.vat_ids),
        _json(entity.bank_accounts),
        _json(entity.series),
        entity.version,
    )
