"""What charging has answered, as a ChargingDataResponse. Source: TS 32.291 §6.1.6.2.1.2, §6.1.6.2.1.8."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from farwire.charging.model import Answer, FinalAction, GroupAnswer, ResultCode, Unit
from farwire.charging.model.pricing import microseconds
from farwire.gateway.nchf.charging_data.documents import (
    ChargingDataResponse,
    FinalUnit,
    Granted,
    InvocationResult,
    RedirectServer,
    Trigger,
    UnitInformation,
)
from farwire.gateway.nchf.charging_data.requests import ChargingData
from farwire.gateway.nchf.problems import GROUPS, Problem, cause_of
from farwire.gateway.nchf.profiles import Consumer

_SECOND_US: Final = 1_000_000
_U32_MAX: Final = 2**32 - 1


def session_answer(
    data: ChargingData, given: Answer, consumer: Consumer, now: datetime, *, first: bool = False
) -> ChargingDataResponse:
    """Return the answer to a request of a session at ``now``. Raises ``Problem``: it is refused as a whole."""
    check_whole(given, consumer)
    at = microseconds(now)
    upfs = {quota.rating_group: quota.upf for quota in data.quotas}
    return ChargingDataResponse(
        now,
        data.told,
        InvocationResult(consumer.failure_handling.upper()) if first else None,
        ("FAILOVER_SUPPORTED" if consumer.failover else "FAILOVER_NOT_SUPPORTED") if first else "",
        tuple(
            _group(one, consumer, at, upfs[one.rating_group])
            for one in given.groups
            if one.rating_group in upfs
        ),
        tuple(Trigger(one) for one in consumer.triggers) if first else (),
    )


def check_whole(given: Answer, consumer: Consumer) -> None:
    """Raise ``Problem`` where a request is refused as a whole, or all its groups for a consumer that wants it so."""
    if given.result != ResultCode.SUCCESS:
        raise Problem(cause_of(given.result), "charging has refused the request")
    refused = {one.result for one in given.groups}
    if consumer.refuse_whole and len(refused) == 1 and ResultCode.SUCCESS not in refused:
        raise Problem(cause_of(refused.pop()), "charging has refused every rating group")


def _group(one: GroupAnswer, consumer: Consumer, now: int, upf: str) -> UnitInformation:
    """Return the quota of one rating group."""
    result = GROUPS.get(one.result, "END_USER_SERVICE_REJECTED")
    if not one.granted and result == "SUCCESS":  # nothing was asked for
        return UnitInformation(result, one.rating_group, upf=upf)
    triggers = tuple(Trigger(name) for name in consumer.group_triggers)
    if not one.granted:
        return UnitInformation(result, one.rating_group, upf=upf, triggers=triggers)
    threshold = min(one.threshold, _U32_MAX) if one.final == FinalAction.NONE and one.threshold else None
    return UnitInformation(
        result,
        one.rating_group,
        _granted(one.unit, one.granted),
        # Rounded up, a client would come back after its quota has lapsed.
        min(max((one.valid_until - now) // _SECOND_US, 1), _U32_MAX),
        consumer.quota_holding_s or None,
        _final(one.final, consumer),
        threshold if one.unit == Unit.SECONDS else None,
        threshold if one.unit == Unit.OCTETS else None,
        threshold if one.unit not in (Unit.SECONDS, Unit.OCTETS) else None,
        upf,
        triggers,
    )


def _granted(unit: int, quantity: int) -> Granted:
    if unit == Unit.SECONDS:
        return Granted(time=min(quantity, _U32_MAX))
    if unit == Unit.OCTETS:
        return Granted(total_volume=quantity)
    return Granted(service_specific_units=quantity)


def _final(action: int, consumer: Consumer) -> FinalUnit | None:
    if action == FinalAction.NONE:
        return None
    if action == FinalAction.REDIRECT and consumer.redirect:
        return FinalUnit("REDIRECT", redirect_server=RedirectServer("URL", consumer.redirect))
    if action == FinalAction.RESTRICT and consumer.filters:
        return FinalUnit("RESTRICT_ACCESS", consumer.filters)
    return FinalUnit("TERMINATE")


def event_answer(
    data: ChargingData, given: Sequence[Answer], consumer: Consumer, now: datetime
) -> ChargingDataResponse:
    """Return the answer to an event: one answer of charging for each rating group.

    Raises ``Problem``: it names no rating group and is refused, or the answer as a whole is no success.
    """
    results = [one.result for one in given]
    first = next((one for one in results if one != ResultCode.SUCCESS), ResultCode.SUCCESS)
    whole = first in (ResultCode.TOO_BUSY, ResultCode.UNKNOWN_USER, ResultCode.INVALID) or not data.quotas
    if first != ResultCode.SUCCESS and (whole or (consumer.refuse_whole and len(set(results)) == 1)):
        raise Problem(cause_of(first), "charging has refused the event")
    unit = {"data": Unit.OCTETS, "voice": Unit.SECONDS}.get(data.kind, Unit.EVENTS)
    found = []
    for quota, result in zip(data.quotas, results, strict=False):
        asked = quota.requested if quota.requested > 0 else 1
        granted = _granted(unit, asked) if result == ResultCode.SUCCESS and quota.requested >= 0 else None
        code = GROUPS.get(result, "END_USER_SERVICE_REJECTED")
        found.append(UnitInformation(code, quota.rating_group, granted, upf=quota.upf))
    return ChargingDataResponse(now, data.told, multiple_unit_information=tuple(found))
