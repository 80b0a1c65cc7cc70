"""What a shard does when a virtual shard leaves it or comes to it. ``handover.py`` says in which order, and who asks.

1. ``depart``: the source lets nothing more in for it (callers are told to try again) and finishes what waits.
2. ``arrive``: the target takes the records and logs them in one batch. It does not serve them yet.
3. The home is changed, in one step (``placement.change_home``). That alone decides whose they are.
4. ``settle``, on both sides: the target serves them; the source drops them and says where they are.

A shard that recovers claims the homes (``placement.claim``) and calls ``settle_all``, which drops what lives elsewhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from farwire.charging.log import LogFailed
from farwire.charging.shard.arena import KEYED, KIND_MASK, VSHARD_SHIFT
from farwire.charging.shard.records import DUE_WORD, Kind
from farwire.charging.shard.runner import Runner
from farwire.charging.shard.shard import Shard
from farwire.charging.shard.shipping import Shipment, clear, pack, slots_of, unpack

_PAUSE_MS: Final = 1
_PIECE: Final = 1 << 16
"""Records that are looked through at once: about a millisecond."""


async def depart(runner: Runner, vshard: int) -> Shipment:
    """Freeze a virtual shard and return its records, once all that was asked of them is durable.

    Raises ``Fenced``, ``LogFailed``: a batch is logged also when nothing changed, so that a process that has been
    replaced never hands over what it remembers.
    """
    shard = runner.shard
    shard.admission.frozen.add(vshard)
    while shard.waits_for(vshard) or not shard.all_appended:
        await _pause(runner)
    await _logged(runner)
    return pack(shard.arena, vshard, await _slots(runner, vshard))


async def arrive(runner: Runner, shipment: Shipment) -> None:
    """Put records into the arena of ``runner`` and wait until they are durable. What was there of them is replaced."""
    shard = runner.shard
    shard.admission.frozen.add(shipment.vshard)
    before = await _slots(runner, shipment.vshard)
    await _between_batches(runner)
    _drop(shard, shipment.vshard, before)
    slots = unpack(shard.arena, shipment)
    matrix = shard.arena.matrix
    for slot in slots[matrix[slots, 0] & KEYED != 0].tolist():
        shard.index.add(slot)
        shard.due.note(slot, int(matrix[slot, DUE_WORD]))
    await _logged(runner)


async def settle(runner: Runner, vshard: int, home: int) -> None:
    """Let a shard know where a virtual shard lives: it serves it from now on, or drops it and says where it is."""
    shard = runner.shard
    if home == shard.log.shard:
        slots = await _slots(runner, vshard)
        shard.admission.elsewhere.pop(vshard, None)
        shard.admission.frozen.discard(vshard)
        _note_due(shard, slots)
        return
    shard.admission.elsewhere[vshard] = home
    slots = await _slots(runner, vshard)
    await _between_batches(runner)
    dropped = _drop(shard, vshard, slots)
    shard.admission.frozen.discard(vshard)
    if dropped:
        await _logged(runner)


async def settle_all(runner: Runner, homes: Sequence[int]) -> None:
    """Let a shard that has just recovered know the home of every virtual shard; it drops what is not its own.

    Call it before the first request is let in. ``homes`` may be empty: then all are its own.
    """
    shard = runner.shard
    await _between_batches(runner)
    mine = shard.log.shard
    shard.admission.elsewhere = {vshard: home for vshard, home in enumerate(homes) if home != mine}
    heads = shard.arena.matrix[1 : shard.arena.used, 0]
    there = np.unique(heads[heads != 0] >> VSHARD_SHIFT & 0xFFFF).tolist()
    dropped = [
        _drop(shard, vshard, slots_of(shard.arena, vshard))
        for vshard in there
        if vshard in shard.admission.elsewhere
    ]
    if any(dropped):
        await _logged(runner)


async def _slots(runner: Runner, vshard: int) -> NDArray[np.int64]:
    """Return the slots of a virtual shard that stands still. Between two pieces requests for others are served."""
    arena, found = runner.shard.arena, []
    for first in range(1, arena.used, _PIECE):
        found.append(slots_of(arena, vshard, first=first, end=first + _PIECE))
        await asyncio.sleep(0)
    return np.concatenate(found) if found else np.zeros(0, np.int64)


def _note_due(shard: Shard, slots: NDArray[np.int64]) -> None:
    """Look after accounts again whose time came while they were frozen."""
    matrix = shard.arena.matrix
    accounts = slots[matrix[slots, 0] & KIND_MASK == int(Kind.ACCOUNT)]
    for slot, due_at in zip(accounts.tolist(), matrix[accounts, DUE_WORD].tolist(), strict=True):
        shard.due.note(slot, due_at)


def _drop(shard: Shard, vshard: int, slots: NDArray[np.int64]) -> bool:
    """Take all records of a virtual shard out of the arena; return whether there were any."""
    for slot in slots[shard.arena.matrix[slots, 0] & KEYED != 0].tolist():
        shard.index.remove(slot)
    clear(shard.arena, pack(shard.arena, vshard, slots))
    shard.accounts.forget()
    return len(slots) > 0


async def _logged(runner: Runner) -> None:
    """Log what has just been changed, and wait until it is durable. Raises ``LogFailed``."""
    future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
    runner.shard.log_changes(lambda answer: None if future.done() else future.set_result(answer))
    runner.wake()
    if await future is None:
        raise LogFailed("the shard has ended")


async def _between_batches(runner: Runner) -> None:
    while not runner.shard.all_appended:
        await _pause(runner)


async def _pause(runner: Runner) -> None:
    if runner.shard.failure is not None:
        raise runner.shard.failure
    runner.wake()
    await asyncio.sleep(_PAUSE_MS / 1_000)
