"""What a CCR says, and what charging is asked for it.

Lenient in: a CCR without MSCC has its units in the message itself; an MSCC without Rating-Group is the one of its
Service-Identifier, or of number 0; Requested-Action counts in events only; Auth-Application-Id may be missing;
Origin-Host and Origin-Realm may stand twice. What names a charge must be there, once: Session-Id, CC-Request-Type,
CC-Request-Number, Service-Context-Id. Source: RFC 8506 §3.1, §5, §8; TS 32.299 §6.3.
"""

from __future__ import annotations

from typing import Final

import msgspec

from farwire.charging.model import (
    DEFAULT,
    MONEY,
    NOTHING,
    Ask,
    EventKind,
    EventRequest,
    Phase,
    Service,
    SessionRequest,
)
from farwire.charging.model.state import GROUPS_MAX
from farwire.charging.service import Identity, request_key
from farwire.gateway.diameter.codec import Avps, Refusal, encode_avp, groups_of, number_of
from farwire.gateway.diameter.credit_control.service import identities_of, kind_of, service_of
from farwire.gateway.diameter.credit_control.units import NO_UNITS, Units, named_octets, read_units
from farwire.gateway.diameter.dictionary import Result, key_of
from farwire.gateway.diameter.profiles import Peer
from farwire.gateway.diameter.required import required_number, required_text, wrong_value

INITIAL, UPDATE, TERMINATION, EVENT = 1, 2, 3, 4
_SESSION: Final = key_of("Session-Id")
_SUB_SESSION: Final = key_of("CC-Sub-Session-Id")
_CONTEXT: Final = key_of("Service-Context-Id")
_TYPE: Final = key_of("CC-Request-Type")
_NUMBER: Final = key_of("CC-Request-Number")
_ACTION: Final = key_of("Requested-Action")
_SERVICES: Final = key_of("Multiple-Services-Credit-Control")
_REQUESTED: Final = key_of("Requested-Service-Unit")
_USED: Final = key_of("Used-Service-Unit")
RATING_GROUP: Final = key_of("Rating-Group")
SERVICE_IDENTIFIER: Final = key_of("Service-Identifier")
_QUANTITY_MAX: Final = 2**62
_NO_ECHO: Final[Avps] = {}


class Quota(msgspec.Struct, frozen=True):
    """What is reported and asked for in one rating group."""

    rating_group: int
    echo: Avps
    """Rating-Group and Service-Identifier as they came, for the answer."""
    used: Units
    requested: Units | None
    """None: nothing is asked for."""


class CreditControl(msgspec.Struct, frozen=True):
    """A CCR, read."""

    session_id: str
    name: str
    """Of the session that charging knows: a sub-session is one of its own. Source: RFC 8506 §8.5."""
    context: str
    type: int
    number: int
    action: int
    """A Requested-Action, ``EventKind``; −1 but in events."""
    kind: str
    service: Service
    identities: tuple[Identity, ...]
    quotas: tuple[Quota, ...]
    uncontrolled: tuple[Quota, ...]
    """Those that charging is not asked for."""
    refused: dict[int, Refusal]
    """Rating groups of a session whose units make no sense: not those of their kind, or beyond all bounds."""
    multiple: bool
    """Whether they came as Multiple-Services-Credit-Control."""


def read_ccr(avps: Avps, peer: Peer) -> CreditControl:
    """Return what a CCR says. Raises ``Refusal``: 5005 (missing), 5009 (twice), 5004 (makes no sense)."""
    session_id, context = required_text(avps, _SESSION), required_text(avps, _CONTEXT)
    type_, number = required_number(avps, _TYPE), required_number(avps, _NUMBER)
    if not INITIAL <= type_ <= EVENT:
        raise wrong_value(_TYPE, type_)
    action = required_number(avps, _ACTION) if type_ == EVENT else -1
    if type_ == EVENT and not 0 <= action <= EventKind.PRICE_ENQUIRY:
        raise wrong_value(_ACTION, action)
    multiple = _SERVICES in avps
    quotas = _merged(groups_of(avps, _SERVICES)) if multiple else _own(avps)
    if len(quotas) > GROUPS_MAX:
        raise Refusal(Result.UNABLE_TO_COMPLY, f"the message has more than {GROUPS_MAX} rating groups")
    kind = kind_of(context, peer.contexts) or _kind_by_units(quotas)
    free: tuple[Quota, ...] = ()
    if peer.uncontrolled and action in (-1, EventKind.DIRECT_DEBIT):
        free = tuple(quota for quota in quotas if quota.rating_group in peer.uncontrolled)
        quotas = tuple(quota for quota in quotas if quota.rating_group not in peer.uncontrolled)
    return CreditControl(
        session_id,
        session_id if _SUB_SESSION not in avps else f"{session_id}\0{number_of(avps, _SUB_SESSION)}",
        context,
        type_,
        number,
        action,
        kind,
        service_of(kind, avps, peer),
        identities_of(avps),
        quotas,
        free,
        {} if type_ == EVENT else _refused(kind, type_, quotas),
        multiple,
    )


# ---- quotas


def _own(avps: Avps) -> tuple[Quota, ...]:
    """Return the units of a message without MSCC as one rating group; none where it names no units."""
    if _REQUESTED not in avps and _USED not in avps:
        return ()
    return (_quota(avps, number_of(avps, SERVICE_IDENTIFIER) or 0, _NO_ECHO),)


def _merged(services: list[Avps]) -> tuple[Quota, ...]:
    """Return one quota for each rating group: services of one share it, so what they used is added up."""
    found: dict[int, Quota] = {}
    for one in services:
        rating_group, service = number_of(one, RATING_GROUP), number_of(one, SERVICE_IDENTIFIER)
        number = rating_group if rating_group is not None else service or 0
        echo = {key: one[key] for key in (RATING_GROUP, SERVICE_IDENTIFIER) if key in one}
        quota, before = _quota(one, number, echo), found.get(number)
        if before is not None:
            quota = Quota(
                number,
                quota.echo if before.requested is None else before.echo,
                before.used.plus(quota.used),
                quota.requested if before.requested is None else before.requested,
            )
        found[number] = quota
    return tuple(found.values())


def _quota(avps: Avps, number: int, echo: Avps) -> Quota:
    used = NO_UNITS
    for one in groups_of(avps, _USED):
        used = used.plus(read_units(one))
    asked = groups_of(avps, _REQUESTED)
    return Quota(number, echo, used, read_units(asked[0]) if asked else None)


def _kind_by_units(quotas: tuple[Quota, ...]) -> str:
    """Return the kind of usage of an unknown service context by what it is counted in."""
    for quota in quotas:
        for units in (quota.used, quota.requested):
            if units is not None and units.octets is not None:
                return "data"
            if units is not None and units.seconds is not None:
                return "voice"
            if units is not None and (units.specific is not None or units.money is not None):
                return "event"
    return "data"


# ---- what charging is asked


def session_request(ccr: CreditControl, account: int, currency: str = "") -> SessionRequest:
    """Return the request for an initial, update or termination CCR.

    One that names money, and no units of its kind, uses money itself. A rating group that is ``refused`` is not
    asked for, but what it used is charged. Raises ``Refusal`` (5004): no group is left, money of another currency, or
    in some groups only.
    """
    high, low = request_key(ccr.name)
    if _uses_money(ccr.kind, ccr.quotas):
        service = Service(MONEY)
        asks = tuple(_ask_money(ccr, quota, currency) for quota in ccr.quotas)
    else:
        service, asks = ccr.service, _asks(ccr)
    return SessionRequest(
        account,
        high,
        low,
        ccr.number,
        Phase(ccr.type),
        service,
        asks,
    )


def _uses_money(kind: str, quotas: tuple[Quota, ...]) -> bool:
    found = set()
    for quota in quotas:
        named = [one for one in (quota.used, quota.requested) if one is not None and one.names_any]
        if named:
            found.add(any(one.money for one in named) and all(one.of(kind) is None for one in named))
    if len(found) > 1:
        failed = encode_avp(_SERVICES, quotas[-1].echo)
        raise Refusal(
            Result.INVALID_AVP_VALUE, "some rating groups are counted in money, others are not", failed=failed
        )
    return True in found


def _ask_money(ccr: CreditControl, quota: Quota, currency: str) -> Ask:
    wanted = NOTHING
    if quota.requested is not None and ccr.type != TERMINATION:
        wanted = _nano(quota.requested, currency)
    return Ask(quota.rating_group, _nano(quota.used, currency), wanted)


def _nano(units: Units, currency: str) -> int:
    """Return the money that is named. Raises ``Refusal`` (5004) for another currency than the account's."""
    if units.money is None:
        return 0
    if currency and units.money.currency not in ("", currency):
        failed = named_octets(Units(money=units.money))
        raise Refusal(Result.INVALID_AVP_VALUE, f"the account is kept in {currency}", failed=failed)
    return _bounded(units.money.nano, units)


def _asks(ccr: CreditControl) -> tuple[Ask, ...]:
    refused = ccr.refused
    found = []
    for quota in ccr.quotas:
        used, wanted = quota.used.of(ccr.kind) or 0, NOTHING
        if quota.rating_group in refused:
            if not 0 < used <= _QUANTITY_MAX:
                continue
        elif quota.requested is not None and ccr.type != TERMINATION:
            wanted = quota.requested.of(ccr.kind) or DEFAULT
        found.append(Ask(quota.rating_group, used, wanted))
    if refused and not found:
        raise next(iter(refused.values()))
    return tuple(found)


def _refused(kind: str, type_: int, quotas: tuple[Quota, ...]) -> dict[int, Refusal]:
    found = {}
    for quota in quotas:
        if not _makes_sense(kind, quota.used):
            found[quota.rating_group] = _other_units(kind, quota.used)
        elif quota.requested is not None and type_ != TERMINATION and not _makes_sense(kind, quota.requested):
            found[quota.rating_group] = _other_units(kind, quota.requested)
    return {} if found and _uses_money(kind, quotas) else found


def _makes_sense(kind: str, units: Units) -> bool:
    quantity = units.of(kind)
    return not units.names_any if quantity is None else quantity <= _QUANTITY_MAX


def _bounded(quantity: int, units: Units) -> int:
    if quantity > _QUANTITY_MAX:
        raise Refusal(Result.INVALID_AVP_VALUE, "a quantity is beyond all bounds", failed=named_octets(units))
    return quantity


def _other_units(kind: str, units: Units) -> Refusal:
    unit = {"data": "octets", "voice": "seconds"}.get(kind, "service specific units")
    why = f"{kind} is counted in {unit}, and the message names others, or more than there can be"
    return Refusal(Result.INVALID_AVP_VALUE, why, failed=named_octets(units))


def event_requests(ccr: CreditControl, account: int, currency: str) -> tuple[EventRequest, ...]:
    """Return the requests for an event CCR, one for each rating group.

    Each has a key of its own, which a repeat has again. Raises ``Refusal`` (5004) for money of another currency.
    """
    quotas = ccr.quotas
    if not quotas and not ccr.uncontrolled:
        quotas = (Quota(0, _NO_ECHO, NO_UNITS, None),)
    return tuple(_event(ccr, quota, account, currency) for quota in quotas)


def _event(ccr: CreditControl, quota: Quota, account: int, currency: str) -> EventRequest:
    units = quota.requested or quota.used
    high, low = request_key(f"{ccr.name}\0{ccr.number}\0{quota.rating_group}")
    amount = _nano(units, currency)
    quantity = units.of(ccr.kind)
    if quantity is None and not amount and units.names_any:
        raise _other_units(ccr.kind, units)
    return EventRequest(
        account, high, low, ccr.action, ccr.service, _bounded(1 if quantity is None else quantity, units),
        quota.rating_group, amount,
    )  # fmt: skip
