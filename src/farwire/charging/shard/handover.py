"""A virtual shard is handed over from one shard to another by a mover, who may be a third process.

The mover reads the epoch of the home, and names it in all that it asks. The home is changed only while it still has
this epoch. Whoever gives up what a move counts on raises the epoch first: a shard that recovers raises all of them,
a side that settles without having been told the end raises this one. So a move that could lose something cannot end.

Each side settles by itself when it has not heard of the mover for a while: the row of the home says whose the virtual
shard is. Any of the three may die at any moment; then the two sides, or what recovers of them, have one owner again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final, Protocol
from zlib import crc32

import structlog

from farwire.charging.shard import moving
from farwire.charging.shard.homes import VSHARDS
from farwire.charging.shard.runner import Runner
from farwire.charging.shard.shipping import CARRIED, from_bytes, to_bytes
from farwire.kernel.errors import Conflict, FarwireError, Invalid

PATIENCE_MS: Final = 2_000
"""How long a side waits for the next word of the mover before it settles by itself."""
MOST: Final = 8
"""Virtual shards that a shard hands over or takes at once."""
CARRIED_BYTES: Final = 8 * CARRIED
PAGE: Final = 224
"""Records in one message: a frame has at most 16 KiB."""
_LOOK_MS: Final = 250
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Manifest:
    """What is handed over: so many records, and the CRC-32 of all of them."""

    records: int
    checksum: int


class Side(Protocol):
    """One shard, as a mover sees it. Raises ``Conflict`` (``charging.vshard_moved``): read the homes again."""

    async def depart(self, vshard: int, epoch: int) -> Manifest:
        """Freeze the virtual shard; what it has is durable, and stays as it is."""

    async def export(self, vshard: int, epoch: int, first: int) -> bytes:
        """Return up to ``PAGE`` records from the place ``first`` on."""

    async def bring(self, vshard: int, epoch: int, first: int, records: bytes) -> None:
        """Let the target hold records in memory; ``first`` 0 begins anew."""

    async def arrive(self, vshard: int, epoch: int, manifest: Manifest) -> None:
        """Let the target make durable what it was brought. Raises ``Exhausted`` (``charging.arena_full``)."""

    async def settle(self, vshard: int) -> int:
        """End the hand-over on this side, whatever has become of it; return the shard that is the home."""


async def hand_over(
    *, source: Side, target: Side, vshard: int, epoch: int, change_home: Callable[[], Awaitable[None]]
) -> None:
    """Let ``target`` have what ``source`` has, and change the home. ``settle`` both sides after it, also if it fails.

    ``change_home`` changes the row if it has ``epoch``. When it raises nobody knows whether it did; the row does.
    """
    manifest = await source.depart(vshard, epoch)
    await target.bring(vshard, epoch, 0, b"")
    first = 0
    while first < manifest.records:
        page = await source.export(vshard, epoch, first)
        await target.bring(vshard, epoch, first, page)
        first += max(len(page) // CARRIED_BYTES, 1)
    await target.arrive(vshard, epoch, manifest)
    await change_home()


@dataclass(slots=True)
class _Leaving:
    epoch: int
    records: bytes = b""


@dataclass(slots=True)
class _Coming:
    epoch: int
    records: bytearray = field(default_factory=bytearray)


class Desk:
    """The side of the shard of this process. ``claim`` returns the home of a virtual shard and raises its epoch."""

    def __init__(
        self, runner: Runner, *, claim: Callable[[int], Awaitable[int]], patience_ms: int = PATIENCE_MS
    ) -> None:
        self.runner = runner
        self._claim = claim
        self._patience_ms = patience_ms
        self._leaving: dict[int, _Leaving] = {}
        self._coming: dict[int, _Coming] = {}
        self._left_ms: dict[int, int] = {}
        """After how much silence this side settles by itself, by virtual shard."""
        self._one_act = asyncio.Lock()

    async def depart(self, vshard: int, epoch: int) -> Manifest:
        """See ``Side``. Said again it freezes nothing anew: what is frozen stays as it was."""
        async with self._one_act:
            if vshard in self.runner.shard.admission.elsewhere or vshard in self._coming:
                raise _moved(vshard, "it is not here")
            self._hear(vshard)
            leaving = self._leaving[vshard] = _Leaving(epoch)
            leaving.records = to_bytes(await moving.depart(self.runner, vshard))
            self._hear(vshard)
            return Manifest(len(leaving.records) // CARRIED_BYTES, crc32(leaving.records))

    async def export(self, vshard: int, epoch: int, first: int) -> bytes:
        """See ``Side``."""
        leaving = self._leaving.get(vshard)
        if leaving is None or leaving.epoch != epoch or first < 0:
            raise _moved(vshard, "its hand-over is over")
        self._hear(vshard)
        return leaving.records[first * CARRIED_BYTES : (first + PAGE) * CARRIED_BYTES]

    async def bring(self, vshard: int, epoch: int, first: int, records: bytes) -> None:
        """See ``Side``. What an older mover still brings is refused: what is here may be newer."""
        coming = self._coming.get(vshard)
        elsewhere = vshard in self.runner.shard.admission.elsewhere
        if not elsewhere if coming is None else epoch < coming.epoch:
            raise _moved(vshard, "it is here, or on its way here with another mover")
        if first == 0 and not records:
            self._hear(vshard)
            self._coming[vshard] = _Coming(epoch)
            return
        if coming is None or coming.epoch != epoch or first * CARRIED_BYTES != len(coming.records):
            raise _moved(vshard, "its hand-over is over")
        self.runner.shard.arena.check_room(first + len(records) // CARRIED_BYTES)
        self._hear(vshard)
        coming.records += records

    async def arrive(self, vshard: int, epoch: int, manifest: Manifest) -> None:
        """See ``Side``."""
        async with self._one_act:
            coming = self._coming.get(vshard)
            if coming is None or coming.epoch != epoch:
                raise _moved(vshard, "its hand-over is over")
            records = bytes(coming.records)
            if Manifest(len(records) // CARRIED_BYTES, crc32(records)) != manifest:
                raise _moved(vshard, "its records came incomplete")
            await moving.arrive(self.runner, from_bytes(vshard, records))
            self._hear(vshard)

    async def settle(self, vshard: int) -> int:
        """See ``Side``. Raises what ``claim`` raises: until the home is known the virtual shard stays frozen."""
        async with self._one_act:
            return await self._settle(vshard)

    async def _settle(self, vshard: int) -> int:
        home = await self._claim(vshard)
        await moving.settle(self.runner, vshard, home)
        self._leaving.pop(vshard, None)
        self._coming.pop(vshard, None)
        self._left_ms.pop(vshard, None)
        return home

    def leave(self, epochs: Mapping[int, int]) -> None:
        """Settle these virtual shards soon if they are not settled, nor another mover's: theirs has hung up."""
        for vshard, epoch in epochs.items():
            one = self._leaving.get(vshard) or self._coming.get(vshard)
            if one is not None and one.epoch == epoch and vshard in self._left_ms:
                self._left_ms[vshard] = 0

    async def watch(self) -> None:
        """Settle what no mover asks about any more, until the shard has ended."""
        while not self.runner.ended.is_set():
            await asyncio.sleep(_LOOK_MS / 1_000)
            for vshard in self._silent():
                async with self._one_act:
                    # Another act may have taken long, and was perhaps what the mover of this one waited for.
                    if self._left_ms.get(vshard, 1) <= 0:
                        await self._settle_alone(vshard)

    async def _settle_alone(self, vshard: int) -> None:
        try:
            home = await self._settle(vshard)
        except (FarwireError, OSError) as error:
            _log.warning("a move cannot be settled yet", vshard=vshard, reason=str(error))
        else:
            _log.info("a move was settled without its mover", vshard=vshard, home=home)

    def _silent(self) -> list[int]:
        """Return the virtual shards whose mover has been silent for too long, now that another while is over."""
        self._left_ms = {vshard: left - _LOOK_MS for vshard, left in self._left_ms.items()}
        return [vshard for vshard, left in self._left_ms.items() if left <= 0]

    def _hear(self, vshard: int) -> None:
        if not 0 <= vshard < VSHARDS or (vshard not in self._left_ms and len(self._left_ms) >= MOST):
            raise Invalid(
                f"virtual shards are numbered up to {VSHARDS - 1}, and {MOST} are moved at once",
                code="charging.vshard",
                field="vshard",
                value=vshard,
            )
        self._left_ms[vshard] = self._patience_ms


def _moved(vshard: int, why: str) -> Conflict:
    return Conflict(
        f"virtual shard {vshard} cannot be moved like this: {why}",
        code="charging.vshard_moved",
        field="vshard",
        value=vshard,
        fix="read the homes again and plan anew",
    )
