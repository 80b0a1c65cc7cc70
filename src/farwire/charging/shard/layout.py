"""Accounts in the arena: from records to the model and back, writing only the records that changed.

An account is its keyed ``ACCOUNT`` record and a chain of further ones (``records.py``). Accounts that were just used are
kept decoded in a bounded cache; the arena alone is what is logged, copied and recovered.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import islice
from struct import error as StructError
from typing import Final

from farwire.charging.model.state import (
    Account,
    Balance,
    Counter,
    Group,
    Hold,
    Holding,
    KeptKey,
    Limit,
    Session,
    Share,
)
from farwire.charging.shard.arena import RECORD_BYTES, Arena
from farwire.charging.shard.index import Index
from farwire.charging.shard.records import FLAGS_MASK, KEYED_BYTE, STRUCTS, Kind
from farwire.kernel.errors import Invalid, check

_ACCOUNT = STRUCTS[Kind.ACCOUNT]
_DEBT = STRUCTS[Kind.DEBT]
_BALANCE = STRUCTS[Kind.BALANCE]
_SESSION = STRUCTS[Kind.SESSION]
_GROUP = STRUCTS[Kind.GROUP]
_GROUP_2 = STRUCTS[Kind.GROUP_2]
_HOLDS = STRUCTS[Kind.HOLDS]
_COUNTER = STRUCTS[Kind.COUNTER]
_LIMIT = STRUCTS[Kind.LIMIT]
_SHARE = STRUCTS[Kind.SHARE]
_HOLDING = STRUCTS[Kind.HOLDING]
_KEY = STRUCTS[Kind.KEY]

Part = Balance | Session | Group | Counter | Limit | Share | Holding | KeptKey | int
"""What has records of its own in the chain; the ``int`` is the debt of a loan."""
Slots = tuple[int, ...]
_NO_HOLD: Final = Hold(0, 0, 0, 0, 0)
CACHE: Final = 50_000
"""Decoded accounts that are kept: about 2 KB each."""


@dataclass(slots=True)
class Cell:
    """A decoded account, and where its parts stand."""

    account: Account
    slot: int
    vshard: int
    parts: list[Part]
    where: list[Slots]


def parts_of(account: Account) -> list[Part]:
    """Return what stands in the chain of an account, in its order."""
    parts: list[Part] = [account.loan_owed] if account.loan_owed else []
    parts += account.balances
    for session in account.sessions:
        parts.append(session)
        parts += session.groups
    parts += account.counters
    parts += account.limits
    parts += account.shares
    parts += account.holdings
    parts += account.keys
    return parts


def records_of(part: Part) -> int:
    """Return how many records a part needs: a group has two, and one more for each two holds after its first."""
    return 2 + len(part.holds) // 2 if type(part) is Group else 1


def size_of(account: Account) -> int:
    """Return how many records an account needs, its own one included."""
    return 1 + sum(records_of(part) for part in parts_of(account))


def _pack_group(vshard: int, group: Group, slots: Slots, after: int) -> list[bytes]:
    holds = group.holds
    first = holds[0] if holds else _NO_HOLD
    images = [
        _GROUP.pack(
            *(Kind.GROUP, 0, vshard, group.result, group.unit, group.final + 1, slots[1], group.rating_group),
            *(group.started_at, group.used, group.charged, group.counted, group.granted, group.valid_until),
        ),
        _GROUP_2.pack(
            *(Kind.GROUP_2, 0, vshard, first.balance, min(len(holds), 1), first.unit),
            *(slots[2] if len(slots) > 2 else after, group.threshold, group.price, group.asked),
            *(first.account, first.reserved, first.charged),
        ),
    ]
    for at in range(2, len(slots)):
        one = holds[2 * at - 3]
        two = holds[2 * at - 2] if 2 * at - 2 < len(holds) else None
        other = two or _NO_HOLD
        images.append(
            _HOLDS.pack(
                *(Kind.HOLDS, 0, vshard, 1 if two is None else 2, one.unit, other.unit),
                *(slots[at + 1] if at + 1 < len(slots) else after, one.balance, other.balance),
                *(one.account, one.reserved, one.charged, other.account, other.reserved, other.charged),
            )
        )
    return images


def _pack(vshard: int, part: Part, after: int) -> bytes:  # noqa: C901 - one case per kind of record
    """Return the one record of a part that is no group."""
    match part:
        case Balance():
            return _BALANCE.pack(
                *(
                    Kind.BALANCE,
                    0,
                    vshard,
                    part.number,
                    part.unit,
                    part.shared,
                    after,
                    part.scope,
                    part.priority,
                ),
                *(part.offer, part.amount, part.reserved, part.floor, part.valid_from, part.valid_to),
            )
        case Session():
            return _SESSION.pack(
                *(Kind.SESSION, 0, vshard, part.result, part.ended, after),
                *(part.id_hi, part.id_lo, part.number, part.forget_at),
            )
        case KeptKey():
            return _KEY.pack(
                *(Kind.KEY, 0, vshard, part.result, after, part.key_hi, part.key_lo),
                *(part.cost, part.units, part.forget_at),
            )
        case Counter():
            return _COUNTER.pack(
                Kind.COUNTER, 0, vshard, after, part.number, part.value, part.starts_at, part.ends_at
            )
        case Limit():
            return _LIMIT.pack(
                *(Kind.LIMIT, 0, vshard, part.scope, part.told, part.period, part.opted_on, after),
                *(part.number, part.cap, part.used, part.reserved, part.ends_at),
            )
        case Share():
            return _SHARE.pack(
                *(Kind.SHARE, 0, vshard, part.unit, part.period, after, part.priority),
                *(part.owner, part.cap, part.used, part.reserved, part.ends_at),
            )
        case Holding():
            return _HOLDING.pack(
                Kind.HOLDING, 0, vshard, part.renews, after, part.offer, part.started_at, part.ends_at
            )
        case int():
            return _DEBT.pack(Kind.DEBT, 0, vshard, after, part)
        case _:
            check(False, "charging.part_unknown")
            return b""


def _pack_account(vshard: int, account: Account, after: int) -> bytes:
    check(not account.flags & ~FLAGS_MASK, "charging.flags")
    return _ACCOUNT.pack(
        *(
            Kind.ACCOUNT,
            KEYED_BYTE | account.flags,
            vshard,
            account.serial,
            account.lifecycle,
            account.cycle_day,
        ),
        *(account.tenant, account.number, after, account.plan),
        *(account.active_until, account.grace_until, account.overrun, account.due_at),
    )


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
        return cell and cell.account

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
        except StructError as error:
            self._give_back(taken)
            raise Invalid(
                f"a number does not fit into its record: {error}",
                code="charging.out_of_range",
                fix="see the table of words for what fits",
            ) from error
        except Exception:
            self._give_back(taken)
            raise
        arena = self._arena
        for slot, image in images:
            arena.write_image(slot, image)
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
                images += zip(slots, _pack_group(vshard, part, slots, after), strict=True)
            else:
                images.append((slots[0], _pack(vshard, part, after)))
        after = slots[0]
    images.append((cell.slot, _pack_account(vshard, account, after)))


def _followers(where: list[Slots]) -> list[int]:
    """Return for each part the slot of the one after it."""
    return [slots[0] for slots in where[1:]] + [0] if where else []


def read_cell(arena: Arena, slot: int) -> Cell:
    """Decode the account whose own record stands in ``slot``. Raises ``Defect`` (``charging.chain_broken``)."""
    buffer = arena.buffer
    head = _ACCOUNT.unpack_from(buffer, slot * RECORD_BYTES)
    (
        _,
        flags,
        vshard,
        serial,
        lifecycle,
        cycle_day,
        tenant,
        number,
        at,
        plan,
        active,
        grace,
        overrun,
        due_at,
    ) = head
    chain = _Chain()
    while at:
        at = chain.take(buffer, at)
    account = Account(
        *(number, tenant, plan, lifecycle, flags & FLAGS_MASK, active, grace, cycle_day, overrun),
        *(chain.debt, serial, due_at, tuple(chain.balances), chain.all_sessions(), tuple(chain.counters)),
        *(tuple(chain.limits), tuple(chain.shares), tuple(chain.holdings), tuple(chain.keys)),
    )
    return Cell(account, slot, vshard, parts_of(account), chain.where)


class _Chain:
    """The chain of one account while it is read."""

    __slots__ = (
        "balances", "counters", "debt", "groups", "holdings", "keys", "limits", "session", "sessions", "shares", "where",
    )  # fmt: skip

    def __init__(self) -> None:
        self.debt = 0
        self.balances: list[Balance] = []
        self.session: tuple[int, ...] = ()
        self.sessions: list[Session] = []
        self.groups: list[Group] = []
        self.counters: list[Counter] = []
        self.limits: list[Limit] = []
        self.shares: list[Share] = []
        self.holdings: list[Holding] = []
        self.keys: list[KeptKey] = []
        self.where: list[Slots] = []

    def take(self, buffer: memoryview, slot: int) -> int:
        """Decode the part that begins in ``slot``; return the slot after it."""
        offset = slot * RECORD_BYTES
        kind = buffer[offset]
        if kind == Kind.GROUP:
            return self._group(buffer, slot)
        self.where.append((slot,))
        if kind == Kind.BALANCE:
            _, _, _, number, unit, shared, after, scope, priority, *rest = _BALANCE.unpack_from(
                buffer, offset
            )
            self.balances.append(Balance(number, unit, scope, priority, shared, *rest))
        elif kind == Kind.SESSION:
            self._end_session()
            _, _, _, result, ended, after, id_hi, id_lo, number, forget_at = _SESSION.unpack_from(
                buffer, offset
            )
            self.session = (id_hi, id_lo, number, result, ended, forget_at)
        elif kind == Kind.KEY:
            _, _, _, result, after, hi, lo, cost, units, forget_at = _KEY.unpack_from(buffer, offset)
            self.keys.append(KeptKey(hi, lo, result, cost, units, forget_at))
        else:
            after = self._rare(buffer, offset, kind)
        return int(after)

    def _rare(self, buffer: memoryview, offset: int, kind: int) -> int:
        after: int
        if kind == Kind.COUNTER:
            _, _, _, after, *rest = _COUNTER.unpack_from(buffer, offset)
            self.counters.append(Counter(*rest))
        elif kind == Kind.LIMIT:
            found = _LIMIT.unpack_from(buffer, offset)
            _, _, _, scope, told, period, opted_on, after, number, cap, used, reserved, ends_at = found
            self.limits.append(Limit(number, scope, cap, used, reserved, told, opted_on, period, ends_at))
        elif kind == Kind.SHARE:
            found = _SHARE.unpack_from(buffer, offset)
            _, _, _, unit, period, after, priority, owner, cap, used, reserved, ends_at = found
            self.shares.append(Share(owner, unit, priority, cap, used, reserved, period, ends_at))
        elif kind == Kind.HOLDING:
            _, _, _, renews, after, *rest = _HOLDING.unpack_from(buffer, offset)
            self.holdings.append(Holding(*rest, renews))
        else:
            check(kind == Kind.DEBT, "charging.chain_broken", f"a record of kind {kind} stands in a chain")
            _, _, _, after, self.debt = _DEBT.unpack_from(buffer, offset)
        return after

    def _group(self, buffer: memoryview, slot: int) -> int:
        found = _GROUP.unpack_from(buffer, slot * RECORD_BYTES)
        _, _, _, result, unit, final, second, rating_group, *main = found
        started_at, used, charged, counted, granted, valid_until = main
        more = _GROUP_2.unpack_from(buffer, second * RECORD_BYTES)
        _, _, _, balance, count, held, after, threshold, price, asked, account, reserved, taken = more
        holds: tuple[Hold, ...] = (Hold(account, balance, held, reserved, taken),) if count else ()
        slots = [slot, second]
        while after and buffer[after * RECORD_BYTES] == Kind.HOLDS:
            slots.append(after)
            found = _HOLDS.unpack_from(buffer, after * RECORD_BYTES)
            _, _, _, count, u1, u2, after, b1, b2, a1, r1, c1, a2, r2, c2 = found
            pair = (Hold(a1, b1, u1, r1, c1), Hold(a2, b2, u2, r2, c2))
            holds += pair[:count]
        self.groups.append(
            Group(
                *(rating_group, price, unit, started_at, used, charged, counted, holds, asked),
                *(result, granted, threshold, valid_until, final - 1),
            )
        )
        self.where.append(tuple(slots))
        return int(after)

    def _end_session(self) -> None:
        if self.session:
            self.sessions.append(Session(*self.session, tuple(self.groups)))
            self.groups = []

    def all_sessions(self) -> tuple[Session, ...]:
        """Return the sessions, the last one included."""
        self._end_session()
        return tuple(self.sessions)
