"""Add and change the companies of a tenant."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import datetime

from farwire.base import audit
from farwire.base.canonical import JSON
from farwire.base.clock import Clock
from farwire.base.storage import Database, Tx
from farwire.kernel.errors import Conflict, NotFound
from farwire.kernel.ids import LegalEntityId, TenantId, uuid7
from farwire.kernel.money import currency
from farwire.kernel.tenancy import Actor
from farwire.kernel.time import zone
from farwire.tenant.model import (
    Address,
    CompanyChange,
    DocumentKind,
    LegalEntity,
    changed_company,
    check_prefix,
)
from farwire.tenant.service.tenants import OPERATOR
from farwire.tenant.store import companies as store


async def add_legal_entity(
    *,
    db: Database,
    clock: Clock,
    tenant_id: TenantId,
    name: str,
    vat_id: str,
    address: Address,
    country: str,
    currency_code: str,
    zone_name: str,
    number_prefix: str,
    bank_account: str = "",
    fiscal_year_start: int = 1,
    payment_days: int = 14,
    actor: Actor = OPERATOR,
) -> LegalEntity:
    """Add a company of the tenant and return it; return the existing one where name and prefix are the same.

    Raises ``Invalid`` (``tenant.number_prefix``, ``money.currency_unknown``, ``time.zone_unknown``) and ``Conflict``
    (``tenant.number_prefix_taken``).
    """
    zone(zone_name)
    now = clock.now()
    entity = LegalEntity(
        LegalEntityId(uuid7(now)),
        name,
        vat_id,
        address,
        country,
        currency(currency_code),
        zone_name,
        bank_account,
        check_prefix(number_prefix),
        fiscal_year_start,
        payment_days,
    )
    async with db.transaction(tenant_id) as tx:
        if not await store.add_legal_entity(tx, entity, created_at=now):
            return _known(entity, await store.legal_entities(tx))
        _check_prefixes(entity, await store.legal_entities(tx))
        await _note(tx, entity, "added", {"name": name, "number_prefix": number_prefix}, now, actor)
    return entity


async def _note(
    tx: Tx, entity: LegalEntity, act: str, detail: Mapping[str, JSON], now: datetime, actor: Actor
) -> None:
    action = f"tenant.legal_entity_{act}"
    await audit.record(tx, actor=actor, action=action, subject=str(entity.id), at=now, detail=detail)


def _known(wanted: LegalEntity, entities: Mapping[LegalEntityId, LegalEntity]) -> LegalEntity:
    """Return the company that has the prefix of ``wanted`` if it is the same one."""
    prefix = wanted.number_prefix
    found = next((other for other in entities.values() if other.number_prefix == prefix), None)
    if found is None or found.name != wanted.name:
        raise Conflict(
            f"another company of this tenant numbers its bills {prefix}…",
            code="tenant.number_prefix_taken",
            field="number_prefix",
            value=prefix,
            fix="choose another prefix",
        )
    return found


async def legal_entities(tx: Tx) -> Mapping[LegalEntityId, LegalEntity]:
    """Return the tenant's companies by id, oldest first."""
    return await store.legal_entities(tx)


async def legal_entity(tx: Tx, legal_entity_id: LegalEntityId) -> LegalEntity:
    """Return one company. Raises ``NotFound`` (``tenant.legal_entity_unknown``)."""
    return _one(await store.legal_entities(tx), legal_entity_id)


def _one(entities: Mapping[LegalEntityId, LegalEntity], legal_entity_id: LegalEntityId) -> LegalEntity:
    found = entities.get(legal_entity_id)
    if found is None:
        raise NotFound(
            "there is no such company",
            code="tenant.legal_entity_unknown",
            field="legal_entity",
            value=legal_entity_id,
            fix="see: farwire tenant show NAME",
        )
    return found


async def change_legal_entity(
    tx: Tx,
    *,
    legal_entity_id: LegalEntityId,
    change: CompanyChange,
    now: datetime,
    expected_version: int | None = None,
    actor: Actor = OPERATOR,
) -> LegalEntity:
    """Change a company and return it; the same again changes nothing. Issued bills keep what they were issued with.

    Raises ``NotFound`` (``tenant.legal_entity_unknown``), ``Conflict`` (``tenant.version_differs``,
    ``tenant.number_prefix_taken``) and what ``changed_company`` raises.
    """
    entities = await store.lock_legal_entities(tx)
    before = _one(entities, legal_entity_id)
    if expected_version is not None and expected_version != before.version:
        raise Conflict(
            "somebody else has changed the company meanwhile",
            code="tenant.version_differs",
            field="version",
            value=expected_version,
            fix=f"read it again; it is at version {before.version}",
        )
    after = changed_company(before, change)
    if after is before:
        return before
    _check_prefixes(after, entities)
    await store.save_legal_entity(tx, after)
    differ = [f.name for f in fields(CompanyChange) if getattr(before, f.name) != getattr(after, f.name)]
    detail: Mapping[str, JSON] = {"version": after.version, "fields": differ}
    await _note(tx, after, "changed", detail, now, actor)
    return after


def _check_prefixes(entity: LegalEntity, entities: Mapping[LegalEntityId, LegalEntity]) -> None:
    """Refuse a prefix with which another company numbers: two documents would have one number."""
    own = {entity.series_of(kind).prefix for kind in DocumentKind}
    for other in entities.values():
        taken = own & {other.number_prefix, *(other.series_of(kind).prefix for kind in DocumentKind)}
        if other.id != entity.id and taken:
            raise Conflict(
                f"another company of this tenant numbers its documents {min(taken)}…",
                code="tenant.number_prefix_taken",
                field="series",
                value=min(taken),
                fix="choose another prefix",
            )
