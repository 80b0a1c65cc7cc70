"""How far the tiers and packages of a price are filled in a period.

A record belongs to the period in which it begins. A counter stays until no open group began in its period.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from farwire.charging.model.consume import Purse
from farwire.charging.model.pricing import Usage, cost_of
from farwire.charging.model.state import Counter, Group
from farwire.charging.model.tariffs import Price
from farwire.charging.model.work import Book, Work

_NO_SCOPES: Final[dict[int, int]] = {}


def _find(book: Book, number: int, at: int) -> int:
    for index, counter in enumerate(book.counters):
        if counter.number == number and counter.starts_at <= at < counter.ends_at:
            return index
    return -1


def counted_by_others(book: Book, price: Price, group: Group) -> int:
    """Return how far the counter of ``price`` is filled without ``group``'s own part."""
    if not price.counter:
        return 0
    index = _find(book, price.counter, group.started_at)
    return 0 if index < 0 else book.counters[index].value - group.counted


def kept_promises(price: Price, purse: Purse, usage: Usage) -> Usage:
    """Return the usage from when what was promised is charged: only what serves still can bear more."""
    purse.end_promises()
    units = purse.charged(purse.units) + purse.available(purse.units)
    return replace(usage, units=units, by_scope=_NO_SCOPES if price.linear else purse.by_scope())


def usage_of(book: Book, price: Price, purse: Purse, group: Group, *, shared: bool = False) -> Usage:
    """Return what beside the quantity the price of ``group`` depends on now."""
    units = purse.charged(purse.units) + purse.available(purse.units)
    if price.linear:
        return Usage(group.started_at, units, _NO_SCOPES, 0)
    counted = counted_by_others(book, price, group)
    usage = Usage(group.started_at, units, purse.by_scope(), counted, 0, shared)
    if price.counter and group.used:
        past = cost_of(price, group.used, replace(usage, by_scope=purse.taken()))
        if past is not None and past.total != group.charged:
            usage = replace(usage, shift=past.total - group.charged)
    return usage


def at_once(book: Book, price: Price, group: Group, other: Group) -> bool:
    """Tell whether two groups fill the counter of ``price`` in the same period."""
    index = _find(book, price.counter, group.started_at)
    if index < 0:
        return True
    return book.counters[index].starts_at <= other.started_at < book.counters[index].ends_at


def move_counter(work: Work, book: Book, price: Price, group: Group, counted: int) -> None:
    """Count that the part of ``group`` is now ``counted``."""
    index = _find(book, price.counter, group.started_at)
    if index < 0:
        starts_at, ends_at = _period(work, book, price, group.started_at)
        book.counters.append(Counter(price.counter, counted, starts_at, ends_at))
        book.due(ends_at)
    else:
        counter = book.counters[index]
        book.counters[index] = replace(counter, value=counter.value + counted - group.counted)
    book.touched = True


def counter_end(work: Work, book: Book, price: Price, group: Group) -> int:
    """Return when the period ends in which ``group`` began."""
    index = _find(book, price.counter, group.started_at)
    if index >= 0:
        return book.counters[index].ends_at
    return _period(work, book, price, group.started_at)[1]


def _period(work: Work, book: Book, price: Price, at: int) -> tuple[int, int]:
    return work.tariffs.period(book.account.plan, price.counter_period, at, book.account.cycle_day)
