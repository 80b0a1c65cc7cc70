"""The open books of one decision: what may change, until it is closed into new accounts.

A decision changes few records of an account. They are lists here while it lasts, and become tuples again at its end.
"""

from __future__ import annotations

import msgspec
from msgspec.structs import replace

from farwire.charging.model.answers import Movement, Notice, Used
from farwire.charging.model.state import (
    AMOUNT_MAX,
    MAIN,
    NEVER,
    OVERRUN,
    Account,
    Balance,
    Circle,
    Counter,
    Group,
    KeptKey,
    Limit,
    Session,
    Share,
    Unit,
)
from farwire.charging.model.tariffs import BUILT_IN, Price, Tariffs


class Book(msgspec.Struct, gc=False):
    """One account of the circle, open."""

    account: Account
    balances: list[Balance]
    counters: list[Counter]
    limits: list[Limit]
    shares: list[Share]
    sessions: tuple[Session, ...]
    due_at: int
    touched: bool = False
    asked: Session | None = None
    """The session that is being served, as it was before."""
    serving: dict[int, Group] = {}
    """Its groups so far, where it has several."""

    def close(self) -> Account:
        """Return the account as it is now; the very same one where nothing was touched."""
        if not self.touched:
            return self.account
        account = self.account
        return Account(
            account.number,
            account.tenant,
            account.plan,
            account.lifecycle,
            account.flags,
            account.active_until,
            account.grace_until,
            account.cycle_day,
            account.overrun,
            account.loan_owed,
            account.serial,
            self.due_at,
            tuple(self.balances),
            self.sessions,
            tuple(self.counters),
            tuple(self.limits),
            tuple(self.shares),
            account.holdings,
            account.keys,
        )

    def sort(self) -> None:
        """Put the balances into the order in which they are used."""
        self.balances.sort(key=Balance.order)

    def balance(self, number: int) -> Balance | None:
        """Return the balance ``number``, or None."""
        for balance in self.balances:
            if balance.number == number:
                return balance
        return None

    def main(self) -> Balance:
        """Return the main balance; an account that has lost it gets an empty one."""
        found = self.balance(MAIN)
        if found is not None:
            return found
        main = Balance(MAIN, Unit.MONEY, 0, 100, 0, 0, 0, 0, 0, 0, NEVER)
        self.balances.append(main)
        self.sort()
        return main

    def due(self, at: int) -> None:
        """Let the account be looked at again at ``at``, or earlier."""
        if at < self.due_at:
            self.due_at = at
            self.touched = True

    def set(self, **changes: object) -> None:
        """Change fields of the account that the book has no list of."""
        self.account = replace(self.account, **changes)
        self.touched = True


class Work(msgspec.Struct, gc=False):
    """A decision in progress: the books of its circle, what moved, what is worth telling."""

    circle: Circle
    tariffs: Tariffs
    now: int
    books: dict[int, Book]
    movements: list[Movement]
    notices: list[Notice]
    usages: list[Used]
    key_hi: int = 0
    key_lo: int = 0
    number: int = 0

    @classmethod
    def begin(cls, circle: Circle, tariffs: Tariffs, now: int) -> Work:
        """Return the work on ``circle`` with nothing done."""
        return cls(circle, tariffs, now, {}, [], [], [])

    def book(self, number: int) -> Book | None:
        """Return the open book of the account ``number``, or None where it is not in the circle."""
        book = self.books.get(number)
        if book is not None:
            return book
        for account in self.circle:
            if account.number == number:
                return self.open(account)
        return None

    def open(self, account: Account) -> Book:
        """Open the book of ``account``."""
        book = self.books[account.number] = Book(
            account,
            list(account.balances),
            list(account.counters),
            list(account.limits),
            list(account.shares),
            account.sessions,
            account.due_at,
        )
        return book

    def price(self, number: int) -> Price | None:
        """Return the price of a state's ``number``."""
        return BUILT_IN.get(number) or self.tariffs.price(number)

    def close(self) -> Circle:
        """Return the circle as it is now."""
        books = self.books
        if len(self.circle) == 1 and books:
            return (next(iter(books.values())).close(),)
        return tuple(
            [books[account.number].close() if account.number in books else account for account in self.circle]
        )

    def move(self, account: int, balance: int, kind: int, amount: int, reason: int, unit: int = 0) -> None:
        """Write down that ``balance``, which holds ``unit``, has changed by ``amount``."""
        self.movements.append(
            Movement(
                account, balance, kind, amount, reason, self.key_hi, self.key_lo, self.number, self.now, unit
            )
        )

    def use(self, account: int, group: Group, key: tuple[int, int] | None = None) -> None:
        """Write down what ``group`` has used, now that it ends; ``key`` names a session other than the one asked."""
        if group.used or group.charged:
            self.usages.append(
                Used(
                    *(account, group.rating_group, group.price, group.unit, group.started_at),
                    *(group.used, group.charged, *(key or (self.key_hi, self.key_lo)), self.now),
                )
            )

    def tell(self, account: int, kind: int, subject: int, value: int = 0) -> None:
        """Write down a notice."""
        self.notices.append(Notice(account, kind, subject, value, self.now))

    def post(self, book: Book, balance: Balance, kind: int, amount: int, reason: int = 0) -> bool:
        """Add ``amount`` to ``balance`` and write the movement; False, and nothing done, where it does not fit."""
        after = balance.amount + amount
        if not -AMOUNT_MAX <= after <= AMOUNT_MAX:
            return False
        if amount:
            for index, found in enumerate(book.balances):
                if found.number == balance.number:
                    book.balances[index] = replace(found, amount=found.amount + amount)
                    break
            book.touched = True
            self.move(book.account.number, balance.number, kind, amount, reason, balance.unit)
        return True

    def overrun(self, book: Book, kind: int, amount: int, reason: int) -> None:
        """Post ``amount`` (below 0: used and not found) to the overrun of the account."""
        before = book.account.overrun
        after = max(before + amount, -AMOUNT_MAX)
        book.set(overrun=after)
        self.move(book.account.number, OVERRUN, kind, after - before, reason)

    def keep(self, book: Book, key: KeptKey) -> None:
        """Keep the answer to an event or command for its window."""
        book.set(keys=(*book.account.keys, key))
        book.due(key.forget_at)
