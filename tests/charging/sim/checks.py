"""What must hold after every step, after every recovery, and at the end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from farwire.charging.model import Account, MovementKind
from farwire.charging.model.answers import Movement
from farwire.charging.shard.facts import unpack
from farwire.charging.shard.packing import read_cell, size_of
from farwire.charging.shard.records import Kind
from farwire.charging.shard.shard import Shard

State = dict[int, Account]
Sums = dict[tuple[int, int], int]
USED = (MovementKind.USAGE, MovementKind.OVERRUN)


def state_of(shard: Shard) -> State:
    """Return all accounts of a shard."""
    slots = shard.arena.slots_where(mask=0xFF, value=int(Kind.ACCOUNT))
    found = (shard.accounts.at(slot) for slot in slots.tolist())
    return {account.number: account for account in found if account is not None}


def check_bytes(shard: Shard, state: State) -> None:
    """The arena says what the decoded accounts say, and no record is lost or left over."""
    for account in state.values():
        slot = shard.index.find(account.tenant, account.number)
        assert read_cell(shard.arena, slot).account == account, f"records of account {account.number} differ"
    assert shard.arena.records == sum(size_of(account) for account in state.values()), "records leak"


def check_grants(state: State) -> None:
    """Σ granted ≤ available, and what is reserved is what sessions hold."""
    held: Sums = defaultdict(int)
    for account in state.values():
        for session in account.sessions:
            for group in session.groups:
                for hold in group.holds:
                    held[hold.account, hold.balance] += hold.reserved
    for account in state.values():
        for balance in account.balances:
            number = (account.number, balance.number)
            assert balance.reserved == held.pop(number, 0), f"balance {number}: reserved is not what is held"
            assert 0 <= balance.reserved <= balance.amount - balance.floor, (
                f"balance {number} is over-granted"
            )
        for share in account.shares:
            assert share.reserved >= 0
            assert share.used + share.reserved <= share.cap, f"account {account.number} is over its cap"
    assert not any(held.values()), f"held of no balance: {dict(held)}"


def movements_of(facts: bytes) -> list[Movement]:
    return [one for _, one in unpack(facts) if isinstance(one, Movement)]


def balances_of(state: State) -> Sums:
    """Return every amount that movements make: balances, and the overrun as balance 0."""
    sums: Sums = defaultdict(int)
    for account in state.values():
        sums[account.number, 0] += account.overrun
        for balance in account.balances:
            sums[account.number, balance.number] += balance.amount
    return {key: value for key, value in sums.items() if value}


def check_sums(sums: Sums, state: State) -> None:
    """Σ movements = Δ balances; all accounts began with nothing."""
    found = {key: value for key, value in sums.items() if value}
    there = balances_of(state)
    assert found == there, f"movements say {found}, balances {there}"


def add_movements(sums: Sums, facts: bytes) -> None:
    for one in movements_of(facts):
        sums[one.account, one.balance] = sums.get((one.account, one.balance), 0) + one.amount


def check_usage(
    all_facts: Iterable[bytes], expected: dict[tuple[int, int, int], int], told: set[tuple[int, int, int]]
) -> None:
    """Each report is charged once and in full, all those among them that a client was told of; so is each command."""
    used: dict[tuple[int, int, int], int] = defaultdict(int)
    moved: dict[tuple[int, int], list[Movement]] = defaultdict(list)
    for facts in all_facts:
        for one in movements_of(facts):
            if one.key_hi == 7 and one.kind in USED:
                used[one.key_hi, one.key_lo, one.number] += one.amount
            elif one.key_hi in (8, 9) and one.key_lo:
                moved[one.key_hi, one.key_lo].append(one)
    lost = [key for key in told if expected[key] and key not in used]
    assert not lost, f"charged in an answer, and nowhere else: {lost}"
    for key, amount in used.items():
        assert -amount == expected[key], f"session {key}: {expected[key]} were used, {-amount} charged"
    for key, rows in moved.items():
        once = {(row.account, row.balance, row.kind) for row in rows}
        assert len(once) == len(rows), f"request {key} moved something twice: {rows}"
