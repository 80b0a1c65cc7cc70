"""The elements of a whole network by their names: which ids many names stand for, at once. Pure arrays, no I/O."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
Texts = NDArray[np.bytes_]
Hashes = NDArray[np.uint64]
UNKNOWN: Final = -1
_WORD: Final = 8
_MAX_WORDS: Final = 16
_FACTORS: Final = np.array([secrets.randbits(64) | 1 for _ in range(_MAX_WORDS)], np.uint64)
"""Drawn by each process, so that nobody can write a file of names that all have one hash."""


class Naming:
    """Ids by name. Memory: the longest name, and 16 octets, for each element."""

    def __init__(self, ids: Whole, names: Texts) -> None:
        """``names``: ASCII, of at most 128 characters, no two alike; ``ids``: those of the elements so named."""
        words = -(-max(names.dtype.itemsize, 1) // _WORD)
        self._form = np.dtype(f"S{words * _WORD}")
        padded = names.astype(self._form)
        hashes = _hashes(padded)
        order = np.argsort(hashes, kind="stable")
        self._hashes, self._names, self._ids = hashes[order], padded[order], ids[order]

    def ids(self, names: Sequence[str]) -> Whole:
        """Return the id of each of the names, ``UNKNOWN`` where there is none of that name."""
        found = np.full(len(names), UNKNOWN, np.int64)
        if not names or not len(self._ids):
            return found
        given = np.array(names, dtype="S")
        wanted = given.astype(
            self._form
        )  # what is longer than any that is known is cut, and then no more the same
        hashes = _hashes(wanted)
        place = np.searchsorted(self._hashes, hashes)
        left = np.flatnonzero(wanted == given)
        while len(left):
            left = left[place[left] < len(self._hashes)]
            left = left[self._hashes[place[left]] == hashes[left]]
            same = self._names[place[left]] == wanted[left]
            found[left[same]] = self._ids[place[left[same]]]
            left = left[~same]  # another name with the same hash: the next one may be it
            place[left] += 1
        return found


def _hashes(names: Texts) -> Hashes:
    """Return a number for each of the names, whose width is a multiple of eight octets."""
    words = names.view(np.uint64).reshape(len(names), names.dtype.itemsize // _WORD)
    mixed = np.zeros(len(names), np.uint64)
    for column in range(words.shape[1]):
        mixed += words[:, column] * _FACTORS[column]
        mixed ^= mixed >> np.uint64(29)
    return mixed
