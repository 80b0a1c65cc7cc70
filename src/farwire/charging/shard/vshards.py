"""Which virtual shard a subscriber's circle hashes to, and which of them move when a process joins or leaves."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from itertools import islice

from farwire.charging.shard.homes import VSHARDS
from farwire.kernel.errors import Invalid, check


@dataclass(frozen=True, slots=True)
class Move:
    """One virtual shard that changes its shard."""

    vshard: int
    source: int
    target: int


def vshard_of_key(key: bytes) -> int:
    """Return the virtual shard of a key, the same on every machine and in every version: 12 bits of its BLAKE2b hash.

    Who opens accounts puts it into the low bits of the number of every account of the circle (``homes.vshard_of``).
    """
    return int.from_bytes(blake2b(key, digest_size=8).digest(), "big") >> (64 - VSHARDS.bit_length() + 1)


def first_homes(shards: Collection[int]) -> tuple[int, ...]:
    """Return the shard of each virtual shard when there was none before: in turns. Raises ``Invalid``."""
    names = _checked(shards)
    return tuple(names[vshard % len(names)] for vshard in range(VSHARDS))


def plan_moves(homes: Sequence[int], shards: Collection[int]) -> tuple[Move, ...]:
    """Return the fewest moves after which ``shards`` have equally many virtual shards, or one more than another.

    ``homes`` is the shard of each virtual shard now; those whose shard is not in ``shards`` all move. Equal input
    gives equal moves. Raises ``Invalid`` (``charging.no_shards``).
    """
    check(len(homes) == VSHARDS, "charging.vshard_homes")
    names = _checked(shards)
    have = Counter(homes)
    # Who has most may keep one more than the others: every other choice moves more.
    ordered = sorted(names, key=lambda shard: (-have[shard], shard))
    least, more = divmod(VSHARDS, len(names))
    quota = {shard: least + (place < more) for place, shard in enumerate(ordered)}
    room = (shard for shard in names for _ in range(quota[shard] - have[shard]))
    leaving = Counter({shard: count - quota.get(shard, 0) for shard, count in have.items()})
    moves = []
    for vshard, source in enumerate(homes):
        if leaving[source] > 0:
            leaving[source] -= 1
            moves += [Move(vshard, source, target) for target in islice(room, 1)]
    return tuple(moves)


def _checked(shards: Collection[int]) -> list[int]:
    names = sorted(set(shards))
    if not 0 < len(names) <= VSHARDS:
        raise Invalid(
            f"there are {VSHARDS:,} virtual shards for 1 to {VSHARDS:,} shards",
            code="charging.no_shards",
            field="shards",
            value=len(names),
            fix="name the shards that are to serve",
        )
    return names
