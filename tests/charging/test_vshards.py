"""Virtual shards: a stable hash, few and balanced moves, records that arrive as they left."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farwire.base.storage import Database
from farwire.charging.shard.arena import KEYED, Arena, head
from farwire.charging.shard.homes import VSHARDS
from farwire.charging.shard.index import Index
from farwire.charging.shard.layout import Accounts
from farwire.charging.shard.placement import Home, change_home, place
from farwire.charging.shard.shipping import clear, pack, unpack
from farwire.charging.shard.vshards import Move, first_homes, plan_moves, vshard_of_key
from farwire.kernel.errors import Conflict, Defect, Exhausted, Invalid
from tests.charging.test_layout import account_of

SHARDS = st.sets(st.integers(0, 30), min_size=1, max_size=12)
LINKS = {1: 3, 2: 1}


def moved(homes: tuple[int, ...], moves: tuple[Move, ...]) -> tuple[int, ...]:
    result = list(homes)
    for move in moves:
        assert result[move.vshard] == move.source
        result[move.vshard] = move.target
    return tuple(result)


def test_the_hash_of_a_key_never_changes():
    """These values are data of running systems: a change of the hash would lose every subscriber."""
    keys = [b"", b"4915112345678", b"262071234567890"]
    assert [vshard_of_key(key) for key in keys] == [3658, 221, 3668]


def test_the_hash_spreads_subscribers_evenly():
    counts = Counter(vshard_of_key(str(number).encode()) for number in range(409_600))
    assert set(counts) == set(range(VSHARDS))
    assert max(counts.values()) < 160  # 100 on average, six standard deviations


@given(before=SHARDS, after=SHARDS)
def test_moves_balance_the_shards_and_are_as_few_as_possible(before: set[int], after: set[int]):
    homes = moved(first_homes(before), ())
    moves = plan_moves(homes, after)
    counts = Counter(moved(homes, moves))
    assert set(counts) == after
    assert max(counts.values()) - min(counts.values()) <= 1
    have = sorted((Counter(homes)[shard] for shard in after), reverse=True)
    least, more = divmod(VSHARDS, len(after))
    needed = sum(max(0, least + (rank < more) - count) for rank, count in enumerate(have))
    assert len(moves) == needed
    assert len({move.vshard for move in moves}) == len(moves)
    assert plan_moves(moved(homes, moves), after) == ()


def test_a_fifth_process_takes_a_fifth_and_moves_nothing_else():
    homes = first_homes(range(4))
    moves = plan_moves(homes, range(5))
    assert len(moves) == VSHARDS // 5
    assert {move.target for move in moves} == {4}
    assert len(plan_moves(moved(homes, moves), range(4))) == VSHARDS // 5


def test_no_shards_at_all_are_refused():
    with pytest.raises(Invalid) as raised:
        plan_moves(first_homes([1]), [])
    assert raised.value.code == "charging.no_shards"


async def test_homes_are_dealt_out_once_and_a_move_raises_the_epoch(db: Database):
    homes = await place(db=db, shards=[0, 1])
    assert Counter(homes) == {Home(0, 1): 2048, Home(1, 1): 2048}
    assert await place(db=db, shards=[0, 1, 2]) == homes
    move = Move(7, homes[7].shard, 2)
    async with db.untenanted() as tx:
        assert await change_home(tx, move=move, epoch=1) == Home(2, 2)
    assert (await place(db=db, shards=[]))[7] == Home(2, 2)
    with pytest.raises(Conflict) as raised:
        async with db.untenanted() as tx:
            await change_home(tx, move=move, epoch=1)
    assert raised.value.code == "charging.vshard_moved"


def chain(arena: Arena, vshard: int, key: int, length: int) -> list[int]:
    """Write a keyed record that links to ``length`` more; return the slots in the order of the chain."""
    slots = [arena.allocate() for _ in range(length + 1)]
    ends = [*slots[1:], 0]
    arena.write(slots[0], (head(1, vshard=vshard, keyed=True), 5, key, ends[0] | 99 << 32, key, -1, -2, -3))
    for number, (slot, after) in enumerate(zip(slots[1:], ends[1:], strict=True)):
        arena.write(slot, (head(2, vshard=vshard), after | -7 << 32, number, key, 0, 0, 0, 0))
    return slots


def followed(arena: Arena, slot: int) -> list[tuple[int, ...]]:
    """Return the records of a chain, their links aside."""
    found = []
    while slot:
        words = list(arena.read(slot))
        word = LINKS[words[0] & 0xFF]
        slot = words[word] & 0xFFFF_FFFF
        words[word] >>= 32
        found.append(tuple(words))
    return found


@given(lengths=st.lists(st.integers(0, 5), max_size=8), strangers=st.integers(0, 6))
def test_records_arrive_as_they_left_whatever_slots_they_get(lengths: list[int], strangers: int):
    source, target = Arena(200), Arena(200)
    for _ in range(strangers):
        chain(source, 9, 1, 2)
        chain(target, 8, 1, 3)
    chains = [chain(source, 4, key, length) for key, length in enumerate(lengths)]
    before = [followed(source, slots[0]) for slots in chains]
    shipment = pack(source, 4)
    assert len(shipment.slots) == 8 * sum(length + 1 for length in lengths)
    target.take_changes()
    old = np.frombuffer(shipment.slots, np.int64).tolist()
    new = dict(zip(old, unpack(target, shipment, LINKS).tolist(), strict=True))
    assert [followed(target, new[slots[0]]) for slots in chains] == before
    assert target.changed == len(old)
    assert pack(target, 4).slots == np.sort(np.array(list(new.values()), np.int64)).tobytes()
    left = source.records
    clear(source, shipment)
    assert source.records == left - len(old)
    assert len(pack(source, 4).slots) == 0


@settings(max_examples=20)  # an account has some hundred fields to draw
@given(data=st.data())
def test_accounts_with_all_their_parts_are_the_same_in_another_arena(data: st.DataObject):
    source, target = Arena(4000), Arena(4000)
    index = Index(source)
    accounts = Accounts(source, index)
    given_accounts = [data.draw(account_of(number)) for number in range(1, 5)]
    for account in given_accounts:
        accounts.add(account, vshard=account.number % 2)
    shipment = pack(source, 1)
    chain(target, 9, 1, 3)
    new_index = Index(target)
    for slot in unpack(target, shipment).tolist():
        if target.words[slot * 8] & KEYED:
            new_index.add(slot)
    arrived = Accounts(target, new_index)
    expected = [account if account.number % 2 else None for account in given_accounts]
    assert [arrived.find(account.tenant, account.number) for account in given_accounts] == expected
    for slot in np.frombuffer(shipment.slots, np.int64).tolist():
        if source.words[slot * 8] & KEYED:
            index.remove(slot)
    clear(source, shipment)
    accounts.forget()
    left = [accounts.find(account.tenant, account.number) for account in given_accounts]
    assert left == [None if account.number % 2 else account for account in given_accounts]


def test_a_link_to_another_virtual_shard_and_a_full_target_are_refused():
    source = Arena(20)
    slots = chain(source, 4, 1, 1)
    source.write_word(slots[1], 0, head(2, vshard=5))
    with pytest.raises(Defect) as raised:
        unpack(Arena(20), pack(source, 4), LINKS)
    assert raised.value.code == "charging.link_leaves_vshard"
    source.write_word(slots[1], 0, head(2, vshard=4))
    small = Arena(2)
    with pytest.raises(Exhausted):
        unpack(small, pack(source, 4), LINKS)
    assert small.records == 0
