"""Planted defects: the simulator finds each within a few seeds. One that finds nothing would prove nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from itertools import count

import pytest
from msgspec.structs import replace

from farwire.charging.log import Batch, Ticket
from farwire.charging.log.file import FileLog
from farwire.charging.model.work import Work
from farwire.charging.shard import shard as loop
from farwire.charging.shard.arena import Arena
from farwire.charging.shard.shard import Shard
from farwire.charging.shard.standby import Standby
from farwire.kernel.errors import FarwireError
from tests.charging.sim.moving_world import MovingWorld, play_moves
from tests.charging.sim.store_log import StoreLog
from tests.charging.sim.world import World, play
from tests.charging.virtual_disk import VirtualFile

SEEDS = 25
Patch = pytest.MonkeyPatch


def each(nth: int) -> Callable[[], bool]:
    """Return a function that is true each ``nth`` time."""
    numbers: Iterator[int] = count(1)
    return lambda: next(numbers) % nth == 0


def skip_a_sync(patch: Patch) -> None:
    sync, now = VirtualFile.sync, each(5)
    patch.setattr(VirtualFile, "sync", lambda self: None if now() else sync(self))


def forget_keys_on_recovery(patch: Patch) -> None:
    made = Shard.__init__

    def init(self: Shard, **arguments: object) -> None:
        made(self, **arguments)
        for slot in self.arena.slots_where(mask=0xFF, value=1).tolist():
            account = self.accounts.at(slot)
            if account is not None:
                self.accounts.store([replace(account, keys=account.keys[1:])])

    patch.setattr(Shard, "__init__", init)


def forget_a_key(patch: Patch) -> None:
    keep, now = Work.keep, each(10)
    patch.setattr(Work, "keep", lambda self, book, key: None if now() else keep(self, book, key))


def double_a_movement(patch: Patch) -> None:
    pack, now = loop.pack_movement, each(20)
    patch.setattr(loop, "pack_movement", lambda tenant, one: pack(tenant, one) * (2 if now() else 1))


def answer_before_durable(patch: Patch) -> None:
    append = Shard._append

    def hasty(self: Shard, batch: object, replies: list) -> None:
        for reply, answer in replies:
            reply(answer)
        append(self, batch, [])

    patch.setattr(Shard, "_append", hasty)


def forget_a_record(patch: Patch) -> None:
    write, now = Arena.write_images, each(40)

    def careless(self: Arena, images: list[tuple[int, bytes]]) -> None:
        for slot, image in images:
            changed = slot in self._changed
            write(self, [(slot, image)])
            if now() and not changed:
                self._changed.discard(slot)

    patch.setattr(Arena, "write_images", careless)


def ignore_the_fence(patch: Patch) -> None:
    patch.setattr(StoreLog, "_check_fence", lambda self: None)


def miss_a_batch(patch: Patch) -> None:
    apply, now = Standby._apply, each(5)

    def careless(self: Standby, batch: object) -> None:
        arena, self.arena = self.arena, Arena(4_001) if now() else self.arena
        apply(self, batch)
        self.arena = arena

    patch.setattr(Standby, "_apply", careless)


def answer_again_in_another_way(patch: Patch) -> None:
    answer, now = Shard._answer, each(30)

    def fickle(self: Shard, tenant, request, at, facts):
        found = answer(self, tenant, request, at, facts)
        return replace(found, cost=found.cost + 1) if now() else found

    patch.setattr(Shard, "_answer", fickle)


def take_a_late_sync_for_a_good_one(patch: Patch) -> None:
    """Whoever has waited 100 ms for the disk is told that it has done its work."""
    append = FileLog.append

    def impatient(self: FileLog, batch: Batch) -> Ticket:
        ticket, told = append(self, batch), asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(0.1, lambda: told.done() or told.set_result(batch.last))
        ticket.future.add_done_callback(lambda real: told.done() or _pass_on(real, told))
        return Ticket(batch.last, told)

    patch.setattr(FileLog, "append", impatient)


def _pass_on(real: Future[int], told: asyncio.Future[int]) -> None:
    if error := real.exception():
        told.set_exception(error)
        told.exception()
    else:
        told.set_result(real.result())


def tell_the_books_before_the_sync(patch: Patch) -> None:
    write = FileLog._write

    def early(self: FileLog, batch: Batch) -> int:
        self.durable = batch.last
        return write(self, batch)

    patch.setattr(FileLog, "_write", early)


PLANTS = [
    (take_a_late_sync_for_a_good_one, False),
    (tell_the_books_before_the_sync, False),
    (skip_a_sync, False),
    (forget_keys_on_recovery, False),
    (forget_keys_on_recovery, True),
    (forget_a_key, False),
    (double_a_movement, False),
    (answer_before_durable, False),
    (answer_before_durable, True),
    (forget_a_record, False),
    (ignore_the_fence, True),
    (miss_a_batch, True),
    (answer_again_in_another_way, True),
]


def recover_without_a_claim(patch: Patch) -> None:
    patch.setattr(MovingWorld, "claim", lambda self: list(self.homes))


def settle_without_a_claim(patch: Patch) -> None:
    patch.setattr(MovingWorld, "claim_row", lambda self, vshard: self.homes[vshard])


@pytest.mark.parametrize("plant", [recover_without_a_claim, settle_without_a_claim])
def test_a_move_that_outlives_a_restart_or_a_side_is_found(plant, monkeypatch):
    plant(monkeypatch)
    for seed in range(1, SEEDS + 1):
        try:
            play_moves(seed)
        except (AssertionError, FarwireError):
            return
    pytest.fail(f"{SEEDS} seeds did not find it")


@pytest.mark.parametrize(
    ("plant", "stored"),
    PLANTS,
    ids=[f"{plant.__name__}-{'store' if stored else 'file'}" for plant, stored in PLANTS],
)
def test_a_planted_defect_is_found(plant, stored, monkeypatch):
    plant(monkeypatch)
    for seed in range(1, SEEDS + 1):
        try:
            play(seed, stored=stored)
        except (AssertionError, FarwireError):
            return
    pytest.fail(f"{SEEDS} seeds did not find it")


def test_it_takes_a_slow_disk_to_find_impatience(monkeypatch):
    take_a_late_sync_for_a_good_one(monkeypatch)
    monkeypatch.setattr(World, "pace", lambda self: 0.0)
    monkeypatch.setattr(World, "slow_down", lambda self: None)
    for seed in range(1, 9):
        play(seed, stored=False)
