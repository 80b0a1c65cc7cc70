"""One rating group of one request: find its price, charge what was used, hold what is granted.

A group is one record in the making: price(cumulative) − charged, from the moment it began. Where the record must end,
because another band of the day or counter period begins, what was used is charged and the next segment begins at 0.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec.structs import replace

from farwire.charging.model import limits, parallel
from farwire.charging.model.answers import FinalAction, MovementKind, NoticeKind, ResultCode
from farwire.charging.model.consume import Purse
from farwire.charging.model.counters import counter_end, kept_promises, move_counter, usage_of
from farwire.charging.model.limits import close
from farwire.charging.model.pricing import QUANTITY_MAX, Cost, Usage, cost_of, peaks_of, worst
from farwire.charging.model.quota import size, threshold
from farwire.charging.model.requests import DEFAULT, NOTHING, Ask, Phase, Service, SessionRequest
from farwire.charging.model.state import AMOUNT_MAX, NEVER, Group, Unit
from farwire.charging.model.tariffs import BY_AMOUNT, FREE, MONEY, QUOTAS, PlanTerms, Price, QuotaPolicy
from farwire.charging.model.work import Book, Work

NO_PRICE: Final = -1
UNITS: Final = {"voice": int(Unit.SECONDS), "data": int(Unit.OCTETS), "message": int(Unit.MESSAGES)}
EMERGENCY_KINDS: Final = frozenset({"voice", "message"})
"""What an emergency service is reached by."""
_NO_SCOPES: Final[dict[int, int]] = {}
_NO_TERMS: Final = PlanTerms()
_SUCCESS: Final = int(ResultCode.SUCCESS)
_MORE: Final = int(FinalAction.NONE)
_SECONDS: Final = int(Unit.SECONDS)
_TERMINATION: Final = int(Phase.TERMINATION)


class Quota(msgspec.Struct, frozen=True, gc=False):
    """What one rating group is given."""

    units: int
    result: int
    until: int
    final: int


def serve(
    work: Work, book: Book, request: SessionRequest, ask: Ask, group: Group | None, denied: int
) -> Group:
    """Return the group after ``ask``: usage charged, the old quota released, a new one held and granted."""
    if group is None or group.price == NO_PRICE:
        group, price = _begin(work, book, request, ask)
    else:
        price = work.price(group.price)
    if price is FREE:
        return _free(work, request, ask, group)
    used = group.used + ask.used
    if price is None or used > QUANTITY_MAX:
        return _unrated(work, book, request, ask, group)
    return _turn(work, book, request, ask, group, price, denied)


def _turn(
    work: Work, book: Book, request: SessionRequest, ask: Ask, group: Group, price: Price, denied: int
) -> Group:
    """Charge what was used at ``price`` and grant anew: the way of nearly every request."""
    used = group.used + ask.used
    reports_only = request.phase == _TERMINATION or ask.requested == NOTHING
    if price is BY_AMOUNT and ask.requested == DEFAULT:
        reports_only = True  # nobody knows an amount that is not named
    shared, unsafe = False, 0
    if price.counter and (ask.used or not reports_only):
        shared, unsafe = parallel.secure(work, book, price, group)
    denied = denied or unsafe
    purse = Purse(work, book, price, group.holds)
    usage = usage_of(book, price, purse, group, shared=shared)
    cost = cost_of(price, used, usage)
    if cost is None:
        return _unrated(work, book, request, ask, group)
    _charge(work, book, price, purse, group, cost)
    terms = work.tariffs.plan(book.account.plan) or _NO_TERMS
    if reports_only or denied:
        quota = Quota(0, _SUCCESS if reports_only else denied, work.now, _MORE)
    else:
        segment_end = _segment_end(work, book, price, group) if price.counter or price.by_time else NEVER
        if segment_end <= work.now:
            close(work, book, price, purse, group.rating_group)
            ended = replace(group, used=used, charged=cost.total)
            return _next_segment(work, book, request, ask, ended, price)
        if purse.promised or any(purse.beyond):
            usage = kept_promises(price, purse, usage)
        quota = _grant(work, book, ask, price, terms, purse, usage, used, cost, segment_end)
    return Group(
        *(group.rating_group, price.number, price.unit, group.started_at, used, cost.total, cost.counted),
        close(work, book, price, purse, group.rating_group),
        request.number,
        quota.result,
        quota.units,
        threshold(terms.quotas[price.unit], quota.units),
        quota.until,
        quota.final,
    )


def _begin(work: Work, book: Book, request: SessionRequest, ask: Ask) -> tuple[Group, Price | None]:
    account, service = book.account, request.service
    started_at = request.started_at or work.now
    price: Price | None = FREE
    if service.kind == MONEY:
        price = BY_AMOUNT
    elif not is_emergency(work, account.plan, service):
        price = work.tariffs.find(account.plan, service, ask.rating_group, started_at)
    number, unit = (NO_PRICE, 0) if price is None else (price.number, price.unit)
    if price is FREE:
        unit = UNITS.get(service.kind, int(Unit.EVENTS))
    empty = Group(
        ask.rating_group, number, unit, started_at, 0, 0, 0, (), request.number, _SUCCESS, 0, 0, 0, _MORE
    )
    return empty, price


def is_emergency(work: Work, plan: int, service: Service) -> bool:
    """Tell whether ``service`` reaches an emergency service: it is never refused and never charged."""
    return service.kind in EMERGENCY_KINDS and work.tariffs.is_emergency(plan, service.destination)


def _free(work: Work, request: SessionRequest, ask: Ask, group: Group) -> Group:
    policy = QUOTAS[group.unit]
    wants = request.phase != _TERMINATION and ask.requested != NOTHING
    granted = policy.size if wants else 0
    return _answered(
        group,
        request,
        used=min(group.used + ask.used, QUANTITY_MAX),
        granted=granted,
        threshold=threshold(policy, granted),
        valid_until=work.now + policy.validity_us,
    )


def _unrated(work: Work, book: Book, request: SessionRequest, ask: Ask, group: Group) -> Group:
    """Refuse a group that cannot be priced and release what it held; units that were used all the same are told."""
    if ask.used:
        work.tell(book.account.number, NoticeKind.UNRATED, ask.rating_group, ask.used)
    return _answered(
        release(work, book, group), request, result=ResultCode.RATING_FAILED, valid_until=work.now
    )


def _answered(group: Group, request: SessionRequest, **changes: object) -> Group:
    plain = {"result": _SUCCESS, "granted": 0, "threshold": 0, "final": _MORE}
    return replace(group, asked=request.number, **{**plain, **changes})


def _charge(work: Work, book: Book, price: Price, purse: Purse, group: Group, cost: Cost) -> None:
    """Debit ``cost`` less what is charged already; what is not found goes to the overrun."""
    number = book.account.number
    missing = purse.settle(cost, group.charged)
    if missing:
        made_good = missing if missing > 0 else max(missing, book.account.overrun)
        if made_good:
            work.overrun(book, MovementKind.OVERRUN, -made_good, group.rating_group)
        purse.owed = made_good - missing
        if missing > 0:
            work.tell(number, NoticeKind.OVERRUN, group.rating_group, missing)
    if book.limits:
        limits.count(work, book, price.tags, cost.total - group.charged, 0)
    if price.counter:
        move_counter(work, book, price, group, cost.counted)


def _grant(
    work: Work,
    book: Book,
    ask: Ask,
    price: Price,
    terms: PlanTerms,
    purse: Purse,
    usage: Usage,
    used: int,
    cost: Cost,
    segment_end: int,
) -> Quota:
    """Size a quota within the money, the limits and the next change of tariff, and hold its price."""
    policy = terms.quotas[price.unit]
    money = purse.available(purse.money)
    room = limits.headroom(book, price.tags, purse.held_before()) if book.limits else AMOUNT_MAX
    peaks = () if price.linear else peaks_of(price, used, used + policy.size * policy.part, usage)
    granted = size(price, policy, ask.requested, used, cost.total + min(money, room), usage, peaks)
    end = used + granted.units
    ahead = cost_of(price, end, usage) if granted.units else None
    most = worst(price, used, end, usage, peaks) if granted.units else None
    if ahead is None or most is None or purse.reserve(ahead, most - cost.total):
        purse.let_go()
        result = ResultCode.SPEND_LIMIT_REACHED if room < money else ResultCode.CREDIT_LIMIT_REACHED
        return Quota(0, int(result), work.now, terms.final)
    if granted.last and price is not BY_AMOUNT:
        work.tell(book.account.number, NoticeKind.FINAL_QUOTA, ask.rating_group, granted.units)
    until = _valid_until(work, book, price, policy, purse, segment_end)
    return Quota(granted.units, _SUCCESS, until, terms.final if granted.last else _MORE)


def release(work: Work, book: Book, group: Group) -> Group:
    """Release what ``group`` holds; what it has charged stays."""
    if not group.holds:
        return group
    price = work.price(group.price) or FREE
    purse = Purse(work, book, price, group.holds)
    return replace(group, holds=close(work, book, price, purse, group.rating_group))


def _segment_end(work: Work, book: Book, price: Price, group: Group) -> int:
    """Return when the record that ``group`` makes must end: what is not time is in the band in which it began."""
    end = counter_end(work, book, price, group) if price.counter else NEVER
    if price.by_time and price.unit != _SECONDS:
        end = min(end, work.tariffs.band_end(price, group.started_at))
    return end


def _next_segment(
    work: Work, book: Book, request: SessionRequest, ask: Ask, group: Group, price: Price
) -> Group:
    """Go on in a new record from now, at the price that is found now."""
    work.use(book.account.number, group)
    found = work.tariffs.find(book.account.plan, request.service, group.rating_group, work.now)
    price = found if found is not None and found.unit == price.unit else price
    fresh = replace(group, started_at=work.now, used=0, charged=0, counted=0, holds=())
    return _turn(work, book, request, Ask(ask.rating_group, 0, ask.requested), fresh, price, 0)


def _valid_until(
    work: Work, book: Book, price: Price, policy: QuotaPolicy, purse: Purse, segment_end: int
) -> int:
    """Return when the client must come back: validity, the next tariff, the end of a balance or of the account."""
    until = min(work.now + policy.validity_us, segment_end, book.account.active_until)
    if price.by_time:
        until = min(until, work.tariffs.band_end(price, work.now))
    until = purse.valid_until(until)
    return max(until, work.now)
