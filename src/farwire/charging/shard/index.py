"""From a 128-bit key to the slot of its record: open addressing with linear probing, 8 bytes an entry.

The table holds slots only; the key itself stands in the record (words 1 and 2), which the caller wants to read anyway.
It is never saved: after a recovery it is rebuilt from the arena.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from farwire.charging.shard.arena import KEY_HIGH, KEY_LOW, KEYED, WORDS, Arena
from farwire.kernel.errors import check

_MULTIPLY_HIGH: Final = 0x9E3779B97F4A7C15
_MULTIPLY_LOW: Final = 0xC2B2AE3D27D4EB4F
_MASK: Final = (1 << 64) - 1
_FEWEST_BITS: Final = 10


class Index:
    """Slots of keyed records by key. At most half of the table is in use, so that a search looks at 1.5 entries."""

    __slots__ = ("_arena", "_bits", "_entries", "_shift", "_table", "_words", "count")

    def __init__(self, arena: Arena, expected: int = 0) -> None:
        """Begin empty, with room for ``expected`` keys before the table must grow."""
        self._arena = arena
        self._words = arena.words
        self.count = 0
        self._make(max(_FEWEST_BITS, (2 * expected).bit_length()))

    @property
    def table_bytes(self) -> int:
        """Return the memory of the table."""
        return int(self._table.nbytes)

    def find(self, high: int, low: int) -> int:
        """Return the slot of a key, or 0."""
        entries, words = self._entries, self._words
        # The home of the key, written out: this is asked for every request.
        place = ((high * _MULTIPLY_HIGH + low * _MULTIPLY_LOW) & _MASK) >> self._shift
        while slot := entries[place]:
            base = slot * WORDS
            if words[base + KEY_LOW] == low and words[base + KEY_HIGH] == high:
                return slot
            place = (place + 1) & (len(entries) - 1)
        return 0

    def add(self, slot: int) -> None:
        """Take in a record that is written in the arena. Raises ``Defect`` (``charging.key_twice``)."""
        if 2 * (self.count + 1) > len(self._entries):
            self._grow()
        high, low = self._key(slot)
        check(not self.find(high, low), "charging.key_twice")
        mask = len(self._entries) - 1
        place = self._home(high, low)
        while self._entries[place]:
            place = (place + 1) & mask
        self._entries[place] = slot
        self.count += 1

    def remove(self, slot: int) -> None:
        """Forget a record, while its key still stands in the arena. Those behind it move up: no gravestones."""
        entries, mask = self._entries, len(self._entries) - 1
        place = self._home(*self._key(slot))
        while entries[place] != slot:
            check(entries[place], "charging.key_unknown")
            place = (place + 1) & mask
        hole = place
        while moved := entries[place := (place + 1) & mask]:
            home = self._home(*self._key(moved))
            if (place - home) & mask >= (place - hole) & mask:
                entries[hole] = moved
                hole = place
        entries[hole] = 0
        self.count -= 1

    def rebuild(self) -> None:
        """Build the table anew from the keyed records of the arena, all at once.

        Raises ``Defect`` (``charging.key_twice``) if two records have one key.
        """
        slots = self._arena.slots_where(mask=KEYED, value=KEYED)
        self._make(max(self._bits, (2 * len(slots)).bit_length()))
        self._place(slots)
        self.count = len(slots)

    def _place(self, slots: NDArray[np.int64]) -> None:
        """Put every slot into the first free entry from its home on, in rounds: of several that want one, one wins."""
        table, mask = self._table, len(self._table) - 1
        high, low = self._arena.matrix[:, KEY_HIGH], self._arena.matrix[:, KEY_LOW]
        mixed = high[slots].view(np.uint64) * np.uint64(_MULTIPLY_HIGH)
        mixed += low[slots].view(np.uint64) * np.uint64(_MULTIPLY_LOW)
        places = (mixed >> np.uint64(64 - self._bits)).view(np.int64)
        while len(slots):
            free = table[places] == 0
            table[places[free]] = slots[free]
            there = table[places]
            left = np.flatnonzero(there != slots)
            there, slots = there[left], slots[left]
            same = (high[there] == high[slots]) & (low[there] == low[slots])
            check(not same.any(), "charging.key_twice")
            places = (places[left] + 1) & mask

    def _make(self, bits: int) -> None:
        self._bits = bits
        self._shift = 64 - bits
        self._table: NDArray[np.int64] = np.zeros(1 << bits, dtype=np.int64)
        self._entries = self._table.data.cast("B").cast("q")

    def _grow(self) -> None:
        slots = self._table[self._table != 0]
        self._make(self._bits + 1)
        self._place(slots)

    def _key(self, slot: int) -> tuple[int, int]:
        words = self._arena.words
        return words[slot * WORDS + KEY_HIGH], words[slot * WORDS + KEY_LOW]

    def _home(self, high: int, low: int) -> int:
        return ((high * _MULTIPLY_HIGH + low * _MULTIPLY_LOW) & _MASK) >> self._shift
