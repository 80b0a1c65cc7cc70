"""The due index finds every account in time, once, however often its time is put off or brought forward."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from farwire.charging.model.answers import Movement, Notice
from farwire.charging.model.state import NEVER
from farwire.charging.shard.arena import Arena
from farwire.charging.shard.due import DueIndex
from farwire.charging.shard.facts import FACT, pack_movement, pack_notice, unpack
from farwire.charging.shard.index import Index
from farwire.charging.shard.layout import Accounts
from tests.charging.shard_world import an_account

WORD = st.integers(-(2**63), 2**63 - 1)
ACTS = ("change", "change", "add", "remove", "take", "take", "rebuild")


def test_what_is_taken_is_what_is_due():
    """Random acts from a seed: short random lists would seldom put a time off and take it later."""
    for seed in range(300):
        rng = Random(seed)
        acts = [(rng.choice(ACTS), rng.randint(1, 3), rng.randint(1, 20)) for _ in range(60)]
        play(acts, most=rng.randint(1, 3))


def play(acts: list[tuple[str, int, int]], most: int) -> None:
    arena = Arena(64)
    index = Index(arena)
    accounts, due = Accounts(arena, index), DueIndex(arena)
    times: dict[int, int] = {}
    now = 1
    for act, number, drawn in acts:
        time = NEVER if drawn == 20 else drawn
        account = accounts.find(1, number)
        if act == "change" and account is not None:
            changed = replace(account, due_at=time)
            due.note(accounts.replace(changed), time)
            times[number] = time
        elif act == "add" and account is None:
            due.note(accounts.add(replace(an_account(number), due_at=time), vshard=0), time)
            times[number] = time
        elif act == "remove" and account is not None:
            accounts.remove(account)
            del times[number]
        elif act == "rebuild":
            due.rebuild()
        elif act == "take":
            now = max(now, time if time < NEVER else 0)
            found = []
            while some := due.take(now, most):
                assert len(some) <= most
                found += [accounts.at(slot).number for slot in some]
            assert sorted(found) == sorted(one for one, at in times.items() if at <= now)
            for one in found:  # looked after: nothing happens to it any more
                done = replace(accounts.find(1, one), due_at=NEVER)
                due.note(accounts.replace(done), NEVER)
                times[one] = NEVER


def test_putting_off_costs_no_entries():
    arena = Arena(64)
    accounts, due = Accounts(arena, Index(arena)), DueIndex(arena)
    slot = accounts.add(an_account(1), vshard=0)
    for time in range(10, 10_000):
        due.note(slot, time)
    assert len(due._heap) == 1


@given(
    st.builds(
        Movement,
        WORD,
        st.integers(0, 65535),
        st.integers(1, 16),
        *[WORD] * 4,
        st.integers(0, 2**32 - 1),
        WORD,
    ),
    st.builds(Notice, WORD, st.integers(1, 12), WORD, WORD, WORD),
    WORD,
)
def test_facts_are_read_as_they_were_written_and_numpy_reads_them_too(movement, notice, tenant):
    import numpy as np

    facts = pack_movement(tenant, movement) + pack_notice(tenant, notice)
    assert list(unpack(facts)) == [(tenant, movement), (tenant, notice)]
    rows = np.frombuffer(facts, FACT)
    assert rows["account"].tolist() == [movement.account, notice.account]
    assert (rows[0]["amount"], rows[0]["balance"], rows[0]["number"]) == (
        *(movement.amount, movement.balance, movement.number),
    )
    assert rows[1]["key_hi"] == notice.at
