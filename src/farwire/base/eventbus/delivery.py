"""How the relay decides: retry policy, what is set aside, which positions are safe to read. Pure."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from farwire.base.eventbus.model import Event
from farwire.kernel.errors import Exhausted, Invalid
from farwire.kernel.ids import EventId, TenantId

Handler = Callable[[Event], Awaitable[None]]
"""What a subscriber does with an event. It may see an event again, so it must be idempotent by ``event.id``."""

_NAME: Final = re.compile(r"[a-z][a-z0-9_.-]{0,62}")


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How often a failing event is tried, and how long the relay waits before each further attempt."""

    max_attempts: int = 20
    first_delay: timedelta = timedelta(seconds=1)
    longest_delay: timedelta = timedelta(minutes=5)

    def delay_after(self, attempts: int) -> timedelta:
        """Return the wait after ``attempts`` failures: doubling, up to the longest delay."""
        if attempts >= 30:  # a further doubling would leave what a timedelta can hold
            return self.longest_delay
        doublings: int = 2 ** max(attempts - 1, 0)
        return min(self.first_delay * doublings, self.longest_delay)


@dataclass(frozen=True, slots=True)
class Subscriber:
    """A named receiver of events. ``types`` are whole event types or prefixes ending in ``*``.

    The name is its identity in the database: renaming it makes a new subscriber. ``from_start`` says whether a new one
    begins with the oldest event that is kept, or with what is published from now on.
    """

    name: str
    handle: Handler
    types: tuple[str, ...] = ("*",)
    from_start: bool = True
    retry: RetryPolicy = RetryPolicy()

    def __post_init__(self) -> None:
        if _NAME.fullmatch(self.name) is None:
            raise Invalid(
                "a subscriber's name is lower-case letters, digits, dot, dash and underscore",
                code="eventbus.subscriber_name",
                field="subscriber",
                value=self.name,
            )

    @property
    def exact_types(self) -> list[str]:
        """Return the types given in full."""
        return [t for t in self.types if not t.endswith("*")]

    @property
    def type_prefixes(self) -> list[str]:
        """Return the prefixes, without their star."""
        return [t[:-1] for t in self.types if t.endswith("*")]


class DeliveryState(StrEnum):
    """What an event that was set aside waits for."""

    WAITING = "waiting"
    """Its next attempt, or the events of its subject before it."""
    PARKED = "parked"
    """A person: its attempts are used up (``farwire events retry`` or ``discard``)."""


class BacklogFull(Exhausted):
    """A subscriber has too many events set aside; it stands still until some are handled or discarded."""

    default_code = "eventbus.backlog_full"


@dataclass(frozen=True, slots=True)
class Positioned:
    """An event with its place in the outbox."""

    position: int
    event: Event

    @property
    def subject_key(self) -> tuple[TenantId, str]:
        """Return what order is kept for: the subject within its tenant."""
        return self.event.tenant_id, self.event.subject


@dataclass(frozen=True, slots=True)
class SetAside:
    """An event that one subscriber could not take yet, with the attempts made on it."""

    tenant_id: TenantId
    position: int
    subject: str
    state: DeliveryState
    attempts: int
    next_attempt_at: datetime
    error: str
    set_aside_at: datetime


@dataclass(frozen=True, slots=True)
class Parked:
    """A parked event as a person sees it."""

    subscriber: str
    position: int
    tenant_id: TenantId
    event_id: EventId
    type: str
    subject: str
    attempts: int
    error: str
    set_aside_at: datetime
    waiting_behind: int
    """How many later events of the same subject wait for it."""


@dataclass(frozen=True, slots=True)
class SubscriberState:
    """How far a subscriber has come."""

    name: str
    position: int
    behind: int
    """Positions between it and the last published one, at most: not every position is an event for it."""
    waiting: int
    parked: int
    updated_at: datetime


def after_failure(
    item: Positioned, *, attempts: int, error: str, now: datetime, set_aside_at: datetime, retry: RetryPolicy
) -> SetAside:
    """Return the event as set aside after its ``attempts``-th failure: for a next attempt, or parked."""
    spent = attempts >= retry.max_attempts
    return SetAside(
        item.event.tenant_id,
        item.position,
        item.event.subject,
        DeliveryState.PARKED if spent else DeliveryState.WAITING,
        attempts,
        now if spent else now + retry.delay_after(attempts),
        error,
        set_aside_at,
    )


def behind_another(item: Positioned, *, now: datetime) -> SetAside:
    """Return the event as set aside untried, because an earlier event of its subject is."""
    return SetAside(
        item.event.tenant_id, item.position, item.event.subject, DeliveryState.WAITING, 0, now, "", now
    )


@dataclass(frozen=True, slots=True)
class Fence:
    """Every position up to ``position`` was taken by a transaction with an id below ``transaction``."""

    position: int
    transaction: int


@dataclass(slots=True)
class Horizon:
    """Up to which position every event is visible that ever will be.

    A position is final once all transactions that can have taken one up to it have ended. A fence is (last position
    taken, a transaction id assigned *after* reading it): whoever took a position up to the fence had its transaction
    id before, hence a smaller one. When the oldest running transaction is not older than the fence, all of those have
    ended.
    """

    safe: int = 0
    fence: Fence | None = None

    def oldest_running(self, transaction: int) -> None:
        """Learn that no transaction with an id below ``transaction`` is running."""
        if self.fence is not None and transaction >= self.fence.transaction:
            self.safe = max(self.safe, self.fence.position)
            self.fence = None

    def wants_fence(self, last_position: int) -> bool:
        """Return whether a new fence at ``last_position`` is worth a transaction id."""
        return self.fence is None and last_position > self.safe
