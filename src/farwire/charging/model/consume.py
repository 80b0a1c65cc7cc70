"""Which balances a usage draws on, and in what order; reserving, charging and giving back.

A *purse* lies open while one rating group is decided. It has a row for each balance that serves the price: first the
units, then the money, each in the account's order; balances that others share come in by their share (``sharing.py``).
Opening it takes back what the group held. What is then charged and held anew is written back when it is closed.
"""

from __future__ import annotations

from typing import Final

import msgspec

from farwire.charging.model import sharing
from farwire.charging.model.answers import MovementKind
from farwire.charging.model.pricing import Cost
from farwire.charging.model.state import Balance, Hold, Lifecycle, Unit
from farwire.charging.model.tariffs import Price
from farwire.charging.model.work import Book, Work

_MONEY: Final = int(Unit.MONEY)
_USAGE: Final = int(MovementKind.USAGE)
_EXPIRED: Final = int(Lifecycle.EXPIRED)


class Row(msgspec.Struct, gc=False):
    """One balance in a purse."""

    book: Book
    balance: Balance
    share: int
    """The index of the share that it comes in by, -1 for an own balance."""
    was_held: int
    charged: int
    """What the group has taken from it in all."""
    usable: int
    """What may be taken or held now. Of a balance that is over: what it promised while it was valid."""
    drawn: int = 0
    held: int = 0


class Purse:
    """The balances that serve one rating group."""

    __slots__ = ("beyond", "book", "caps", "money", "owed", "promised", "units", "work")

    def __init__(self, work: Work, book: Book, price: Price, holds: tuple[Hold, ...]) -> None:
        self.work = work
        self.book = book
        self.units: list[Row] = []
        self.money: list[Row] = []
        self.owed = 0
        """Money to give back that others have paid: together they have reached a cheaper tier."""
        self.promised: list[Row] = []
        """Rows that may only give what was held before: their balance is over or serves no longer."""
        self.caps: list[int] | None = None
        self.beyond: list[int] = []
        """What of ``caps`` was promised before a cap fell."""
        if len(work.circle) > 1 and (book.shares or sharing.is_drawn_on(book, holds)):
            self.caps, self.beyond = sharing.caps(book, holds)
            for drawn in sharing.balances(work, book, holds):
                self._add(drawn.book, drawn.balance, price, holds, drawn.share, opened=drawn.opened)
        else:
            for balance in book.balances:
                self._add(book, balance, price, holds, -1)

    def _add(
        self,
        book: Book,
        balance: Balance,
        price: Price,
        holds: tuple[Hold, ...],
        share: int,
        *,
        opened: bool = True,
    ) -> None:
        unit = balance.unit
        number = balance.number
        hold = None
        for one in holds:
            if one.balance == number and one.account == book.account.number:
                hold = one
                break
        serves = (
            opened
            and (unit == _MONEY or unit == price.unit)
            and (not balance.scope or balance.scope in price.scopes)
            and balance.valid_from <= self.work.now < balance.valid_to
        )
        if hold is None and (not serves or balance.amount - balance.reserved <= balance.floor):
            return
        held, charged = (0, 0) if hold is None else (hold.reserved, hold.charged)
        usable = balance.amount - balance.reserved + held - balance.floor if serves else held
        row = Row(book, balance, share, held, charged, usable)
        if not serves:
            self.promised.append(row)
        if unit == _MONEY:
            self.money.append(row)
        else:
            self.units.append(row)

    def end_promises(self) -> None:
        """Give no new quota from balances that are over, or beyond a cap: what was promised has been charged."""
        for row in self.promised:
            row.usable = 0
        if self.caps is not None:
            self.caps = [most - beyond for most, beyond in zip(self.caps, self.beyond, strict=True)]

    def _left(self, row: Row) -> int:
        """Return what ``row`` can still give: what is usable, within the cap of its share."""
        if self.caps is None or row.share < 0:
            return row.usable
        return min(row.usable, self.caps[row.share])

    def available(self, rows: list[Row]) -> int:
        """Return what ``rows`` can give together."""
        if self.caps is None:
            total = 0
            for row in rows:
                if row.usable > 0:
                    total += row.usable
            return total
        caps = list(self.caps)
        total = 0
        for row in rows:
            give = max(row.usable, 0)
            if row.share >= 0:
                give = max(0, min(give, caps[row.share]))
                caps[row.share] -= give
            total += give
        return total

    def charged(self, rows: list[Row]) -> int:
        """Return what the group has taken from ``rows`` so far."""
        total = 0
        for row in rows:
            total += row.charged
        return total

    def by_scope(self) -> dict[int, int]:
        """Return what the unit balances can bear of the whole group, by scope."""
        caps = list(self.caps or ())
        scopes: dict[int, int] = {}
        for row in self.units:
            give = max(row.usable, 0)
            if row.share >= 0:
                give = max(0, min(give, caps[row.share]))
                caps[row.share] -= give
            scope = row.balance.scope
            scopes[scope] = scopes.get(scope, 0) + give + row.charged
        return scopes

    def taken(self) -> dict[int, int]:
        """Return what unit balances have borne of the group so far, by scope."""
        scopes: dict[int, int] = {}
        for row in self.units:
            scopes[row.balance.scope] = scopes.get(row.balance.scope, 0) + row.charged
        return scopes

    def held_before(self) -> int:
        """Return the money that the group held before."""
        return sum(row.was_held for row in self.money)

    def held_now(self) -> int:
        """Return the money that the group holds now."""
        return sum(row.held for row in self.money)

    def let_go(self) -> None:
        """Hold nothing after all."""
        for row in (*self.units, *self.money):
            row.held = 0

    def debit(self, rows: list[Row], amount: int) -> int:
        """Take ``amount`` from ``rows`` in their order; return what could not be found."""
        for row in rows:
            if amount <= 0:
                break
            part = min(self._left(row), amount)
            if part > 0:
                self._draw(row, part)
                amount -= part
        return amount

    def give_back(self, rows: list[Row], amount: int) -> int:
        """Return ``amount`` to ``rows`` that the group has taken from, the last first; return what is then left."""
        for row in reversed(rows):
            part = min(row.charged, amount)
            if part > 0:
                self._draw(row, -part)
                amount -= part
        return amount

    def _draw(self, row: Row, part: int) -> None:
        row.drawn += part
        row.charged += part
        row.usable -= part
        if self.caps is not None and row.share >= 0:
            self.caps[row.share] -= part

    def hold(self, rows: list[Row], amount: int) -> int:
        """Reserve ``amount`` on ``rows`` in their order; return what could not be found."""
        for row in rows:
            if amount <= 0:
                break
            part = min(self._left(row), amount)
            if part > 0:
                row.held += part
                row.usable -= part
                amount -= part
                if self.caps is not None and row.share >= 0:
                    self.caps[row.share] -= part
        return amount

    def settle(self, cost: Cost, charged_before: int) -> int:
        """Charge ``cost`` less what was charged before; return the money that was not found (below 0: given back)."""
        if cost.takes is None:
            self.debit(self.units, cost.units - self.charged(self.units))
        else:
            for scope, units in _deltas(self.units, cost):
                rows = [row for row in self.units if row.balance.scope == scope]
                self.debit(rows, units) if units > 0 else self.give_back(rows, -units)
        money = cost.total - charged_before
        return self.debit(self.money, money) if money >= 0 else -self.give_back(self.money, -money)

    def reserve(self, cost: Cost, money: int) -> int:
        """Hold the units of ``cost`` that are not charged yet, and ``money``; return what could not be found."""
        missing = 0
        if cost.takes is None:
            missing = self.hold(self.units, cost.units - self.charged(self.units))
        else:
            for scope, units in _deltas(self.units, cost):
                missing += self.hold([row for row in self.units if row.balance.scope == scope], units)
        return missing + self.hold(self.money, money)

    def valid_until(self, until: int) -> int:
        """Return the earlier of ``until`` and the end of the first balance that is held."""
        for row in self.units:
            if row.held and row.balance.valid_to < until:
                until = row.balance.valid_to
        for row in self.money:
            if row.held and row.balance.valid_to < until:
                until = row.balance.valid_to
        return until

    def close(self, reason: int) -> tuple[Hold, ...]:
        """Write the rows back into their books, with one movement for each that gave; return the new holds."""
        holds: list[Hold] = []
        for rows in (self.units, self.money):
            for row in rows:
                if row.drawn or row.held != row.was_held:
                    self._write(row, reason)
                if row.held or row.charged:
                    holds.append(
                        Hold(
                            row.book.account.number,
                            row.balance.number,
                            row.balance.unit,
                            row.held,
                            row.charged,
                        )
                    )
        if self.owed:
            self.work.post(self.book, self.book.main(), MovementKind.USAGE, self.owed, reason)
        return tuple(holds)

    def _write(self, row: Row, reason: int) -> None:
        book, old = row.book, row.balance
        new = Balance(
            old.number,
            old.unit,
            old.scope,
            old.priority,
            old.shared,
            old.offer,
            old.amount - row.drawn,
            old.reserved + row.held - row.was_held,
            old.floor,
            old.valid_from,
            old.valid_to,
        )
        book.balances[book.balances.index(old)] = new
        book.touched = True
        if old.valid_to <= self.work.now or book.account.lifecycle == _EXPIRED:
            # What it no longer holds is forfeited when the account is next looked at.
            book.due(self.work.now)
        if row.drawn:
            self.work.move(book.account.number, old.number, _USAGE, -row.drawn, reason, old.unit)
        if row.share >= 0:
            sharing.count(self.book, row.share, row.drawn, row.held - row.was_held)
        row.balance = new


def _deltas(rows: list[Row], cost: Cost) -> list[tuple[int, int]]:
    """Return (scope, units to take or give back) of a cost that says from which scope its units are."""
    taken: dict[int, int] = {}
    for row in rows:
        taken[row.balance.scope] = taken.get(row.balance.scope, 0) + row.charged
    takes = cost.takes or {}
    return [
        (scope, takes.get(scope, 0) - taken.get(scope, 0)) for scope in sorted(takes.keys() | taken.keys())
    ]
