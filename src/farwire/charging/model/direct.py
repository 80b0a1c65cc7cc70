"""Event charging: direct debit, refund, balance check and price enquiry, without a session.

A debit takes all or nothing, at once: an event is over before anyone could hold a quota for it.
Source: RFC 8506 §6.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from farwire.charging.model import limits, parallel
from farwire.charging.model.answers import Answer, MovementKind, ResultCode
from farwire.charging.model.consume import Purse
from farwire.charging.model.counters import move_counter, usage_of
from farwire.charging.model.group import is_emergency
from farwire.charging.model.lifecycle import may_use
from farwire.charging.model.pricing import Cost, Usage, cost_of
from farwire.charging.model.renewal import spendable
from farwire.charging.model.requests import EventKind, EventRequest
from farwire.charging.model.state import AMOUNT_MAX, Group
from farwire.charging.model.tariffs import BY_AMOUNT, FREE, Price
from farwire.charging.model.work import Book, Work

_NAMED: Final = replace(BY_AMOUNT, number=-1)
"""Serves an amount that the request itself names, for however many units."""
_FREE_ANSWER: Final = Answer(int(ResultCode.SUCCESS))


def on_event(work: Work, book: Book, request: EventRequest) -> Answer:
    """Answer ``request``, whose key is new."""
    if not (0 <= request.units <= AMOUNT_MAX and 0 <= request.amount <= AMOUNT_MAX):
        return Answer(ResultCode.INVALID)
    if request.kind == EventKind.BALANCE_CHECK:
        return Answer(ResultCode.SUCCESS, (), spendable(book))
    if is_emergency(work, book.account.plan, request.service):
        return _FREE_ANSWER
    price = _price(work, book, request)
    if price is None:
        return Answer(ResultCode.RATING_FAILED)
    if request.kind == EventKind.PRICE_ENQUIRY:
        return _enquiry(work, book, request, price)
    if request.kind == EventKind.REFUND:
        return _refund(work, book, request, price)
    if request.kind != EventKind.DIRECT_DEBIT:
        return Answer(ResultCode.INVALID)
    denied = may_use(work, book, request.service)
    return Answer(denied) if denied else _debit(work, book, request, price)


def _price(work: Work, book: Book, request: EventRequest) -> Price | None:
    if request.amount:
        return _NAMED
    return work.tariffs.find(book.account.plan, request.service, request.rating_group, work.now)


def _group(work: Work, request: EventRequest, price: Price) -> Group:
    return Group(request.rating_group, price.number, price.unit, work.now, 0, 0, 0, (), 0, 0, 0, 0, 0, -1)


def _open(
    work: Work, book: Book, request: EventRequest, price: Price
) -> tuple[Purse, Group, Usage, Cost | None]:
    group = _group(work, request, price)
    purse = Purse(work, book, price, ())
    usage = usage_of(book, price, purse, group)
    cost = Cost(request.amount, 0) if price is _NAMED else cost_of(price, request.units, usage)
    return purse, group, usage, cost


def _enquiry(work: Work, book: Book, request: EventRequest, price: Price) -> Answer:
    cost = _open(work, book, request, price)[3]
    if cost is None:
        return Answer(ResultCode.RATING_FAILED)
    return Answer(ResultCode.SUCCESS, (), cost.total, cost.units)


def _debit(work: Work, book: Book, request: EventRequest, price: Price) -> Answer:
    unsafe = parallel.secure(work, book, price, _group(work, request, price))[1] if price.counter else 0
    if unsafe:
        return Answer(unsafe)
    purse, group, _, cost = _open(work, book, request, price)
    if cost is None:
        return Answer(ResultCode.RATING_FAILED)
    if price is FREE:
        return _FREE_ANSWER
    if cost.total > limits.headroom(book, price.tags, 0):
        return Answer(ResultCode.SPEND_LIMIT_REACHED)
    if cost.total > purse.available(purse.money):
        return Answer(ResultCode.CREDIT_LIMIT_REACHED)
    purse.settle(cost, 0)
    limits.count(work, book, price.tags, cost.total, 0)
    if price.counter:
        move_counter(work, book, price, group, cost.counted)
    limits.close(work, book, price, purse, request.rating_group)
    work.use(book.account.number, replace(group, used=request.units, charged=cost.total))
    return Answer(ResultCode.SUCCESS, (), cost.total, cost.units)


def _refund(work: Work, book: Book, request: EventRequest, price: Price) -> Answer:
    """Give money back onto the main balance: the amount named, or what the units would cost without allowances."""
    amount = request.amount
    if not amount:
        cost = cost_of(price, request.units, Usage(work.now, 0, {}, 0))
        if cost is None:
            return Answer(ResultCode.RATING_FAILED)
        amount = max(cost.total, 0)
    if not work.post(book, book.main(), MovementKind.REFUND, amount, request.rating_group):
        return Answer(ResultCode.INVALID)
    return Answer(ResultCode.SUCCESS, (), amount)
