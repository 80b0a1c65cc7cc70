"""Use cases of parties."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from farwire.base import audit
from farwire.base.clock import Clock
from farwire.base.storage import Tx
from farwire.kernel.errors import NotFound
from farwire.kernel.ids import PartyId
from farwire.kernel.tenancy import SYSTEM, Actor
from farwire.party import store
from farwire.party.model import Party, erased


async def add_parties(*, tx: Tx, parties: Sequence[Party]) -> None:
    """Add many parties in one statement."""
    if parties:
        await store.add_parties(tx, parties)


async def get_parties(*, tx: Tx, party_ids: Sequence[PartyId]) -> Mapping[PartyId, Party]:
    """Return those of the parties that exist, by id, in one statement."""
    return await store.parties(tx, party_ids)


async def get_party(*, tx: Tx, party_id: PartyId) -> Party:
    """Return one party. Raises ``NotFound`` (``party.unknown``)."""
    found = (await store.parties(tx, [party_id])).get(party_id)
    if found is None:
        raise NotFound("there is no such party", code="party.unknown", field="party", value=party_id)
    return found


async def erase_party(*, tx: Tx, clock: Clock, party_id: PartyId, actor: Actor = SYSTEM) -> Party:
    """Blank a person and return what is left. Idempotent; bills that the law keeps are not touched.

    Raises ``NotFound`` (``party.unknown``).
    """
    now = clock.now()
    before = await get_party(tx=tx, party_id=party_id)
    after = erased(before, now)
    if after is not before:
        await store.save_erased(tx, after)
        await audit.record(tx, actor=actor, action="party.erased", subject=str(party_id), at=now, detail={})
    return after
