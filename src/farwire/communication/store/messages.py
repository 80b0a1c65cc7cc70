"""Messages, their receipts, and what the local outbox took."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from farwire.base.storage import Tx
from farwire.communication.model import (
    Channel,
    Message,
    MessageState,
    Priority,
    Purpose,
    Reason,
    Receipt,
    ReceiptState,
)
from farwire.kernel.ids import EventId, MessageId, PartyId
from farwire.kernel.page import Page, PageRequest

if TYPE_CHECKING:
    from asyncpg import Record

_COLUMNS = (
    "message_id, key, party_id, code, template_version, language, channel, purpose, priority, state, reason, address, "
    "subject, body, zone, country, created_at, not_before, attempts, reference, error, sent_at, closed_at, erased_at, "
    "cause_id"
)
_WAITS = "state IN ('queued', 'waiting_quiet_hours')"
_PRIORITIES = tuple(Priority)


def _from_row(row: Record) -> Message:
    return Message(
        id=MessageId(row["message_id"]),
        key=row["key"],
        party_id=PartyId(row["party_id"]),
        code=row["code"],
        template_version=row["template_version"],
        language=row["language"],
        channel=Channel(row["channel"]),
        purpose=Purpose(row["purpose"]),
        priority=_PRIORITIES[row["priority"]],
        state=MessageState(row["state"]),
        reason=Reason(row["reason"]),
        address=row["address"],
        subject=row["subject"],
        body=row["body"],
        zone=row["zone"],
        country=row["country"],
        created_at=row["created_at"],
        not_before=row["not_before"],
        attempts=row["attempts"],
        reference=row["reference"],
        error=row["error"],
        sent_at=row["sent_at"],
        closed_at=row["closed_at"],
        erased_at=row["erased_at"],
        cause_id=None if row["cause_id"] is None else EventId(row["cause_id"]),
    )


def _values(message: Message) -> tuple[object, ...]:
    return (
        message.id,
        message.key,
        message.party_id,
        message.code,
        message.template_version,
        message.language,
        message.channel.value,
        message.purpose.value,
        message.priority.rank,
        message.state.value,
        message.reason.value,
        message.address,
        message.subject,
        message.body,
        message.zone,
        message.country,
        message.created_at,
        message.not_before,
        message.attempts,
        message.reference,
        message.error,
        message.sent_at,
        message.closed_at,
        message.erased_at,
        message.cause_id,
    )


async def add_message(tx: Tx, message: Message) -> bool:
    """Insert ``message``; return False where its key is taken."""
    places = ", ".join(f"${n}" for n in range(2, 27))
    tag = await tx.execute(
        f"INSERT INTO communication.message (tenant_id, {_COLUMNS}) VALUES ($1, {places}) "
        "ON CONFLICT (tenant_id, key) DO NOTHING",
        tx.tenant_id,
        *_values(message),
    )
    return tag == "INSERT 0 1"


async def message_by_key(tx: Tx, key: str) -> Message | None:
    """Return the message with that key."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM communication.message WHERE tenant_id = $1 AND key = $2", tx.tenant_id, key
    )
    return None if row is None else _from_row(row)


async def get_message(tx: Tx, message_id: MessageId, *, lock: bool = False) -> Message | None:
    """Return one message; with ``lock`` nobody else changes it until the transaction ends."""
    row = await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM communication.message WHERE tenant_id = $1 AND message_id = $2"
        + (" FOR UPDATE" if lock else ""),
        tx.tenant_id,
        message_id,
    )
    return None if row is None else _from_row(row)


async def save_message(tx: Tx, message: Message) -> None:
    """Write what changes in the life of a message. It is nobody's to hand over any more until it is leased again."""
    await tx.execute(
        "UPDATE communication.message SET state = $3, reason = $4, address = $5, subject = $6, body = $7, "
        "not_before = $8, reference = $9, error = $10, sent_at = $11, closed_at = $12, erased_at = $13, "
        "lease_until = NULL WHERE tenant_id = $1 AND message_id = $2",
        tx.tenant_id,
        message.id,
        message.state.value,
        message.reason.value,
        message.address,
        message.subject,
        message.body,
        message.not_before,
        message.reference,
        message.error,
        message.sent_at,
        message.closed_at,
        message.erased_at,
    )


async def due_messages(tx: Tx, *, now: datetime, limit: int) -> tuple[Message, ...]:
    """Return messages that may be handed over and nobody hands over now, locked, the urgent ones first."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM communication.message WHERE tenant_id = $1 AND {_WAITS} AND not_before <= $2 "
        "AND (lease_until IS NULL OR lease_until <= $2) ORDER BY priority, not_before, message_id LIMIT $3 "
        "FOR UPDATE SKIP LOCKED",
        tx.tenant_id,
        now,
        limit,
    )
    return tuple(_from_row(row) for row in rows)


async def lease(tx: Tx, message_ids: Sequence[MessageId], *, until: datetime) -> None:
    """Begin an attempt on each of the messages."""
    await tx.execute(
        "UPDATE communication.message SET lease_until = $3, attempts = attempts + 1 "
        "WHERE tenant_id = $1 AND message_id = ANY($2::uuid[])",
        tx.tenant_id,
        list(message_ids),
        until,
    )


async def keep_lease(tx: Tx, message_id: MessageId, *, held: datetime, until: datetime) -> bool:
    """Prolong the lease that ends at ``held``; False where it is another's by now, or the message waits no more."""
    kept = await tx.fetchval(
        f"UPDATE communication.message SET lease_until = $4 WHERE tenant_id = $1 AND message_id = $2 "
        f"AND lease_until = $3 AND {_WAITS} RETURNING 1",
        tx.tenant_id,
        message_id,
        held,
        until,
    )
    return kept is not None


async def page_messages(
    tx: Tx,
    page: PageRequest,
    *,
    party_id: PartyId | None,
    state: MessageState | None,
    code: str | None,
) -> Page[Message]:
    """Return messages, the newest first."""
    where = (
        "tenant_id = $1 AND ($2::uuid IS NULL OR party_id = $2) AND ($3::text IS NULL OR state = $3) "
        "AND ($4::text IS NULL OR code = $4)"
    )
    asked = (tx.tenant_id, party_id, None if state is None else state.value, code)
    total: int = await tx.fetchval(f"SELECT count(*) FROM communication.message WHERE {where}", *asked)
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM communication.message WHERE {where} "
        "ORDER BY created_at DESC, message_id DESC OFFSET $5 LIMIT $6",
        *asked,
        page.offset,
        page.limit,
    )
    return Page(tuple(_from_row(row) for row in rows), total, page.offset, page.limit)


async def messages_of_party(tx: Tx, party_id: PartyId) -> tuple[Message, ...]:
    """Return the party's messages that still hold personal data, locked."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM communication.message WHERE tenant_id = $1 AND party_id = $2 AND erased_at IS NULL "
        "ORDER BY created_at FOR UPDATE",
        tx.tenant_id,
        party_id,
    )
    return tuple(_from_row(row) for row in rows)


async def waiting_messages(
    tx: Tx, party_id: PartyId, *, channel: Channel, purpose: Purpose
) -> tuple[Message, ...]:
    """Return the party's messages for a purpose on a channel that are still to be handed over, locked."""
    rows = await tx.fetch(
        f"SELECT {_COLUMNS} FROM communication.message WHERE tenant_id = $1 AND party_id = $2 AND channel = $3 "
        f"AND purpose = $4 AND {_WAITS} ORDER BY created_at FOR UPDATE",
        tx.tenant_id,
        party_id,
        channel.value,
        purpose.value,
    )
    return tuple(_from_row(row) for row in rows)


async def blank_before(tx: Tx, *, before: datetime, now: datetime, limit: int) -> int:
    """Blank up to ``limit`` messages that were made before ``before`` and wait for nothing; return how many."""
    rows = await tx.fetch(
        "WITH old AS (SELECT message_id FROM communication.message WHERE tenant_id = $1 AND erased_at IS NULL "
        f"AND created_at < $2 AND NOT {_WAITS} LIMIT $4 FOR UPDATE SKIP LOCKED), "
        "gone AS (DELETE FROM communication.local_outbox WHERE tenant_id = $1 "
        "AND message_id IN (SELECT message_id FROM old)), "
        "said AS (UPDATE communication.receipt SET error = '' WHERE tenant_id = $1 AND error <> '' "
        "AND message_id IN (SELECT message_id FROM old)) "
        "UPDATE communication.message SET address = '', subject = '', body = '', error = '', erased_at = $3 "
        "WHERE tenant_id = $1 AND message_id IN (SELECT message_id FROM old) RETURNING 1",
        tx.tenant_id,
        before,
        now,
        limit,
    )
    return len(rows)


async def forget_copies(tx: Tx, message_ids: Sequence[MessageId]) -> None:
    """Delete what the local outbox and the receipts hold of the messages beyond their ids."""
    await tx.execute(
        "DELETE FROM communication.local_outbox WHERE tenant_id = $1 AND message_id = ANY($2::uuid[])",
        tx.tenant_id,
        list(message_ids),
    )
    await tx.execute(
        "UPDATE communication.receipt SET error = '' WHERE tenant_id = $1 AND message_id = ANY($2::uuid[])",
        tx.tenant_id,
        list(message_ids),
    )


async def add_receipt(tx: Tx, receipt: Receipt) -> bool:
    """Insert ``receipt``; return False where it is known."""
    tag = await tx.execute(
        "INSERT INTO communication.receipt (tenant_id, message_id, key, state, at, received_at, error) "
        "VALUES ($1, $2, $3, $4, $5, $6, $7) ON CONFLICT DO NOTHING",
        tx.tenant_id,
        receipt.message_id,
        receipt.key,
        receipt.state.value,
        receipt.at,
        receipt.received_at,
        receipt.error,
    )
    return tag == "INSERT 0 1"


async def receipts_of(tx: Tx, message_id: MessageId) -> tuple[Receipt, ...]:
    """Return the receipts of a message in the order in which they happened."""
    rows = await tx.fetch(
        "SELECT message_id, key, state, at, received_at, error FROM communication.receipt "
        "WHERE tenant_id = $1 AND message_id = $2 ORDER BY at, key",
        tx.tenant_id,
        message_id,
    )
    return tuple(
        Receipt(
            MessageId(row["message_id"]),
            row["key"],
            ReceiptState(row["state"]),
            row["at"],
            row["received_at"],
            row["error"],
        )
        for row in rows
    )


async def add_to_outbox(tx: Tx, message: Message, now: datetime) -> None:
    """Let the local outbox take ``message``; taking it again changes nothing, and one that was blanked stays out.

    The lock makes an erasure wait, which then finds the copy: a message is handed over without the caller's lock.
    """
    await tx.execute(
        "INSERT INTO communication.local_outbox (tenant_id, message_id, channel, address, subject, body, accepted_at) "
        "SELECT $1, $2, $3, $4, $5, $6, $7 FROM communication.message WHERE tenant_id = $1 AND message_id = $2 "
        "AND erased_at IS NULL FOR SHARE ON CONFLICT DO NOTHING",
        tx.tenant_id,
        message.id,
        message.channel.value,
        message.address,
        message.subject,
        message.body,
        now,
    )
