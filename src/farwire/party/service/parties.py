"""Add, read, change, move and erase parties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from datetime import datetime
from typing import Final

from farwire.base import audit, eventbus
from farwire.base.canonical import JSON
from farwire.base.clock import Clock
from farwire.base.storage import Tx
from farwire.country.model import check_address
from farwire.country.service import load_pack, pack_codes
from farwire.kernel.errors import Conflict, Invalid, NotFound
from farwire.kernel.ids import PartyId
from farwire.kernel.page import Page, PageRequest
from farwire.kernel.tenancy import SYSTEM, Actor
from farwire.party.events import (
    CUSTOMER_CREATED,
    CUSTOMER_DELETED,
    CUSTOMER_STATE_CHANGED,
    PARTY_ADDED,
    PARTY_CHANGED,
    PARTY_ERASED,
    PARTY_MOVED,
    party_event,
)
from farwire.party.model import (
    Party,
    PartyChange,
    PartyKind,
    PartyRole,
    RoleKind,
    ancestors,
    changed,
    check_parent,
    check_party,
    erased,
    gone,
    moved,
)
from farwire.party.store import parties as store
from farwire.party.store import proofs
from farwire.tenant.model import Address

FIRST_PAGE: Final = PageRequest()


async def add_parties(*, tx: Tx, parties: Sequence[Party]) -> None:
    """Add many parties in one statement."""
    if parties:
        await store.add_parties(tx, parties)


async def add_party(tx: Tx, *, party: Party, actor: Actor = SYSTEM) -> Party:
    """Add one party after all checks and return it.

    Raises what ``check_party`` raises, ``NotFound`` (``party.unknown``, for the parent), ``Conflict``
    (``party.parent_too_deep``).
    """
    check_party(party)
    if party.parent_id is not None:
        await store.lock_hierarchy(tx)
        await _check_parent(tx, party.id, party.kind, party.parent_id)
    await store.add_parties(tx, [party])
    at = party.created_at
    await eventbus.publish(
        tx, party_event(PARTY_ADDED, party.id, {"kind": party.kind.value}, tenant_id=tx.tenant_id, at=at)
    )
    await audit.record(
        tx, actor=actor, action="party.added", subject=str(party.id), at=at, detail={"kind": party.kind.value}
    )
    return party


async def get_parties(*, tx: Tx, party_ids: Sequence[PartyId]) -> Mapping[PartyId, Party]:
    """Return those of the parties that exist, by id, in one statement."""
    return await store.parties(tx, party_ids)


async def get_party(*, tx: Tx, party_id: PartyId) -> Party:
    """Return one party. Raises ``NotFound`` (``party.unknown``)."""
    found = (await store.parties(tx, [party_id])).get(party_id)
    if found is None:
        raise unknown(party_id)
    return found


def unknown(party_id: PartyId) -> NotFound:
    """Return the error for an id that is no party of this tenant."""
    return NotFound(
        "there is no such party",
        code="party.unknown",
        field="party",
        value=party_id,
        fix="see: farwire party list",
    )


async def lock_party(tx: Tx, party_id: PartyId) -> Party:
    """Return one party, locked until the transaction ends. Raises ``NotFound`` (``party.unknown``)."""
    found = await store.lock_party(tx, party_id)
    if found is None:
        raise unknown(party_id)
    return found


async def list_parties(
    tx: Tx, *, name: str = "", kind: PartyKind | None = None, page: PageRequest = FIRST_PAGE
) -> Page[Party]:
    """Return a page of the parties (of ``kind``) whose name starts with ``name`` (any case), oldest first."""
    items, total = await store.list_parties(tx, name=name, kind=kind, offset=page.offset, limit=page.limit)
    return Page(items, total, page.offset, page.limit)


def _check_version(party: Party, expected: int | None) -> None:
    if expected is not None and expected != party.version:
        raise Conflict(
            "somebody else has changed the party meanwhile",
            code="party.version_differs",
            field="version",
            value=expected,
            fix=f"read it again; it is at version {party.version}",
        )


async def update_party(
    tx: Tx,
    *,
    party_id: PartyId,
    change: PartyChange,
    now: datetime,
    expected_version: int | None = None,
    actor: Actor = SYSTEM,
) -> Party:
    """Change a party and return it; the same change again changes nothing. The address moves by ``move_party``.

    Raises ``NotFound`` (``party.unknown``), ``Conflict`` (``party.version_differs``, ``party.erased``) and what
    ``check_party`` raises.
    """
    before = await lock_party(tx, party_id)
    _check_version(before, expected_version)
    after = changed(before, change)
    if after is before:
        return before
    differ = sorted(f.name for f in fields(PartyChange) if getattr(before, f.name) != getattr(after, f.name))
    detail: Mapping[str, JSON] = {"version": after.version, "fields": list(differ)}
    await _save(tx, after, PARTY_CHANGED, "party.changed", detail, now, actor)
    return after


async def move_party(
    tx: Tx, *, party_id: PartyId, address: Address, valid_from: datetime, now: datetime, actor: Actor = SYSTEM
) -> Party:
    """Give a party another address from ``valid_from`` on and return it. The former ones stay, with their end.

    Call ``account.service.change_address`` instead, so that the accounts follow. Raises ``NotFound``
    (``party.unknown``) and what ``moved`` raises.
    """
    before = await lock_party(tx, party_id)
    after = moved(before, address, valid_from, now)
    if after is before:
        return before
    detail: Mapping[str, JSON] = {
        "version": after.version,
        "country": address.country,
        "region": address.region,
    }
    await _save(tx, after, PARTY_MOVED, "party.moved", detail, now, actor)
    return after


async def _save(
    tx: Tx,
    party: Party,
    event_type: str,
    action: str,
    detail: Mapping[str, JSON],
    now: datetime,
    actor: Actor,
) -> None:
    await store.save_party(tx, party)
    await eventbus.publish(tx, party_event(event_type, party.id, detail, tenant_id=tx.tenant_id, at=now))
    await audit.record(tx, actor=actor, action=action, subject=str(party.id), at=now, detail=detail)


async def set_parent(
    tx: Tx, *, party_id: PartyId, parent_id: PartyId | None, now: datetime, actor: Actor = SYSTEM
) -> Party:
    """Put an organisation below another one, or with None at the top, and return it.

    Raises ``NotFound`` (``party.unknown``), ``Invalid`` (``party.of_an_organization``), ``Conflict``
    (``party.parent_cycle``, ``party.parent_too_deep``, ``party.erased``).
    """
    await store.lock_hierarchy(tx)
    before = await lock_party(tx, party_id)
    if before.erased_at is not None:
        raise gone(before)
    if before.parent_id == parent_id:
        return before
    if parent_id is not None:
        await _check_parent(tx, party_id, before.kind, parent_id)
    after = replace(before, parent_id=parent_id, version=before.version + 1)
    detail: Mapping[str, JSON] = {"version": after.version, "parent": str(parent_id or "")}
    await _save(tx, after, PARTY_CHANGED, "party.parent_set", detail, now, actor)
    return after


async def _check_parent(tx: Tx, party_id: PartyId, kind: PartyKind, parent_id: PartyId) -> None:
    found = await get_parties(tx=tx, party_ids=[parent_id])
    if parent_id not in found:
        raise unknown(parent_id)
    if found[parent_id].erased_at is not None:
        raise gone(found[parent_id])
    if PartyKind.INDIVIDUAL in (kind, found[parent_id].kind):
        raise Invalid(
            "only an organisation belongs to an organisation",
            code="party.of_an_organization",
            field="parent",
            value=parent_id,
            fix="give a person a role instead",
        )
    check_parent(party_id, parent_id, await store.family(tx, [party_id, parent_id]), code="party.parent")


async def ancestors_of(tx: Tx, party_id: PartyId) -> tuple[PartyId, ...]:
    """Return the organisations that stand above a party, the nearest first."""
    return ancestors(party_id, await store.family(tx, [party_id]))


async def add_role(tx: Tx, *, role: PartyRole, now: datetime, actor: Actor = SYSTEM) -> PartyRole:
    """Let a party play a role from ``role.valid_from`` on. The same again changes nothing.

    Raises ``NotFound`` (``party.unknown``), ``Conflict`` (``party.erased``), ``Invalid`` (``party.role_period``).
    """
    party = await lock_party(tx, role.party_id)
    if party.erased_at is not None:
        raise gone(party)
    if role.of is not None:
        await get_party(tx=tx, party_id=role.of)
    if role.valid_to is not None and role.valid_to <= role.valid_from:
        raise Invalid("a role ends after it starts", code="party.role_period", field="valid_to")
    before = [one for one in await store.roles(tx, [role.party_id]) if _customer(one, role.party_id)]
    await store.save_role(tx, role)
    if role.role is RoleKind.CUSTOMER and role.valid_from not in {one.valid_from for one in before}:
        back = before and not any(one.holds(now) for one in before)
        await _tell(tx, role.party_id, now, CUSTOMER_CREATED, *([CUSTOMER_STATE_CHANGED] if back else []))
    detail: Mapping[str, JSON] = {"role": role.role.value, "of": str(role.of or "")}
    await audit.record(
        tx, actor=actor, action="party.role_set", subject=str(role.party_id), at=now, detail=detail
    )
    return role


async def end_role(
    tx: Tx, *, party_id: PartyId, role: RoleKind, at: datetime, now: datetime, actor: Actor = SYSTEM
) -> tuple[PartyRole, ...]:
    """End every running ``role`` of a party at ``at`` and return them. Idempotent.

    Raises ``NotFound`` (``party.unknown``).
    """
    await lock_party(tx, party_id)
    running = [
        one
        for one in await store.roles(tx, [party_id])
        if one.party_id == party_id and one.role is role and one.holds(at) and one.valid_from < at
    ]
    ended = tuple(replace(one, valid_to=at) for one in running if one.valid_to != at)
    for one in ended:
        await store.save_role(tx, one)
    if ended and role is RoleKind.CUSTOMER:
        await _tell(tx, party_id, now, CUSTOMER_STATE_CHANGED, CUSTOMER_DELETED)
    if ended:
        await audit.record(
            tx,
            actor=actor,
            action="party.role_ended",
            subject=str(party_id),
            at=now,
            detail={"role": role.value},
        )
    return ended


def _customer(role: PartyRole, party_id: PartyId) -> bool:
    return role.party_id == party_id and role.role is RoleKind.CUSTOMER


async def _tell(tx: Tx, party_id: PartyId, now: datetime, *facts: str) -> None:
    for fact in facts:
        await eventbus.publish(tx, party_event(fact, party_id, {}, tenant_id=tx.tenant_id, at=now))


async def roles_of(tx: Tx, party_id: PartyId) -> tuple[PartyRole, ...]:
    """Return the roles that a party plays and those that others play for it, oldest first."""
    return await store.roles(tx, [party_id])


async def players_of(tx: Tx, *, role: RoleKind, page: PageRequest) -> Page[PartyId]:
    """Return a page of the parties that play or played a role."""
    found, total = await store.players(tx, role, offset=page.offset, limit=page.limit)
    return Page(found, total, page.offset, page.limit)


async def roles_of_parties(tx: Tx, party_ids: Sequence[PartyId]) -> tuple[PartyRole, ...]:
    """Return the roles that these parties play and those that others play for them, oldest first."""
    return await store.roles(tx, party_ids)


async def erase_party(*, tx: Tx, clock: Clock, party_id: PartyId, actor: Actor = SYSTEM) -> Party:
    """Blank a person and return what is left. Idempotent; bills that the law keeps are not touched.

    What was kept of its documents is destroyed; its consents stay, they hold no personal data. Raises ``NotFound``
    (``party.unknown``).
    """
    now = clock.now()
    before = await lock_party(tx, party_id)
    after = erased(before, now)
    if after is not before:
        await store.save_party(tx, after)
        await proofs.blank_checks(tx, party_id)
        await eventbus.publish(tx, party_event(PARTY_ERASED, party_id, {}, tenant_id=tx.tenant_id, at=now))
        await audit.record(tx, actor=actor, action="party.erased", subject=str(party_id), at=now, detail={})
    return after


def check_postal(address: Address, name: str) -> None:
    """Raise ``Invalid`` (``country.address_field_…``) where a letter to ``name`` would not arrive, as far as is known.

    The address of a country without a pack is taken as it is.
    """
    if address.country in pack_codes():
        # The name on the envelope is the party's unless the address has its own.
        problems = check_address(load_pack(address.country), {"name": name.strip() or "-", **address.fields})
        if problems:
            raise problems[0]
