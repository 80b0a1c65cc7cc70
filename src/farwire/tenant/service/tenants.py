"""Create and read tenants; make, check and revoke API keys."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import Final

from farwire.base import audit
from farwire.base.authz import Principal, Role
from farwire.base.clock import Clock
from farwire.base.storage import Database, Tx
from farwire.kernel.errors import Conflict, Forbidden, Invalid, NotFound
from farwire.kernel.ids import KeyId, TenantId, uuid7
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.kernel.time import zone
from farwire.tenant.model import (
    SECRET_BYTES,
    ApiKey,
    Tenant,
    TenantState,
    check_country,
    check_name,
    key_hash,
    key_text,
)
from farwire.tenant.store import tenants as store

FIRST_PAGE: Final = PageRequest()
OPERATOR: Final = Actor(ActorKind.OPERATOR, "command-line")


class KeyRefused(Forbidden):
    """The key is unknown, revoked, expired or of a closed tenant; the answer does not say which."""

    default_code = "tenant.key_refused"


async def create_tenant(
    *,
    db: Database,
    clock: Clock,
    name: str,
    display_name: str = "",
    country: str = "DE",
    zone_name: str = "Europe/Berlin",
    actor: Actor = OPERATOR,
) -> Tenant:
    """Create the tenant ``name`` and return it; return the existing one where it has the same country and zone.

    Raises ``Invalid`` (``tenant.name``, ``tenant.country``, ``time.zone_unknown``) and ``Conflict``
    (``tenant.name_taken``).
    """
    zone(zone_name)
    now = clock.now()
    wanted = Tenant(
        TenantId(uuid7(now)),
        check_name(name),
        display_name or name,
        check_country(country),
        zone_name,
        TenantState.ACTIVE,
        now,
    )
    async with db.transaction(wanted.id) as tx:
        if await store.add_tenant(tx, wanted):
            detail = {"name": name, "country": country, "zone": zone_name}
            await audit.record(
                tx, actor=actor, action="tenant.created", subject=str(wanted.id), at=now, detail=detail
            )
            return wanted
        found = await store.tenant_by_name(tx, name)
    if found is None or (found.country, found.zone) != (country, zone_name):
        raise Conflict(
            f"tenant {name} exists with another country or zone",
            code="tenant.name_taken",
            field="name",
            value=name,
            fix="choose another name; see: farwire tenant list",
        )
    return found


async def tenant_by_name(*, db: Database, name: str) -> Tenant:
    """Return the tenant ``name``. Raises ``NotFound`` (``tenant.unknown``)."""
    async with db.untenanted() as tx:
        found = await store.tenant_by_name(tx, name)
    if found is None:
        raise NotFound(
            f"there is no tenant {name}",
            code="tenant.unknown",
            field="tenant",
            value=name,
            fix="see: farwire tenant list",
        )
    return found


async def get_tenant(*, db: Database, tenant_id: TenantId) -> Tenant:
    """Return the tenant ``tenant_id``. Raises ``NotFound`` (``tenant.unknown``)."""
    async with db.untenanted() as tx:
        found = await store.tenant_by_id(tx, tenant_id)
    if found is None:
        raise NotFound("there is no such tenant", code="tenant.unknown", field="tenant", value=tenant_id)
    return found


async def this_tenant(tx: Tx) -> Tenant:
    """Return the tenant of the transaction. Raises ``NotFound`` (``tenant.unknown``)."""
    found = await store.tenant_by_id(tx, tx.tenant_id)
    if found is None:
        raise NotFound("there is no such tenant", code="tenant.unknown", field="tenant", value=tx.tenant_id)
    return found


async def list_tenants(*, db: Database, page: PageRequest = FIRST_PAGE) -> Page[Tenant]:
    """Return a page of tenants by name."""
    async with db.untenanted() as tx:
        items, total = await store.list_tenants(tx, offset=page.offset, limit=page.limit)
    return Page(items, total, page.offset, page.limit)


async def create_key(
    *,
    db: Database,
    clock: Clock,
    tenant_id: TenantId,
    role: Role,
    label: str,
    expires_at: datetime | None = None,
    actor: Actor = OPERATOR,
) -> tuple[str, ApiKey]:
    """Make an API key; return the key itself, which is shown this once, and what is kept of it.

    Raises ``Invalid`` (``tenant.key_expired``) and ``NotFound`` (``tenant.unknown``).
    """
    now = clock.now()
    if expires_at is not None and expires_at <= now:
        raise Invalid(
            "the key would be expired at once",
            code="tenant.key_expired",
            field="expires_at",
            value=expires_at,
        )
    tenant = await get_tenant(db=db, tenant_id=tenant_id)
    text = key_text(tenant.name, secrets.token_bytes(SECRET_BYTES))
    key = ApiKey(KeyId(uuid7(now)), tenant_id, role, label, now, expires_at, None, None)
    async with db.transaction(tenant_id) as tx:
        await store.add_key(tx, key, key_hash(text))
        detail = {"role": role.value, "label": label}
        await audit.record(
            tx, actor=actor, action="tenant.key_created", subject=str(key.id), at=now, detail=detail
        )
    return text, key


async def list_keys(*, db: Database, tenant_id: TenantId, page: PageRequest = FIRST_PAGE) -> Page[ApiKey]:
    """Return a page of the tenant's keys, oldest first, without their secrets."""
    async with db.transaction(tenant_id) as tx:
        items, total = await store.list_keys(tx, offset=page.offset, limit=page.limit)
    return Page(items, total, page.offset, page.limit)


async def find_key(tx: Tx, key_id: KeyId) -> ApiKey | None:
    """Return a key of the tenant of ``tx``, or None for one that it does not have."""
    return await store.key_by_id(tx, key_id)


async def revoke_key(
    *, db: Database, clock: Clock, tenant_id: TenantId, key_id: KeyId, actor: Actor = OPERATOR
) -> ApiKey:
    """Revoke a key and return it. Idempotent. Raises ``NotFound`` (``tenant.key_unknown``)."""
    now = clock.now()
    async with db.transaction(tenant_id) as tx:
        key = await store.revoke_key(tx, key_id, now)
        if key is None:
            raise NotFound(
                "this tenant has no such key",
                code="tenant.key_unknown",
                field="key",
                value=key_id,
                fix="see: farwire key list",
            )
        await audit.record(
            tx, actor=actor, action="tenant.key_revoked", subject=str(key_id), at=now, detail={}
        )
    return key


async def authenticate(*, db: Database, clock: Clock, text: str) -> Principal:
    """Return who holds the key ``text``. Raises ``KeyRefused`` whatever is wrong with it.

    One indexed read; one write per key and UTC day.
    """
    now = clock.now()
    async with db.untenanted() as tx:
        key = await store.key_by_hash(tx, key_hash(text))
        if key is None or not key.usable_at(now):
            raise KeyRefused("the API key is not valid", fix="make one with: farwire key create")
        today = now.astimezone(UTC).date()
        if key.last_used_on is None or key.last_used_on < today:
            await store.touch_key(tx, key.id, today)
    return Principal(tenant_id=key.tenant_id, role=key.role, key_id=key.id)
