"""SQL of leases, batches and snapshots of shards. These tables have no tenant: a shard serves all of them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from farwire.base.storage import UntenantedTx

if TYPE_CHECKING:
    from asyncpg import Record

PAGE_BYTES: Final = 8 << 20

_APPEND = """
WITH held AS (
    UPDATE charging.log_lease SET last = $4 WHERE shard = $1 AND epoch = $2 AND last = $3 - 1 RETURNING shard),
setting AS (SELECT set_config('synchronous_commit', $6, true) AS value)
INSERT INTO charging.log_batch (shard, epoch, first, last, body)
SELECT held.shard, $2, $3, $4, $5 FROM held, setting WHERE setting.value <> '' RETURNING 1
"""


async def take_lease(
    tx: UntenantedTx, shard: int, holder: str, seconds: int, *, force: bool
) -> Record | None:
    """Raise the epoch for ``holder`` if the lease is free, its own, or ``force``; return epoch and last."""
    return await tx.fetchrow(
        "INSERT INTO charging.log_lease AS lease (shard, epoch, holder, held_until) "
        "VALUES ($1, 1, $2, clock_timestamp() + make_interval(secs => $3)) ON CONFLICT (shard) DO UPDATE "
        "SET epoch = lease.epoch + 1, holder = excluded.holder, held_until = excluded.held_until "
        "WHERE $4 OR lease.holder = excluded.holder OR lease.held_until <= clock_timestamp() RETURNING epoch, last",
        *(shard, holder, seconds, force),
    )


async def renew_lease(tx: UntenantedTx, shard: int, epoch: int, seconds: int) -> bool:
    """Hold a lease longer (0 seconds: give it up); return False if another holder has it."""
    tag = await tx.execute(
        "UPDATE charging.log_lease SET held_until = clock_timestamp() + make_interval(secs => $3) "
        "WHERE shard = $1 AND epoch = $2",
        *(shard, epoch, seconds),
    )
    return tag == "UPDATE 1"


async def lease(tx: UntenantedTx, shard: int) -> Record | None:
    """Return epoch, holder, held_until and last of a shard."""
    return await tx.fetchrow(
        "SELECT epoch, holder, held_until, last FROM charging.log_lease WHERE shard = $1", shard
    )


async def leases(tx: UntenantedTx) -> list[Record]:
    """Return shard, epoch, holder and whether its time is not over, of every shard."""
    return await tx.fetch(
        "SELECT shard, epoch, holder, held_until > clock_timestamp() AS live FROM charging.log_lease ORDER BY shard"
    )


async def append(
    tx: UntenantedTx, shard: int, epoch: int, first: int, last: int, *, body: bytes, commit: str
) -> bool:
    """Add a batch if ``epoch`` holds the shard and ``first`` follows; otherwise return False and add nothing."""
    return await tx.fetchval(_APPEND, shard, epoch, first, last, body, commit) is not None


async def bodies(tx: UntenantedTx, shard: int, after: int) -> Sequence[bytes]:
    """Return the next batches after a sequence: as many as make up a page of some MiB, at least one."""
    rows = await tx.fetch(
        "WITH page AS (SELECT last, body FROM charging.log_batch WHERE shard = $1 AND last > $2 "
        "ORDER BY last LIMIT 1000), "
        "summed AS (SELECT last, body, sum(octet_length(body)) OVER (ORDER BY last) AS through FROM page) "
        "SELECT body FROM summed WHERE through - octet_length(body) < $3 ORDER BY last",
        *(shard, after, PAGE_BYTES),
    )
    return [row["body"] for row in rows]


async def first_kept(tx: UntenantedTx, shard: int) -> int | None:
    """Return the first sequence that is still kept."""
    found: int | None = await tx.fetchval("SELECT min(first) FROM charging.log_batch WHERE shard = $1", shard)
    return found


async def remove_batches(tx: UntenantedTx, shard: int, through: int) -> None:
    """Remove batches whose last sequence is not above ``through``."""
    await tx.execute("DELETE FROM charging.log_batch WHERE shard = $1 AND last <= $2", shard, through)


async def add_part(tx: UntenantedTx, shard: int, sequence: int, epoch: int, part: int, body: bytes) -> bool:
    """Add a part of a snapshot if ``epoch`` holds the shard; otherwise return False."""
    tag = await tx.execute(
        "INSERT INTO charging.log_snapshot (shard, sequence, epoch, part, body) "
        "SELECT shard, $2, epoch, $4, $5 FROM charging.log_lease WHERE shard = $1 AND epoch = $3 "
        "ON CONFLICT (shard, sequence, epoch, part) DO UPDATE SET body = excluded.body",  # of one that was left
        *(shard, sequence, epoch, part, body),
    )
    return tag == "INSERT 0 1"


async def marks(tx: UntenantedTx, shard: int) -> Sequence[tuple[int, int, bytes]]:
    """Return sequence, epoch and mark of every whole snapshot, newest first."""
    rows = await tx.fetch(
        "SELECT sequence, epoch, body FROM charging.log_snapshot WHERE shard = $1 AND part = 0 "
        "ORDER BY sequence DESC, epoch DESC",
        shard,
    )
    return [(row["sequence"], row["epoch"], row["body"]) for row in rows]


async def part(tx: UntenantedTx, shard: int, sequence: int, epoch: int, number: int) -> bytes:
    """Return a part of a snapshot; nothing at all if it is missing."""
    found: bytes | None = await tx.fetchval(
        "SELECT body FROM charging.log_snapshot WHERE shard = $1 AND sequence = $2 AND epoch = $3 AND part = $4",
        *(shard, sequence, epoch, number),
    )
    return found or b""


async def remove_snapshots(tx: UntenantedTx, shard: int, epoch: int, before: int) -> None:
    """Remove snapshots older than ``before``, and what earlier owners left unfinished."""
    await tx.execute(
        "DELETE FROM charging.log_snapshot AS old WHERE shard = $1 AND (sequence < $3 OR (epoch < $2 AND NOT EXISTS ("
        "SELECT FROM charging.log_snapshot AS mark WHERE mark.shard = $1 AND mark.sequence = old.sequence "
        "AND mark.epoch = old.epoch AND mark.part = 0)))",
        *(shard, epoch, before),
    )


async def has_synchronous_standby(tx: UntenantedTx) -> bool:
    """Return whether the server waits for another one when it commits."""
    return bool(await tx.fetchval("SELECT current_setting('synchronous_standby_names') <> ''"))
