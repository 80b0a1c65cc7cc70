"""Credit control as a service: whose request it is is found, charging is asked, and its answer goes back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from farwire.base.clock import Clock
from farwire.charging.model.pricing import microseconds
from farwire.charging.service.subscribers import Subscriber
from farwire.gateway.asking import NOBODY, Asking
from farwire.gateway.diameter.codec import Avps, Message, number_of
from farwire.gateway.diameter.credit_control.answers import event_answer, head, session_answer
from farwire.gateway.diameter.credit_control.requests import (
    EVENT,
    INITIAL,
    TERMINATION,
    CreditControl,
    event_requests,
    read_ccr,
    session_request,
)
from farwire.gateway.diameter.dictionary import Result, key_of
from farwire.gateway.diameter.peer import CREDIT_CONTROL
from farwire.gateway.diameter.profiles import Peer
from farwire.gateway.diameter.telling import address_of
from farwire.gateway.operators import Operator
from farwire.gateway.sessions import LiveSession, Protocol, SessionBook

COMMAND: Final = 272
_TYPE: Final = key_of("CC-Request-Type")
_NUMBER: Final = key_of("CC-Request-Number")
_UNDECIDED: Final = frozenset({Result.TOO_BUSY, Result.UNABLE_TO_COMPLY})
"""Results that end no session: it may be asked again, or was asked before."""


class CreditControlServer:
    """Answers CCR. It keeps nothing of a charge: a repeat is answered by charging, from its state."""

    def __init__(
        self,
        *,
        operators: Mapping[str, Operator],
        asking: Asking,
        clock: Clock,
        book: SessionBook | None = None,
    ) -> None:
        """``operators`` by the short names that profiles have; without a ``book`` no client is told of changes."""
        self._operators = operators
        self._asking = asking
        self._clock = clock
        self._book = book

    def head(self, avps: Avps) -> Avps:
        """Return what every CCA has."""
        return head(number_of(avps, _TYPE), number_of(avps, _NUMBER))

    async def answer(self, request: Message, peer: Peer, host: str) -> tuple[Result, Avps]:
        """Return the answer of charging. Raises ``Refusal``, ``Unavailable`` (``charging.no_answer``)."""
        ccr = read_ccr(request.avps, peer)
        operator = self._operators[peer.tenant]
        subscriber = await self._asking.subscriber(operator, ccr.identities, ccr.service)
        if ccr.type == EVENT:
            return await self._event(ccr, subscriber, peer)
        if not ccr.identities and ccr.type != INITIAL:
            subscriber = await self._of_session(operator, ccr.session_id, subscriber)
        asked = session_request(ccr, subscriber.number, subscriber.currency)
        given = await self._asking.ask(operator, ccr.identities, subscriber, asked)
        now = microseconds(self._clock.now())
        result, content = session_answer(ccr, given, peer, now, subscriber.currency)
        if self._book is not None and subscriber.number != NOBODY:
            address = address_of(request.avps, CREDIT_CONTROL)
            one = LiveSession(
                *(operator.tenant_id, Protocol.DIAMETER, ccr.session_id, subscriber.number, host, address)
            )
            ended = ccr.type == TERMINATION or result != Result.SUCCESS
            one_of_several = ended and ccr.name != ccr.session_id  # its client has the others yet
            if result not in _UNDECIDED and not one_of_several:
                _note(self._book, one, ended=ended)
        return result, content

    async def _of_session(self, operator: Operator, session: str, otherwise: Subscriber) -> Subscriber:
        """Return whose session it is, where a later message does not say it again. Source: RFC 8506 §3.1."""
        if self._book is None:
            return otherwise
        account = await self._book.account_of(operator.tenant_id, Protocol.DIAMETER, session)
        return otherwise if account is None else Subscriber(account, operator.number, "")

    async def _event(self, ccr: CreditControl, subscriber: Subscriber, peer: Peer) -> tuple[Result, Avps]:
        asked = event_requests(ccr, subscriber.number, subscriber.currency)
        operator = self._operators[peer.tenant]
        given = [await self._asking.ask(operator, ccr.identities, subscriber, one) for one in asked]
        return event_answer(ccr, asked, given, peer, subscriber.currency)


def _note(book: SessionBook, one: LiveSession, *, ended: bool) -> None:
    """Keep a session while its client has it: one that is refused as a whole has ended for the client."""
    if ended:
        book.closed(one.tenant_id, one.protocol, one.session)
    else:
        book.opened(one)
