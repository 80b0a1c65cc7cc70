"""Hand messages over to their gateways, at least once, and take the gateways' receipts, in whatever order they come."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from farwire.base import eventbus
from farwire.base.clock import Clock
from farwire.base.storage import Database, Tx
from farwire.base.telemetry import get_logger
from farwire.communication.events import message_moved
from farwire.communication.model import (
    Channel,
    Message,
    MessageState,
    Receipt,
    ReceiptState,
    accepted,
    check_key,
    earliest,
    not_accepted,
    received,
)
from farwire.communication.service.builtin import quiet_hours_of
from farwire.communication.service.gateway import Gateway
from farwire.communication.service.send import wake_at
from farwire.communication.simulator.outbox import LocalOutbox
from farwire.communication.store import messages as store
from farwire.kernel.errors import FarwireError, Invalid, NotFound, Unavailable
from farwire.kernel.ids import MessageId, TenantId
from farwire.kernel.time import as_utc, zone

BATCH: Final = 100
LEASE: Final = timedelta(minutes=10)
"""Longer than one hand-over takes: after a crash its messages are tried again then. It is kept for each anew."""
MAX_ERROR_CHARACTERS: Final = 300
log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HandedOver:
    """What one call did: how many were taken, wait for another attempt, failed for good, wait for the morning."""

    sent: int = 0
    again: int = 0
    failed: int = 0
    quiet: int = 0

    def __add__(self, other: HandedOver) -> HandedOver:
        return HandedOver(
            self.sent + other.sent,
            self.again + other.again,
            self.failed + other.failed,
            self.quiet + other.quiet,
        )


def local_gateways() -> Mapping[Channel, Gateway]:
    """Return the local outbox for every channel."""
    outbox = LocalOutbox()
    return dict.fromkeys(Channel, outbox)


async def deliver_due(
    *,
    db: Database,
    tenant_id: TenantId,
    clock: Clock,
    gateways: Mapping[Channel, Gateway] | None = None,
) -> HandedOver:
    """Hand over every message that is due, the urgent ones first, ``BATCH`` at a time.

    Several processes share the work. A message whose process died comes again after ``LEASE``; the gateway knows it by
    its id. What fell into quiet hours while it waited for a worker waits for their end. What was withdrawn or erased
    meanwhile, or went to another process since a gateway took its time, stays here.
    """
    ways = local_gateways() if gateways is None else gateways
    total = HandedOver()
    while True:
        now = clock.now()
        batch, quiet = await _take(db, tenant_id, now)
        total += HandedOver(quiet=quiet)
        for message in batch:
            if await _keep(db, tenant_id, clock, message, now + LEASE):
                total += await _hand_over(db, tenant_id, clock, message, ways.get(message.channel))
        if len(batch) + quiet < BATCH:
            return total


async def _take(db: Database, tenant_id: TenantId, now: datetime) -> tuple[Sequence[Message], int]:
    """Lease a batch; put off what must wait for the morning."""
    async with db.transaction(tenant_id) as tx:
        due = await store.due_messages(tx, now=now, limit=BATCH)
        ready = []
        for message in due:
            at = earliest(message, quiet_hours_of(message.country), zone(message.zone), now)
            if at > now:
                waits = replace(message, state=MessageState.WAITING_QUIET_HOURS, not_before=at)
                await store.save_message(tx, waits)
                await wake_at(tx, at=at, now=now)
            else:
                ready.append(replace(message, attempts=message.attempts + 1))
        await store.lease(tx, [message.id for message in ready], until=now + LEASE)
    return ready, len(due) - len(ready)


async def _keep(db: Database, tenant_id: TenantId, clock: Clock, message: Message, held: datetime) -> bool:
    """Return whether the message is still ours to hand over; if so, for a whole lease from now on."""
    async with db.transaction(tenant_id) as tx:
        return await store.keep_lease(tx, message.id, held=held, until=clock.now() + LEASE)


async def _hand_over(
    db: Database, tenant_id: TenantId, clock: Clock, message: Message, gateway: Gateway | None
) -> HandedOver:
    reference, error, final = await _attempt(db, tenant_id, clock.now(), message, gateway)
    now = clock.now()
    async with db.transaction(tenant_id) as tx:
        stored = await store.get_message(tx, message.id, lock=True)
        if stored is None:
            return HandedOver()
        after = not_accepted(stored, error, now, final=final) if error else accepted(stored, reference, now)
        await store.save_message(tx, after)
        if after.state.waits:
            await wake_at(tx, at=after.not_before, now=now)
        elif after.state is not stored.state:
            await eventbus.publish(tx, message_moved(after, tenant_id=tenant_id, at=now))
    if not error:
        return HandedOver(sent=1)
    log.warning("message not taken", message=str(message.id), channel=message.channel, error=error)
    return HandedOver(again=1) if after.state.waits else HandedOver(failed=1)


async def _attempt(
    db: Database, tenant_id: TenantId, now: datetime, message: Message, gateway: Gateway | None
) -> tuple[str, str, bool]:
    """Return the gateway's reference, or what went wrong and whether that is final."""
    if gateway is None:
        return "", "communication.no_gateway", False
    try:
        return await gateway.hand_over(db=db, tenant_id=tenant_id, message=message, now=now), "", False
    except FarwireError as failure:
        return "", failure.code, not isinstance(failure, Unavailable)
    except Exception as failure:  # noqa: BLE001  # the edge of foreign code; its text may quote the address
        return "", type(failure).__name__, False


async def record_receipt(
    tx: Tx,
    *,
    message_id: MessageId,
    key: str,
    state: ReceiptState,
    at: datetime,
    clock: Clock,
    error: str = "",
) -> Message:
    """Take what a gateway says about a message, and return the message as it is after it.

    Idempotent by ``key``; receipts may come in any order, and before the hand-over itself is booked: once delivered, a
    message stays delivered. ``at`` is when it happened at the gateway. Raises ``NotFound`` (``communication.unknown``),
    ``Conflict`` (``communication.not_sent``), ``Invalid`` (``communication.key``, ``communication.receipt_time``).
    """
    check_key(key)
    now = clock.now()
    at = as_utc(at, field="at")
    if at > now + timedelta(days=1):
        raise Invalid(
            "a receipt is about the past", code="communication.receipt_time", field="at", value=at.isoformat()
        )
    before = await store.get_message(tx, message_id, lock=True)
    if before is None:
        raise unknown(message_id)
    # What a gateway writes may quote the text or the address; an erased message keeps neither.
    said = "" if before.erased_at else "".join(c for c in error if c.isprintable())[:MAX_ERROR_CHARACTERS]
    receipt = Receipt(message_id, key, state, at, now, said)
    after = received(before, receipt)
    if not await store.add_receipt(tx, receipt):
        return before
    if after != before:
        await store.save_message(tx, after)
        if after.state is not before.state:
            await eventbus.publish(tx, message_moved(after, tenant_id=tx.tenant_id, at=now))
    return after


def unknown(message_id: MessageId) -> NotFound:
    """Return the error for a message that the tenant does not have."""
    return NotFound(
        "there is no such message",
        code="communication.unknown",
        field="message",
        value=message_id,
        fix="farwire message list",
    )
