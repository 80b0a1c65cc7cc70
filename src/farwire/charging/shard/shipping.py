"""The records of one virtual shard, taken out of an arena and put into another, where they get other slots.

Links between records are slots and are translated on arrival. A shipment is bytes: it can be sent, kept, and checked.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from farwire.charging.shard.arena import KIND_MASK, VSHARD_SHIFT, WORDS, Arena
from farwire.charging.shard.records import Kind
from farwire.kernel.errors import check

_VSHARD_MASK: Final = 0xFFFF << VSHARD_SHIFT
_LINK_MASK: Final = 0xFFFF_FFFF
"""A link is the low half of its word."""
LINKS: Final[Mapping[int, int]] = {int(kind): 3 if kind is Kind.ACCOUNT else 1 for kind in Kind}
"""The word of the link, by kind: see the table of ``records.py``."""


@dataclass(frozen=True, slots=True)
class Shipment:
    """Records as they stood at their source: ``slots`` are int64, ascending; ``images`` 64 bytes each."""

    vshard: int
    slots: bytes
    images: bytes


CARRIED: Final = 9
"""Words of a record on its way: its slot, then the record."""


def to_bytes(shipment: Shipment) -> bytes:
    """Return the records of a shipment one behind the other, each after its slot: 72 bytes."""
    slots = np.frombuffer(shipment.slots, np.int64)
    images = np.frombuffer(shipment.images, np.int64).reshape(-1, WORDS)
    return np.column_stack((slots, images)).tobytes()


def from_bytes(vshard: int, carried: bytes) -> Shipment:
    """Return the shipment that ``to_bytes`` made bytes of."""
    rows = np.frombuffer(carried, np.int64).reshape(-1, CARRIED)
    return Shipment(vshard, rows[:, 0].tobytes(), np.ascontiguousarray(rows[:, 1:]).tobytes())


def slots_of(arena: Arena, vshard: int, *, first: int = 1, end: int = -1) -> NDArray[np.int64]:
    """Return the slots of a virtual shard, ascending, in a part of the arena."""
    slots = arena.slots_where(mask=_VSHARD_MASK, value=vshard << VSHARD_SHIFT, first=first, end=end)
    used: NDArray[np.int64] = slots[arena.matrix[slots, 0] != 0]
    return used


def pack(arena: Arena, vshard: int, slots: NDArray[np.int64] | None = None) -> Shipment:
    """Return a copy of all records of a virtual shard. It must not be changing: drain it first.

    ``slots`` are its slots, where somebody has looked for them already.
    """
    found = slots_of(arena, vshard) if slots is None else slots
    return Shipment(vshard, found.tobytes(), arena.matrix[found].tobytes())


def unpack(arena: Arena, shipment: Shipment, links: Mapping[int, int] = LINKS) -> NDArray[np.int64]:
    """Put records into free slots of ``arena`` and return these, in the order of the shipment.

    ``links`` names the word that holds the link, by kind. All slots count as changed: the next batch logs them, and
    is the moment from which they are here. Index and due index are the caller's.

    Raises ``Exhausted`` (``charging.arena_full``), ``Defect`` (``charging.link_leaves_vshard``) if a link points to a
    record that is not in the shipment.
    """
    old = np.frombuffer(shipment.slots, np.int64)
    images = np.frombuffer(shipment.images, np.int64).reshape(-1, WORDS).copy()
    check(len(old) == len(images), "charging.shipment")
    arena.check_room(len(old))
    new = np.array([arena.allocate() for _ in range(len(old))], np.int64)
    kinds = images[:, 0] & KIND_MASK
    for kind, word in links.items():
        rows = np.flatnonzero(kinds == kind)
        images[rows, word] = _translated(images[rows, word], old, new)
    arena.matrix[new] = images
    arena.mark(new)
    return new


def clear(arena: Arena, shipment: Shipment) -> None:
    """Free the slots of a virtual shard that has gone. The caller has taken them out of the index."""
    for slot in np.frombuffer(shipment.slots, np.int64).tolist():
        arena.release(slot)


def _translated(
    words: NDArray[np.int64], old: NDArray[np.int64], new: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return words whose low halves, unless 0, are new slots for old ones."""
    link = words & _LINK_MASK
    linked = link != 0
    if not linked.any():
        return words
    place = np.minimum(np.searchsorted(old, link[linked]), len(old) - 1)
    check(bool((old[place] == link[linked]).all()), "charging.link_leaves_vshard")
    result = words.copy()
    result[linked] = (words[linked] & ~np.int64(_LINK_MASK)) | new[place]
    return result
