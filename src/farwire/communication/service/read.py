"""Read messages, stop those that may no longer leave, blank what is personal in them."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from farwire.base import eventbus
from farwire.base.clock import Clock
from farwire.base.storage import Database, Tx
from farwire.communication.events import message_moved
from farwire.communication.model import (
    Channel,
    Message,
    MessageState,
    Purpose,
    Receipt,
    blanked,
    withdrawn,
)
from farwire.communication.service.deliver import unknown
from farwire.communication.store import messages as store
from farwire.kernel.ids import MessageId, PartyId, TenantId
from farwire.kernel.page import Page, PageRequest

RETENTION: Final = timedelta(days=90)
"""How long texts and addresses are kept: long enough for a complaint about the last bill."""
BLANK_BATCH: Final = 5000


async def get_message(tx: Tx, *, message_id: MessageId) -> Message:
    """Return one message. Raises ``NotFound`` (``communication.unknown``)."""
    found = await store.get_message(tx, message_id)
    if found is None:
        raise unknown(message_id)
    return found


async def receipts_of(tx: Tx, *, message_id: MessageId) -> tuple[Receipt, ...]:
    """Return what gateways said about a message, in the order in which it happened."""
    return await store.receipts_of(tx, message_id)


async def list_messages(
    tx: Tx,
    *,
    page: PageRequest,
    party_id: PartyId | None = None,
    state: MessageState | None = None,
    code: str | None = None,
) -> Page[Message]:
    """Return a page of messages, the newest first."""
    return await store.page_messages(tx, page, party_id=party_id, state=state, code=code)


async def withdraw_messages(
    tx: Tx, *, party_id: PartyId, channel: Channel, purpose: Purpose, clock: Clock
) -> int:
    """Stop what waits for a party that no longer allows ``purpose`` on ``channel``; return how many. Idempotent.

    A message waits for hours: the word that counts is the last one before it leaves.
    """
    now = clock.now()
    found = await store.waiting_messages(tx, party_id, channel=channel, purpose=purpose)
    for message in found:
        after = withdrawn(message, now)
        await store.save_message(tx, after)
        await eventbus.publish(tx, message_moved(after, tenant_id=tx.tenant_id, at=now))
    return len(found)


async def erase_messages(tx: Tx, *, party_id: PartyId, clock: Clock) -> int:
    """Blank addresses and texts of all messages to a party, and stop those that wait; return how many changed.

    Idempotent. Their times, states and codes stay. To be called in the transaction that erases the party.
    """
    now = clock.now()
    found = await store.messages_of_party(tx, party_id)
    for message in found:
        after = blanked(message, now, erased=True)
        await store.save_message(tx, after)
        if after.state is not message.state:
            await eventbus.publish(tx, message_moved(after, tenant_id=tx.tenant_id, at=now))
    if found:
        await store.forget_copies(tx, [message.id for message in found])
    return len(found)


async def expire_messages(*, db: Database, tenant_id: TenantId, clock: Clock) -> int:
    """Blank the texts and addresses that are older than ``RETENTION``; return how many."""
    total = 0
    while True:
        now = clock.now()
        async with db.transaction(tenant_id) as tx:
            count = await store.blank_before(tx, before=now - RETENTION, now=now, limit=BLANK_BATCH)
        total += count
        if count < BLANK_BATCH:
            return total
