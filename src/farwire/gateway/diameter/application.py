"""Credit control as a service: whose request it is is found, charging is asked, and its answer goes back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from farwire.base.clock import Clock
from farwire.charging.service.subscribers import Subscriber
from farwire.gateway.asking import Asking
from farwire.gateway.diameter.answering import answer, missing, refusal
from farwire.gateway.diameter.codec import (
    RETRANSMITTED,
    Avps,
    Message,
    Refusal,
    encode_avp,
    number_of,
    text_of,
)
from farwire.gateway.diameter.credit_control.answers import event_answer, head, session_answer
from farwire.gateway.diameter.credit_control.requests import (
    EVENT,
    CreditControl,
    event_requests,
    read_ccr,
    session_request,
)
from farwire.gateway.diameter.dictionary import Result, key_of
from farwire.gateway.diameter.peer import CREDIT_CONTROL, Connection, us
from farwire.gateway.diameter.profiles import Node, Peer
from farwire.gateway.diameter.results import result_of_error
from farwire.gateway.operators import Operator
from farwire.kernel.errors import FarwireError

COMMAND: Final = 272
_HOST: Final = key_of("Destination-Host")
_REALM: Final = key_of("Destination-Realm")
_ORIGIN_HOST: Final = key_of("Origin-Host")
_ORIGIN_REALM: Final = key_of("Origin-Realm")
_TYPE: Final = key_of("CC-Request-Type")
_NUMBER: Final = key_of("CC-Request-Number")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_log = structlog.get_logger(__name__)


class CreditControlServer:
    """The application of a node. It keeps nothing of a charge: a repeat is answered by charging, from its state."""

    def __init__(
        self,
        node: Node,
        *,
        operators: Mapping[str, Operator],
        asking: Asking,
        clock: Clock,
    ) -> None:
        """``operators`` by the short names that profiles have."""
        self._node = node
        self._operators = operators
        self._asking = asking
        self._clock = clock
        self._realms = {one.lower() for one in (node.realm, *node.realms)}

    async def __call__(self, connection: Connection, request: Message) -> Message:
        """Return the answer to a request of an open connection: always one, whatever is wrong with the request."""
        peer = connection.profile
        try:
            if peer is None:
                raise Refusal(Result.UNKNOWN_PEER, "the peer has not said who it is")
            self._check_route(request, peer)
            result, content = await self._charge(request, peer)
        except FarwireError as error:
            return self._refused(connection, request, error)
        return answer(us(self._node), request, result, content)

    def _refused(self, connection: Connection, request: Message, error: FarwireError) -> Message:
        """Return the refusal of a request; who looks for the reason finds it in the log, without personal data."""
        result = result_of_error(error)
        _log.info("diameter request refused", peer=connection.host, result=int(result), reason=error.code)
        told = error if isinstance(error, Refusal) else Refusal(result, error.code)
        found = refusal(us(self._node), request.header, told, request.avps)
        if request.header.command == COMMAND:
            own = head(number_of(request.avps, _TYPE), number_of(request.avps, _NUMBER))
            found.avps.update({key: values for key, values in own.items() if key not in found.avps})
        return found

    def _check_route(self, request: Message, peer: Peer) -> None:
        """Refuse what is not for us, not our application, or not to be understood. Source: RFC 6733 §6.1.4, §4.1."""
        header, avps = request.header, request.avps
        if header.application != CREDIT_CONTROL:
            raise Refusal(Result.APPLICATION_UNSUPPORTED, "this node speaks credit control only")
        if header.command != COMMAND:
            raise Refusal(Result.COMMAND_UNSUPPORTED, "this command is none of a credit-control server")
        host, realm = text_of(avps, _HOST), text_of(avps, _REALM)
        if host is not None and host.lower() != self._node.identity.lower():
            raise Refusal(Result.UNABLE_TO_DELIVER, "Destination-Host is another node")
        if realm is None:
            raise missing("Destination-Realm", encode_avp(_REALM, ""))
        if realm.lower() not in self._realms:
            raise Refusal(Result.REALM_NOT_SERVED, "Destination-Realm is not served here")
        for key, name in ((_ORIGIN_HOST, "Origin-Host"), (_ORIGIN_REALM, "Origin-Realm")):
            if not text_of(avps, key):
                raise missing(name, encode_avp(key, ""))
        if request.unsupported and peer.unknown_avps == "refuse":
            raise Refusal(Result.AVP_UNSUPPORTED, "an AVP is unknown here", failed=request.unsupported)

    async def _charge(self, request: Message, peer: Peer) -> tuple[Result, Avps]:
        ccr = read_ccr(request.avps, peer)
        operator = self._operators[peer.tenant]
        subscriber = await self._asking.subscriber(operator, ccr.identities)
        if request.header.flags & RETRANSMITTED:
            _log.info("diameter request repeated", session=ccr.session_id[:200], number=ccr.number)
        if ccr.type == EVENT:
            return await self._event(ccr, subscriber, peer)
        asked = session_request(ccr, subscriber.number, subscriber.currency)
        given = await self._asking.ask(operator, ccr.identities, subscriber, asked)
        now = (self._clock.now() - _EPOCH) // _MICROSECOND
        return session_answer(ccr, given, peer, now, subscriber.currency)

    async def _event(self, ccr: CreditControl, subscriber: Subscriber, peer: Peer) -> tuple[Result, Avps]:
        asked = event_requests(ccr, subscriber.number, subscriber.currency)
        operator = self._operators[peer.tenant]
        given = [await self._asking.ask(operator, ccr.identities, subscriber, one) for one in asked]
        return event_answer(ccr, asked, given, peer, subscriber.currency)
