"""From an order to a service that works: what other contexts publish moves orders on.

A party that was verified releases the orders that waited for it, and their work is done at once. Where the verification
expires, its orders that have not begun wait for the next one.
"""

from __future__ import annotations

from typing import Final

from farwire.base.clock import Clock
from farwire.base.eventbus import Event
from farwire.base.eventbus.delivery import Subscriber
from farwire.base.storage import Database
from farwire.kernel.ids import PartyId, parse_id
from farwire.ordering import service as ordering
from farwire.party.events import KYC_EXPIRED, KYC_VERIFIED

NAME: Final = "order-to-activate"


def subscribers(*, db: Database, clock: Clock) -> tuple[Subscriber, ...]:
    """Return what releases orders. It begins with what is published from now on."""

    async def handle(event: Event) -> None:
        await follow(db=db, clock=clock, event=event)

    return (Subscriber(NAME, handle, types=(KYC_VERIFIED, KYC_EXPIRED)),)


async def follow(*, db: Database, clock: Clock, event: Event) -> None:
    """Release, or hold, the orders that the verification of a party is about. What it is now counts; idempotent."""
    party_id = PartyId(parse_id(str(event.data["party_id"]), field="party_id"))
    async with db.transaction(event.tenant_id) as tx:
        if event.type == KYC_EXPIRED:
            await ordering.hold_unverified(tx=tx, clock=clock, party_id=party_id)
            return
        released = await ordering.release_verified(tx=tx, clock=clock, party_id=party_id)
    if released:
        await ordering.work(db=db, tenant_id=event.tenant_id, clock=clock)
