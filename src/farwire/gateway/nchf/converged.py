"""Nchf_ConvergedCharging: create, update, release, and events. Nothing of a charge is kept here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
import structlog

from farwire.base.clock import Clock
from farwire.charging.model import Answer, Phase, ResultCode
from farwire.charging.service import request_key
from farwire.charging.service.subscribers import Subscriber
from farwire.gateway.asking import Asking
from farwire.gateway.nchf.callbacks import check_callback
from farwire.gateway.nchf.charging_data.answers import check_whole, event_answer, session_answer
from farwire.gateway.nchf.charging_data.documents import (
    ChargingDataRequest,
    ChargingDataResponse,
    read_document,
)
from farwire.gateway.nchf.charging_data.requests import (
    ChargingData,
    event_requests,
    past_requests,
    read_request,
    session_request,
)
from farwire.gateway.nchf.http2.messages import Headers, Response
from farwire.gateway.nchf.reference import Reference, read_reference
from farwire.gateway.nchf.routing import Call, Service
from farwire.gateway.sessions import LiveSession, Protocol, SessionBook

NAME: Final = "nchf-convergedcharging"
_JSON: Final = ("content-type", "application/json")
_log = structlog.get_logger(__name__)


class ConvergedCharging:
    """The service. A repeat is answered by charging, from its state."""

    def __init__(self, *, asking: Asking, book: SessionBook, clock: Clock) -> None:
        self._asking = asking
        self._book = book
        self._clock = clock

    def service(self) -> Service:
        """Return its operations."""
        return Service(
            NAME,
            "v3",
            {
                ("POST", "chargingdata"): ("create", self.create),
                ("POST", "chargingdata/*/update"): ("update", self.update),
                ("POST", "chargingdata/*/release"): ("release", self.release),
            },
        )

    async def create(self, call: Call) -> Response:
        """Open a session, or charge an event. Raises ``Problem``, ``Unavailable``."""
        document = read_document(call.request.body, ChargingDataRequest)
        data = read_request(document, call.consumer)
        if data.notify_uri:
            check_callback(data.notify_uri, call.consumer)
        subscriber = await self._asking.subscriber(call.operator, data.identities, data.service)
        high, low = request_key(f"{call.operator.number}\0{data.key}")
        reference = Reference(
            call.operator.number,
            subscriber.number,
            high,
            low,
            data.at,
            data.kind,
            data.service.visited_network,
        )
        location = (("location", f"{call.root}/{reference.text()}"),)
        self._note(data)
        if data.event:
            return _answered(201, await self._event(call, data, subscriber), location)
        given = await self._ask(call, data, reference, Phase.INITIAL)
        answer = session_answer(data, given, call.consumer, self._clock.now(), first=True)
        self._opened(call, reference, data)
        return _answered(201, answer, location)

    async def update(self, call: Call) -> Response:
        """Report, and ask for more. Raises ``Problem``, ``Unavailable``."""
        reference, data = self._of_session(call)
        given = await self._ask(call, data, reference, Phase.UPDATE)
        answer = session_answer(data, given, call.consumer, self._clock.now())
        self._opened(call, reference, data)
        return _answered(200, answer, ())

    async def release(self, call: Call) -> Response:
        """Report for the last time. Raises ``Problem``, ``Unavailable``."""
        reference, data = self._of_session(call)
        given = await self._ask(call, data, reference, Phase.TERMINATION)
        check_whole(given, msgspec.structs.replace(call.consumer, refuse_whole=False))
        self._book.closed(call.operator.tenant_id, Protocol.NCHF, reference.text())
        return Response(204)

    def _of_session(self, call: Call) -> tuple[Reference, ChargingData]:
        reference = read_reference(call.reference, tenant=call.operator.number)
        document = read_document(call.request.body, ChargingDataRequest)
        data = read_request(document, call.consumer, reference)
        if data.notify_uri:
            check_callback(data.notify_uri, call.consumer)
        self._note(data)
        return reference, data

    async def _ask(self, call: Call, data: ChargingData, reference: Reference, phase: Phase) -> Answer:
        session = (reference.session_hi, reference.session_lo)
        request = session_request(data, account=reference.account, session=session, phase=phase)
        subscriber = Subscriber(reference.account, call.operator.number, "")
        return await self._asking.ask(call.operator, data.identities, subscriber, request)

    async def _event(self, call: Call, data: ChargingData, subscriber: Subscriber) -> ChargingDataResponse:
        now = self._clock.now()
        if data.event == "PEC":
            for step in past_requests(data, account=subscriber.number):
                given = await self._asking.ask(call.operator, data.identities, subscriber, step)
                if given.result != ResultCode.OUT_OF_SEQUENCE:  # a repeat: it has ended already
                    check_whole(given, call.consumer)
            return ChargingDataResponse(now, data.told)
        asked = event_requests(data, account=subscriber.number)
        answers = [await self._asking.ask(call.operator, data.identities, subscriber, one) for one in asked]
        return event_answer(data, answers, call.consumer, now)

    def _opened(self, call: Call, reference: Reference, data: ChargingData) -> None:
        address: Mapping[str, str] = {"service": NAME, "notify": data.notify_uri}
        if data.notify_uri:
            self._book.opened(
                LiveSession(
                    call.operator.tenant_id, Protocol.NCHF, reference.text(), reference.account,
                    call.consumer.name, address,
                )
            )  # fmt: skip

    def _note(self, data: ChargingData) -> None:
        if data.repeated:
            _log.info("nchf request repeated", number=data.number)


def _answered(status: int, answer: ChargingDataResponse, headers: Headers) -> Response:
    return Response(status, (_JSON, *headers), msgspec.json.encode(answer))
