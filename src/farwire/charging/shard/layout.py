"""Accounts in the arena: from records to the model and back, writing only the records that changed.

An account is its keyed ``ACCOUNT`` record and a chain of further ones (``records.py``). Accounts that were just used
are kept decoded in a bounded cache; the arena alone is what is logged, copied and recovered.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Sequence
from itertools import islice
from typing import Final

from farwire.charging.model.state import Account, Group
from farwire.charging.shard.arena import Arena
from farwire.charging.shard.index import Index
from farwire.charging.shard.packing import (
    Cell,
    Part,
    Slots,
    pack_account,
    pack_group,
    pack_part,
    parts_of,
    read_cell,
    records_of,
)
from farwire.charging.shard.records import Kind
from farwire.kernel.errors import Invalid, check

CACHE: Final = 50_000
"""Decoded accounts that are kept: about 2 KB each."""


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
        try:
            found = _rewritten(cell, account)
        except struct.error as error:
            raise _out_of_range(error) from error
        if found is None:
            self._write([(cell, account)])
        else:
            cell.account, (cell.parts, images) = account, found
            self._arena.write_images(images)
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
                where = _same_places(cell, parts)
                if where is None:
                    where = self._new_places(cell, parts, freed, taken)
                _images(cell, account, parts, where, images)
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

    def _new_places(self, cell: Cell, parts: list[Part], freed: list[int], taken: list[int]) -> list[Slots]:
        """Leave unchanged parts where they are; the others take the slots that are left, then free ones."""
        kept = {id(part): slots for part, slots in zip(cell.parts, cell.where, strict=True)}
        where = [kept.pop(id(part), ()) for part in parts]
        left = [slot for slots in kept.values() for slot in slots]
        for at, part in enumerate(parts):
            if not where[at]:
                slots = []
                for _ in range(records_of(part)):
                    if not left:
                        left.append(self._arena.allocate())
                        taken.append(left[0])
                    slots.append(left.pop())
                where[at] = tuple(slots)
        freed += left
        return where

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


def _rewritten(cell: Cell, account: Account) -> tuple[list[Part], list[tuple[int, bytes]]] | None:
    """Return parts and changed images if every part fits where one stood before: the usual case, in one pass."""
    parts, old, where, vshard = parts_of(account), cell.parts, cell.where, cell.vshard
    if len(parts) != len(old):
        return None
    images: list[tuple[int, bytes]] = []
    after = 0
    for at in range(len(parts) - 1, -1, -1):
        part, slots = parts[at], where[at]
        if part is not old[at]:
            if type(part) is Group:
                if type(old[at]) is not Group or records_of(part) != len(slots):
                    return None
                images += zip(slots, pack_group(vshard, part, slots, after), strict=True)
            elif type(part) is not type(old[at]):
                return None
            else:
                images.append((slots[0], pack_part(vshard, part, after)))
        after = slots[0]
    images.append((cell.slot, pack_account(vshard, account, after)))
    return parts, images


def _same_places(cell: Cell, parts: list[Part]) -> list[Slots] | None:
    """Return the places of before if each new part fits where the old one stood: the usual case."""
    if len(parts) != len(cell.parts):
        return None
    for part, old, slots in zip(parts, cell.parts, cell.where, strict=True):
        if part is not old and (type(part) is not type(old) or records_of(part) != len(slots)):
            return None
    return cell.where


def _images(
    cell: Cell, account: Account, parts: list[Part], where: list[Slots], images: list[tuple[int, bytes]]
) -> None:
    """Add the images of the records that change, by going from the end of the chain to its head."""
    vshard = cell.vshard
    moved = where is not cell.where
    before = (
        {id(part): follower for part, follower in zip(cell.parts, _followers(cell.where), strict=True)}
        if moved
        else {}
    )
    after = 0
    old = cell.parts
    for at in range(len(parts) - 1, -1, -1):
        part, slots = parts[at], where[at]
        same = before.get(id(part)) == after if moved else part is old[at]
        if not same:
            if type(part) is Group:
                images += zip(slots, pack_group(vshard, part, slots, after), strict=True)
            else:
                images.append((slots[0], pack_part(vshard, part, after)))
        after = slots[0]
    images.append((cell.slot, pack_account(vshard, account, after)))


def _followers(where: list[Slots]) -> list[int]:
    """Return for each part the slot of the one after it."""
    return [slots[0] for slots in where[1:]] + [0] if where else []
