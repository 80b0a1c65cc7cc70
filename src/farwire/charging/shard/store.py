"""SQL of the homes of virtual shards. The table has no tenant: subscribers of all tenants hash to the same ones."""

from __future__ import annotations

from collections.abc import Sequence

from farwire.base.storage import UntenantedTx
from farwire.kernel.errors import check


async def add_homes(tx: UntenantedTx, homes: Sequence[int]) -> None:
    """Write the shard of each virtual shard that has none yet."""
    await tx.execute(
        "INSERT INTO charging.vshard (vshard, shard) "
        "SELECT place - 1, shard FROM unnest($1::integer[]) WITH ORDINALITY AS home (shard, place) "
        "ON CONFLICT (vshard) DO NOTHING",
        list(homes),
    )


async def homes(tx: UntenantedTx) -> list[tuple[int, int]]:
    """Return shard and epoch of each virtual shard, in order; nothing before the first ``add_homes``."""
    rows = await tx.fetch("SELECT shard, epoch FROM charging.vshard ORDER BY vshard")
    return [(row["shard"], row["epoch"]) for row in rows]


async def raise_epochs(tx: UntenantedTx) -> None:
    """Raise the epoch of every home. Locked in order, so that two who do so wait for each other and do not deadlock."""
    await tx.execute(
        "UPDATE charging.vshard AS home SET epoch = epoch + 1 "
        "FROM (SELECT vshard FROM charging.vshard ORDER BY vshard FOR UPDATE) AS locked "
        "WHERE home.vshard = locked.vshard"
    )


async def raise_epoch(tx: UntenantedTx, vshard: int) -> tuple[int, int]:
    """Raise the epoch of one home; return its shard and epoch."""
    row = await tx.fetchrow(
        "UPDATE charging.vshard SET epoch = epoch + 1 WHERE vshard = $1 RETURNING shard, epoch", vshard
    )
    check(row is not None, "charging.vshard_homes")
    return (row["shard"], row["epoch"]) if row else (0, 0)


async def home(tx: UntenantedTx, vshard: int) -> tuple[int, int] | None:
    """Return shard and epoch of a virtual shard."""
    row = await tx.fetchrow("SELECT shard, epoch FROM charging.vshard WHERE vshard = $1", vshard)
    return row and (row["shard"], row["epoch"])


async def move(tx: UntenantedTx, vshard: int, source: int, target: int, epoch: int) -> bool:
    """Give a virtual shard to another shard if it still has this source and epoch; the epoch rises."""
    tag = await tx.execute(
        "UPDATE charging.vshard SET shard = $3, epoch = epoch + 1 WHERE vshard = $1 AND shard = $2 AND epoch = $4",
        *(vshard, source, target, epoch),
    )
    return tag == "UPDATE 1"
