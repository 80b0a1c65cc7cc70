"""Nchf_OfflineOnlyCharging: what was used is recorded, durably and once, before the answer; no quota is given.

Each container of a request is a whole usage; it is named by its session, the request and its place, so that a repeat
records nothing again. Rating and billing take it from ``usage``. Source: TS 32.290 §5.3.3, TS 32.291 §5.3.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import msgspec

from farwire.base.clock import Clock
from farwire.base.storage import Database
from farwire.charging.service import IdentityKind, request_key
from farwire.gateway.nchf.charging_data.documents import (
    ChargingDataRequest,
    ChargingDataResponse,
    InvocationResult,
    read_document,
)
from farwire.gateway.nchf.charging_data.requests import ChargingData, quantity_of, read_request
from farwire.gateway.nchf.http2.messages import Response
from farwire.gateway.nchf.problems import MANDATORY_MISSING, OPTIONAL_INCORRECT, Problem
from farwire.gateway.nchf.reference import Reference, read_reference
from farwire.gateway.nchf.routing import Call, Service
from farwire.rating.model import Direction, UsageKind
from farwire.usage.model import Role
from farwire.usage.service import ReportedPart, record_parts

NAME: Final = "nchf-offlineonlycharging"
_JSON: Final = ("content-type", "application/json")
_CONTAINERS_MOST: Final = 256


class OfflineCharging:
    """The service."""

    def __init__(self, *, db: Database, clock: Clock) -> None:
        self._db = db
        self._clock = clock

    def service(self) -> Service:
        """Return its operations."""
        return Service(
            NAME,
            "v1",
            {
                ("POST", "offlinechargingdata"): ("create", self.create),
                ("POST", "offlinechargingdata/*/update"): ("update", self.update),
                ("POST", "offlinechargingdata/*/release"): ("release", self.release),
            },
        )

    async def create(self, call: Call) -> Response:
        """Open a session, and record what is reported already. Raises ``Problem``, ``Unavailable``."""
        document = read_document(call.request.body, ChargingDataRequest)
        data = read_request(document, call.consumer)
        high, low = request_key(f"{call.operator.number}\0{data.key}")
        visited = data.service.visited_network
        reference = Reference(call.operator.number, 0, high, low, data.at, data.kind, visited, offline=True)
        await self._record(call, document, data, reference)
        consumer = call.consumer
        answer = ChargingDataResponse(
            self._clock.now(),
            data.told,
            InvocationResult(consumer.failure_handling.upper()),
            "FAILOVER_SUPPORTED" if consumer.failover else "FAILOVER_NOT_SUPPORTED",
        )
        headers = (_JSON, ("location", f"{call.root}/{reference.text()}"))
        return Response(201, headers, msgspec.json.encode(answer))

    async def update(self, call: Call) -> Response:
        """Record what is reported. Raises ``Problem``, ``Unavailable``."""
        data = await self._report(call)
        return Response(
            200, (_JSON,), msgspec.json.encode(ChargingDataResponse(self._clock.now(), data.told))
        )

    async def release(self, call: Call) -> Response:
        """Record what is reported for the last time. Raises ``Problem``, ``Unavailable``."""
        await self._report(call)
        return Response(204)

    async def _report(self, call: Call) -> ChargingData:
        reference = read_reference(call.reference, tenant=call.operator.number, offline=True)
        document = read_document(call.request.body, ChargingDataRequest)
        data = read_request(document, call.consumer, reference)
        await self._record(call, document, data, reference)
        return data

    async def _record(
        self, call: Call, document: ChargingDataRequest, data: ChargingData, reference: Reference
    ) -> None:
        parts = parts_of(document, data, reference)
        if parts:
            async with self._db.transaction(call.operator.tenant_id) as tx:
                await record_parts(
                    tx,
                    source=f"nchf/{call.consumer.name}",
                    kind=UsageKind(data.kind),
                    parts=parts,
                    now=self._clock.now(),
                )


def parts_of(
    document: ChargingDataRequest, data: ChargingData, reference: Reference
) -> tuple[ReportedPart, ...]:
    """Return what a request reports, one part for each container that counts something.

    Raises ``Problem`` (400): usage of nobody, or in more containers than any request has.
    """
    found: list[ReportedPart] = []
    session = f"{reference.session_hi:x}\0{reference.session_lo:x}"
    for place, one in enumerate(document.multiple_unit_usage):
        for at, container in enumerate(one.used_unit_container):
            quantity = quantity_of(container, data.kind, f"/multipleUnitUsage/{place}/usedUnitContainer/{at}")
            if quantity:
                found.append(
                    ReportedPart(
                        source_id=f"{session}\0{data.number}\0{one.rating_group}\0{place}\0{at}",
                        session=session,
                        role=Role.SINGLE,
                        at=_utc(container.trigger_timestamp or document.invocation_time_stamp),
                        subscriber="",
                        quantity=quantity,
                        destination=data.service.destination,
                        direction=Direction(data.service.direction),
                        visited_network=data.service.visited_network,
                        rating_group=one.rating_group,
                    )
                )
    if len(found) > _CONTAINERS_MOST:
        raise Problem(OPTIONAL_INCORRECT, "there are too many containers", parameter="/multipleUnitUsage")
    subscriber = _subscriber(data) if found else ""
    return tuple(replace(one, subscriber=subscriber) for one in found)


def _subscriber(data: ChargingData) -> str:
    """Return the number of the subscriber, else the first name that is there."""
    if not data.identities:
        raise Problem(MANDATORY_MISSING, "is missing: nobody could pay", parameter="/subscriberIdentifier")
    numbers = (one.value for one in data.identities if one.kind is IdentityKind.MSISDN)
    return next(numbers, data.identities[0].value)


def _utc(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)
