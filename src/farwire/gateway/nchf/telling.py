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
from farwire.gateway.nchf.callbacks import check_callback, is_address, may_call
from farwire.gateway.nchf.problems import Problem
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
        headers = {"content-type": "application/json", **await self._bearer.headers()}
        uri = found.uri
        try:
            async with asyncio.timeout(ANSWERED_S):  # of all: a consumer may drip its answer
                for _ in range(_REDIRECTS_MOST + 1):
                    address = await _address_of(uri, consumer)
                    if address is None:
                        return Outcome.NEVER
                    status, location = await self._sent(uri, address, found.body, headers)
                    if status not in (307, 308):
                        return OUTCOMES.get(status, Outcome.NEVER)
                    uri = urljoin(uri, location)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:  # TimeoutError is one
            _log.info("a consumer did not answer", consumer=consumer.name, error=type(error).__name__)
            return Outcome.AGAIN
        return Outcome.NEVER

    async def _sent(self, uri: str, address: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, str]:
        """Post to an address under the name of a URI; return status and Location. What else comes is not read."""
        url = httpx.URL(uri)
        request = self._client.build_request(
            "POST",
            url.copy_with(host=address),
            content=body,
            headers={**headers, "host": url.netloc.decode()},
            timeout=ANSWERED_S,
            extensions={"sni_hostname": url.host},
        )
        answer = await self._client.send(request, stream=True)
        await answer.aclose()
        return answer.status_code, answer.headers.get("location", "")


async def _address_of(uri: str, consumer: Consumer) -> str | None:
    """Return the address to call, or None where one of those behind a name may not be called. Raises ``OSError``.

    The name is not looked up again after it: its owner could answer with another address.
    """
    try:
        check_callback(uri, consumer)
    except Problem:
        return None
    parts = urlsplit(uri)
    host = parts.hostname or ""
    found = [host] if is_address(host) else await _look_up(host, parts.port or 80)
    if not found:
        raise OSError("the name has no address")
    return found[0] if all(may_call(consumer, one) for one in found) else None


async def _look_up(host: str, port: int) -> list[str]:
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[0]) for *_, address in found]
