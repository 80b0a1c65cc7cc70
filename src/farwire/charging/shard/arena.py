"""The records of a shard in one piece of memory: 64 bytes each, a cache line, eight words of int64.

The memory is reserved at the start and used from the front, so that it never moves: a reader of one record, NumPy and a
compiled kernel all look at the same bytes. Word 0 of each record is its *head*; everything else is the layout's.

Head, from the lowest bit: kind (8 bits, 0 = the slot is free), flag KEYED (bit 15: words 1 and 2 are a 128-bit key that
the index finds), virtual shard (16 bits from bit 16), 31 bits that the layout may use. So what is free, what is keyed
and whose record it is can be read from the bytes alone: free list and index are rebuilt from a recovered arena.
"""

from __future__ import annotations

import mmap
import struct
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from farwire.kernel.errors import Exhausted, check

check(sys.byteorder == "little", "charging.byte_order", "records are little-endian, this machine is not")

WORDS: Final = 8
RECORD_BYTES: Final = 64
NONE: Final = 0
"""Slot 0 holds no record, so a link of 0 ends a chain."""
KIND_MASK: Final = 0xFF
KEYED: Final = 1 << 15
VSHARD_SHIFT: Final = 16
EXTRA_SHIFT: Final = 32
KEY_HIGH, KEY_LOW = 1, 2
"""Words of the key in a keyed record."""

Records = NDArray[np.int64]
"""A matrix of records: one row each, eight columns."""
_RECORD: Final = struct.Struct("<8q")


def head(kind: int, *, vshard: int, keyed: bool = False, extra: int = 0) -> int:
    """Return word 0 of a record: ``kind`` 1–255, ``extra`` 31 bits of the layout's own."""
    check(0 < kind <= KIND_MASK and 0 <= vshard <= 0xFFFF and 0 <= extra < 1 << 31, "charging.head")
    return kind | (KEYED if keyed else 0) | vshard << VSHARD_SHIFT | extra << EXTRA_SHIFT


@dataclass(frozen=True, slots=True)
class Changes:
    """After-images of the slots that a batch changed, each slot once: ``slots`` are int64, ``images`` 64 bytes each."""

    slots: bytes
    images: bytes

    def __len__(self) -> int:
        return len(self.slots) // 8


class Arena:
    """Records by slot. Reading and writing one costs about 0.1 µs; ``matrix`` is the same memory for NumPy.

    ``capacity`` slots of address space are reserved; the machine gives memory only to those that are used.
    """

    __slots__ = ("_buffer", "_changed", "_free", "buffer", "capacity", "matrix", "used", "words")

    def __init__(self, capacity: int) -> None:
        check(capacity > 1, "charging.arena_capacity")
        self.capacity = capacity
        self._buffer = mmap.mmap(-1, capacity * RECORD_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        self.buffer = memoryview(self._buffer)
        self.words = self.buffer.cast("q")
        self.matrix: Records = np.frombuffer(self._buffer, dtype=np.int64).reshape(capacity, WORDS)
        self.used = 1
        """Slots below this one have been used at some time; the rest is zero."""
        self._free: list[int] = []
        self._changed: set[int] = set()

    @property
    def records(self) -> int:
        """Return how many records there are."""
        return self.used - 1 - len(self._free)

    @property
    def changed(self) -> int:
        """Return how many slots have changed since the last ``take_changes``."""
        return len(self._changed)

    def allocate(self) -> int:
        """Return a free slot whose words are 0. Raises ``Exhausted`` (``charging.arena_full``).

        The slot is taken when its head is written; one whose head stays 0 is free again after a recovery.
        """
        if self._free:
            return self._free.pop()
        if self.used == self.capacity:
            self.check_room(1)
        self.used += 1
        return self.used - 1

    def check_room(self, records: int) -> None:
        """Raise ``Exhausted`` (``charging.arena_full``) unless so many records can be allocated."""
        if self.records + records >= self.capacity:
            raise Exhausted(
                f"the shard has room for {self.capacity - 1:,} records, {self.records:,} are in use",
                code="charging.arena_full",
                field="records",
                value=records,
                fix="add a shard, or start this one with more records",
            )

    def release(self, slot: int) -> None:
        """Clear a record and free its slot."""
        check(NONE < slot < self.used and self.words[slot * WORDS], "charging.slot_not_used")
        self.write(slot, (0,) * WORDS)
        self._free.append(slot)

    def read(self, slot: int) -> tuple[int, ...]:
        """Return the eight words of a record."""
        return _RECORD.unpack_from(self._buffer, slot * RECORD_BYTES)

    def write(self, slot: int, words: Sequence[int]) -> None:
        """Replace the eight words of a record. The slot counts as changed."""
        _RECORD.pack_into(self._buffer, slot * RECORD_BYTES, *words)
        self._changed.add(slot)

    def image(self, slot: int) -> bytes:
        """Return the 64 bytes of a record."""
        return self._buffer[slot * RECORD_BYTES : (slot + 1) * RECORD_BYTES]

    def write_images(self, images: Iterable[tuple[int, bytes]]) -> None:
        """Replace the 64 bytes of each record. The slots count as changed."""
        buffer, change = self._buffer, self._changed.add
        for slot, image in images:
            at = slot * RECORD_BYTES
            buffer[at : at + RECORD_BYTES] = image
            change(slot)

    def write_word(self, slot: int, word: int, value: int) -> None:
        """Replace one word of a record. The slot counts as changed. Read one by ``words[slot * 8 + word]``."""
        self.words[slot * WORDS + word] = value
        self._changed.add(slot)

    def mark(self, slots: NDArray[np.int64]) -> None:
        """Count slots as changed that were written through ``matrix``."""
        self._changed.update(slots.tolist())

    def take_changes(self) -> Changes:
        """Return the images of all changed slots, each once, and begin a new batch."""
        slots = np.fromiter(self._changed, np.int64, len(self._changed))
        self._changed.clear()
        return Changes(slots.tobytes(), self.matrix[slots].tobytes())

    def adopt(self, used: int) -> None:
        """Take over the memory as a recovery left it: ``used`` slots from the front. The free list is rebuilt."""
        check(1 <= used <= self.capacity, "charging.arena_capacity")
        self.used = used
        free = np.flatnonzero(self.matrix[1:used, 0] == 0) + 1
        self._free = free[::-1].tolist()
        self._changed.clear()

    def slots_where(self, *, mask: int, value: int, first: int = 1, end: int = -1) -> NDArray[np.int64]:
        """Return the slots whose head, masked, is ``value``, in order: all of a kind, of a virtual shard, all keyed.

        ``first`` and ``end`` name a part of the arena, to look through it piece by piece.
        """
        until = self.used if end < 0 else min(end, self.used)
        found = np.flatnonzero((self.matrix[first:until, 0] & mask) == value) + first
        return found.astype(np.int64, copy=False)
