"""The facts that parties publish: ids, states and codes, never personal data."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Final

from farwire.base.canonical import JSON
from farwire.base.eventbus import Event, new_event
from farwire.kernel.ids import PartyId, TenantId
from farwire.party.model import Consent, KycCheck, KycState

PARTY_ADDED: Final = "farwire.party.added.v1"
PARTY_CHANGED: Final = "farwire.party.changed.v1"
PARTY_MOVED: Final = "farwire.party.moved.v1"
PARTY_ERASED: Final = "farwire.party.erased.v1"
CONSENT_RECORDED: Final = "farwire.party.consent_recorded.v1"
KYC_SUBMITTED: Final = "farwire.party.kyc_submitted.v1"
KYC_VERIFIED: Final = "farwire.party.kyc_verified.v1"
KYC_REJECTED: Final = "farwire.party.kyc_rejected.v1"
KYC_EXPIRED: Final = "farwire.party.kyc_expired.v1"
CUSTOMER_CREATED: Final = "farwire.party.customer_created.v1"
CUSTOMER_STATE_CHANGED: Final = "farwire.party.customer_state_changed.v1"
CUSTOMER_DELETED: Final = "farwire.party.customer_deleted.v1"
"""A party becomes a customer, is one or is none any more, and is none any more: TMF629 tells the end twice."""

_OF_STATE: Final = {
    KycState.PENDING: KYC_SUBMITTED,
    KycState.VERIFIED: KYC_VERIFIED,
    KycState.REJECTED: KYC_REJECTED,
    KycState.EXPIRED: KYC_EXPIRED,
}


def party_event(
    event_type: str,
    party_id: PartyId,
    data: Mapping[str, JSON],
    *,
    tenant_id: TenantId,
    at: datetime,
    occurred_at: datetime | None = None,
) -> Event:
    """Return a fact about one party; ``party_id`` is added to ``data``."""
    return new_event(
        tenant_id=tenant_id,
        type=event_type,
        subject=str(party_id),
        occurred_at=occurred_at or at,
        recorded_at=at,
        data={"party_id": str(party_id), **data},
    )


def kyc_changed(check: KycCheck, party_id: PartyId, *, tenant_id: TenantId, at: datetime) -> Event:
    """Return the fact that the proof of who the party is was submitted, verified, rejected or has expired."""
    data: Mapping[str, JSON] = {
        "attempt": check.attempt,
        "document": check.evidence.document,
        "reason": check.reason,
    }
    return party_event(_OF_STATE[check.state], party_id, data, tenant_id=tenant_id, at=at)


def consent_recorded(consent: Consent, *, tenant_id: TenantId) -> Event:
    """Return the fact that a party granted or withdrew a purpose on a channel."""
    return party_event(
        CONSENT_RECORDED,
        consent.party_id,
        {
            "purpose": consent.purpose.value,
            "channel": consent.channel.value,
            "granted": consent.granted,
        },
        tenant_id=tenant_id,
        at=consent.recorded_at,
        occurred_at=consent.at,
    )
