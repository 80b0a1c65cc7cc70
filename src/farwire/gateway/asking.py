"""Asking charging for a subscriber of an operator: what every protocol does alike."""

from __future__ import annotations

import asyncio
from typing import Final

from farwire.base.clock import Clock, SystemClock
from farwire.charging.model import (
    EMERGENCY_KINDS,
    Answer,
    EventRequest,
    ResultCode,
    SessionRequest,
    free_answer,
)
from farwire.charging.model.pricing import microseconds
from farwire.charging.service import Client, Identity
from farwire.charging.service.subscribers import Subscriber
from farwire.gateway.operators import Operator
from farwire.gateway.subscribers import Subscribers
from farwire.kernel.errors import Unavailable

ASKED_MS: Final = 4_000
"""How long a shard is asked, repeats included: clients wait longer (Diameter: 10 s), then turn elsewhere."""
EMERGENCY_MS: Final = 500
"""How long a shard is asked for an emergency call. It is granted whatever comes of it."""
NOBODY: Final = 0
"""The account that is asked for when nobody knows the subscriber: an emergency call is granted to anybody."""


class Asking:
    """Knows who is who, and asks the shards. It keeps nothing of a charge."""

    def __init__(self, *, subscribers: Subscribers, client: Client, clock: Clock | None = None) -> None:
        self._subscribers = subscribers
        self._client = client
        self._clock = clock or SystemClock()

    async def subscriber(self, operator: Operator, identities: tuple[Identity, ...]) -> Subscriber:
        """Return the account of the first identity that the operator knows, or ``NOBODY``."""
        found = await self._subscribers.find(operator.tenant_id, identities)
        return Subscriber(NOBODY, operator.number, "") if found is None else found

    async def ask(
        self,
        operator: Operator,
        identities: tuple[Identity, ...],
        subscriber: Subscriber,
        request: SessionRequest | EventRequest,
    ) -> Answer:
        """Return the answer of the subscriber's shard. Raises ``Unavailable`` (``charging.no_answer``).

        An account that its shard does not know is looked up anew the next time. An emergency call is granted also
        while no shard answers.
        """
        if request.service.kind in EMERGENCY_KINDS and operator.is_emergency(request.service.destination):
            return await self._ask_for_help(subscriber, request)
        given = await self._client.ask(subscriber.tenant_number, request)
        if given.result == ResultCode.UNKNOWN_USER and subscriber.number != NOBODY:
            self._subscribers.forget(operator.tenant_id, identities)
        return given

    async def _ask_for_help(self, subscriber: Subscriber, request: SessionRequest | EventRequest) -> Answer:
        try:
            async with asyncio.timeout(EMERGENCY_MS / 1_000):
                return await self._client.ask(subscriber.tenant_number, request)
        except (Unavailable, TimeoutError):
            return free_answer(request, microseconds(self._clock.now()))
