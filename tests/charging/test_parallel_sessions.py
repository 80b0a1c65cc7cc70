"""A hundred sessions at once on a balance of 10.00: never over-granted at any moment, and exactly 0 at the end."""

from __future__ import annotations

import random

from farwire.charging.model import Phase, ResultCode
from farwire.charging.shard.shard import Open
from tests.charging.shard_world import an_account, session, top_up
from tests.charging.test_shard import World

TEN = 10_000


def test_a_hundred_sessions_at_once_share_ten_to_the_last_unit():
    world = World()
    world.ask(Open(an_account(7)))
    world.ask(top_up(7, 1, TEN))
    rng = random.Random(1)
    granted = dict.fromkeys(range(1, 101), 0)
    numbers = dict.fromkeys(granted, 0)
    used = 0
    for turn in range(6_000):
        one = rng.choice(list(granted))
        phase = Phase.UPDATE if numbers[one] else Phase.INITIAL
        spent = rng.randrange(granted[one] + 1) if turn < 4_000 else granted[one]
        answer = world.ask(session(7, numbers[one], phase, used=spent, id_lo=one))
        numbers[one] += 1
        used += spent
        granted[one] = answer.groups[0].granted if answer.result == ResultCode.SUCCESS else 0
        balance = world.balance(7)
        assert balance.amount == TEN - used
        assert sum(granted.values()) == balance.reserved <= balance.amount
    assert world.balance(7).amount == 0
    assert used == TEN
