"""Telling consumers of changes: ChargingNotifyRequest to a notifyUri, SpendingLimitStatus to a policy control.

Wishes come from ``gateway/sessions``; one process has each. What a consumer answers is settled by one table.
Source: TS 32.290 §5.3.2.5, TS 32.291 §5.2.2.5, TS 29.594 §4.2.4, TS 29.500 §6.10.9 (redirects).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Mapping
from typing import Final, Protocol
from urllib.parse import urljoin, urlsplit

import httpx
import msgspec
import structlog

from farwire.base.storage import Database
from farwire.base.telemetry.metrics import counter
from farwire.gateway.nchf.callbacks import check_callback, may_call
from farwire.gateway.nchf.profiles import Consumer, Node
from farwire.gateway.operators import Operator
from farwire.gateway.sessions import Following, Outcome, Reason, SessionBook, Wish
from farwire.gateway.sessions import Protocol as Spoken

ANSWERED_S: Final = 3.0
"""How long an answer is waited for: well within the lease of a wish."""
_REDIRECTS_MOST: Final = 2
_log = structlog.get_logger(__name__)
_TOLD: Final = counter(
    "farwire_nchf_notifications_total",
    "Notifications to network functions by type and outcome.",
    ("type", "outcome"),
)


OUTCOMES: Final[Mapping[int, Outcome]] = {
    200: Outcome.DONE,
    204: Outcome.DONE,
    404: Outcome.GONE,
    408: Outcome.AGAIN,
    410: Outcome.GONE,
    429: Outcome.AGAIN,
    500: Outcome.AGAIN,
    502: Outcome.AGAIN,
    503: Outcome.AGAIN,
    504: Outcome.AGAIN,
}
"""By status. Another one is no."""
TYPES: Final[Mapping[Reason, str]] = {
    Reason.TOP_UP: "REAUTHORIZATION",
    Reason.POLICY: "REAUTHORIZATION",
    Reason.RESUMED: "REAUTHORIZATION",
    Reason.SUSPENDED: "ABORT_CHARGING",
}
"""notificationType for each reason. An exhausted limit needs none: quotas end within it."""


class Notification(msgspec.Struct, frozen=True):
    """What is posted, and where."""

    uri: str
    type: str
    """For the metrics."""
    body: bytes
    note: str = ""
    """For whoever has made it, to be kept once it is told."""


class Asks(Protocol):
    """How the consumers of one service are told."""

    async def notification(self, wish: Wish) -> Notification | None:
        """Return what is posted, or None where there is nothing to tell. Raises ``FarwireError``: tried again."""
        ...

    async def told(self, wish: Wish, notification: Notification) -> None:
        """Take note that the consumer has heard it."""
        ...


class ChargingAsks:
    """Consumers of converged charging."""

    async def notification(self, wish: Wish) -> Notification | None:
        """Return a ChargingNotifyRequest."""
        kind = TYPES.get(wish.reason)
        if kind is None:
            return None
        body = msgspec.json.encode({"notificationType": kind})
        return Notification(wish.session.address["notify"], kind, body)

    async def told(self, wish: Wish, notification: Notification) -> None:
        """Keep nothing: the consumer asks for new quotas, or ends its session."""


class Bearer(Protocol):
    """Whoever has an access token for a network function."""

    async def headers(self) -> Mapping[str, str]:
        """Return the header that brings it, or none. Raises ``Unavailable``."""
        ...


class NoBearer:
    """No token is asked for."""

    async def headers(self) -> Mapping[str, str]:
        """Return no header."""
        return {}


class Telling:
    """Tells the consumers of this process's profiles."""

    def __init__(
        self,
        node: Node,
        *,
        db: Database,
        client: httpx.AsyncClient,
        book: SessionBook,
        operators: Mapping[str, Operator],
        asks: Mapping[str, Asks],
        bearer: Bearer,
    ) -> None:
        """``asks`` by the service that a session's address names; ``operators`` by the names that profiles have."""
        self._client = client
        self._tenants = {operator.tenant_id: name for name, operator in operators.items()}
        self._consumers = {(one.tenant, one.name): one for one in node.consumers}
        self._asks = asks
        self._bearer = bearer
        names = {one.name for one in node.consumers}
        following = Following(
            db=db,
            protocol=Spoken.NCHF,
            tenant_ids=self._tenants,
            peers=lambda: names,
            book=book,
            tell=self._tell,
        )
        self.run = following.run
        self.once = following.once

    async def _tell(self, wish: Wish) -> Outcome:
        one = wish.session
        consumer = self._consumers.get((self._tenants[one.tenant_id], one.peer))
        asks = self._asks.get(one.address.get("service", ""))
        if consumer is None or asks is None:
            return Outcome.AGAIN
        found = await asks.notification(wish)
        if found is None:
            return Outcome.DONE
        outcome = await self._post(found, consumer)
        if outcome is Outcome.DONE:
            await asks.told(wish, found)
        _TOLD.inc(type=found.type, outcome=outcome.name.lower())
        _log.info(
            "consumer told of a change", consumer=one.peer, type=found.type, reason=wish.reason.value,
            outcome=outcome.name.lower(),
        )  # fmt: skip
        return outcome

    async def _post(self, found: Notification, consumer: Consumer) -> Outcome:
        """Post it, also where a redirect within the consumer's networks leads."""
        uri = found.uri
        headers = {"content-type": "application/json", **await self._bearer.headers()}
        for _ in range(_REDIRECTS_MOST + 1):
            check_callback(uri, consumer)
            if not await _leads_within(uri, consumer):
                return Outcome.NEVER
            try:
                answer = await self._client.post(uri, content=found.body, headers=headers, timeout=ANSWERED_S)
            except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
                _log.info("a consumer did not answer", consumer=consumer.name, error=type(error).__name__)
                return Outcome.AGAIN
            if answer.status_code not in (307, 308):
                return OUTCOMES.get(answer.status_code, Outcome.NEVER)
            uri = urljoin(uri, answer.headers.get("location", ""))
        return Outcome.NEVER


async def _leads_within(uri: str, consumer: Consumer) -> bool:
    """Tell whether every address of a name is one that may be called."""
    parts = urlsplit(uri)
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            parts.hostname, parts.port or 80, type=socket.SOCK_STREAM
        )
    except OSError:
        return True  # nobody is there: the post will say so, and is tried again
    return all(may_call(consumer, str(address[0])) for *_, address in found)
