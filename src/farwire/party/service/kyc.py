"""Prove who a party is: submit a document, verify or reject it, let it expire."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Final

from farwire.base import audit, eventbus
from farwire.base.canonical import JSON
from farwire.base.clock import Clock
from farwire.base.storage import Database, Tx
from farwire.country.model import CountryPack
from farwire.kernel.ids import PartyId, TenantId
from farwire.kernel.tenancy import SYSTEM, Actor
from farwire.kernel.time import local_date, zone
from farwire.party.events import kyc_changed
from farwire.party.model import (
    Expire,
    KycCheck,
    KycCommand,
    KycState,
    Reject,
    Submit,
    Verify,
    attempt_for,
    decide,
    evidence,
    gone,
    standing,
)
from farwire.party.model.kyc import SALT_BYTES
from farwire.party.service.parties import get_party, lock_party
from farwire.party.store import parties as party_store
from farwire.party.store import proofs as store
from farwire.tenant import service as tenants

BATCH: Final = 500


async def kyc_of(tx: Tx, party_id: PartyId) -> KycState:
    """Return how far the identity of a party is proven. Raises ``NotFound`` (``party.unknown``)."""
    return (await get_party(tx=tx, party_id=party_id)).kyc


async def kyc_checks(tx: Tx, party_id: PartyId) -> tuple[KycCheck, ...]:
    """Return the attempts of a party, oldest first."""
    return await store.checks(tx, party_id)


async def _act(
    tx: Tx, party_id: PartyId, command: KycCommand, *, now: datetime, today: date, actor: Actor
) -> KycCheck:
    party = await lock_party(tx, party_id)
    if party.erased_at is not None:
        raise gone(party)
    attempts = await store.checks(tx, party_id)
    check = decide(attempt_for(attempts, command), command, actor=actor, now=now, today=today)
    kept = tuple(one for one in attempts if one.attempt != check.attempt)
    after = sorted((*kept, check), key=lambda one: one.attempt)
    await store.save_check(tx, party_id, check)
    await party_store.save_party(tx, replace(party, kyc=standing(after)))
    await eventbus.publish(tx, kyc_changed(check, party_id, tenant_id=tx.tenant_id, at=now))
    detail: Mapping[str, JSON] = {
        "attempt": check.attempt,
        "document": check.evidence.document,
        "country": check.evidence.country,
        "reason": check.reason,
    }
    await audit.record(
        tx, actor=actor, action=f"party.kyc_{check.state}", subject=str(party_id), at=now, detail=detail
    )
    return check


def _today(pack: CountryPack, now: datetime) -> date:
    return local_date(now, zone(pack.locale.default_time_zone))


async def submit_kyc(
    tx: Tx,
    *,
    party_id: PartyId,
    pack: CountryPack,
    document: str,
    country: str,
    number: str,
    expires_on: date | None,
    now: datetime,
    actor: Actor = SYSTEM,
) -> KycCheck:
    """Note that a document was shown; only a salted hash of its number and its last four characters are kept.

    A verified party stays so while the next document is looked at, until the first one ends.
    ``pack`` is the country's whose law applies, ``country`` the one that issued the document. Raises what ``evidence``
    raises, ``NotFound`` (``party.unknown``), ``Conflict`` (``party.kyc_transition``, ``party.erased``).
    """
    today = _today(pack, now)
    shown = evidence(
        pack,
        document=document,
        country=country,
        number=number,
        salt=secrets.token_bytes(SALT_BYTES),
        expires_on=expires_on,
        today=today,
    )
    return await _act(tx, party_id, Submit(shown), now=now, today=today, actor=actor)


async def verify_kyc(
    tx: Tx, *, party_id: PartyId, pack: CountryPack, now: datetime, actor: Actor = SYSTEM
) -> KycCheck:
    """Note that ``actor`` found the document to prove who the party is. Publishes ``farwire.party.kyc_verified.v1``.

    Raises ``NotFound`` (``party.unknown``), ``Conflict`` (``party.kyc_transition``, ``party.kyc_document_expired``).
    """
    return await _act(tx, party_id, Verify(), now=now, today=_today(pack, now), actor=actor)


async def reject_kyc(
    tx: Tx, *, party_id: PartyId, pack: CountryPack, reason: str, now: datetime, actor: Actor = SYSTEM
) -> KycCheck:
    """Note that the document does not prove it, and why (a code). The party may try again.

    Raises ``NotFound`` (``party.unknown``), ``Conflict`` (``party.kyc_transition``), ``Invalid``
    (``party.kyc_reason``).
    """
    return await _act(tx, party_id, Reject(reason), now=now, today=_today(pack, now), actor=actor)


async def expire_kyc(*, db: Database, tenant_id: TenantId, clock: Clock, today: date | None = None) -> int:
    """Turn every verified party whose document is no longer valid into an expired one; return how many.

    ``today`` is by default the day in the tenant's zone. Idempotent; ``BATCH`` parties a transaction.
    """
    tenant = await tenants.get_tenant(db=db, tenant_id=tenant_id)
    count = 0
    while True:
        now = clock.now()
        on = today or local_date(now, zone(tenant.zone))
        async with db.transaction(tenant_id) as tx:
            due = await store.parties_with_ended_proof(tx, on, BATCH)
            for party_id in due:
                if (await get_party(tx=tx, party_id=party_id)).erased_at is None:
                    await _act(tx, party_id, Expire(), now=now, today=on, actor=SYSTEM)
        count += len(due)
        if len(due) < BATCH:
            return count
