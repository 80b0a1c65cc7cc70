"""What contains what, of a whole network at once: which of many new containments can be. Pure arrays, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

Whole = NDArray[np.int64]
_DEPTH: Final = 64
"""Steps upwards that are taken for all new parts at once; a deeper network is walked part by part."""


class Why(StrEnum):
    """Why an element cannot contain another one."""

    CONTAINED = "contained"
    """Another one contains it."""
    LOOPS = "loops"
    """It would contain itself."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The containment at ``position`` of those that were given cannot be."""

    position: int
    why: Why


class Containment:
    """Each element's container, if it has one. It never loops, and ``add`` keeps it so."""

    def __init__(self, elements: Whole, containers: Whole, parts: Whole) -> None:
        """``elements``: ids, ascending; ``containers`` and ``parts``: those that hold, pair by pair."""
        self._elements = elements
        self._container = np.full(len(elements), -1, np.int64)
        self._container[self._places(parts)] = self._places(containers)

    def _places(self, ids: Whole) -> Whole:
        return np.searchsorted(self._elements, ids).astype(np.int64)

    def add(self, containers: Whole, parts: Whole) -> list[Refused]:
        """Take the containments, pair by pair in their order; return those that cannot be. One that holds is none."""
        outer, inner = self._places(containers), self._places(parts)
        free = self._container[inner] < 0
        first = np.zeros(len(inner), bool)
        new = np.flatnonzero(free)
        first[new[np.unique(inner[new], return_index=True)[1]]] = True
        self._container[inner[first]] = outer[first]
        if self._loops(inner[first]):
            self._container[inner[first]] = -1
            return self._one_by_one(outer, inner)
        clash = np.flatnonzero(self._container[inner] != outer)
        return [Refused(int(one), Why.CONTAINED) for one in clash]

    def _loops(self, parts: Whole) -> bool:
        """Return whether one of the parts may contain itself: it does, or it is too deep to tell."""
        start, at = parts, self._container[parts]
        for _ in range(_DEPTH):
            if (start == at).any():
                return True
            at = self._container[at]
            start, at = start[at >= 0], at[at >= 0]
            if not len(at):
                return False
        return True

    def _one_by_one(self, outer: Whole, inner: Whole) -> list[Refused]:
        refused = []
        for position, (container, part) in enumerate(zip(outer.tolist(), inner.tolist(), strict=True)):
            held = int(self._container[part])
            if held == container:
                continue
            if held >= 0:
                refused.append(Refused(position, Why.CONTAINED))
            elif self._is_within(container, part):
                refused.append(Refused(position, Why.LOOPS))
            else:
                self._container[part] = container
        return refused

    def _is_within(self, element: int, outer: int) -> bool:
        while element >= 0:
            if element == outer:
                return True
            element = int(self._container[element])
        return False
