"""Parts of an account to and from their records, by the table of words (``records.py``)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
from farwire.charging.shard.records import FLAGS_MASK, KEYED_BYTE, STRUCTS, Kind
from farwire.kernel.errors import check

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

PARTS_MAX: Final = 65_536
"""Records of one account, far above what the bounds of the model allow: a chain that is longer goes in a circle."""
GROUP_PARTS_MAX: Final = 4_096
"""Records of one group: balances of its account and of the owners that it draws on, two in each."""

# Plain numbers: a member of an enumeration costs a look-up and a conversion at each use.
_K_ACCOUNT: Final = int(Kind.ACCOUNT)
_K_DEBT: Final = int(Kind.DEBT)
_K_BALANCE: Final = int(Kind.BALANCE)
_K_SESSION: Final = int(Kind.SESSION)
_K_GROUP_2: Final = int(Kind.GROUP_2)
_K_GROUP: Final = int(Kind.GROUP)
_K_HOLDS: Final = int(Kind.HOLDS)
_K_COUNTER: Final = int(Kind.COUNTER)
_K_LIMIT: Final = int(Kind.LIMIT)
_K_SHARE: Final = int(Kind.SHARE)
_K_HOLDING: Final = int(Kind.HOLDING)
_K_KEY: Final = int(Kind.KEY)

Part = Balance | Session | Group | Counter | Limit | Share | Holding | KeptKey | int
"""What has records of its own in the chain; the ``int`` is the debt of a loan."""
Slots = tuple[int, ...]
_NO_HOLD: Final = Hold(0, 0, 0, 0, 0)


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


def pack_group(vshard: int, group: Group, slots: Slots, after: int) -> list[bytes]:
    """Return the records of a group, which stand in ``slots``; the chain goes on at ``after``."""
    holds = group.holds
    first = holds[0] if holds else _NO_HOLD
    images = [
        _GROUP.pack(
            _K_GROUP, 0, vshard, group.result, group.unit, group.final + 1, slots[1], group.rating_group,
            group.started_at, group.used, group.charged, group.counted, group.granted, group.valid_until,
        ),
        _GROUP_2.pack(
            _K_GROUP_2, 0, vshard, first.balance, 1 if holds else 0, first.unit,
            slots[2] if len(slots) > 2 else after, group.threshold, group.price, group.asked,
            first.account, first.reserved, first.charged,
        ),
    ]  # fmt: skip
    return images + _more_holds(vshard, holds, slots, after) if len(slots) > 2 else images


def _more_holds(vshard: int, holds: tuple[Hold, ...], slots: Slots, after: int) -> list[bytes]:
    """Return the records of the holds after the first, two in each."""
    images = []
    for at in range(2, len(slots)):
        one = holds[2 * at - 3]
        two = holds[2 * at - 2] if 2 * at - 2 < len(holds) else None
        other = two or _NO_HOLD
        images.append(
            _HOLDS.pack(
                *(_K_HOLDS, 0, vshard, 1 if two is None else 2, one.unit, other.unit),
                *(slots[at + 1] if at + 1 < len(slots) else after, one.balance, other.balance),
                *(one.account, one.reserved, one.charged, other.account, other.reserved, other.charged),
            )
        )
    return images


def _balance(vshard: int, one: Balance, after: int) -> bytes:
    return _BALANCE.pack(
        _K_BALANCE, 0, vshard, one.number, one.unit, one.shared, after, one.scope, one.priority,
        one.offer, one.amount, one.reserved, one.floor, one.valid_from, one.valid_to,
    )  # fmt: skip


def _session(vshard: int, one: Session, after: int) -> bytes:
    return _SESSION.pack(
        _K_SESSION, 0, vshard, one.result, one.ended, after, one.id_hi, one.id_lo, one.number, one.forget_at
    )


def _key(vshard: int, one: KeptKey, after: int) -> bytes:
    return _KEY.pack(
        _K_KEY, 0, vshard, one.result, after, one.key_hi, one.key_lo, one.cost, one.units, one.forget_at
    )


def _counter(vshard: int, one: Counter, after: int) -> bytes:
    return _COUNTER.pack(_K_COUNTER, 0, vshard, after, one.number, one.value, one.starts_at, one.ends_at)


def _limit(vshard: int, one: Limit, after: int) -> bytes:
    return _LIMIT.pack(
        *(_K_LIMIT, 0, vshard, one.scope, one.told, one.period, one.opted_on, after),
        *(one.number, one.cap, one.used, one.reserved, one.ends_at),
    )


def _share(vshard: int, one: Share, after: int) -> bytes:
    return _SHARE.pack(
        *(_K_SHARE, 0, vshard, one.unit, one.period, after, one.priority),
        *(one.owner, one.cap, one.used, one.reserved, one.ends_at),
    )


def _holding(vshard: int, one: Holding, after: int) -> bytes:
    return _HOLDING.pack(_K_HOLDING, 0, vshard, one.renews, after, one.offer, one.started_at, one.ends_at)


def _debt(vshard: int, one: int, after: int) -> bytes:
    return _DEBT.pack(_K_DEBT, 0, vshard, after, one)


PACKERS: Final[Mapping[type, Callable[..., bytes]]] = {
    Balance: _balance,
    Session: _session,
    KeptKey: _key,
    Counter: _counter,
    Limit: _limit,
    Share: _share,
    Holding: _holding,
    int: _debt,
}
"""(virtual shard, part, where the chain goes on) → the one record of a part, by what it is. A group has more."""


def same_head(one: Account, other: Account) -> bool:
    """Tell whether two states of an account have the same record of its own, wherever its chain begins."""
    return (
        one.due_at == other.due_at
        and one.overrun == other.overrun
        and one.lifecycle == other.lifecycle
        and one.flags == other.flags
        and one.active_until == other.active_until
        and one.grace_until == other.grace_until
        and one.serial == other.serial
        and one.plan == other.plan
        and one.cycle_day == other.cycle_day
    )


def pack_account(vshard: int, account: Account, after: int) -> bytes:
    """Return the account's own record; its chain begins at ``after``."""
    check(not account.flags & ~FLAGS_MASK, "charging.flags")
    return _ACCOUNT.pack(
        _K_ACCOUNT, KEYED_BYTE | account.flags, vshard, account.serial, account.lifecycle, account.cycle_day,
        account.tenant, account.number, after, account.plan,
        account.active_until, account.grace_until, account.overrun, account.due_at,
    )  # fmt: skip


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
    for _ in range(PARTS_MAX):
        if not at:
            break
        at = chain.take(buffer, at)
    check(not at, "charging.chain_broken")
    account = Account(
        *(number, tenant, plan, lifecycle, flags & FLAGS_MASK, active, grace, cycle_day, overrun),
        *(chain.debt, serial, due_at, tuple(chain.balances), chain.all_sessions(), tuple(chain.counters)),
        *(tuple(chain.limits), tuple(chain.shares), tuple(chain.holdings), tuple(chain.keys)),
    )
    return Cell(account, slot, vshard, parts_of(account), chain.where)


class _Chain:
    """The chain of one account while it is read."""

    __slots__ = (
        *("balances", "counters", "debt", "groups", "holdings", "keys"),
        *("limits", "session", "sessions", "shares", "where"),
    )

    def __init__(self) -> None:
        self.debt = 0
        self.balances: list[Balance] = []
        self.session: Session | None = None
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
        if kind == _K_GROUP:
            return self._group(buffer, slot)
        self.where.append((slot,))
        if kind == _K_BALANCE:
            _, _, _, number, unit, shared, after, scope, priority, *rest = _BALANCE.unpack_from(
                buffer, offset
            )
            self.balances.append(Balance(number, unit, scope, priority, shared, *rest))
        elif kind == _K_SESSION:
            self._end_session()
            _, _, _, result, ended, after, id_hi, id_lo, number, forget_at = _SESSION.unpack_from(
                buffer, offset
            )
            self.session = Session(id_hi, id_lo, number, result, ended, forget_at, ())
        elif kind == _K_KEY:
            _, _, _, result, after, hi, lo, cost, units, forget_at = _KEY.unpack_from(buffer, offset)
            self.keys.append(KeptKey(hi, lo, result, cost, units, forget_at))
        else:
            after = self._rare(buffer, offset, kind)
        return int(after)

    def _rare(self, buffer: memoryview, offset: int, kind: int) -> int:
        after: int
        if kind == _K_COUNTER:
            _, _, _, after, *rest = _COUNTER.unpack_from(buffer, offset)
            self.counters.append(Counter(*rest))
        elif kind == _K_LIMIT:
            found = _LIMIT.unpack_from(buffer, offset)
            _, _, _, scope, told, period, opted_on, after, number, cap, used, reserved, ends_at = found
            self.limits.append(Limit(number, scope, cap, used, reserved, told, opted_on, period, ends_at))
        elif kind == _K_SHARE:
            found = _SHARE.unpack_from(buffer, offset)
            _, _, _, unit, period, after, priority, owner, cap, used, reserved, ends_at = found
            self.shares.append(Share(owner, unit, priority, cap, used, reserved, period, ends_at))
        elif kind == _K_HOLDING:
            _, _, _, renews, after, offer, started_at, ends_at = _HOLDING.unpack_from(buffer, offset)
            self.holdings.append(Holding(offer, started_at, ends_at, renews))
        else:
            check(kind == _K_DEBT, "charging.chain_broken", f"a record of kind {kind} stands in a chain")
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
        while after and buffer[after * RECORD_BYTES] == _K_HOLDS:
            slots.append(after)
            check(len(slots) < GROUP_PARTS_MAX, "charging.chain_broken")
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
        one = self.session
        if one is not None:
            groups = tuple(self.groups)
            self.sessions.append(
                Session(one.id_hi, one.id_lo, one.number, one.result, one.ended, one.forget_at, groups)
            )
            self.groups = []

    def all_sessions(self) -> tuple[Session, ...]:
        """Return the sessions, the last one included."""
        self._end_session()
        return tuple(self.sessions)
