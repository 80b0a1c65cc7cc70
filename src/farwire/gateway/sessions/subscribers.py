"""Follow charging: when an account changes, the elements of its live sessions are to be told."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from farwire.base.clock import Clock
from farwire.base.eventbus import Event
from farwire.base.eventbus.delivery import Subscriber
from farwire.base.storage import Database
from farwire.charging.events import (
    ACCOUNT_ACTIVATED,
    ACCOUNT_BARRED,
    ACCOUNT_CLOSED,
    ACCOUNT_EXPIRED,
    ACCOUNT_UNBARRED,
    BALANCE_CREDITED,
    GRACE_BEGUN,
    LIMIT_CHANGED,
    LIMIT_USED,
)
from farwire.gateway.sessions.model import Reason
from farwire.gateway.sessions.service import wish_for_account

NAME: Final = "gateway-sessions"
REASONS: Final[Mapping[str, Reason]] = MappingProxyType(
    {
        BALANCE_CREDITED: Reason.TOP_UP,
        LIMIT_CHANGED: Reason.POLICY,
        LIMIT_USED: Reason.COUNTER,
        ACCOUNT_BARRED: Reason.SUSPENDED,
        GRACE_BEGUN: Reason.SUSPENDED,
        ACCOUNT_EXPIRED: Reason.SUSPENDED,
        ACCOUNT_CLOSED: Reason.SUSPENDED,
        ACCOUNT_UNBARRED: Reason.RESUMED,
        ACCOUNT_ACTIVATED: Reason.RESUMED,
    }
)
"""Why elements are told of each type of event."""


def subscribers(*, db: Database, clock: Clock) -> tuple[Subscriber, ...]:  # noqa: ARG001 - times are the database's
    """Return what turns events of charging into wishes. What happened before it began, elements have heard by now."""

    async def handle(event: Event) -> None:
        async with db.transaction(event.tenant_id) as tx:
            await wish_for_account(tx, account=int(str(event.data["account"])), reason=reason_of(event))

    return (Subscriber(NAME, handle, types=tuple(REASONS), from_start=False),)


def reason_of(event: Event) -> Reason:
    """Return why elements are told of an event."""
    if event.type == LIMIT_USED and event.data["percent"] == 100:
        return Reason.EXHAUSTED
    return REASONS[event.type]
