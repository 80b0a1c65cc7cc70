"""Where each virtual shard is, in PostgreSQL: every process reads it, a move changes one row."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from farwire.base.storage import Database, UntenantedTx
from farwire.charging.shard import store
from farwire.charging.shard.vshards import Move, first_homes
from farwire.kernel.errors import Conflict


@dataclass(frozen=True, slots=True)
class Home:
    """The shard of a virtual shard, and an epoch that rises with each of its moves."""

    shard: int
    epoch: int


async def place(*, db: Database, shards: Collection[int]) -> tuple[Home, ...]:
    """Return the home of every virtual shard; at the first time they are dealt out to ``shards``. Safe to repeat.

    Raises ``Invalid`` (``charging.no_shards``).
    """
    async with db.untenanted() as tx:
        if not (found := await store.homes(tx)):
            await store.add_homes(tx, first_homes(shards))
            found = await store.homes(tx)
    return tuple(Home(*row) for row in found)


async def claim(*, db: Database) -> tuple[Home, ...]:
    """Return the home of every virtual shard to a shard that has just recovered, and end every move in progress.

    The records that such a move counts on may be gone with the process that had them, or have changed since: its
    ``change_home`` then meets a higher epoch than it began with.
    """
    async with db.untenanted() as tx:
        await store.raise_epochs(tx)
        found = await store.homes(tx)
    return tuple(Home(*row) for row in found)


async def claim_one(*, db: Database, vshard: int) -> Home:
    """Return the home of a virtual shard to a shard that gives up what a move of it counts on, and end that move."""
    async with db.untenanted() as tx:
        return Home(*await store.raise_epoch(tx, vshard))


async def home_of(*, db: Database, vshard: int) -> Home | None:
    """Return the home of a virtual shard; None before the first shard was started."""
    async with db.untenanted(read_only=True) as tx:
        found = await store.home(tx, vshard)
    return None if found is None else Home(*found)


async def homes(*, db: Database) -> tuple[Home, ...]:
    """Return the home of every virtual shard; nothing before the first shard was started."""
    async with db.untenanted(read_only=True) as tx:
        return tuple(Home(*row) for row in await store.homes(tx))


async def change_home(tx: UntenantedTx, *, move: Move, epoch: int) -> Home:
    """Give a virtual shard to its target, in the transaction of whoever ships its records.

    Raises ``Conflict`` (``charging.vshard_moved``) if it is not at its source in ``epoch`` any more.
    """
    if not await store.move(tx, move.vshard, move.source, move.target, epoch):
        raise Conflict(
            f"virtual shard {move.vshard} is not at shard {move.source} in epoch {epoch} any more",
            code="charging.vshard_moved",
            field="vshard",
            value=move.vshard,
            fix="read the homes again and plan anew",
        )
    return Home(move.target, epoch + 1)
