"""Balances that several draw on: a family, a company and its people.

The owner marks balances as ``shared``; a member has a ``Share`` per owner and unit, with a cap for each period. The
priority of the share stands for that of the owner's balances: lower than the own ones, the company pays first; higher,
it helps out. The cap counts what the member has used and holds, so that sessions at once stay within it too.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from msgspec.structs import replace

from farwire.charging.model.state import Balance, Flag, Hold, Lifecycle
from farwire.charging.model.work import Book, Work


def caps(book: Book, holds: tuple[Hold, ...]) -> list[int]:
    """Return for each share what its member may still take, what this group holds by it included."""
    left = [share.cap - share.used - share.reserved for share in book.shares]
    for hold in holds:
        if hold.account != book.account.number:
            index = _share(book, hold.account, hold.unit)
            if index >= 0:
                left[index] += hold.reserved
    return left


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
        open_to_members = (
            owner.account.lifecycle == Lifecycle.ACTIVE and not owner.account.flags & Flag.BARRED
        )
        for balance in owner.balances:
            index = _share(book, number, balance.unit)
            opened = index >= 0 and balance.shared == 1 and open_to_members
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
