"""Asking charging for a subscriber of an operator: what every protocol does alike."""

from __future__ import annotations

from typing import Final

from farwire.charging.model import Answer, EventRequest, ResultCode, SessionRequest
from farwire.charging.service import Client, Identity
from farwire.charging.service.subscribers import Subscriber
from farwire.gateway.operators import Operator
from farwire.gateway.subscribers import Subscribers

ASKED_MS: Final = 4_000
"""How long a shard is asked, repeats included: clients wait longer (Diameter: 10 s), then turn elsewhere."""
NOBODY: Final = 0
"""The account that is asked for when nobody knows the subscriber: an emergency call is granted to anybody."""


class Asking:
    """Knows who is who, and asks the shards. It keeps nothing of a charge."""

    def __init__(self, *, subscribers: Subscribers, client: Client) -> None:
        self._subscribers = subscribers
        self._client = client

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

        An account that its shard does not know is looked up anew the next time.
        """
        given = await self._client.ask(subscriber.tenant_number, request)
        if given.result == ResultCode.UNKNOWN_USER and subscriber.number != NOBODY:
            self._subscribers.forget(operator.tenant_id, identities)
        return given
