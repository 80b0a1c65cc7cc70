"""SQL of identity checks and consents."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TYPE_CHECKING

from farwire.base.storage import Tx
from farwire.kernel.ids import PartyId
from farwire.kernel.tenancy import Actor, ActorKind
from farwire.party.model import Channel, Consent, Evidence, KycCheck, KycState, Purpose

if TYPE_CHECKING:
    from asyncpg import Record

_CHECK = (
    "attempt, state, document, issuing_country, number_salt, number_hash, last4, expires_on, submitted_at, "
    "submitted_by_kind, submitted_by, decided_at, decided_by_kind, decided_by, reason"
)
_CONSENT = "party_id, purpose, channel, granted, at, source, recorded_at"


def _check_from_row(row: Record) -> KycCheck:
    shown = Evidence(
        row["document"],
        row["issuing_country"],
        row["number_salt"],
        row["number_hash"],
        row["last4"],
        row["expires_on"],
    )
    decided_by = (
        None if row["decided_by"] is None else Actor(ActorKind(row["decided_by_kind"]), row["decided_by"])
    )
    return KycCheck(
        row["attempt"],
        KycState(row["state"]),
        shown,
        row["submitted_at"],
        Actor(ActorKind(row["submitted_by_kind"]), row["submitted_by"]),
        row["decided_at"],
        decided_by,
        row["reason"],
    )


async def checks(tx: Tx, party_id: PartyId) -> tuple[KycCheck, ...]:
    """Return the attempts of a party, oldest first."""
    rows = await tx.fetch(
        f"SELECT {_CHECK} FROM party.kyc_check WHERE tenant_id = $1 AND party_id = $2 ORDER BY attempt",
        tx.tenant_id,
        party_id,
    )
    return tuple(_check_from_row(row) for row in rows)


async def save_check(tx: Tx, party_id: PartyId, check: KycCheck) -> None:
    """Insert an attempt, or write what became of it."""
    await tx.execute(
        f"INSERT INTO party.kyc_check (tenant_id, party_id, {_CHECK}) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17) "
        "ON CONFLICT (tenant_id, party_id, attempt) DO UPDATE SET state = excluded.state, "
        "decided_at = excluded.decided_at, decided_by_kind = excluded.decided_by_kind, "
        "decided_by = excluded.decided_by, reason = excluded.reason",
        tx.tenant_id,
        party_id,
        check.attempt,
        check.state.value,
        check.evidence.document,
        check.evidence.country,
        check.evidence.number_salt,
        check.evidence.number_hash,
        check.evidence.last4,
        check.evidence.expires_on,
        check.submitted_at,
        check.submitted_by.kind.value,
        check.submitted_by.id,
        check.decided_at,
        None if check.decided_by is None else check.decided_by.kind.value,
        None if check.decided_by is None else check.decided_by.id,
        check.reason,
    )


async def blank_checks(tx: Tx, party_id: PartyId) -> None:
    """Destroy what the attempts of a party hold of its documents. That and when it was checked stays."""
    await tx.execute(
        "UPDATE party.kyc_check SET number_salt = '', number_hash = '', last4 = '', expires_on = NULL "
        "WHERE tenant_id = $1 AND party_id = $2",
        tx.tenant_id,
        party_id,
    )


async def parties_with_ended_proof(tx: Tx, today: date, limit: int) -> tuple[PartyId, ...]:
    """Return verified parties whose document is no longer valid on ``today``; the last one that was verified counts."""
    rows = await tx.fetch(
        "SELECT c.party_id FROM party.kyc_check c WHERE c.tenant_id = $1 AND c.state = 'verified' "
        "AND c.expires_on <= $2 AND NOT EXISTS (SELECT FROM party.kyc_check n WHERE n.tenant_id = $1 "
        "AND n.party_id = c.party_id AND n.attempt > c.attempt AND n.state IN ('verified', 'expired')) "
        "ORDER BY c.party_id LIMIT $3",
        tx.tenant_id,
        today,
        limit,
    )
    return tuple(PartyId(row["party_id"]) for row in rows)


def _consent_from_row(row: Record) -> Consent:
    return Consent(
        PartyId(row["party_id"]),
        Purpose(row["purpose"]),
        Channel(row["channel"]),
        row["granted"],
        row["at"],
        row["source"],
        row["recorded_at"],
    )


async def consents(tx: Tx, party_ids: Sequence[PartyId]) -> tuple[Consent, ...]:
    """Return everything that the parties said, in the order of recording."""
    rows = await tx.fetch(
        f"SELECT {_CONSENT} FROM party.consent WHERE tenant_id = $1 AND party_id = ANY($2::uuid[]) "
        "ORDER BY party_id, sequence",
        tx.tenant_id,
        list(party_ids),
    )
    return tuple(_consent_from_row(row) for row in rows)


async def add_consent(tx: Tx, consent: Consent) -> None:
    """Append what a party said; the caller holds the lock of the party."""
    await tx.execute(
        f"INSERT INTO party.consent (tenant_id, {_CONSENT}, sequence) SELECT $1, $2, $3, $4, $5, $6, $7, $8, "
        "coalesce(max(sequence), 0) + 1 FROM party.consent WHERE tenant_id = $1 AND party_id = $2",
        tx.tenant_id,
        consent.party_id,
        consent.purpose.value,
        consent.channel.value,
        consent.granted,
        consent.at,
        consent.source,
        consent.recorded_at,
    )
