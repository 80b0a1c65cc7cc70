"""SQL of tenants and keys. Two tables are untenanted; migrations say why."""

from __future__ import annotations

from datetime import date, datetime
from typing import TYPE_CHECKING

from farwire.base.authz import Role
from farwire.base.storage import Session, Tx
from farwire.kernel.ids import KeyId, TenantId
from farwire.tenant.model import ApiKey, Tenant, TenantState

if TYPE_CHECKING:
    from asyncpg import Record

_TENANT = "tenant_id, name, display_name, country, zone, state, created_at"
_KEY = "key_id, tenant_id, role, label, created_at, expires_at, revoked_at, last_used_on"


def _tenant_from_row(row: Record) -> Tenant:
    return Tenant(
        TenantId(row["tenant_id"]),
        row["name"],
        row["display_name"],
        row["country"],
        row["zone"],
        TenantState(row["state"]),
        row["created_at"],
    )


def _key_from_row(row: Record) -> ApiKey:
    return ApiKey(
        KeyId(row["key_id"]),
        TenantId(row["tenant_id"]),
        Role(row["role"]),
        row["label"],
        row["created_at"],
        row["expires_at"],
        row["revoked_at"],
        row["last_used_on"],
    )


async def add_tenant(tx: Tx, tenant: Tenant) -> bool:
    """Insert a tenant; return False where its name is taken."""
    row = await tx.fetchrow(
        f"INSERT INTO tenant.tenant ({_TENANT}) VALUES ($1, $2, $3, $4, $5, $6, $7) "
        "ON CONFLICT (name) DO NOTHING RETURNING tenant_id",
        tenant.id,
        tenant.name,
        tenant.display_name,
        tenant.country,
        tenant.zone,
        tenant.state.value,
        tenant.created_at,
    )
    return row is not None


async def tenant_by_name(tx: Session, name: str) -> Tenant | None:
    """Return the tenant called ``name``."""
    row = await tx.fetchrow(f"SELECT {_TENANT} FROM tenant.tenant WHERE name = $1", name)
    return _tenant_from_row(row) if row else None


async def tenant_by_id(tx: Session, tenant_id: TenantId) -> Tenant | None:
    """Return the tenant ``tenant_id``."""
    row = await tx.fetchrow(f"SELECT {_TENANT} FROM tenant.tenant WHERE tenant_id = $1", tenant_id)
    return _tenant_from_row(row) if row else None


async def list_tenants(tx: Session, *, offset: int, limit: int) -> tuple[tuple[Tenant, ...], int]:
    """Return one page of tenants by name, and how many there are."""
    total: int = await tx.fetchval("SELECT count(*) FROM tenant.tenant")
    rows = await tx.fetch(
        f"SELECT {_TENANT} FROM tenant.tenant ORDER BY name OFFSET $1 LIMIT $2", offset, limit
    )
    return tuple(_tenant_from_row(row) for row in rows), total


async def add_key(tx: Tx, key: ApiKey, key_hash: bytes) -> None:
    """Insert a key by its hash."""
    await tx.execute(
        f"INSERT INTO tenant.api_key ({_KEY}, key_hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        key.id,
        tx.tenant_id,
        key.role.value,
        key.label,
        key.created_at,
        key.expires_at,
        key.revoked_at,
        key.last_used_on,
        key_hash,
    )


async def list_keys(tx: Tx, *, offset: int, limit: int) -> tuple[tuple[ApiKey, ...], int]:
    """Return one page of the tenant's keys, oldest first, and how many there are."""
    total: int = await tx.fetchval("SELECT count(*) FROM tenant.api_key WHERE tenant_id = $1", tx.tenant_id)
    rows = await tx.fetch(
        f"SELECT {_KEY} FROM tenant.api_key WHERE tenant_id = $1 ORDER BY key_id OFFSET $2 LIMIT $3",
        tx.tenant_id,
        offset,
        limit,
    )
    return tuple(_key_from_row(row) for row in rows), total


async def key_by_id(tx: Tx, key_id: KeyId) -> ApiKey | None:
    """Return a key of this tenant."""
    row = await tx.fetchrow(
        f"SELECT {_KEY} FROM tenant.api_key WHERE tenant_id = $1 AND key_id = $2", tx.tenant_id, key_id
    )
    return _key_from_row(row) if row else None


async def revoke_key(tx: Tx, key_id: KeyId, at: datetime) -> ApiKey | None:
    """Revoke a key of this tenant and return it. The first revocation keeps its time."""
    row = await tx.fetchrow(
        "UPDATE tenant.api_key SET revoked_at = coalesce(revoked_at, $3) WHERE tenant_id = $1 AND key_id = $2 "
        f"RETURNING {_KEY}",
        tx.tenant_id,
        key_id,
        at,
    )
    return _key_from_row(row) if row else None


async def key_by_hash(tx: Session, key_hash: bytes) -> ApiKey | None:
    """Return the key with this hash if its tenant is active. Untenanted: this is how a request finds its tenant."""
    row = await tx.fetchrow(
        f"SELECT {', '.join('k.' + column for column in _KEY.split(', '))} FROM tenant.api_key k "
        "JOIN tenant.tenant t ON t.tenant_id = k.tenant_id WHERE k.key_hash = $1 AND t.state = 'active'",
        key_hash,
    )
    return _key_from_row(row) if row else None


async def touch_key(tx: Session, key_id: KeyId, on: date) -> None:
    """Note that the key was used on the UTC day ``on``; writes once per day."""
    await tx.execute(
        "UPDATE tenant.api_key SET last_used_on = $2 WHERE key_id = $1 AND (last_used_on IS NULL OR last_used_on < $2)",
        key_id,
        on,
    )
