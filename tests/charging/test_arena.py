"""The records of a shard: one memory for Python and NumPy; what is free and keyed can be read from the bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.charging.shard.arena import KEYED, Arena, head
from farwire.charging.shard.index import Index
from farwire.kernel.errors import Defect, Exhausted

INT64 = st.integers(-(2**63), 2**63 - 1)
HEAD = head(1, vshard=7, keyed=True)


def keyed(arena: Arena, high: int, low: int) -> int:
    slot = arena.allocate()
    arena.write(slot, (HEAD, high, low, 0, 0, 0, 0, 0))
    return slot


@given(words=st.tuples(*[INT64] * 8))
def test_a_record_is_the_same_for_python_and_numpy(words):
    arena = Arena(4)
    slot = arena.allocate()
    arena.write(slot, words)
    assert arena.read(slot) == words
    assert arena.matrix[slot].tolist() == list(words)
    arena.matrix[slot, 3] = 5
    assert arena.words[slot * 8 + 3] == 5


def test_slot_0_is_never_given_and_a_full_arena_says_what_to_do():
    arena = Arena(3)
    assert [arena.allocate(), arena.allocate()] == [1, 2]
    with pytest.raises(Exhausted, match="add a shard") as raised:
        arena.allocate()
    assert raised.value.code == "charging.arena_full"


def test_the_changes_of_a_batch_hold_each_slot_once_with_its_last_image():
    arena = Arena(10)
    first, second = arena.allocate(), arena.allocate()
    arena.write(first, (1,) * 8)
    arena.write(second, (2,) * 8)
    arena.write_word(first, 7, 9)
    changes = arena.take_changes()
    images = np.frombuffer(changes.images, np.int64).reshape(-1, 8)
    slots = np.frombuffer(changes.slots, np.int64)
    assert dict(zip(slots.tolist(), images[:, 7].tolist(), strict=True)) == {first: 9, second: 2}
    assert arena.changed == 0
    assert len(arena.take_changes()) == 0


def test_a_released_slot_is_cleared_logged_and_given_again():
    arena = Arena(10)
    slot = arena.allocate()
    arena.write(slot, (1,) * 8)
    arena.take_changes()
    arena.release(slot)
    assert arena.take_changes().images == bytes(64)
    assert arena.allocate() == slot
    with pytest.raises(Defect):
        arena.release(slot)


@given(freed=st.sets(st.integers(1, 20)))
def test_the_free_list_is_rebuilt_from_the_bytes(freed):
    arena = Arena(30)
    for _ in range(20):
        arena.write(arena.allocate(), (HEAD,) * 8)
    for slot in freed:
        arena.release(slot)
    other = Arena(30)
    other.matrix[:] = arena.matrix
    other.adopt(arena.used)
    assert other.records == arena.records == 20 - len(freed)
    assert {other.allocate() for _ in freed} == freed
    assert other.allocate() == 21


def test_records_of_a_virtual_shard_are_found_by_their_heads():
    arena = Arena(10)
    for vshard in (5, 6, 5):
        arena.write(arena.allocate(), (head(2, vshard=vshard, extra=2**31 - 1), *[0] * 7))
    assert arena.slots_where(mask=0xFFFF << 16, value=5 << 16).tolist() == [1, 3]
    assert arena.slots_where(mask=KEYED, value=KEYED).tolist() == []


@given(keys=st.lists(st.tuples(INT64, INT64), unique=True, max_size=60), data=st.data())
def test_the_index_finds_what_was_added_and_nothing_else(keys, data):
    arena = Arena(2000)
    index = Index(arena)
    slots = {key: keyed(arena, *key) for key in keys}
    for slot in slots.values():
        index.add(slot)
    gone = data.draw(st.sets(st.sampled_from(keys))) if keys else set()
    for key in gone:
        index.remove(slots[key])
        arena.release(slots[key])
    expected = {key: 0 if key in gone else slot for key, slot in slots.items()}
    assert {key: index.find(*key) for key in keys} == expected
    index.rebuild()
    assert {key: index.find(*key) for key in keys} == expected
    assert index.count == len(keys) - len(gone)


def test_keys_that_collide_are_told_apart_when_added_removed_and_rebuilt():
    """All keys have one home: the last bits of the product are what the table throws away."""
    arena = Arena(400)
    index = Index(arena)
    homes: dict[int, list[tuple[int, int]]] = {}
    number = 0
    while max(map(len, homes.values()), default=0) < 8:
        number += 1
        homes.setdefault(index._home(0, number), []).append((0, number))
    keys = max(homes.values(), key=len)
    slots = [keyed(arena, *key) for key in keys]
    for slot in slots:
        index.add(slot)
    index.remove(slots[2])
    arena.release(slots[2])
    rest = [(key, slot) for key, slot in zip(keys, slots, strict=True) if slot != slots[2]]
    assert [index.find(*key) for key, _ in rest] == [slot for _, slot in rest]
    assert index.find(*keys[2]) == 0
    index.rebuild()
    assert [index.find(*key) for key, _ in rest] == [slot for _, slot in rest]


def test_the_index_grows_and_keeps_everything():
    arena = Arena(5000)
    index = Index(arena)
    slots = [keyed(arena, number, -number) for number in range(3000)]
    for slot in slots:
        index.add(slot)
    assert [index.find(number, -number) for number in range(3000)] == slots


def test_one_key_twice_is_a_defect_also_when_the_index_is_rebuilt():
    arena = Arena(10)
    index = Index(arena)
    index.add(keyed(arena, 1, 2))
    again = keyed(arena, 1, 2)
    with pytest.raises(Defect) as raised:
        index.add(again)
    assert raised.value.code == "charging.key_twice"
    with pytest.raises(Defect):
        index.rebuild()
