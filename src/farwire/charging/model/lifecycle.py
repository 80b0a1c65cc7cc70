"""What time alone does: quotas lapse, offers renew, balances end, counters start anew, an account grows old.

pool → active → grace → expired. ``decide`` lets due time pass first, so an answer never depends on how often the sweep
(``expire``) runs; ``Account.due_at`` says before when there is nothing to do.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from farwire.charging.model.answers import MovementKind, NoticeKind, ResultCode
from farwire.charging.model.group import is_emergency, release
from farwire.charging.model.renewal import renew_due
from farwire.charging.model.requests import Service
from farwire.charging.model.state import (
    LATE_US,
    NEVER,
    Balance,
    Flag,
    Group,
    Lifecycle,
    Session,
)
from farwire.charging.model.work import Book, Work

_ACTIVE: Final = int(Lifecycle.ACTIVE)


def may_use(work: Work, book: Book, service: Service) -> int:
    """Return 0 where the account may use ``service`` now, or the result code that says why not.

    The first use takes an account off the shelf; an emergency call does not.
    """
    account = book.account
    if account.in_use:
        return 0
    if account.lifecycle == Lifecycle.POOL and not account.flags & Flag.BARRED:
        if not is_emergency(work, account.plan, service):
            activate(work, book)
        return 0
    return ResultCode.END_USER_DENIED


def activate(work: Work, book: Book) -> None:
    """Make the account active for as long as its plan says, or longer where it already is."""
    account = book.account
    terms = work.tariffs.plan(account.plan)
    if terms is None:
        return
    if account.lifecycle == _ACTIVE and account.active_until == NEVER:
        return
    until = min(work.now + terms.active_us, NEVER)
    if account.lifecycle == _ACTIVE:
        until = max(until, account.active_until)
    else:
        work.tell(account.number, NoticeKind.ACTIVATED, account.plan, until)
    book.set(
        lifecycle=_ACTIVE,
        active_until=until,
        grace_until=min(until + terms.grace_us, NEVER),
    )
    book.due(until)


def pass_time(work: Work, book: Book) -> None:
    """Do what is due on one account of the circle. Repeating it does nothing more."""
    if work.now < book.due_at:
        return
    _lapse_quotas(work, book)
    renew_due(work, book)
    _age(work, book)
    _forfeit(work, book)
    _new_periods(work, book)
    book.set(keys=tuple(key for key in book.account.keys if key.forget_at > work.now))
    book.due_at = _due_at(book, work.now)


def _lapse_quotas(work: Work, book: Book) -> None:
    """Release the quotas whose report did not come, and forget sessions whose window is over."""
    sessions: list[Session] = []
    for session in book.sessions:
        groups = tuple(_lapsed(work, book, group) for group in session.groups)
        if session.forget_at > work.now:
            sessions.append(session if groups == session.groups else replace(session, groups=groups))
        elif not session.ended:
            for group in groups:
                work.use(book.account.number, group, (session.id_hi, session.id_lo))
    book.sessions = tuple(sessions)
    book.touched = True


def _lapsed(work: Work, book: Book, group: Group) -> Group:
    held = sum(hold.reserved for hold in group.holds)
    if not held or group.valid_until + LATE_US > work.now:
        return group
    work.tell(book.account.number, NoticeKind.QUOTA_LAPSED, group.rating_group, group.granted)
    return release(work, book, group)


def _forfeit(work: Work, book: Book) -> None:
    """Take what balances have left at their end; one that a group still knows stays until the group has ended."""
    gone = book.account.lifecycle == Lifecycle.EXPIRED
    known = {
        (hold.account, hold.balance)
        for account in work.circle
        for session in work.books.get(account.number, account).sessions
        for group in session.groups
        for hold in group.holds
    }
    number = book.account.number
    for balance in tuple(book.balances):
        if balance.valid_to > work.now and not gone:
            continue
        left = balance.amount - balance.reserved
        if left > 0:
            work.post(book, balance, MovementKind.FORFEITED, -left, balance.offer)
            work.tell(number, NoticeKind.BALANCE_FORFEITED, balance.number, left)
    book.balances = [
        balance
        for balance in book.balances
        if balance.valid_to > work.now or balance.amount or (number, balance.number) in known
    ]
    book.touched = True


def _new_periods(work: Work, book: Book) -> None:
    """Start limits and caps anew whose period is over; drop counters that no open group began in."""
    account, now = book.account, work.now

    def end(period: int) -> int:
        return work.tariffs.period(account.plan, period, now, account.cycle_day)[1]

    book.limits = [
        replace(limit, used=0, told=0, ends_at=end(limit.period)) if limit.ends_at <= now else limit
        for limit in book.limits
    ]
    book.shares = [
        replace(share, used=0, ends_at=end(share.period)) if share.ends_at <= now else share
        for share in book.shares
    ]
    oldest = min(
        (group.started_at for session in book.sessions if not session.ended for group in session.groups),
        default=now,
    )
    book.counters = [
        counter for counter in book.counters if counter.ends_at > now or counter.ends_at > oldest
    ]


def _age(work: Work, book: Book) -> None:
    account = book.account
    if account.lifecycle == Lifecycle.ACTIVE and account.active_until <= work.now:
        book.set(lifecycle=int(Lifecycle.GRACE))
        work.tell(account.number, NoticeKind.GRACE_BEGAN, 0, account.grace_until)
    account = book.account
    if account.lifecycle == Lifecycle.GRACE and account.grace_until <= work.now:
        book.set(lifecycle=int(Lifecycle.EXPIRED))
        work.tell(account.number, NoticeKind.EXPIRED, 0)


def _due_at(book: Book, now: int) -> int:
    account = book.account
    times = [NEVER, *(holding.ends_at for holding in account.holdings), *_session_times(book.sessions)]
    times += [limit.ends_at for limit in book.limits]
    times += [share.ends_at for share in book.shares]
    times += [counter.ends_at for counter in book.counters]
    times += [key.forget_at for key in account.keys]
    times += [balance.valid_to for balance in book.balances if _ends(balance)]
    if account.lifecycle == Lifecycle.ACTIVE:
        times.append(account.active_until)
    if account.lifecycle == Lifecycle.GRACE:
        times.append(account.grace_until)
    return min(at for at in times if at > now)


def _ends(balance: Balance) -> bool:
    """Tell whether anything is left to forfeit; what is held is looked at again when it is free."""
    return balance.amount - balance.reserved > 0


def _session_times(sessions: tuple[Session, ...]) -> list[int]:
    times = []
    for session in sessions:
        times.append(session.forget_at)
        times += [
            group.valid_until + LATE_US
            for group in session.groups
            if any(hold.reserved for hold in group.holds)
        ]
    return times
