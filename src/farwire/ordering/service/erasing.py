"""Forget what is personal in orders, when their customer is erased."""

from __future__ import annotations

from farwire.base.storage import Tx
from farwire.kernel.ids import PartyId
from farwire.ordering.store import erasing as store


async def erase_orders(tx: Tx, *, party_id: PartyId) -> int:
    """Blank numbers, places, characteristics and remarks in the orders of a party; return how many items had some.

    What was ordered, when and for which account stays. Idempotent. Call it when all orders have ended, in the
    transaction that erases the party.
    """
    await store.blank_remarks(tx, party_id)
    return await store.blank_requests(tx, party_id)
