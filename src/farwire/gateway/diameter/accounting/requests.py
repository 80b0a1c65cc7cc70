"""What an ACR says. Pure.

Data: each Service-Data-Container or Traffic-Data-Volumes is a whole usage; a STOP or EVENT without any is counted by
its own octets. Calls: START and STOP are the ends of one usage, which lasts from one to the other. Messages: an EVENT
is one. Source: RFC 6733 §9.7, TS 32.299 §6.2, TS 32.251 §6, TS 32.260 §6.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from enum import IntEnum
from typing import Final

import msgspec

from farwire.charging.service import Identity, IdentityKind
from farwire.gateway.diameter.codec import Avps, Refusal, group_of, groups_of, number_of, text_of
from farwire.gateway.diameter.credit_control.service import identities_of, kind_of, service_of
from farwire.gateway.diameter.dictionary import Result, key_of
from farwire.gateway.diameter.profiles import Peer, ServiceKind
from farwire.gateway.diameter.required import nobody_named, required_number, required_text, wrong_value
from farwire.rating.model import Direction
from farwire.usage.model import Role
from farwire.usage.service import ReportedPart

_SESSION: Final = key_of("Session-Id")
_TYPE: Final = key_of("Accounting-Record-Type")
_NUMBER: Final = key_of("Accounting-Record-Number")
_STAMP: Final = key_of("Event-Timestamp")
_CONTEXT: Final = key_of("Service-Context-Id")
_INFORMATION: Final = key_of("Service-Information")
_PS: Final = key_of("PS-Information")
_CONTAINERS: Final = (key_of("Service-Data-Container"), key_of("Traffic-Data-Volumes"))
_OCTETS: Final = (key_of("Accounting-Input-Octets"), key_of("Accounting-Output-Octets"))
_FIRST: Final = key_of("Time-First-Usage")
_LAST: Final = key_of("Time-Last-Usage")
_CHANGED: Final = key_of("Change-Time")
_RATING_GROUP: Final = key_of("Rating-Group")
_QUANTITY_MAX: Final = 2**62
_CONTAINERS_MOST: Final = 256


class RecordType(IntEnum):
    """Accounting-Record-Type. Source: RFC 6733 §9.8.1."""

    EVENT = 1
    START = 2
    INTERIM = 3
    STOP = 4


_ROLES: Final = {RecordType.START: Role.START, RecordType.INTERIM: Role.INTERIM, RecordType.STOP: Role.STOP}


class Accounting(msgspec.Struct, frozen=True):
    """An ACR, read. Nothing to record is no part: the beginning of a data session, for example."""

    session: str
    number: int
    kind: ServiceKind
    identities: tuple[Identity, ...]
    parts: tuple[ReportedPart, ...]
    ends: tuple[datetime, ...]
    """When each of them ended, as far as it is told."""


def read_acr(avps: Avps, peer: Peer, now: datetime) -> Accounting:
    """Return what an ACR says; ``now`` where it tells no time.

    Raises ``Refusal``: 5005 (missing), 5009 (twice), 5004 (makes no sense).
    """
    session, number = required_text(avps, _SESSION), required_number(avps, _NUMBER)
    type_ = required_number(avps, _TYPE)
    if type_ not in set(RecordType):
        raise wrong_value(_TYPE, type_)
    context = text_of(avps, _CONTEXT) or ""
    kind: ServiceKind = kind_of(context, peer.contexts) or ("data" if _containers(avps) else "event")
    service = service_of(kind, avps, peer)
    identities = identities_of(avps)
    if not identities:
        raise nobody_named()
    stamp = number_of(avps, _STAMP)
    at = now if stamp is None else _time(stamp)
    part = ReportedPart(
        source_id=f"{session}\0{number}",
        session=session,
        role=Role.SINGLE,
        at=at,
        subscriber=_number(identities),
        destination=service.destination,
        direction=Direction(service.direction),
        visited_network=service.visited_network,
    )
    if kind == "data":
        found = _data(RecordType(type_), avps, part)
        parts, ends = tuple(one for one, _ in found), tuple(end for _, end in found)
    else:
        parts = _parts(RecordType(type_), kind, part)
        ends = (at,) * len(parts)
    return Accounting(session, number, kind, identities, parts, ends)


def _parts(type_: RecordType, kind: ServiceKind, part: ReportedPart) -> tuple[ReportedPart, ...]:
    if type_ == RecordType.EVENT:
        return (replace(part, quantity=1),)
    if kind == "voice":
        return (replace(part, role=_ROLES[type_]),)
    return (replace(part, quantity=1),) if type_ == RecordType.STOP else ()


def _data(type_: RecordType, avps: Avps, part: ReportedPart) -> list[tuple[ReportedPart, datetime]]:
    """Return the usages of a record of data, each with its end."""
    containers = _containers(avps)
    if len(containers) > _CONTAINERS_MOST:
        raise Refusal(Result.UNABLE_TO_COMPLY, f"the message has more than {_CONTAINERS_MOST} containers")
    found = []
    for place, one in enumerate(containers):
        octets = _octets(one)
        if octets:
            first, last = number_of(one, _FIRST) or number_of(one, _CHANGED), number_of(one, _LAST)
            usage = replace(
                part,
                source_id=f"{part.source_id}\0{place}",
                at=part.at if first is None else _time(first),
                quantity=octets,
                rating_group=number_of(one, _RATING_GROUP),
            )
            found.append((usage, part.at if last is None else _time(last)))
    if not containers and type_ in (RecordType.EVENT, RecordType.STOP) and (octets := _octets(avps)):
        found.append((replace(part, quantity=octets), part.at))
    return found


def _containers(avps: Avps) -> list[Avps]:
    packets = group_of(group_of(avps, _INFORMATION), _PS)
    return next((found for key in _CONTAINERS if (found := groups_of(packets, key))), [])


def _octets(avps: Avps) -> int:
    """Return what went both ways."""
    octets = sum(number_of(avps, key) or 0 for key in _OCTETS)
    if octets > _QUANTITY_MAX:
        raise Refusal(Result.INVALID_AVP_VALUE, "a quantity is beyond all bounds")
    return octets


def _number(identities: tuple[Identity, ...]) -> str:
    """Return the number of the subscriber, else the first name that is there."""
    numbers = (one.value for one in identities if one.kind is IdentityKind.MSISDN)
    return next(numbers, identities[0].value)


def _time(seconds: int) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
