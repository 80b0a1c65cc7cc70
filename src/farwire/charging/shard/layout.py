"""Accounts in the arena: from records to the model and back, writing only the records that changed.

An account is its keyed ``ACCOUNT`` record and a chain of further ones (``records.py``). Accounts that were just used
are kept decoded in a bounded cache; the arena alone is what is logged, copied and recovered.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from farwire.charging.model.state import Account, Group, Session
from farwire.charging.shard.arena import Arena
from farwire.charging.shard.asks import CACHE
from farwire.charging.shard.index import Index
from farwire.charging.shard.packing import (
    PACKERS,
    Cell,
    Part,
    Slots,
    pack_account,
    pack_group,
    parts_of,
    read_cell,
    records_of,
    same_head,
)
from farwire.charging.shard.records import Kind
from farwire.kernel.errors import Invalid, check


class Accounts:
    """The accounts of a shard by tenant and number. All of them belong to the one thread that decides."""

    __slots__ = ("_arena", "_bound", "_cache", "_index")

    def __init__(self, arena: Arena, index: Index, *, cache: int = CACHE) -> None:
        self._arena = arena
        self._index = index
        self._cache: dict[tuple[int, int], Cell] = {}
        self._bound = max(cache, 64)

    def forget(self) -> None:
        """Drop everything decoded: the arena was changed from outside."""
        self._cache.clear()

    def find(self, tenant: int, number: int) -> Account | None:
        """Return an account, or None. The same one is the same object until it is stored again."""
        cell = self._cell(tenant, number)
        return None if cell is None else cell.account

    def at(self, slot: int) -> Account | None:
        """Return the account whose own record stands in ``slot``, or None."""
        if self._arena.words[slot * 8] & 0xFF != Kind.ACCOUNT:
            return None
        return self.find(self._arena.words[slot * 8 + 1], self._arena.words[slot * 8 + 2])

    def slot_of(self, account: Account) -> int:
        """Return where the record of a stored account stands."""
        cell = self._cell(account.tenant, account.number)
        check(cell, "charging.account_unknown")
        return cell.slot if cell else 0

    def vshard_of(self, account: Account) -> int:
        """Return the virtual shard of a stored account."""
        return self._arena.words[self.slot_of(account) * 8] >> 16 & 0xFFFF

    def add(self, account: Account, *, vshard: int) -> int:
        """Store a new account and return its slot.

        Raises ``Exhausted`` (``charging.arena_full``), ``Invalid`` (``charging.out_of_range``) and ``Defect``
        (``charging.key_twice``); nothing has then changed.
        """
        check(not self._index.find(account.tenant, account.number), "charging.key_twice")
        slot = self._arena.allocate()
        cell = Cell(account, slot, vshard, [], [])
        try:
            self._write([(cell, account)])
        except Exception:
            self._give_back([slot])
            raise
        self._index.add(slot)
        self._keep(account, cell)
        return slot

    def store(self, accounts: Iterable[Account]) -> None:
        """Store accounts anew, all or none. Unchanged parts, which are the same objects, are not written.

        Raises ``Exhausted`` (``charging.arena_full``) and ``Invalid`` (``charging.out_of_range``).
        """
        changes = []
        for account in accounts:
            cell = self._cell(account.tenant, account.number)
            check(cell, "charging.account_unknown")
            if cell and cell.account is not account:
                changes.append((cell, account))
        self._write(changes)

    def replace(self, account: Account) -> int:
        """Store one account anew and return its slot. Raises what ``store`` raises."""
        cell = self._cell(account.tenant, account.number)
        check(cell, "charging.account_unknown")
        if cell is None:
            return 0
        changed = changed_parts(cell, account)
        if changed is None:
            self._write([(cell, account)])
            return cell.slot
        try:
            images = _images_in_place(cell, account, changed)
        except struct.error as error:
            raise _out_of_range(error) from error
        self._arena.write_images(images)
        for place, part in changed:
            cell.parts[place] = part
        cell.account = account
        return cell.slot

    def remove(self, account: Account) -> None:
        """Take an account out, all of its records."""
        cell = self._cell(account.tenant, account.number)
        check(cell, "charging.account_unknown")
        if cell:
            self._index.remove(cell.slot)
            for slots in cell.where:
                for slot in slots:
                    self._arena.release(slot)
            self._arena.release(cell.slot)
            del self._cache[account.tenant, account.number]

    def _cell(self, tenant: int, number: int) -> Cell | None:
        cell = self._cache.get((tenant, number))
        if cell is None:
            slot = self._index.find(tenant, number)
            if not slot:
                return None
            cell = read_cell(self._arena, slot)
            self._keep(cell.account, cell)
        return cell

    def _keep(self, account: Account, cell: Cell) -> None:
        cache = self._cache
        if len(cache) >= self._bound:
            # The oldest eighth leaves: what is in use comes back at the cost of one decoding.
            for key in list(islice(cache, self._bound // 8)):
                del cache[key]
        cache[account.tenant, account.number] = cell

    def _write(self, changes: Sequence[tuple[Cell, Account]]) -> None:
        """Prepare every image first and write then, so that an error leaves no trace."""
        images: list[tuple[int, bytes]] = []
        freed: list[int] = []
        taken: list[int] = []
        layouts = []
        try:
            for cell, account in changes:
                parts = parts_of(account)
                front, back = _common(cell, parts)
                where = self._places(cell, parts, front, back, freed, taken)
                images += _images(cell, account, parts, where, front, back)
                layouts.append((parts, where))
        except struct.error as error:
            self._give_back(taken)
            raise _out_of_range(error) from error
        except Exception:
            self._give_back(taken)
            raise
        arena = self._arena
        arena.write_images(images)
        for slot in freed:
            arena.release(slot)
        for (cell, account), (parts, where) in zip(changes, layouts, strict=True):
            cell.account, cell.parts, cell.where = account, parts, where

    def _places(
        self, cell: Cell, parts: list[Part], front: int, back: int, freed: list[int], taken: list[int]
    ) -> list[Slots]:
        """Return where each part goes: those of front and back stay, the others take what is left, then free slots."""
        before = cell.where
        end = len(before) - back
        left = [slot for slots in before[front:end] for slot in slots]
        middle = []
        for part in parts[front : len(parts) - back]:
            slots = []
            for _ in range(records_of(part)):
                if not left:
                    left.append(self._arena.allocate())
                    taken.append(left[0])
                slots.append(left.pop())
            middle.append(tuple(slots))
        freed += left
        return before[:front] + middle + before[end:]

    def _give_back(self, slots: Iterable[int]) -> None:
        """Free slots that were allocated and never written."""
        for slot in slots:
            self._arena.write_word(slot, 0, Kind.DEBT)
            self._arena.release(slot)


def _out_of_range(error: struct.error) -> Invalid:
    return Invalid(
        f"a number does not fit into its record: {error}",
        code="charging.out_of_range",
        fix="see the table of words for what fits",
    )


def changed_parts(cell: Cell, account: Account) -> list[tuple[int, Part]] | None:
    """Return the parts that are not the same objects as before, each with its place in the chain.

    None if a part has come or gone, or needs another number of records. The usual case is found by looking at few
    objects: what a decision did not touch is the same tuple.
    """
    old = cell.account
    changed: list[tuple[int, Part]] = []
    start = 0
    if account.loan_owed or old.loan_owed:
        if not (account.loan_owed and old.loan_owed):
            return None
        changed.append((0, account.loan_owed))
        start = 1
    balances = account.balances
    if balances is not old.balances and not _add_changed(balances, old.balances, start, changed):
        return None
    start += len(balances)
    if account.sessions is not old.sessions and not _add_sessions(
        account.sessions, old.sessions, start, changed
    ):
        return None
    if (
        account.keys is old.keys
        and account.counters is old.counters
        and account.limits is old.limits
        and account.shares is old.shares
        and account.holdings is old.holdings
    ):
        return changed
    end = len(cell.parts)
    for tail in _TAILS:
        after, before = getattr(account, tail), getattr(old, tail)
        end -= len(before)
        if after is not before and not _add_changed(after, before, end, changed):
            return None
    return changed


_TAILS: Final = ("keys", "holdings", "shares", "limits", "counters")
"""What stands behind the sessions, the last first."""


def _add_changed(
    after: Sequence[Part], before: Sequence[Part], start: int, changed: list[tuple[int, Part]]
) -> bool:
    """Add the parts that changed; return False if their number did."""
    if len(after) != len(before):
        return False
    changed += [(start + at, after[at]) for at in range(len(after)) if after[at] is not before[at]]
    return True


def _add_sessions(
    after: Sequence[Session], before: Sequence[Session], place: int, changed: list[tuple[int, Part]]
) -> bool:
    """Do the same for sessions, each followed by its groups."""
    if len(after) != len(before):
        return False
    for at in range(len(after)):
        session, old = after[at], before[at]
        groups = old.groups
        if session is not old:
            changed.append((place, session))
            if len(session.groups) != len(groups):
                return False
            for which in range(len(groups)):
                group = session.groups[which]
                if group is not groups[which]:
                    if len(group.holds) // 2 != len(groups[which].holds) // 2:
                        return False
                    changed.append((place + 1 + which, group))
        place += 1 + len(groups)
    return True


def _images_in_place(
    cell: Cell, account: Account, changed: list[tuple[int, Part]]
) -> list[tuple[int, bytes]]:
    """Return the images of changed parts, each where it stood before, and of the account's own record if it changed."""
    where, vshard = cell.where, cell.vshard
    last = len(where) - 1
    images: list[tuple[int, bytes]] = []
    for place, part in changed:
        slots = where[place]
        after = where[place + 1][0] if place < last else 0
        if type(part) is Group:
            images += zip(slots, pack_group(vshard, part, slots, after), strict=True)
        else:
            images.append((slots[0], PACKERS[type(part)](vshard, part, after)))
    if not same_head(account, cell.account):
        images.append((cell.slot, pack_account(vshard, account, where[0][0] if where else 0)))
    return images


def _common(cell: Cell, parts: list[Part]) -> tuple[int, int]:
    """Return how many parts at the front fit where old ones stood, and how many at the back are the same as before."""
    old = cell.parts
    most = min(len(old), len(parts))
    back = 0
    while back < most and parts[-1 - back] is old[-1 - back]:
        back += 1
    front = 0
    while front < most - back:
        part, was = parts[front], old[front]
        if part is not was and (type(part) is not type(was) or records_of(part) != len(cell.where[front])):
            break
        front += 1
    return front, back


def _images(
    cell: Cell, account: Account, parts: list[Part], where: list[Slots], front: int, back: int
) -> list[tuple[int, bytes]]:
    """Return the images of all records that change, from the end of what changes to the head of the chain."""
    old, vshard = cell.parts, cell.vshard
    begin = len(parts) - back
    after = where[begin][0] if back else 0
    followed = cell.where[front][0] if front < len(cell.where) else 0
    images: list[tuple[int, bytes]] = []
    for at in range(begin - 1, -1, -1):
        part, slots = parts[at], where[at]
        if at >= front or part is not old[at] or (at == front - 1 and after != followed):
            if type(part) is Group:
                images += zip(slots, pack_group(vshard, part, slots, after), strict=True)
            else:
                images.append((slots[0], PACKERS[type(part)](vshard, part, after)))
        after = slots[0]
    images.append((cell.slot, pack_account(vshard, account, after)))
    return images
