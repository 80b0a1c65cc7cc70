"""Asking charging for a subscriber of an operator: what every protocol does alike."""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from farwire.base.clock import Clock, SystemClock
from farwire.charging.model import (
    EMERGENCY_KINDS,
    Answer,
    EventRequest,
    ResultCode,
    Service,
    SessionRequest,
    free_answer,
)
from farwire.charging.model.pricing import microseconds
from farwire.charging.service import Client, Identity
from farwire.charging.service.subscribers import Subscriber
from farwire.gateway.operators import Operator
from farwire.gateway.subscribers import Subscribers
from farwire.kernel.errors import FarwireError

ASKED_MS: Final = 4_000
"""How long a shard is asked, repeats included: clients wait longer (Diameter: 10 s), then turn elsewhere."""
EMERGENCY_MS: Final = 500
"""How long the database, then a shard, is asked for an emergency call. It is granted whatever comes of it."""
NOBODY: Final = 0
"""The account that is asked for when nobody knows the subscriber: an emergency call is granted to anybody."""
_log = structlog.get_logger(__name__)


class Asking:
    """Knows who is who, and asks the shards. It keeps nothing of a charge."""

    def __init__(self, *, subscribers: Subscribers, client: Client, clock: Clock | None = None) -> None:
        self._subscribers = subscribers
        self._client = client
        self._clock = clock or SystemClock()

    async def subscriber(
        self, operator: Operator, identities: tuple[Identity, ...], service: Service | None = None
    ) -> Subscriber:
        """Return the account of the first identity that the operator knows, or ``NOBODY``.

        Nobody makes an emergency call (``service``) while the database does not answer.
        """
        if service is None or not _is_emergency(operator, service):
            found = await self._subscribers.find(operator.tenant_id, identities)
        else:
            try:
                async with asyncio.timeout(EMERGENCY_MS / 1_000):
                    found = await self._subscribers.find(operator.tenant_id, identities)
            except (FarwireError, TimeoutError) as error:
                _log.warning(
                    "emergency call of an unknown caller", tenant=operator.number, reason=repr(error)
                )
                found = None
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
        if _is_emergency(operator, request.service):
            return await self._ask_for_help(subscriber, request)
        given = await self._client.ask(subscriber.tenant_number, request)
        if given.result == ResultCode.UNKNOWN_USER and subscriber.number != NOBODY:
            self._subscribers.forget(operator.tenant_id, identities)
        return given

    async def _ask_for_help(self, subscriber: Subscriber, request: SessionRequest | EventRequest) -> Answer:
        try:
            async with asyncio.timeout(EMERGENCY_MS / 1_000):
                return await self._client.ask(subscriber.tenant_number, request)
        except (FarwireError, TimeoutError) as error:
            _log.warning(
                "emergency call granted without charging", tenant=subscriber.tenant_number, reason=repr(error)
            )
            return free_answer(request, microseconds(self._clock.now()))


def _is_emergency(operator: Operator, service: Service) -> bool:
    return service.kind in EMERGENCY_KINDS and operator.is_emergency(service.destination)
