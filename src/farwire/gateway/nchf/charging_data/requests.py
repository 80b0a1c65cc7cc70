"""What a charging data request says, and what charging is asked for it.

Source: TS 32.290 §5.3, §6; TS 32.291 §5.2.2.
"""

from __future__ import annotations

from datetime import UTC
from typing import Final

import msgspec

from farwire.charging.model import (
    DEFAULT,
    NOTHING,
    Ask,
    EventKind,
    EventRequest,
    Phase,
    Service,
    SessionRequest,
)
from farwire.charging.model.pricing import microseconds
from farwire.charging.model.state import GROUPS_MAX
from farwire.charging.service import Identity, request_key
from farwire.gateway.nchf.charging_data.documents import ChargingDataRequest, Units
from farwire.gateway.nchf.charging_data.service import identities_of, kind_of, service_of
from farwire.gateway.nchf.problems import MANDATORY_INCORRECT, OPTIONAL_INCORRECT, Problem
from farwire.gateway.nchf.profiles import Consumer
from farwire.gateway.nchf.reference import Reference

_QUANTITY_MAX: Final = 2**62
_U32_MAX: Final = 2**32 - 1
_FINE_MS: Final = 2**31
_UNITS: Final = {"data": "octets", "voice": "seconds"}


class Quota(msgspec.Struct, frozen=True):
    """What is reported and asked for in one rating group."""

    rating_group: int
    used: int = 0
    requested: int = NOTHING
    upf: str = ""
    """For the answer: the user plane function that shall have the quota."""


class ChargingData(msgspec.Struct, frozen=True):
    """A request, read."""

    number: int
    """Tells it from the others of its session: invocationSequenceNumber, or the time since it began."""
    at: int
    """When it was made, as it says: ms since 1970 UTC."""
    told: int
    """invocationSequenceNumber for the answer."""
    kind: str
    service: Service
    identities: tuple[Identity, ...]
    quotas: tuple[Quota, ...]
    key: str
    """Of a first request: names the session, or the event; a repeat has it again."""
    event: str = ""
    """IEC, PEC; empty: a session."""
    notify_uri: str = ""
    repeated: bool = False


def read_request(
    document: ChargingDataRequest, consumer: Consumer, session: Reference | None = None
) -> ChargingData:
    """Return what a document says; ``session``: the one that is there, for what it does not say again.

    Raises ``Problem`` (400): a number out of range, units that its kind of usage is not counted in.
    """
    kind = session.kind if session is not None else kind_of(document) or _kind_by_units(document)
    service = service_of(kind, document, consumer)
    if session is not None and document.pdu is None and not service.visited_network:
        service = msgspec.structs.replace(service, visited_network=session.visited)
    event = (document.one_time_event_type or "IEC") if document.one_time_event else ""
    if event not in ("", "IEC", "PEC"):
        raise Problem(OPTIONAL_INCORRECT, "is neither IEC nor PEC", parameter="/oneTimeEventType")
    return ChargingData(
        _number(document, consumer, session),
        _millis(document),
        document.invocation_sequence_number or 0,
        kind,
        service,
        identities_of(document),
        _quotas(document, kind),
        _key(document) if session is None else "",
        event,
        document.notify_uri,
        document.retransmission_indicator,
    )


def _number(document: ChargingDataRequest, consumer: Consumer, session: Reference | None) -> int:
    number, name = document.invocation_sequence_number, "/invocationSequenceNumber"
    if number is None or consumer.sequence == "time":
        number, name = 0, "/invocationTimeStamp"
        if session is not None:  # the first request is 0; a time before it is none of the session
            number = _number_at(max(_millis(document) - session.began_at, 1))
    if not 0 <= number <= _U32_MAX:
        raise Problem(MANDATORY_INCORRECT, "is no number of a request, or too late for one", parameter=name)
    return number


def _number_at(millis: int) -> int:
    """Return the number of a request so long after the beginning of its session: 32 bits count seven years.

    Milliseconds for 24 days, then tenths of a second: in one of them no session reports twice.
    """
    return millis if millis < _FINE_MS else _FINE_MS + (millis - _FINE_MS) // 100


def _millis(document: ChargingDataRequest) -> int:
    at = document.invocation_time_stamp
    return microseconds(at if at.tzinfo else at.replace(tzinfo=UTC)) // 1_000


def _key(document: ChargingDataRequest) -> str:
    """Return what names a session: who opens it, for whom, what, when. retransmissionIndicator is no part of it."""
    function, pdu = document.nf_consumer_identification, document.pdu
    session = pdu.session if pdu is not None else None
    ims = document.ims.ims_charging_identifier if document.ims is not None else ""
    who: tuple[str, ...] = ()
    if function is not None:
        who = (function.node_functionality, function.name, function.ipv4, function.ipv6, function.fqdn)
    parts = (
        *who,
        document.subscriber_identifier, *(f"{one.kind}:{one.value}" for one in identities_of(document)),
        document.charging_id, *((pdu.charging_id, pdu.smf_charging_id) if pdu is not None else ()),
        session.number if session is not None else "", ims, document.invocation_sequence_number,
        document.invocation_time_stamp.isoformat(),
    )  # fmt: skip
    return "\0".join(str(part) for part in parts)


# ---- quotas


def _quotas(document: ChargingDataRequest, kind: str) -> tuple[Quota, ...]:
    """Return one quota for each rating group: what several user planes have used of it is added up."""
    found: dict[int, Quota] = {}
    for place, one in enumerate(document.multiple_unit_usage):
        path = f"/multipleUnitUsage/{place}"
        if not 0 <= one.rating_group <= _U32_MAX:
            raise Problem(MANDATORY_INCORRECT, "is no 32-bit number", parameter=f"{path}/ratingGroup")
        used = sum(
            quantity_of(units, kind, f"{path}/usedUnitContainer/{at}") or 0
            for at, units in enumerate(one.used_unit_container)
        )
        wanted = NOTHING
        if one.requested_unit is not None:
            wanted = quantity_of(one.requested_unit, kind, f"{path}/requestedUnit") or DEFAULT
        before = found.get(one.rating_group, Quota(one.rating_group))
        if wanted != NOTHING and before.requested != NOTHING:
            wanted += before.requested
        requested = before.requested if wanted == NOTHING else wanted
        upf = before.upf if before.requested != NOTHING else one.upf
        found[one.rating_group] = Quota(
            one.rating_group, _bounded(before.used + used, path), _bounded(requested, path), upf
        )
    if len(found) > GROUPS_MAX:
        raise Problem(
            OPTIONAL_INCORRECT,
            f"there are more than {GROUPS_MAX} rating groups",
            parameter="/multipleUnitUsage",
        )
    return tuple(found.values())


def _bounded(quantity: int, path: str) -> int:
    if quantity > _QUANTITY_MAX:
        raise Problem(OPTIONAL_INCORRECT, "a quantity is beyond all bounds", parameter=path)
    return quantity


def quantity_of(units: Units, kind: str, path: str) -> int | None:
    """Return the quantity that the kind is counted in. Usage in other units is refused, never taken for 0."""
    octets = units.total_volume
    if octets is None and (units.uplink_volume is not None or units.downlink_volume is not None):
        octets = (units.uplink_volume or 0) + (units.downlink_volume or 0)
    named = (octets, units.time, units.service_specific_units)
    if any(one is not None and one < 0 for one in (*named, units.uplink_volume, units.downlink_volume)):
        raise Problem(OPTIONAL_INCORRECT, "a quantity is negative", parameter=path)
    found = named[0 if kind == "data" else 1 if kind == "voice" else 2]
    if found is None and any(named):
        unit = _UNITS.get(kind, "service specific units")
        raise Problem(OPTIONAL_INCORRECT, f"{kind} is counted in {unit}, others are named", parameter=path)
    return found


def _kind_by_units(document: ChargingDataRequest) -> str:
    """Return the kind of usage by what it is counted in."""
    for one in document.multiple_unit_usage:
        for units in (one.requested_unit, *one.used_unit_container):
            if units is None:
                continue
            if units.total_volume is not None or units.uplink_volume is not None:
                return "data"
            if units.time is not None:
                return "voice"
            if units.service_specific_units is not None:
                return "event"
    return "data"


# ---- what charging is asked


def session_request(
    data: ChargingData, *, account: int, session: tuple[int, int], phase: Phase
) -> SessionRequest:
    """Return the request for one step of a session. The last one asks for nothing more."""
    ending = phase == Phase.TERMINATION
    asks = tuple(Ask(one.rating_group, one.used, NOTHING if ending else one.requested) for one in data.quotas)
    return SessionRequest(account, *session, data.number, phase, data.service, asks)


def event_requests(data: ChargingData, *, account: int) -> tuple[EventRequest, ...]:
    """Return the requests for an event that is charged at once (IEC), one for each rating group.

    Each has a key of its own, which a repeat has again.
    """
    found = []
    for one in data.quotas or (Quota(0, requested=1),):
        high, low = request_key(f"{data.key}\0{one.rating_group}")
        units = one.requested if one.requested > 0 else one.used or 1
        found.append(
            EventRequest(account, high, low, EventKind.DIRECT_DEBIT, data.service, units, one.rating_group)
        )
    return tuple(found)


def past_requests(data: ChargingData, *, account: int) -> tuple[SessionRequest, SessionRequest]:
    """Return the requests for an event that has happened (PEC): a session that reports it and ends.

    What there is no money for is overrun: it was delivered, and cannot be refused.
    """
    session = request_key(data.key)
    asks = tuple(Ask(one.rating_group, one.used, NOTHING) for one in data.quotas or (Quota(0, used=1),))
    return (
        SessionRequest(account, *session, 1, Phase.INITIAL, data.service, asks),
        SessionRequest(account, *session, 2, Phase.TERMINATION, data.service),
    )
