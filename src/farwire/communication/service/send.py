"""Queue a message in the transaction that wants it: rendered now, handed over later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from farwire.base import eventbus
from farwire.base.jobs import service as jobs
from farwire.base.storage import Tx
from farwire.communication.events import message_moved
from farwire.communication.model import (
    Channel,
    Message,
    MessageState,
    Priority,
    Purpose,
    Reason,
    check_address,
    check_key,
    earliest,
    render,
    suppression,
)
from farwire.communication.service.builtin import quiet_hours_of
from farwire.communication.service.templates import find_template
from farwire.communication.store import messages as store
from farwire.kernel.errors import check
from farwire.kernel.ids import EventId, MessageId, PartyId, uuid7
from farwire.kernel.time import as_utc, zone

DELIVER: Final = "communication.deliver"
"""The job that hands over what is due."""
BUCKET_S: Final = 10
"""Messages of so many seconds share one job: the longest that a message waits for company."""


async def send(
    tx: Tx,
    *,
    key: str,
    party_id: PartyId,
    code: str,
    channel: Channel,
    address: str,
    language: str,
    variables: Mapping[str, str],
    now: datetime,
    zone_name: str,
    country: str = "",
    purpose: Purpose = Purpose.TRANSACTIONAL,
    allowed: bool | None = None,
    priority: Priority = Priority.NORMAL,
    fallbacks: Sequence[str] = (),
    cause_id: EventId | None = None,
) -> Message:
    """Queue one message, and return it with its state: queued, waiting for the end of the quiet hours, or suppressed.

    Idempotent by ``key``: a second call returns the message as it is now and changes nothing. ``language`` is BCP 47;
    where the text is not in it, the ``fallbacks`` and English follow. ``variables`` are those of the code, all of them.
    ``zone_name`` (IANA) and ``country`` (ISO 3166-1) are the receiver's. ``allowed`` is what the party said to
    ``purpose`` on ``channel``; without a word only what the contract or the law asks for leaves. A blank ``address``
    suppresses the message, so that somebody can see that it was due. Raises ``Invalid``: ``communication.key``,
    ``communication.address``, ``communication.variable_missing``, ``communication.variable_unknown``,
    ``time.zone_unknown``; ``NotFound`` (``communication.template_unknown``).
    """
    at = as_utc(now, field="now")
    message = Message(
        id=MessageId(uuid7(at)), key=check_key(key), party_id=party_id, code=code, template_version=0,
        language=language, channel=channel, purpose=purpose, priority=priority, state=MessageState.QUEUED,
        address=address, subject="", body="", zone=zone_name, country=country, created_at=at, not_before=at,
        cause_id=cause_id,
    )  # fmt: skip
    known = await store.message_by_key(tx, key)
    if known is not None:
        return known
    message = await _written(tx, message, variables, fallbacks)
    reason = suppression(purpose, message.address, allowed=allowed)
    message = _placed(replace(message, reason=reason), at)
    if not await store.add_message(tx, message):
        found = await store.message_by_key(tx, key)
        check(found is not None, "communication.key_lost", "a taken key names a message")
        return found or message
    await _follow(tx, message, at)
    return message


async def _written(
    tx: Tx, message: Message, variables: Mapping[str, str], fallbacks: Sequence[str]
) -> Message:
    """Return ``message`` with its text and its address in form."""
    template = await find_template(
        tx, code=message.code, channel=message.channel, language=message.language, fallbacks=fallbacks
    )
    text = render(template, variables)
    return replace(
        message,
        template_version=template.version,
        language=template.key.language,
        address=check_address(message.channel, message.address),
        subject=text.subject,
        body=text.body,
    )


def _placed(message: Message, now: datetime) -> Message:
    """Return ``message`` in its first state."""
    if message.reason is not Reason.NONE:
        return replace(message, state=MessageState.SUPPRESSED, closed_at=now)
    at = earliest(message, quiet_hours_of(message.country), zone(message.zone), now)
    state = MessageState.QUEUED if at == now else MessageState.WAITING_QUIET_HOURS
    return replace(message, state=state, not_before=at)


async def _follow(tx: Tx, message: Message, now: datetime) -> None:
    if message.state.waits:
        await wake_at(tx, at=message.not_before, now=now)
    else:
        await eventbus.publish(tx, message_moved(message, tenant_id=tx.tenant_id, at=now))


async def wake_at(tx: Tx, *, at: datetime, now: datetime) -> None:
    """Let a worker hand over what is due shortly after ``at``. Messages of one bucket share the job."""
    seconds = int((at - datetime(2000, 1, 1, tzinfo=UTC)) / timedelta(seconds=1))
    bucket = (seconds // BUCKET_S + 1) * BUCKET_S
    run_at = datetime(2000, 1, 1, tzinfo=UTC) + timedelta(seconds=bucket)
    await jobs.enqueue(
        tx=tx, kind=DELIVER, key=f"deliver@{run_at.isoformat()}", payload={}, run_at=run_at, now=now
    )
