"""Balances that several draw on: a family, a company and its people.

The owner marks balances as ``shared``; a member has a ``Share`` per owner and unit, with a cap for each period. The
priority of the share stands for that of the owner's balances: lower than the own ones, the company pays first; higher,
it helps out. The cap counts what the member has used and holds, so that sessions at once stay within it too. What a
quota holds may still be used when the cap falls below it or the share is taken away.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from msgspec.structs import replace

from farwire.charging.model.answers import ResultCode
from farwire.charging.model.state import (
    AMOUNT_MAX,
    SHARES_MAX,
    Balance,
    Hold,
    Period,
    Share,
)
from farwire.charging.model.work import Book, Work

PAYS_FIRST: Final = 1
"""Priority of an owner who pays before the member's own offers (10) and money (100)."""
PAYS_LAST: Final = 200
"""Priority of an owner who helps out when the member has nothing left."""
_PERIODS: Final = frozenset(int(period) for period in Period)
_SMALL: Final = 30_000


def put(work: Work, book: Book, owner: Book, share: Share, balance: int) -> int:
    """Let the member draw on the owner's ``balance`` as ``share`` says; return a result code.

    A share of the same owner and unit is changed: what is used and held stays counted.
    """
    found = owner.balance(balance)
    if found is None or owner is book or share.period not in _PERIODS:
        return ResultCode.INVALID
    if not (0 <= share.cap <= AMOUNT_MAX and abs(share.priority) <= _SMALL):
        return ResultCode.INVALID
    index = _share(book, share.owner, found.unit)
    if index < 0 and len(book.shares) >= SHARES_MAX:
        return ResultCode.TOO_BUSY
    used = 0 if index < 0 else book.shares[index].used
    held = sum(
        hold.reserved
        for session in book.sessions
        for group in session.groups
        for hold in group.holds
        if (hold.account, hold.unit) == (share.owner, found.unit)
    )
    ends_at = work.tariffs.period(book.account.plan, share.period, work.now, book.account.cycle_day)[1]
    share = replace(share, unit=found.unit, used=used, reserved=held, ends_at=ends_at)
    if index < 0:
        book.shares.append(share)
    else:
        book.shares[index] = share
    book.touched = True
    book.due(ends_at)
    mark(owner, found, shared=1)
    return ResultCode.SUCCESS


def end(book: Book, owner: int, unit: int) -> bool:
    """Take the share of the owner's balances in ``unit`` away; return whether there was one."""
    index = _share(book, owner, unit)
    if index < 0:
        return False
    del book.shares[index]
    book.touched = True
    return True


def mark(owner: Book, balance: Balance, *, shared: int) -> None:
    """Open a balance of the owner to members, or close it."""
    if balance.shared != shared:
        owner.balances[owner.balances.index(balance)] = replace(balance, shared=shared)
        owner.touched = True


def caps(book: Book, holds: tuple[Hold, ...]) -> tuple[list[int], list[int]]:
    """Return for each share what its member may still take, what this group holds by it included; and what of it is
    beyond a cap that has fallen since: that much may be used, and not be held anew.
    """
    left = [share.cap - share.used - share.reserved for share in book.shares]
    held = [0] * len(left)
    for hold in holds:
        if hold.account != book.account.number:
            index = _share(book, hold.account, hold.unit)
            if index >= 0:
                held[index] += hold.reserved
    return [max(most, 0) + mine for most, mine in zip(left, held, strict=True)], [
        max(-most, 0) for most in left
    ]


def is_drawn_on(book: Book, holds: tuple[Hold, ...]) -> bool:
    """Tell whether ``holds`` are on balances of others, by a share that may have been taken away since."""
    return any(hold.account != book.account.number for hold in holds)


class Drawn(NamedTuple):
    """A balance that a member may draw on (``opened``), or of which it may only use up what it holds."""

    order: tuple[int, int, int]
    book: Book
    balance: Balance
    share: int
    """The index of the share that it comes in by; −1: an own balance, or the share was taken away."""
    opened: bool


def balances(work: Work, book: Book, holds: tuple[Hold, ...]) -> Iterator[Drawn]:
    """Yield all that the member may draw on or holds, in the order of use.

    The balances of an owner who is barred or no longer active are closed to members; what they hold stays theirs.
    """
    found = [Drawn(balance.order(), book, balance, -1, opened=True) for balance in book.balances]
    held = {(hold.account, hold.balance) for hold in holds}
    owners = {share.owner for share in book.shares} | {hold.account for hold in holds}
    for number in sorted(owners - {book.account.number}):
        owner = work.book(number)
        if owner is None:
            continue
        for balance in owner.balances:
            index = _share(book, number, balance.unit)
            opened = index >= 0 and balance.shared == 1 and owner.account.in_use
            if opened:
                order = (book.shares[index].priority, balance.valid_to, balance.number)
                found.append(Drawn(order, owner, balance, index, opened=True))
            elif (number, balance.number) in held:
                found.append(Drawn(balance.order(), owner, balance, index, opened=False))
    found.sort(key=lambda drawn: drawn.order)
    yield from found


def _share(book: Book, owner: int, unit: int) -> int:
    for index, share in enumerate(book.shares):
        if share.owner == owner and share.unit == unit:
            return index
    return -1


def count(book: Book, index: int, used: int, reserved: int) -> None:
    """Count on the share ``index`` what its member has used and holds more than before."""
    share = book.shares[index]
    book.shares[index] = replace(share, used=share.used + used, reserved=share.reserved + reserved)
    book.touched = True
