"""The facts that communication publishes. They name the party by its id and carry neither address nor text."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from farwire.base.eventbus.model import Event, new_event
from farwire.communication.model import Message, MessageState
from farwire.kernel.errors import check
from farwire.kernel.ids import TenantId

MESSAGE_SENT: Final = "farwire.communication.message_sent.v1"
MESSAGE_DELIVERED: Final = "farwire.communication.message_delivered.v1"
MESSAGE_FAILED: Final = "farwire.communication.message_failed.v1"
MESSAGE_SUPPRESSED: Final = "farwire.communication.message_suppressed.v1"
_TYPES: Final = {
    MessageState.SENT: MESSAGE_SENT,
    MessageState.DELIVERED: MESSAGE_DELIVERED,
    MessageState.FAILED: MESSAGE_FAILED,
    MessageState.SUPPRESSED: MESSAGE_SUPPRESSED,
}


def message_moved(message: Message, *, tenant_id: TenantId, at: datetime) -> Event:
    """Return the fact that ``message`` came into the state that it has: sent, delivered, failed or suppressed."""
    check(message.state in _TYPES, "communication.no_fact", "a message that waits is no fact")
    return new_event(
        tenant_id=tenant_id,
        type=_TYPES[message.state],
        subject=str(message.id),
        occurred_at=at,
        recorded_at=at,
        data={
            "message_id": str(message.id),
            "party_id": str(message.party_id),
            "code": message.code,
            "channel": message.channel.value,
            "reason": message.reason.value,
        },
        cause_id=message.cause_id,
    )
