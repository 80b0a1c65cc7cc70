"""Seeds: clients, networks, disks, crashes, fail-overs and clocks against one shard, step by step in virtual time.

A file world has one machine whose disk loses, tears, fails and fills. A store world has machines that take the shard
from each other over a log that fences. ``checks.py`` says what holds after every step.
"""

from __future__ import annotations

import pytest

from tests.charging.sim.moving_world import play_moves
from tests.charging.sim.world import play


@pytest.mark.sim
@pytest.mark.parametrize("stored", [False, True], ids=["file", "store"])
def test_nothing_is_over_granted_forgotten_or_charged_twice(seed, stored):
    world = play(seed, stored=stored)
    print(f"seed {seed}: {world.steps} steps, {world.answers} answers", *world.trace, sep="\n")  # noqa: T201 - for who replays it
    assert world.answers > 0
    assert world.recoveries > 1


@pytest.mark.sim
def test_accounts_that_move_between_crashing_shards_stay_in_one_place(seed):
    world = play_moves(seed)
    assert world.answers > 0


def test_a_seed_plays_the_same_again():
    one, two = play(3, stored=False), play(3, stored=False)
    assert (one.steps, one.answers, one.loop.virtual) == (two.steps, two.answers, two.loop.virtual)
    assert one.books == two.books
    moved = [play_moves(3) for _ in range(2)]
    assert len({(world.steps, world.answers, world.moved, world.loop.virtual) for world in moved}) == 1
