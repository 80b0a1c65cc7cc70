"""Requests of open connections: each goes to the service of its application, and always has an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

import structlog

from farwire.gateway.diameter.answering import answer, missing, refusal
from farwire.gateway.diameter.codec import RETRANSMITTED, Avps, Message, Refusal, encode_avp, text_of
from farwire.gateway.diameter.dictionary import Result, key_of
from farwire.gateway.diameter.peer import Connection, us
from farwire.gateway.diameter.profiles import Node, Peer
from farwire.gateway.diameter.results import result_of_error
from farwire.kernel.errors import FarwireError

_HOST: Final = key_of("Destination-Host")
_REALM: Final = key_of("Destination-Realm")
_ORIGIN_HOST: Final = key_of("Origin-Host")
_ORIGIN_REALM: Final = key_of("Origin-Realm")
_SESSION: Final = key_of("Session-Id")
_log = structlog.get_logger(__name__)


class Service(Protocol):
    """What answers one command of one application."""

    def head(self, avps: Avps) -> Avps:
        """Return what every answer of it has, also one that refuses what could not be read."""
        ...

    async def answer(self, request: Message, peer: Peer, host: str) -> tuple[Result, Avps]:
        """Return the result and what the answer has beside it; ``host`` brought the request.

        Raises ``FarwireError``: its result is that of ``results.py``.
        """
        ...


Services = Mapping[tuple[int, int], Service]
"""By application and command."""


class Application:
    """The applications of a node."""

    def __init__(self, node: Node, services: Services) -> None:
        self._node = node
        self._services = services
        self._applications = {application for application, _ in services}
        self._hosts = {one.lower() for one in (node.identity, *node.hosts)}
        self._realms = {one.lower() for one in (node.realm, *node.realms)}

    async def __call__(self, connection: Connection, request: Message) -> Message:
        """Return the answer to a request of an open connection: always one, whatever is wrong with the request."""
        peer = connection.profile
        try:
            if peer is None:
                raise Refusal(Result.UNKNOWN_PEER, "the peer has not said who it is")
            service = self._service(request)
            self._check_route(request, peer)
            if request.header.flags & RETRANSMITTED:
                session = text_of(request.avps, _SESSION) or ""
                _log.info("diameter request repeated", session=session[:200])
            result, content = await service.answer(request, peer, connection.host)
        except FarwireError as error:
            return self._refused(connection, request, error)
        return answer(us(self._node), request, result, content)

    def _refused(self, connection: Connection, request: Message, error: FarwireError) -> Message:
        """Return the refusal of a request; who looks for the reason finds it in the log, without personal data."""
        result = result_of_error(error)
        _log.info("diameter request refused", peer=connection.host, result=int(result), reason=error.code)
        told = error if isinstance(error, Refusal) else Refusal(result, error.code)
        found = refusal(us(self._node), request.header, told, request.avps)
        service = self._services.get((request.header.application, request.header.command))
        if service is not None:
            own = service.head(request.avps)
            found.avps.update({key: values for key, values in own.items() if key not in found.avps})
        return found

    def _service(self, request: Message) -> Service:
        application, command = request.header.application, request.header.command
        if application not in self._applications:
            raise Refusal(Result.APPLICATION_UNSUPPORTED, "this node does not speak the application")
        service = self._services.get((application, command))
        if service is None:
            raise Refusal(Result.COMMAND_UNSUPPORTED, "this command is none of the application's server")
        return service

    def _check_route(self, request: Message, peer: Peer) -> None:
        """Refuse what is not for us, or not to be understood. Source: RFC 6733 §6.1.4, §4.1."""
        avps = request.avps
        host, realm = text_of(avps, _HOST), text_of(avps, _REALM)
        if host is not None and host.lower() not in self._hosts:
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
