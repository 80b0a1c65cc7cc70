"""What charging has answered, as a CCA. Source: RFC 8506 §3.2, §5; TS 32.299 §6.4."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from farwire.charging.model import (
    Answer,
    EventKind,
    EventRequest,
    FinalAction,
    GroupAnswer,
    ResultCode,
    Unit,
)
from farwire.gateway.diameter.codec import Avps, Value, encode_avp
from farwire.gateway.diameter.credit_control.requests import (
    EVENT,
    INITIAL,
    TERMINATION,
    CreditControl,
    Quota,
)
from farwire.gateway.diameter.credit_control.units import money_avps, units_avps
from farwire.gateway.diameter.dictionary import Result, key_of
from farwire.gateway.diameter.profiles import Peer
from farwire.gateway.diameter.results import result_of

_AUTH: Final = key_of("Auth-Application-Id")
_TYPE: Final = key_of("CC-Request-Type")
_NUMBER: Final = key_of("CC-Request-Number")
_RESULT: Final = key_of("Result-Code")
_SERVICES: Final = key_of("Multiple-Services-Credit-Control")
_GRANTED: Final = key_of("Granted-Service-Unit")
_VALIDITY: Final = key_of("Validity-Time")
_FINAL: Final = key_of("Final-Unit-Indication")
_FINAL_ACTION: Final = key_of("Final-Unit-Action")
_REDIRECT: Final = key_of("Redirect-Server")
_REDIRECT_TYPE: Final = key_of("Redirect-Address-Type")
_REDIRECT_ADDRESS: Final = key_of("Redirect-Server-Address")
_URL: Final = 2
_FILTER: Final = key_of("Filter-Id")
_THRESHOLDS: Final = {
    int(Unit.SECONDS): key_of("Time-Quota-Threshold"),
    int(Unit.OCTETS): key_of("Volume-Quota-Threshold"),
}
_UNIT_THRESHOLD: Final = key_of("Unit-Quota-Threshold")
_FAILOVER: Final = key_of("CC-Session-Failover")
_FAILURE: Final = key_of("Credit-Control-Failure-Handling")
_DEBIT_FAILURE: Final = key_of("Direct-Debiting-Failure-Handling")
_FAILURES: Final = {"terminate": 0, "continue": 1, "retry_and_terminate": 2}
_DEBIT_FAILURES: Final = {"terminate_or_buffer": 0, "continue": 1}
_FAILED: Final = key_of("Failed-AVP")
_CONTEXT: Final = key_of("Service-Context-Id")
_NAMED: Final = frozenset({Result.RATING_FAILED, Result.INVALID_AVP_VALUE})
"""Results of charging whose answer names what was wrong. Source: RFC 8506 §9.2, RFC 6733 §7.1.5."""
_COST: Final = key_of("Cost-Information")
_CHECK: Final = key_of("Check-Balance-Result")
_ENOUGH, _NO_CREDIT = 0, 1
_SECOND_US: Final = 1_000_000
_U32_MAX: Final = 2**32 - 1


def head(ccr_type: int | None, number: int | None) -> Avps:
    """Return what every CCA has, also one that refuses what could not be read."""
    content: Avps = {_AUTH: [4]}
    if ccr_type is not None:
        content[_TYPE] = [ccr_type]
    if number is not None:
        content[_NUMBER] = [number]
    return content


def session_answer(
    ccr: CreditControl, given: Answer, peer: Peer, now: int, currency: str = ""
) -> tuple[Result, Avps]:
    """Return the result and the AVPs of the answer to a session's CCR at ``now`` (µs since 1970)."""
    result = result_of(given.result)
    content = _told(ccr, peer)
    groups = _groups(ccr, given, peer, now, currency)
    results = [one for one, _, _ in groups]
    if ccr.multiple:
        if groups:
            content[_SERVICES] = [{**quota.echo, **told, _RESULT: [one]} for one, quota, told in groups]
        if peer.refuse_whole and result == Result.SUCCESS and len(set(results)) == 1:
            result = results[0]
    elif groups:
        if result == Result.SUCCESS:
            result = results[0]
        content.update(groups[0][2])
    if result in _NAMED or not _NAMED.isdisjoint(results):
        failed = next((quota for one, quota, _ in groups if one in _NAMED), (*ccr.quotas, None)[0])
        content[_FAILED] = [_failed(ccr, failed)]
    return result, content


def _groups(
    ccr: CreditControl, given: Answer, peer: Peer, now: int, currency: str
) -> list[tuple[Result, Quota, Avps]]:
    """Return each rating group with its result and what it is told beside it."""
    quotas = {quota.rating_group: quota for quota in ccr.quotas}
    found: list[tuple[Result, Quota, Avps]] = [
        (result_of(one.result), quotas[one.rating_group], _group(one, peer, now, currency))
        for one in given.groups
        if one.rating_group in quotas and one.rating_group not in ccr.refused
    ]
    if given.result == ResultCode.SUCCESS:
        found += [(why.result, quotas[number], {}) for number, why in ccr.refused.items()]
        if ccr.type != TERMINATION:
            found += [(Result.CREDIT_CONTROL_NOT_APPLICABLE, quota, {}) for quota in ccr.uncontrolled]
    return found


def _failed(ccr: CreditControl, quota: Quota | None) -> bytes:
    """Return what could not be rated, or makes no sense: the group, or what would say how it is priced."""
    if quota is not None and quota.echo:
        return encode_avp(_SERVICES, quota.echo)
    return encode_avp(_CONTEXT, ccr.context)


def _told(ccr: CreditControl, peer: Peer) -> Avps:
    """Return the head, and at the beginning what becomes of the session while nobody answers."""
    content = head(ccr.type, ccr.number)
    if ccr.type == INITIAL:
        content[_FAILOVER] = [1 if peer.failover else 0]
        content[_FAILURE] = [_FAILURES[peer.failure_handling]]
    elif ccr.type == EVENT:
        content[_DEBIT_FAILURE] = [_DEBIT_FAILURES[peer.debit_failure_handling]]
    return content


def _group(one: GroupAnswer, peer: Peer, now: int, currency: str) -> Avps:
    """Return the quota of one rating group."""
    if not one.granted:
        return {}
    found: Avps = {_GRANTED: [units_avps(one.unit, one.granted, currency)]}
    # Rounded up, a client would come back after its quota has lapsed.
    found[_VALIDITY] = [min(max((one.valid_until - now) // _SECOND_US, 1), _U32_MAX)]
    if one.final != FinalAction.NONE:
        found[_FINAL] = [_final(one.final, peer)]
    elif one.threshold:
        found[_THRESHOLDS.get(one.unit, _UNIT_THRESHOLD)] = [min(one.threshold, _U32_MAX)]
    return found


def _final(action: int, peer: Peer) -> Avps:
    if action == FinalAction.REDIRECT and peer.redirect:
        server: Avps = {_REDIRECT_TYPE: [_URL], _REDIRECT_ADDRESS: [peer.redirect]}
        return {_FINAL_ACTION: [int(FinalAction.REDIRECT)], _REDIRECT: [server]}
    if action == FinalAction.RESTRICT and peer.filters:
        return {_FINAL_ACTION: [int(FinalAction.RESTRICT)], _FILTER: list(peer.filters)}
    return {_FINAL_ACTION: [int(FinalAction.TERMINATE)]}


def event_answer(
    ccr: CreditControl, asked: Sequence[EventRequest], given: Sequence[Answer], peer: Peer, currency: str
) -> tuple[Result, Avps]:
    """Return the result and the AVPs of the answer to an event CCR: one answer of charging for each rating group."""
    content = _told(ccr, peer)
    results = [result_of(one.result) for one in given]
    results += [Result.CREDIT_CONTROL_NOT_APPLICABLE] * len(ccr.uncontrolled)
    first = next((result for result in results if result != Result.SUCCESS), Result.SUCCESS)
    failed = next((place for place, result in enumerate(results) if result in _NAMED), None)
    if failed is not None:
        content[_FAILED] = [_failed(ccr, (*ccr.quotas, None)[failed])]
    if ccr.action == EventKind.BALANCE_CHECK:
        enough = all(one.cost > 0 and one.cost >= what.amount for what, one in zip(asked, given, strict=True))
        content[_CHECK] = [_ENOUGH if enough and first == Result.SUCCESS else _NO_CREDIT]
        return first, content
    cost = sum(one.cost for one in given)
    if first == Result.SUCCESS and (cost or ccr.action == EventKind.PRICE_ENQUIRY):
        content[_COST] = [money_avps(cost, currency)]
    if ccr.action == EventKind.PRICE_ENQUIRY:
        return first, content
    granted = [
        _debited(quota, what, result, currency)
        for quota, what, result in zip(ccr.quotas, asked, results, strict=False)
    ]
    if not ccr.multiple:
        content.update(granted[0] if granted else {})
        content.pop(_RESULT, None)
        return first, content
    not_applicable: list[Value] = [Result.CREDIT_CONTROL_NOT_APPLICABLE]
    content[_SERVICES] = [*granted, *({**quota.echo, _RESULT: not_applicable} for quota in ccr.uncontrolled)]
    whole = Result.SUCCESS if Result.SUCCESS in results and not peer.refuse_whole else first
    return whole, content


def _debited(quota: Quota, what: EventRequest, result: Result, currency: str) -> Avps:
    found: Avps = {**quota.echo, _RESULT: [result]}
    if result == Result.SUCCESS and quota.requested is not None and what.kind == EventKind.DIRECT_DEBIT:
        unit = {"data": Unit.OCTETS, "voice": Unit.SECONDS}.get(what.service.kind, Unit.EVENTS)
        granted = units_avps(unit, what.units)
        if what.amount:
            granted = units_avps(Unit.MONEY, what.amount, currency)
        found[_GRANTED] = [granted]
    return found
