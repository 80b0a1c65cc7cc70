"""Move virtual shards between shard processes: plan, hand over one after the other, say how it went.

Whatever dies at whatever moment, each virtual shard has one owner: see ``shard/handover.py``. So a run that was broken
off is simply begun again; what has arrived already is passed over.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import structlog

from farwire.base.storage import Database
from farwire.charging.log.lease import list_leases
from farwire.charging.service.client import ANSWER_MOST, Address
from farwire.charging.shard.frames import LENGTH
from farwire.charging.shard.handover import hand_over
from farwire.charging.shard.homes import VSHARDS
from farwire.charging.shard.move_frames import RemoteSide
from farwire.charging.shard.placement import change_home, home_of, homes
from farwire.charging.shard.vshards import Move, plan_moves
from farwire.kernel.errors import Conflict, Exhausted, FarwireError, Invalid, Unavailable

TRIES: Final = 5
"""A virtual shard is tried so often: a shard that restarts ends every move in progress."""
_PAUSE_MS: Final = 300
_ANSWER_S: Final = 10
"""How long one side may take for one act."""
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ShardRow:
    """A shard as the database knows it."""

    shard: int
    vshards: int
    live: bool
    """Whether a process holds its lease."""
    holder: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Moved:
    """What a run has done so far."""

    done: int = 0
    there: int = 0
    """Those that were at their target already."""
    failed: Mapping[int, str] = field(default_factory=dict)
    """Why virtual shards stay where they are."""


async def list_shards(*, db: Database) -> tuple[ShardRow, ...]:
    """Return every shard that has a virtual shard or ever had a process."""
    have = Counter(home.shard for home in await homes(db=db))
    held = {one.shard: one for one in await list_leases(db=db)}
    return tuple(
        ShardRow(shard, have[shard], one.live, one.holder, one.epoch)
        if (one := held.get(shard))
        else ShardRow(shard, have[shard], live=False, holder="", epoch=0)
        for shard in sorted(have.keys() | held.keys())
    )


async def plan_spread(*, db: Database, empty: Collection[int] = ()) -> tuple[Move, ...]:
    """Return the fewest moves after which all live shards, without those to ``empty``, have equally many.

    Raises ``Unavailable`` (``charging.shard_not_live``) if virtual shards live where no process runs, ``Invalid``
    (``charging.no_shards``).
    """
    shards, placed = await list_shards(db=db), await homes(db=db)
    if not placed:
        raise _not_live(0)
    for one in shards:
        if one.vshards and not one.live:
            raise _not_live(one.shard)
    return plan_moves(
        [home.shard for home in placed],
        [one.shard for one in shards if one.live and one.shard not in empty],
    )


async def plan_to(*, db: Database, vshards: Sequence[int], target: int) -> tuple[Move, ...]:
    """Return the moves of these virtual shards to ``target``; those that are there already need none.

    Raises ``Invalid`` (``charging.vshard``), ``Unavailable`` (``charging.shard_not_live``).
    """
    wrong = [one for one in vshards if not 0 <= one < VSHARDS]
    if wrong:
        raise Invalid(
            f"virtual shards are numbered 0 to {VSHARDS - 1}",
            code="charging.vshard",
            field="vshards",
            value=wrong[0],
        )
    placed = await homes(db=db)
    if not placed or not any(one.live and one.shard == target for one in await list_shards(db=db)):
        raise _not_live(target)
    wanted = sorted(set(vshards))
    return tuple(Move(one, placed[one].shard, target) for one in wanted if placed[one].shard != target)


def _not_live(shard: int) -> Unavailable:
    return Unavailable(
        f"no process serves shard {shard}",
        code="charging.shard_not_live",
        field="shard",
        value=shard,
        fix=f"start it: farwire charging serve --shard {shard}",
        retry_after_s=1,
    )


class _Line:
    """A connection to the front of one shard: one frame, then its answer."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(self, frame: bytes) -> bytes:
        """Return the body of the answer. Raises ``Unavailable`` (``charging.no_answer``)."""
        try:
            async with asyncio.timeout(_ANSWER_S):
                reader, writer = await self._opened()
                writer.write(frame)
                (size,) = LENGTH.unpack(await reader.readexactly(LENGTH.size))
                return await reader.readexactly(min(size, ANSWER_MOST))
        except (OSError, EOFError, TimeoutError) as error:
            self.close()
            raise Unavailable(
                f"the shard at {self._address} has not answered: {error!r}",
                code="charging.no_answer",
                fix="is it running? farwire charging serve. What was begun settles by itself; move again",
                retry_after_s=1,
            ) from error
        except BaseException:
            self.close()  # who was stopped in the middle must not leave half an answer to the next one
            raise

    async def _opened(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        if self._streams is None:
            address = self._address
            if address.path:
                self._streams = await asyncio.open_unix_connection(address.path)
            else:
                self._streams = await asyncio.open_connection(address.host, address.port)
        return self._streams

    def close(self) -> None:
        """Hang up."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()


class Mover:
    """Hands virtual shards over between the shards of an installation."""

    def __init__(self, *, db: Database, address_of: Callable[[int], Address]) -> None:
        self._db = db
        self._address_of = address_of
        self._lines: dict[int, _Line] = {}

    async def move_all(self, moves: Sequence[Move], *, told: Callable[[Moved], None]) -> Moved:
        """Do ``moves`` one after the other; ``told`` hears of each. What fails stays where it is, and the next follows.

        Raises ``Exhausted`` (``charging.arena_full``): the target has no room for more.
        """
        done = there = 0
        failed: dict[int, str] = {}
        found = Moved(failed=failed)
        try:
            for move in moves:
                try:
                    moved = await self.move(move)
                except Exhausted:
                    raise
                except FarwireError as error:
                    failed[move.vshard] = str(error)
                else:
                    done, there = done + moved, there + (not moved)
                found = Moved(done, there, failed)
                told(found)
        finally:
            for line in self._lines.values():
                line.close()
        return found

    async def move(self, move: Move) -> bool:
        """Move one virtual shard from wherever it is to its target; return whether it was not there already.

        Raises ``Unavailable`` (``charging.no_answer``, ``charging.shard_not_live``), ``Conflict``
        (``charging.vshard_moved``): it stays where it is. ``Exhausted`` (``charging.arena_full``).
        """
        for left in range(TRIES, 0, -1):
            home = await home_of(db=self._db, vshard=move.vshard)
            if home is None:
                raise _not_live(move.source)
            if home.shard == move.target:
                return left < TRIES
            try:
                await self._hand_over(Move(move.vshard, home.shard, move.target), home.epoch)
            except (Conflict, Unavailable) as error:
                if left == 1:
                    raise
                _log.info("a move is tried again", vshard=move.vshard, reason=str(error))
                await asyncio.sleep(_PAUSE_MS / 1_000)
            else:
                return True
        raise _not_live(move.target)  # pragma: no cover - the last try has raised

    async def _hand_over(self, move: Move, epoch: int) -> None:
        source, target = self._side(move.source), self._side(move.target)

        async def change() -> None:
            async with self._db.untenanted() as tx:
                await change_home(tx, move=move, epoch=epoch)

        try:
            await hand_over(source=source, target=target, vshard=move.vshard, epoch=epoch, change_home=change)
        finally:
            for side in (target, source):
                with suppress(FarwireError):  # it settles by itself
                    await side.settle(move.vshard)

    def _side(self, shard: int) -> RemoteSide:
        line = self._lines.setdefault(shard, _Line(self._address_of(shard)))
        return RemoteSide(line.ask)
