"""Record what a party allows, and ask whether it may be contacted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from farwire.base import audit, eventbus
from farwire.base.canonical import JSON
from farwire.base.storage import Tx
from farwire.kernel.ids import PartyId
from farwire.kernel.tenancy import SYSTEM, Actor
from farwire.party.events import consent_recorded
from farwire.party.model import Channel, Consent, Purpose, allows, check_consent, gone
from farwire.party.service.parties import get_parties, lock_party
from farwire.party.store import proofs as store


async def record_consent(tx: Tx, *, consent: Consent, actor: Actor = SYSTEM) -> Consent:
    """Append what a party said and return it. Nothing is ever overwritten.

    Raises ``NotFound`` (``party.unknown``), ``Conflict`` (``party.erased``), ``Invalid`` (``party.consent_source``,
    ``party.consent_in_future``).
    """
    check_consent(consent, consent.recorded_at)
    party = await lock_party(tx, consent.party_id)
    if party.erased_at is not None:
        raise gone(party)
    await store.add_consent(tx, consent)
    await eventbus.publish(tx, consent_recorded(consent, tenant_id=tx.tenant_id))
    detail: Mapping[str, JSON] = {
        "purpose": consent.purpose.value,
        "channel": consent.channel.value,
        "granted": consent.granted,
    }
    await audit.record(
        tx,
        actor=actor,
        action="party.consent_recorded",
        subject=str(consent.party_id),
        at=consent.recorded_at,
        detail=detail,
    )
    return consent


async def consents_of(tx: Tx, party_id: PartyId) -> tuple[Consent, ...]:
    """Return everything that a party said, in the order of recording."""
    return await store.consents(tx, [party_id])


async def may_contact(tx: Tx, party_id: PartyId, purpose: Purpose, channel: Channel) -> bool:
    """Return whether a party may be told something for ``purpose`` on ``channel``.

    Its latest word counts; without one only what the contract needs. Nobody erased or unknown is contacted.
    """
    return party_id in await contactable(tx, [party_id], purpose, channel)


async def contactable(
    tx: Tx, party_ids: Sequence[PartyId], purpose: Purpose, channel: Channel
) -> frozenset[PartyId]:
    """Return those of the parties that may be contacted, in two statements."""
    known = await get_parties(tx=tx, party_ids=party_ids)
    said: dict[PartyId, list[Consent]] = {}
    for one in await store.consents(tx, list(known)):
        said.setdefault(one.party_id, []).append(one)
    return frozenset(
        party_id
        for party_id, party in known.items()
        if party.erased_at is None and allows(said.get(party_id, ()), purpose, channel)
    )
