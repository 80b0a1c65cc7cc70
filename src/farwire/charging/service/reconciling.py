"""Prove the books: what charging moved = what the ledger has, what a shard holds = what was moved; say where not."""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Final, NamedTuple

from farwire.base.storage import Database, Tx
from farwire.charging.model import Account
from farwire.charging.model.answers import MovementKind
from farwire.charging.model.booking import is_paid, sums_of
from farwire.charging.model.state import OVERRUN
from farwire.charging.model.taxing import earns
from farwire.charging.service.books import SOURCE, entities_of
from farwire.charging.service.client import Client
from farwire.charging.service.owing import BILLED
from farwire.charging.service.transfers import UnderWay, money_under_way
from farwire.charging.shard.reading import SHOWN, Inspect, Seen
from farwire.charging.store import books as store
from farwire.charging.store import control
from farwire.charging.store.books import Owner
from farwire.kernel.ids import LegalEntityId, TenantId
from farwire.kernel.money import currency
from farwire.kernel.time import local_date, zone
from farwire.ledger import service as ledger
from farwire.ledger.model import Book, LedgerRow
from farwire.tenant.model import LegalEntity
from farwire.usage import service as usage

AT_ONCE: Final = 64
"""Accounts that a shard is asked for at once."""
_KEY: Final = re.compile(r"(\d+):(\d+)\.(\d+)")
_EARNING: Final = frozenset(
    {Book.REVENUE_USAGE, Book.REVENUE_RECURRING, Book.CREDITS_GIVEN, Book.DEFERRED_REVENUE}
)
_LATER: Final = re.compile(r"\d+:\d+\.\d+/\d{4}-\d\d")
"""The key of an entry that earns in a month what was deferred before."""
_NOWHERE: Final = (-1, 0, 0)
"""The place of an entry that charging has not written."""
PAGE: Final = 2_000
"""Accounts that are summed at once."""


class Purse(NamedTuple):
    """Whose prepaid money: a company's, in one currency."""

    entity: LegalEntityId
    currency: str


@dataclass(frozen=True, slots=True)
class Compared:
    """A book of a company in one currency: what the movements say and what charging's entries say, in nano-units."""

    entity: LegalEntityId
    currency: str
    book: Book
    moved_nano: int
    booked_nano: int
    begins: str = ""
    """Where a difference begins: the day, and the place in a log of the first entry that is wrong."""

    @property
    def difference(self) -> int:
        """Return what the ledger has too much."""
        return self.booked_nano - self.moved_nano


@dataclass(frozen=True, slots=True)
class Held:
    """What prepaid accounts hold by their movements, and what of it ``payment`` put there, in nano-units."""

    balances: int = 0
    """Σ of money balances, without overruns."""
    paid: int = 0
    accounts: int = 0


@dataclass(frozen=True, slots=True)
class Postpaid:
    """What postpaid accounts were charged in one currency, and what of it their bills collect, in nano-units."""

    currency: str
    moved_nano: int
    """Taken from what they may use, less what they got back."""
    ended_nano: int
    """The same of what has ended; the rest belongs to sessions that run."""
    owed_nano: int
    """Recorded for bills."""
    billed_nano: int
    """Of that, on a bill already."""
    nobodys_nano: int
    """Ended, of accounts without a product: no bill collects it."""

    @property
    def difference(self) -> int:
        """Return what bills collect too much."""
        return self.owed_nano + self.nobodys_nano - self.ended_nano


@dataclass(frozen=True, slots=True)
class Reconciled:
    """The outcome: every book of every company and currency, what is held, and what postpaid accounts owe."""

    books: tuple[Compared, ...]
    held: Mapping[Purse, Held]
    postpaid: tuple[Postpaid, ...] = ()
    untaxed: Mapping[tuple[Purse, Book], int] = field(default_factory=dict)
    """What movements earned, tax included, and nobody looked at for its tax (below 0: looked at too often)."""
    under_way: tuple[UnderWay, ...] = ()
    """What of 1060 is money of transfers that have not ended."""

    @property
    def differences(self) -> tuple[Compared, ...]:
        """Return the books that are wrong."""
        return tuple(one for one in self.books if one.difference)


@dataclass(frozen=True, slots=True)
class Strayed:
    """A balance that is not the sum of its movements. Balance 0 is the overrun."""

    account: int
    balance: int
    held: int
    moved: int


async def reconcile(tx: Tx) -> Reconciled:
    """Compare the movements of the tenant's prepaid accounts with the ledger, book by book."""
    moved: dict[tuple[Purse, Book], int] = defaultdict(int)
    earned: dict[tuple[Purse, Book], int] = defaultdict(int)
    held: dict[Purse, Held] = {}
    async for owners, entities in _prepaid(tx):
        for _, one in await store.money_sums(tx, owners):
            purse = Purse(entities[one.account].id, owners[one.account].currency)
            for pair, nano in sums_of([one]).items():
                moved[purse, pair.own] -= nano
                moved[purse, pair.other] += nano
            book = earns(one)
            if book is not None:
                earned[purse, book] -= one.amount
            before = held.get(purse, Held())
            inside = 0 if one.balance == OVERRUN else one.amount
            paid = one.amount if is_paid(one) else 0
            held[purse] = Held(before.balances + inside, before.paid + paid, before.accounts)
        for number, owner in owners.items():
            purse = Purse(entities[number].id, owner.currency)
            before = held.get(purse, Held())
            held[purse] = Held(before.balances, before.paid, before.accounts + 1)
    for entity, code, one_earned, gross in await store.earned(tx):
        purse, tax = Purse(entity, code), one_earned.tax.of(gross)
        moved[purse, one_earned.book] += tax
        moved[purse, Book.TAX_PAYABLE] -= tax
        earned[purse, one_earned.book] -= gross
    booked: dict[tuple[Purse, Book], int] = {}
    for row in await ledger.source_balance(tx=tx, source=SOURCE):
        exact = row.amount_minor * row.currency.nano_per_minor + row.remainder_nano
        booked[Purse(row.legal_entity_id, row.currency.code), row.book] = exact
    wrong = {key[0] for key in moved.keys() | booked.keys() if moved.get(key, 0) != booked.get(key, 0)}
    begins = {purse: await _begin(tx, purse) for purse in sorted(wrong)}
    books = [
        Compared(*purse, book, moved.get((purse, book), 0), booked.get((purse, book), 0))
        for purse, book in sorted(moved.keys() | booked.keys())
    ]
    untaxed = {key: nano for key, nano in sorted(earned.items()) if nano}
    placed = tuple(_placed(one, begins) for one in books)
    return Reconciled(placed, held, await _postpaid(tx), untaxed, await money_under_way(tx))


_TAKEN: Final = BILLED | {int(MovementKind.USAGE), int(MovementKind.OVERRUN)}


async def _postpaid(tx: Tx) -> tuple[Postpaid, ...]:
    """Compare what postpaid accounts were charged with what is recorded for their bills."""
    moved: Counter[str] = Counter()
    ended: Counter[str] = Counter()
    nobodys: Counter[str] = Counter()
    async for owners in _pages(tx, postpaid=True):
        done = Counter(await usage.charged_totals_of(tx, subscribers=list(owners)))
        for _, one in await store.money_sums(tx, owners):
            if one.kind in _TAKEN:
                moved[owners[one.account].currency] -= one.amount
            if one.kind in BILLED:
                done[one.account] -= one.amount
        for number, nano in done.items():
            ended[owners[number].currency] += nano
            if owners[number].product_id is None:
                nobodys[owners[number].currency] += nano
    owed = {one.currency: one for one in await usage.owed_totals(tx, source=SOURCE)}
    return tuple(
        Postpaid(
            *(code, moved[code], ended[code]),
            *((owed[code].nano, owed[code].billed_nano) if code in owed else (0, 0)),
            nobodys[code],
        )
        for code in sorted(moved.keys() | ended.keys() | owed.keys())
    )


def _placed(one: Compared, begins: Mapping[Purse, str]) -> Compared:
    if not one.difference:
        return one
    where = begins.get(Purse(one.entity, one.currency), "")
    return Compared(one.entity, one.currency, one.book, one.moved_nano, one.booked_nano, where)


async def strayed(tx: Tx, *, accounts: Sequence[Account]) -> tuple[Strayed, ...]:
    """Return the balances of ``accounts``, as their shard has them, that are not the sum of their movements.

    The books may be behind the shard for a moment: what strays is to be looked at once more.
    """
    moved = await store.balance_sums(tx, [account.number for account in accounts])
    held: dict[tuple[int, int], int] = {}
    for account in accounts:
        held[account.number, OVERRUN] = account.overrun
        held |= {(account.number, one.number): one.amount for one in account.balances}
    return tuple(
        Strayed(*key, held.get(key, 0), moved.get(key, 0))
        for key in sorted(held.keys() | moved.keys())
        if held.get(key, 0) != moved.get(key, 0)
    )


@dataclass(frozen=True, slots=True)
class Live:
    """What shards hold compared with what the books have."""

    compared: int
    """Balances of so many accounts."""
    skipped: int
    """Accounts of which a shard shows only a part, or that it does not have yet."""
    strayed: tuple[Strayed, ...]


async def compare_live(
    *, db: Database, tenant_id: TenantId, client: Client, tries: int = 6, pause_ms: int = 500
) -> Live:
    """Compare every balance of the tenant's accounts, as their shards have it, with the sum of its movements.

    The books follow a shard within a second: what differs is looked at again, ``tries`` times in all.
    Raises ``Unavailable`` (``charging.no_answer``).
    """
    compared = skipped = 0
    found: list[Strayed] = []
    after = 0
    while True:
        async with db.transaction(tenant_id, read_only=True) as tx:
            page = await store.page_owners(tx, after=after, limit=PAGE)
            tenant = await control.tenant_number(tx, tenant_id)
        if not page or tenant is None:
            return Live(compared, skipped, tuple(found))
        after = max(page)
        states = await _states(client, tenant, list(page))
        compared, skipped = compared + len(states), skipped + len(page) - len(states)
        wrong = await _strayed(db, tenant_id, states)
        for _ in range(tries - 1):
            if not wrong:
                break
            await asyncio.sleep(pause_ms / 1_000)
            again = sorted({one.account for one in wrong})
            wrong = await _strayed(db, tenant_id, await _states(client, tenant, again))
        found += wrong


async def _strayed(db: Database, tenant_id: TenantId, states: Sequence[Account]) -> tuple[Strayed, ...]:
    async with db.transaction(tenant_id, read_only=True) as tx:
        return await strayed(tx, accounts=states)


async def _states(client: Client, tenant: int, numbers: Sequence[int]) -> list[Account]:
    """Return the accounts that a shard shows whole, a few at a time."""
    states: list[Account] = []
    for at in range(0, len(numbers), AT_ONCE):
        asked = (client.ask(tenant, Inspect(number)) for number in numbers[at : at + AT_ONCE])
        states += [
            answer.seen
            for answer in await asyncio.gather(*asked)
            if isinstance(answer, Seen) and answer.seen is not None and len(answer.seen.balances) < SHOWN
        ]
    return states


async def _pages(tx: Tx, *, postpaid: bool) -> AsyncIterator[dict[int, Owner]]:
    after = 0
    while page := await store.page_owners(tx, after=after, limit=PAGE):
        after = max(page)
        owners = {number: owner for number, owner in page.items() if owner.postpaid is postpaid}
        if owners:
            yield owners


async def _prepaid(tx: Tx) -> AsyncIterator[tuple[dict[int, Owner], Mapping[int, LegalEntity]]]:
    async for owners in _pages(tx, postpaid=False):
        yield owners, await entities_of(tx, owners)


# ---- where a difference begins


async def _begin(tx: Tx, purse: Purse) -> str:
    """Return the first day whose entries are not what moved on it, and the first wrong one of that day."""
    entries = await _entries(tx, purse.entity, purse.currency)
    moved: dict[date, dict[tuple[int, int, int], dict[Book, int]]] = defaultdict(dict)
    async for owners, entities in _prepaid(tx):
        numbers = [
            number
            for number, owner in owners.items()
            if owner.currency == purse.currency and entities[number].id == purse.entity
        ]
        for one in await store.money_moved(tx, numbers):
            day = local_date(one.at, zone(entities[one.movement.account].zone))
            books = moved[day].setdefault((one.shard, one.sequence, one.place), defaultdict(int))
            for pair, nano in sums_of([one.movement]).items():
                books[_gross(pair.own)] -= nano
                books[_gross(pair.other)] += nano
    for day in sorted(moved.keys() | entries.keys()):
        found = _first_wrong(entries.get(day, {}), moved.get(day, {}))
        if found is not None:
            return f"{day}, shard {found[0]}, sequence {found[1]}, place {found[2]}"
    return ""


_Places = Mapping[tuple[int, int, int], Mapping[Book, int]]


def _first_wrong(entries: _Places, moved: _Places) -> tuple[int, int, int] | None:
    """Return the place of the first entry that is not the sum of what moved from it up to the next one."""
    starts = sorted(entries)
    sums: dict[tuple[int, int, int], dict[Book, int]] = {start: defaultdict(int) for start in starts}
    for place, books in sorted(moved.items()):
        at = bisect_right(starts, place) - 1
        if at < 0:
            if any(books.values()):
                return place
            continue
        for book, nano in books.items():
            sums[starts[at]][book] += nano
    for start in starts:
        if _plain(sums[start]) != _plain(entries[start]):
            return start
    return None


def _plain(books: Mapping[Book, int]) -> dict[Book, int]:
    return {book: nano for book, nano in books.items() if nano}


async def _entries(
    tx: Tx, entity: LegalEntityId, code: str
) -> dict[date, dict[tuple[int, int, int], dict[Book, int]]]:
    found: dict[date, dict[tuple[int, int, int], dict[Book, int]]] = defaultdict(dict)
    unit = currency(code)
    rows = ledger.general_ledger(tx=tx, legal_entity_id=entity, first=date.min, after_last=date.max)
    async for row in rows:
        if (
            row.source != SOURCE
            or row.currency != unit
            or (row.book in _EARNING and _LATER.fullmatch(row.key))
        ):
            continue
        books = found[row.occurred_on].setdefault(_place_of(row), defaultdict(int))
        books[_gross(row.book)] += row.amount_minor * unit.nano_per_minor + row.remainder_nano
    return found


def _gross(book: Book) -> Book:
    """Return one book for revenue, now and later, what is given back of it, and tax: the gross is what moved."""
    return Book.TAX_PAYABLE if book in _EARNING else book


def _place_of(row: LedgerRow) -> tuple[int, int, int]:
    found = _KEY.fullmatch(row.key)
    return (int(found[1]), int(found[2]), int(found[3])) if found else _NOWHERE


__all__ = [
    "Compared",
    "Held",
    "Live",
    "Postpaid",
    "Purse",
    "Reconciled",
    "Strayed",
    "compare_live",
    "reconcile",
    "strayed",
]
