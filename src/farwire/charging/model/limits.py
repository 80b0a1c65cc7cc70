"""Spend limits and roaming caps: told at 80 %, stopped at 100 % unless the customer has opted on.

A limit counts money: what was charged and what quotas hold, so that sessions at once stay within it too.
Source: Regulation (EU) 2022/612 Art. 14 (roaming: notice at 80 % and at the limit, continue only on request).
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from farwire.charging.model.answers import NoticeKind
from farwire.charging.model.state import AMOUNT_MAX
from farwire.charging.model.work import Book, Work

WARN_PERCENT: Final = 80


def headroom(book: Book, tags: int, held: int) -> int:
    """Return the money that usage with ``tags`` may still cost; ``held`` is what its own quota holds now."""
    room = AMOUNT_MAX
    for limit in book.limits:
        if limit.scope & tags and not limit.opted_on:
            room = min(room, limit.cap - limit.used - limit.reserved + held)
    return max(room, 0)


def count(work: Work, book: Book, tags: int, used: int, reserved: int) -> None:
    """Count ``used`` and ``reserved`` more money on the limits of ``tags``; tell when 80 % or all of one is used."""
    for index, limit in enumerate(book.limits):
        if not limit.scope & tags or not (used or reserved):
            continue
        total = min(limit.used + used, AMOUNT_MAX)
        percent = (
            100 if total >= limit.cap else WARN_PERCENT if total * 100 >= limit.cap * WARN_PERCENT else 0
        )
        if percent > limit.told:
            kind = NoticeKind.LIMIT_REACHED if percent == 100 else NoticeKind.LIMIT_80
            work.tell(book.account.number, kind, limit.number, total)
        book.limits[index] = replace(
            limit, used=total, reserved=limit.reserved + reserved, told=max(percent, limit.told)
        )
        book.touched = True
