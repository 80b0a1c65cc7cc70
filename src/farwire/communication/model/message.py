"""Messages: their states, what is checked before one is queued, when one is tried again. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from farwire.kernel.errors import Conflict, Invalid
from farwire.kernel.ids import EventId, MessageId, PartyId

MAX_KEY_CHARACTERS: Final = 200
MAX_ADDRESS_CHARACTERS: Final = 500
MAX_ATTEMPTS: Final = 8
FIRST_DELAY: Final = timedelta(seconds=30)
LONGEST_DELAY: Final = timedelta(hours=1)
_EMAIL: Final = re.compile(r"[^\s@,;<>\"\x00-\x1f\x7f]{1,64}@[^\s@,;<>\"\x00-\x1f\x7f]{1,190}")
_E164: Final = re.compile(r"\+?[1-9][0-9]{6,14}")


class Channel(StrEnum):
    """How a message travels."""

    EMAIL = "email"
    SMS = "sms"
    PUSH = "push"
    LETTER = "letter"


class Purpose(StrEnum):
    """Why a message is sent."""

    TRANSACTIONAL = "transactional"
    """The contract or the law asks for it: a bill, an order, a used-up allowance. It leaves unless it is withdrawn."""
    MARKETING = "marketing"
    """It leaves only with consent."""


class Priority(StrEnum):
    """How soon a message has to be there."""

    URGENT = "urgent"
    """At once, also at night."""
    NORMAL = "normal"
    LOW = "low"
    """After all others."""

    @property
    def rank(self) -> int:
        """Return 0 for what goes first."""
        return list(Priority).index(self)


class MessageState(StrEnum):
    """Where a message is."""

    QUEUED = "queued"
    WAITING_QUIET_HOURS = "waiting_quiet_hours"
    SENT = "sent"
    """A gateway took it; whether it arrived is not known yet."""
    DELIVERED = "delivered"
    FAILED = "failed"
    """Its attempts are used up, the gateway refused it, or a receipt says that it did not arrive."""
    SUPPRESSED = "suppressed"
    """It was never to leave: no consent, no address, or the party was erased."""

    @property
    def waits(self) -> bool:
        """Return whether the message is still to be handed over."""
        return self in (MessageState.QUEUED, MessageState.WAITING_QUIET_HOURS)


class Reason(StrEnum):
    """Why a message was suppressed."""

    NONE = ""
    NO_CONSENT = "no_consent"
    NO_ADDRESS = "no_address"
    PARTY_ERASED = "party_erased"


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one party over one channel, with its text as it was rendered.

    ``key`` is unique within the tenant: the same key is the same message. ``not_before`` is the earliest hand-over;
    ``attempts`` counts hand-overs that were begun. ``zone`` and ``country`` are the receiver's, for quiet hours.
    ``address``, ``subject`` and ``body`` are personal data and blank once ``erased_at`` is set.
    """

    id: MessageId
    key: str
    party_id: PartyId
    code: str
    template_version: int
    language: str
    channel: Channel
    purpose: Purpose
    priority: Priority
    state: MessageState
    address: str
    subject: str
    body: str
    zone: str
    country: str
    created_at: datetime
    not_before: datetime
    reason: Reason = Reason.NONE
    attempts: int = 0
    reference: str = ""
    error: str = ""
    sent_at: datetime | None = None
    closed_at: datetime | None = None
    erased_at: datetime | None = None
    cause_id: EventId | None = None


class ReceiptState(StrEnum):
    """What a gateway says about a message that it took."""

    DELIVERED = "delivered"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Receipt:
    """What a gateway reported. ``key`` is the gateway's own name of the report: the same key is the same report.

    ``at`` is when it happened there, ``received_at`` when it came here; reports come late and in any order.
    """

    message_id: MessageId
    key: str
    state: ReceiptState
    at: datetime
    received_at: datetime
    error: str = ""


def check_key(key: str) -> str:
    """Return ``key`` if it can name a message. Raises ``Invalid`` (``communication.key``)."""
    if 1 <= len(key) <= MAX_KEY_CHARACTERS and key.isprintable():
        return key
    raise Invalid(
        f"a key has 1 to {MAX_KEY_CHARACTERS} characters", code="communication.key", field="key", value=key
    )


def check_address(channel: Channel, address: str) -> str:
    """Return the address as it is used on ``channel``; blank stays blank.

    An address of email, a number in E.164 (with or without +), a device token, or the lines of a letter. Raises
    ``Invalid`` (``communication.address``) for what cannot be one: nothing in it may reach a gateway as a second
    address or a header.
    """
    text = address.strip()
    if channel is Channel.LETTER:
        lines = [" ".join(line.split()) for line in text.splitlines()]
        text = "\n".join(line for line in lines if line)
        good = all(line.isprintable() for line in text.split("\n"))
    elif channel is Channel.EMAIL:
        good = _EMAIL.fullmatch(text) is not None
    elif channel is Channel.SMS:
        text = re.sub(r"[ ()/.\-]", "", text)
        good = _E164.fullmatch(text) is not None
    else:
        good = text.isprintable() and " " not in text
    if text and not (good and len(text) <= MAX_ADDRESS_CHARACTERS):
        # The value stays out of the error: errors are logged, and an address is personal data.
        raise Invalid(
            f"this is no address for {channel}",
            code="communication.address",
            field="address",
            fix="give an email address, a number in E.164, a device token, or the lines of a letter",
        )
    return text


def suppression(purpose: Purpose, address: str, *, allowed: bool | None) -> Reason:
    """Return why a message must not leave, or ``NONE``. ``allowed`` is what the party said, None without a word."""
    silent_means_yes = purpose is Purpose.TRANSACTIONAL
    if not (silent_means_yes if allowed is None else allowed):
        return Reason.NO_CONSENT
    return Reason.NONE if address else Reason.NO_ADDRESS


def delay_after(attempts: int) -> timedelta:
    """Return how long a message rests after ``attempts`` failed ones: 30 s doubling, up to an hour."""
    doublings: int = 2 ** min(max(attempts - 1, 0), 30)
    return min(FIRST_DELAY * doublings, LONGEST_DELAY)


def accepted(message: Message, reference: str, now: datetime) -> Message:
    """Return ``message`` after a gateway took it. A receipt that was faster is not overwritten."""
    if message.state is MessageState.SUPPRESSED:
        return message
    known = message.state in (MessageState.DELIVERED, MessageState.FAILED)
    state = message.state if known else MessageState.SENT
    return replace(
        message, state=state, reference=reference, error=message.error if known else "", sent_at=now
    )


def not_accepted(message: Message, error: str, now: datetime, *, final: bool) -> Message:
    """Return ``message`` after a hand-over failed: it waits for the next attempt, or has failed for good."""
    if not message.state.waits:
        return message
    if final or message.attempts >= MAX_ATTEMPTS:
        return replace(message, state=MessageState.FAILED, error=error, closed_at=now)
    return replace(
        message, state=MessageState.QUEUED, error=error, not_before=now + delay_after(message.attempts)
    )


def received(message: Message, receipt: Receipt) -> Message:
    """Return ``message`` after ``receipt``, whatever came before it.

    Delivered is final: a failure that arrives later is an older one. A failure gives way to a delivery. Raises
    ``Conflict`` (``communication.not_sent``) for a message that no gateway can have had.
    """
    if message.state is MessageState.SUPPRESSED or message.attempts == 0:
        raise Conflict(
            "the message was never handed over",
            code="communication.not_sent",
            field="state",
            value=message.state,
        )
    if message.state is MessageState.DELIVERED:
        return message
    if receipt.state is ReceiptState.DELIVERED:
        return replace(message, state=MessageState.DELIVERED, error="", closed_at=receipt.at)
    return replace(message, state=MessageState.FAILED, error=receipt.error, closed_at=receipt.at)


def withdrawn(message: Message, now: datetime) -> Message:
    """Return ``message`` after the party withdrew its consent: what waits never leaves, what has left has left."""
    if not message.state.waits:
        return message
    return replace(message, state=MessageState.SUPPRESSED, reason=Reason.NO_CONSENT, closed_at=now)


def blanked(message: Message, now: datetime, *, erased: bool = False) -> Message:
    """Return ``message`` without personal data. What was still to leave for an erased party is suppressed."""
    if erased and message.state.waits:
        message = replace(message, state=MessageState.SUPPRESSED, reason=Reason.PARTY_ERASED, closed_at=now)
    return replace(message, address="", subject="", body="", error="", erased_at=message.erased_at or now)
