"""Virtual shards: 4,096 of them, moved between processes as wholes; an account never changes its own."""

from __future__ import annotations

from typing import Final

VSHARDS: Final = 4_096


def vshard_of(number: int) -> int:
    """Return the virtual shard of an account: the low 12 bits of its number.

    Who gives out numbers puts a hash of the circle (the subscriber, the family, the company) there. So every gateway
    finds the shard without asking anybody, and accounts that share balances stand on one shard.
    """
    return number & (VSHARDS - 1)
