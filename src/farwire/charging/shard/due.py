"""When accounts are due: what time alone does to them is found without looking at all of them.

At most one entry counts for an account, and it is never later than the account's ``due_at``. One that comes too early,
because the time was put off since, is put back: a busy session that puts its time off with each request costs nothing.
The index is never saved: after a recovery it is rebuilt from the arena.
"""

from __future__ import annotations

import heapq

import numpy as np
from numpy.typing import NDArray

from farwire.charging.model.state import NEVER
from farwire.charging.shard.arena import KIND_MASK, WORDS, Arena
from farwire.charging.shard.records import DUE_WORD, Kind

_NOTHING: NDArray[np.int64] = np.zeros(0, np.int64)


class DueIndex:
    """Slots of accounts by their due time: sorted arrays of a recovery, and a heap of what came since."""

    __slots__ = ("_arena", "_at", "_entry", "_heap", "_slots", "_times")

    def __init__(self, arena: Arena) -> None:
        self._arena = arena
        self._heap: list[tuple[int, int]] = []
        self._begin()
        self._times = self._slots = _NOTHING
        self._at = 0

    def _begin(self) -> NDArray[np.int64]:
        entries: NDArray[np.int64] = np.zeros(self._arena.capacity, np.int64)
        self._entry = entries.data.cast("B").cast("q")
        """The time of the entry that counts, by slot; 0 for none. Untouched pages of it cost no memory."""
        return entries

    def note(self, slot: int, due_at: int) -> None:
        """Take in that the account in ``slot`` is due at ``due_at``."""
        entry = self._entry[slot]
        if due_at < NEVER and (not entry or due_at < entry):
            self._entry[slot] = max(due_at, 1)
            heapq.heappush(self._heap, (max(due_at, 1), slot))

    def next_at(self) -> int:
        """Return a time before which nothing is due."""
        first = self._heap[0][0] if self._heap else NEVER
        return min(first, int(self._times[self._at]) if self._at < len(self._times) else NEVER)

    def take(self, now: int, most: int) -> list[int]:
        """Return up to ``most`` slots of accounts that are due at ``now``; each is forgotten until noted again."""
        found: list[int] = []
        while len(found) < most and self.next_at() <= now:
            time, slot = self._pop()
            if self._entry[slot] != time:
                continue
            self._entry[slot] = 0
            words = self._arena.words
            if words[slot * WORDS] & KIND_MASK == Kind.ACCOUNT:
                due_at = words[slot * WORDS + DUE_WORD]
                if due_at <= now:
                    found.append(slot)
                else:
                    self.note(slot, due_at)
        return found

    def rebuild(self) -> None:
        """Build the index anew from the accounts of the arena."""
        self._heap.clear()
        slots = self._arena.slots_where(mask=KIND_MASK, value=int(Kind.ACCOUNT))
        times = self._arena.matrix[slots, DUE_WORD]
        slots, times = slots[times < NEVER], np.maximum(times[times < NEVER], 1)
        order = np.argsort(times, kind="stable")
        self._slots, self._times, self._at = slots[order], times[order], 0
        self._begin()[self._slots] = self._times

    def _pop(self) -> tuple[int, int]:
        if self._at < len(self._times):
            time = int(self._times[self._at])
            if not self._heap or time <= self._heap[0][0]:
                self._at += 1
                return time, int(self._slots[self._at - 1])
        return heapq.heappop(self._heap)
