"""Spend limits and roaming caps: told at 80 %, stopped at 100 % unless the customer has opted on.

A limit counts money: what was charged and what quotas hold, so that sessions at once stay within it too.
Source: Regulation (EU) 2022/612 Art. 14 (roaming: notice at 80 % and at the limit, continue only on request).
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from farwire.charging.model.answers import NoticeKind
from farwire.charging.model.consume import Purse
from farwire.charging.model.state import AMOUNT_MAX, Hold, Limit, Period, Scope, Unit
from farwire.charging.model.tariffs import FREE, Price
from farwire.charging.model.work import Book, Work

WARN_PERCENT: Final = 80
EVERYWHERE: Final = int(Scope.HOME | Scope.ROAMING)
_PERIODS: Final = frozenset(int(period) for period in Period)


def number_of(scope: int, period: int) -> int:
    """Return the number of the limit for usage of ``scope`` in a ``period``."""
    return scope * 10 + period


def first(scope: int, period: int, cap: int) -> Limit:
    """Return a limit that an account is opened with; its period begins when the account is first looked at."""
    return Limit(number_of(scope, period), scope, cap, 0, 0, 0, 0, period, 0)


def put(work: Work, book: Book, scope: int, period: int, cap: int) -> bool:
    """Set the limit of ``scope`` and ``period`` to ``cap``; return whether there can be such a limit.

    A new one counts from now on, and what quotas hold already. What is below the used part already is told at once.
    """
    if not (0 < scope <= EVERYWHERE and period in _PERIODS and 0 <= cap <= AMOUNT_MAX):
        return False
    index = _find(book, number_of(scope, period))
    if index < 0:
        ends_at = work.tariffs.period(book.account.plan, period, work.now, book.account.cycle_day)[1]
        limit = replace(first(scope, period, cap), reserved=_held(work, book, scope), ends_at=ends_at)
        book.limits.append(limit)
        book.due(ends_at)
    else:
        limit = book.limits[index]
    percent = percent_told(limit.used, cap) if limit.used else 0
    _tell(work, book, limit, percent, limit.used)
    book.limits[index] = replace(limit, cap=cap, told=percent)
    book.touched = True
    return True


def end(book: Book, number: int) -> bool:
    """Take the limit ``number`` away; return whether there was one."""
    index = _find(book, number)
    if index < 0:
        return False
    del book.limits[index]
    book.touched = True
    return True


def _find(book: Book, number: int) -> int:
    for index, limit in enumerate(book.limits):
        if limit.number == number:
            return index
    return -1


def _held(work: Work, book: Book, scope: int) -> int:
    """Return the money that quotas of usage of ``scope`` hold now."""
    return sum(
        hold.reserved
        for session in book.sessions
        for group in session.groups
        if group.holds and (work.price(group.price) or FREE).tags & scope
        for hold in group.holds
        if hold.unit == Unit.MONEY
    )


def percent_told(used: int, cap: int) -> int:
    """Return what is told of a limit that is ``used`` so far: 0, 80 or 100."""
    return 100 if used >= cap else WARN_PERCENT if used * 100 >= cap * WARN_PERCENT else 0


def _tell(work: Work, book: Book, limit: Limit, percent: int, used: int) -> None:
    """Tell that ``percent`` of ``limit`` are used, where it has not been told in this period."""
    if percent > limit.told:
        kind = NoticeKind.LIMIT_REACHED if percent == 100 else NoticeKind.LIMIT_80
        work.tell(book.account.number, kind, limit.number, used)


def headroom(book: Book, tags: int, held: int) -> int:
    """Return the money that usage with ``tags`` may still cost; ``held`` is what its own quota holds now."""
    room = AMOUNT_MAX
    for limit in book.limits:
        if limit.scope & tags and not limit.opted_on:
            room = min(room, limit.cap - limit.used - limit.reserved + held)
    return max(room, 0)


def close(work: Work, book: Book, price: Price, purse: Purse, reason: int) -> tuple[Hold, ...]:
    """Write ``purse`` back and count on the limits what it now holds more or less; return the holds."""
    if book.limits:
        count(work, book, price.tags, 0, purse.held_now() - purse.held_before())
    return purse.close(reason)


def count(work: Work, book: Book, tags: int, used: int, reserved: int) -> None:
    """Count ``used`` and ``reserved`` more money on the limits of ``tags``; tell when 80 % or all of one is used."""
    for index, limit in enumerate(book.limits):
        if not limit.scope & tags or not (used or reserved):
            continue
        total = min(limit.used + used, AMOUNT_MAX)
        percent = percent_told(total, limit.cap)
        _tell(work, book, limit, percent, total)
        book.limits[index] = replace(
            limit, used=total, reserved=limit.reserved + reserved, told=max(percent, limit.told)
        )
        book.touched = True
