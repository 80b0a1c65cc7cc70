"""Sessions at once that fill the same tiers or packages: what each may cost wherever the others get to.

Together they pay for the units of the counter once, each for those that it adds. So what one has left to use may become
dearer while it is used. Who is alone on a counter holds what its quota costs where the counter stands. Who is not holds
what it costs at its dearest place, and one that was alone holds that too before a second one is let in. Then whatever
comes in whatever order, every quota is paid from what it holds.
"""

from __future__ import annotations

from msgspec.structs import replace

from farwire.charging.model import limits
from farwire.charging.model.answers import ResultCode
from farwire.charging.model.consume import Purse
from farwire.charging.model.counters import at_once, usage_of
from farwire.charging.model.pricing import cost_of, peaks_of, worst
from farwire.charging.model.state import AMOUNT_MAX, LATE_US, Group, Session
from farwire.charging.model.tariffs import FREE, Price
from farwire.charging.model.work import Book, Work

Open = tuple[Session | None, Group]
"""A group with a quota, and its session; None for the one that is being served."""


def secure(work: Work, book: Book, price: Price, group: Group) -> tuple[bool, int]:
    """Return whether others have quotas on the counter of ``price`` too, and why they forbid a new one, or 0.

    Of several others each is secure already: the second one that came has seen to it.
    """
    others = _others(work, book, price, group)
    if len(others) != 1:
        return bool(others), 0
    return True, _hold_dearest(work, book, *others[0])


def _others(work: Work, book: Book, price: Price, group: Group) -> list[Open]:
    found: list[Open] = [
        (session, one)
        for session in book.sessions
        if session is not book.asked and not session.ended
        for one in session.groups
    ]
    found += [(None, one) for one in book.serving.values() if one.rating_group != group.rating_group]
    return [
        (session, one)
        for session, one in found
        if one.granted
        and one.valid_until + LATE_US > work.now
        and (work.price(one.price) or FREE).counter == price.counter
        and at_once(book, price, group, one)
    ]


def _hold_dearest(work: Work, book: Book, session: Session | None, group: Group) -> int:
    """Hold for the quota of ``group`` what it costs at its dearest place; return a result code where it cannot be."""
    price = work.price(group.price) or FREE
    purse = Purse(work, book, price, group.holds)
    usage = usage_of(book, price, purse, group, shared=True)
    end = group.used + group.granted
    most = worst(price, group.used, end, usage, peaks_of(price, group.used, end, usage))
    here, ahead = cost_of(price, group.used, usage), cost_of(price, end, usage)
    if most is None or here is None or ahead is None:
        return ResultCode.RATING_FAILED
    money, needed = purse.available(purse.money), most - here.total
    room = limits.headroom(book, price.tags, purse.held_before()) if book.limits else AMOUNT_MAX
    if needed > min(money, room):
        return ResultCode.SPEND_LIMIT_REACHED if room < money else ResultCode.CREDIT_LIMIT_REACHED
    purse.reserve(ahead, needed)
    after = replace(group, holds=limits.close(work, book, price, purse, group.rating_group))
    _put(book, session, group, after)
    if after.holds:
        book.due(after.valid_until + LATE_US)
    return 0


def _put(book: Book, session: Session | None, group: Group, after: Group) -> None:
    if session is None:
        book.serving[group.rating_group] = after
        return
    changed = replace(session, groups=tuple(after if one is group else one for one in session.groups))
    book.sessions = tuple(changed if one is session else one for one in book.sessions)
    book.touched = True
