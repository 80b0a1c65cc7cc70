"""Who owns a shard: a row in PostgreSQL with an epoch that rises with each owner."""

from __future__ import annotations

from dataclasses import dataclass

from farwire.base.storage import Database
from farwire.charging.log import store
from farwire.charging.log.port import Fenced


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to write as ``epoch``. It ends when another one takes the shard, not when its time is over."""

    shard: int
    epoch: int


@dataclass(frozen=True, slots=True)
class Held:
    """A shard that has or had an owner."""

    shard: int
    epoch: int
    holder: str
    live: bool
    """Whether its time is not over."""


async def list_leases(*, db: Database) -> tuple[Held, ...]:
    """Return every shard that ever had an owner, by number."""
    async with db.untenanted(read_only=True) as tx:
        return tuple(
            Held(row["shard"], row["epoch"], row["holder"], row["live"]) for row in await store.leases(tx)
        )


async def take_lease(*, db: Database, shard: int, holder: str, seconds: int, force: bool = False) -> Lease:
    """Take a shard that is free, whose time is over, or that ``holder`` had; ``force`` takes it from anybody.

    The earlier owner can append nothing from then on. Raises ``Fenced`` (``charging.shard_held``).
    """
    async with db.untenanted() as tx:
        row = await store.take_lease(tx, shard, holder, seconds, force=force)
        if row is None:
            held = await store.lease(tx, shard)
            raise Fenced(
                f"shard {shard} is held by another process",
                code="charging.shard_held",
                field="holder",
                value=held and held["holder"],
                fix="wait until its lease ends, or take it by force if that process is gone",
            )
    return Lease(shard, row["epoch"])


async def renew_lease(*, db: Database, lease: Lease, seconds: int) -> None:
    """Hold a shard for ``seconds`` from now; 0 gives it up. Raises ``Fenced`` (``charging.log_fenced``)."""
    async with db.untenanted() as tx:
        if not await store.renew_lease(tx, lease.shard, lease.epoch, seconds):
            raise fenced(lease.shard, lease.epoch)


def fenced(shard: int, epoch: int) -> Fenced:
    """Return the error of an owner that has lost its shard."""
    return Fenced(
        f"another process has taken shard {shard}",
        field="epoch",
        value=epoch,
        fix="stop this one; what it has not acknowledged may be lost",
    )
