"""Telling clients of changes: Re-Auth-Request, Abort-Session-Request. A client that is told asks for a new quota.

Wishes come from ``gateway/sessions``; one process has each. What a client answers is settled by one table.
Source: RFC 8506 §5.5, RFC 6733 §8.3, §8.5.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol
from zlib import crc32

import structlog

from farwire.base.storage import Database
from farwire.gateway import sessions
from farwire.gateway.diameter.answering import result_in
from farwire.gateway.diameter.codec import Avps, Message, text_of
from farwire.gateway.diameter.dictionary import Result, key_of
from farwire.gateway.diameter.node import Server
from farwire.gateway.diameter.peer import CREDIT_CONTROL, Question
from farwire.gateway.diameter.profiles import Peer
from farwire.gateway.operators import Operator
from farwire.gateway.sessions import Following, Outcome, Reason, SessionBook, Wish

RE_AUTH, ABORT = 258, 274
ANSWERED_MS: Final = 3_000
"""How long an answer is waited for: well within the lease of a wish."""
_SESSION: Final = key_of("Session-Id")
_HOST: Final = key_of("Origin-Host")
_REALM: Final = key_of("Origin-Realm")
_TO_HOST: Final = key_of("Destination-Host")
_TO_REALM: Final = key_of("Destination-Realm")
_AUTH: Final = key_of("Auth-Application-Id")
_RE_AUTH_TYPE: Final = key_of("Re-Auth-Request-Type")
_AUTHORIZE_ONLY: Final = 0
_log = structlog.get_logger(__name__)


OUTCOMES: Final[Mapping[int, Outcome]] = {
    Result.SUCCESS: Outcome.DONE,
    Result.LIMITED_SUCCESS: Outcome.DONE,
    Result.UNKNOWN_SESSION_ID: Outcome.GONE,
    Result.UNABLE_TO_DELIVER: Outcome.AGAIN,
    Result.TOO_BUSY: Outcome.AGAIN,
    Result.UNABLE_TO_COMPLY: Outcome.AGAIN,
}
"""By Result-Code. Another one is no."""
TOLD: Final = frozenset({Reason.TOP_UP, Reason.POLICY, Reason.SUSPENDED, Reason.RESUMED})
"""Of what clients of credit control hear. An exhausted limit needs no word: quotas end within it."""


def address_of(avps: Avps, application: int) -> dict[str, str]:
    """Return what reaches the client of a request again: the request names it, whoever brought it."""
    return {
        "host": text_of(avps, _HOST) or "",
        "realm": text_of(avps, _REALM) or "",
        "application": str(application),
    }


def question_of(wish: Wish, peer: Peer) -> Question | None:
    """Return what a client of credit control is asked for a wish, or None where it need not hear of it."""
    if wish.reason not in TOLD or peer.told == "nothing":
        return None
    command = RE_AUTH
    content: Avps = {**destination(wish), _AUTH: [CREDIT_CONTROL]}
    if peer.told == "abort" and wish.reason is Reason.SUSPENDED:
        command = ABORT
    else:
        content[_RE_AUTH_TYPE] = [_AUTHORIZE_ONLY]
    return Question(
        wish.session.session, CREDIT_CONTROL, command, content, end_to_end(wish), repeated=wish.tries > 1
    )


def destination(wish: Wish) -> Avps:
    """Return where a request goes: to the client itself, by whatever relays."""
    address = wish.session.address
    return {_TO_REALM: [address["realm"]], _TO_HOST: [address["host"]]}


def end_to_end(wish: Wish) -> int:
    """Return the id of the request for a wish: that of its repeats too, whoever sends them."""
    return crc32(f"{wish.session.session}\0{wish.reason}\0{wish.wanted_at.isoformat()}".encode())


def outcome_of(answer: Message | None) -> Outcome:
    """Return what an answer means; none at all is one to ask again."""
    if answer is None:
        return Outcome.AGAIN
    return OUTCOMES.get(result_in(answer), Outcome.NEVER)


class Asks(Protocol):
    """How the clients of one application are told."""

    async def question(self, wish: Wish, peer: Peer) -> Question | None:
        """Return what is asked, or None where there is nothing to tell. Raises ``FarwireError``: tried again."""
        ...

    async def told(self, wish: Wish, question: Question) -> None:
        """Take note that the client has heard it."""
        ...


class CreditControlAsks:
    """Clients of credit control."""

    async def question(self, wish: Wish, peer: Peer) -> Question | None:
        """Return a Re-Auth-Request, or an Abort-Session-Request."""
        return question_of(wish, peer)

    async def told(self, wish: Wish, question: Question) -> None:
        """Keep nothing: the client asks for new quotas, or ends its session."""


class Telling:
    """Tells the clients that this process reaches."""

    def __init__(
        self,
        *,
        db: Database,
        server: Server,
        book: SessionBook,
        operators: Mapping[str, Operator],
        asks: Mapping[int, Asks],
    ) -> None:
        """``asks`` by application; ``operators`` by the short names that profiles have."""
        self._server = server
        self._tenants = {operator.tenant_id: name for name, operator in operators.items()}
        self._asks = asks
        following = Following(
            db=db, protocol=sessions.Protocol.DIAMETER, tenant_ids=self._tenants, peers=lambda: list(server.hosts),
            book=book, tell=self._tell,
        )  # fmt: skip
        self.run = following.run
        self.once = following.once

    async def _tell(self, wish: Wish) -> Outcome:
        one = wish.session
        wire = self._server.way_to(self._tenants[one.tenant_id], (one.peer, one.address["host"]))
        peer = None if wire is None or wire.connection is None else wire.connection.profile
        asks = self._asks.get(int(one.address["application"]))
        if wire is None or peer is None or asks is None:
            return Outcome.AGAIN
        question = await asks.question(wish, peer)
        if question is None:
            return Outcome.DONE
        outcome = outcome_of(await wire.ask(question, ANSWERED_MS))
        if outcome is Outcome.DONE:
            await asks.told(wish, question)
        _log.info(
            "client told of a change",
            peer=one.peer,
            command=question.command,
            reason=wish.reason.value,
            outcome=outcome.name.lower(),
        )
        return outcome
