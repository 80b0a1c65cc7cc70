"""Accounts as records: what is stored is loaded again; only changed records are written; nothing leaks."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from farwire.charging.model.state import (
    AMOUNT_MAX,
    NEVER,
    Account,
    Balance,
    Counter,
    Group,
    Hold,
    Holding,
    KeptKey,
    Limit,
    Session,
    Share,
    new_account,
)
from farwire.charging.shard.arena import Arena
from farwire.charging.shard.index import Index
from farwire.charging.shard.layout import Accounts
from farwire.charging.shard.packing import read_cell, size_of
from farwire.charging.shard.records import STRUCTS, TYPES, Kind
from farwire.kernel.errors import Defect, Exhausted, Invalid

WORD = st.integers(-(2**63), 2**63 - 1)
AMOUNT = st.integers(-AMOUNT_MAX, AMOUNT_MAX)
SMALL = st.integers(0, 65535)
UNIT = st.integers(0, 4)
BIT = st.integers(0, 1)
RESULT = st.sampled_from([2001, 4012, 9002])
HOLD = st.builds(Hold, WORD, SMALL, UNIT, AMOUNT, AMOUNT)
GROUP = st.builds(
    Group,
    *(st.integers(0, 2**32 - 1), WORD, UNIT, WORD, WORD, AMOUNT, WORD, st.lists(HOLD, max_size=6).map(tuple)),
    *(WORD, RESULT, WORD, WORD, WORD, st.integers(-1, 2)),
)
PARTS = {
    "balances": st.builds(
        Balance,
        *(SMALL, UNIT, SMALL, st.integers(-32768, 32767), BIT),
        *(WORD, AMOUNT, AMOUNT, AMOUNT, WORD, WORD),
    ),
    "sessions": st.builds(
        Session, WORD, WORD, WORD, RESULT, BIT, WORD, st.lists(GROUP, max_size=3).map(tuple)
    ),
    "counters": st.builds(Counter, WORD, WORD, WORD, WORD),
    "limits": st.builds(
        Limit, WORD, st.integers(0, 3), WORD, WORD, WORD, st.integers(0, 100), BIT, st.integers(0, 2), WORD
    ),
    "shares": st.builds(
        Share, WORD, UNIT, st.integers(-32768, 32767), WORD, WORD, WORD, st.integers(0, 2), WORD
    ),
    "holdings": st.builds(Holding, WORD, WORD, WORD, BIT),
    "keys": st.builds(KeptKey, WORD, WORD, RESULT, WORD, WORD, WORD),
}
LISTS = {name: st.lists(part, max_size=4).map(tuple) for name, part in PARTS.items()}


def account_of(number: int):
    return st.builds(
        Account,
        st.just(number),
        st.just(1),
        *(st.integers(0, 2**32 - 1), st.integers(0, 3), st.integers(0, 127), WORD, WORD, st.integers(1, 31)),
        *(AMOUNT, AMOUNT, SMALL, WORD),
        **LISTS,
    )


def room(capacity: int = 400) -> tuple[Arena, Index, Accounts]:
    arena = Arena(capacity)
    index = Index(arena)
    return arena, index, Accounts(arena, index)


def read_anew(arena: Arena, index: Index, account: Account) -> Account:
    """Return the account from its bytes alone."""
    return read_cell(arena, index.find(account.tenant, account.number)).account


@given(account=account_of(7))
def test_an_account_that_is_stored_is_loaded_again_the_same(account):
    arena, index, accounts = room()
    accounts.add(account, vshard=9)
    assert read_anew(arena, index, account) == account
    assert arena.records == size_of(account)
    accounts.forget()
    assert accounts.find(1, 7) == account
    assert accounts.vshard_of(account) == 9


@st.composite
def _later(draw, account: Account) -> Account:
    """Draw a change that keeps some parts, the same objects, in their order."""
    changes = {}
    for name, fresh in LISTS.items():
        match draw(st.integers(0, 3)):
            case 1:
                changes[name] = draw(fresh)
            case 2:
                old = getattr(account, name)
                keep = tuple(part for part in old if draw(st.booleans()))
                changes[name] = (*keep, *draw(fresh))[:4]
    return replace(account, loan_owed=draw(st.sampled_from([0, 5])), **changes)


@given(data=st.data())
def test_a_changed_account_is_loaded_as_changed_and_no_record_leaks(data):
    arena, index, accounts = room()
    account = data.draw(account_of(7))
    accounts.add(account, vshard=9)
    for _ in range(data.draw(st.integers(1, 4))):
        account = data.draw(_later(account))
        accounts.store([account])
        assert read_anew(arena, index, account) == account
        assert arena.records == size_of(account)
        if data.draw(st.booleans()):
            accounts.forget()
            account = accounts.find(1, 7)
    accounts.remove(account)
    assert arena.records == 0
    assert accounts.find(1, 7) is None


def an_account(balances: int, groups: int = 1) -> Account:
    rows = tuple(Balance(n, 1, 0, 10, 0, 3, 10**9, 0, 0, 0, NEVER) for n in range(1, balances + 1))
    group = tuple(
        Group(g, 5, 1, 0, 0, 0, 0, (Hold(7, 1, 1, 50, 0),), 1, 2001, 50, 5, 99, -1) for g in range(groups)
    )
    return replace(
        new_account(7, tenant=1, plan=3), balances=rows, sessions=(Session(1, 2, 1, 2001, 0, 99, group),)
    )


@pytest.mark.parametrize(("balances", "records"), [(1, 5), (3, 7), (8, 12)])
def test_the_size_of_an_account_with_one_session_is_known(balances, records):
    arena, _, accounts = room()
    accounts.add(an_account(balances), vshard=0)
    assert arena.records == records  # 320, 448 and 768 bytes; without a session 128, 256 and 576


def test_only_records_that_changed_are_written():
    arena, _, accounts = room()
    account = an_account(3)
    accounts.add(account, vshard=0)
    arena.take_changes()
    second = replace(account.balances[1], amount=5)
    accounts.store([replace(account, balances=(account.balances[0], second, account.balances[2]))])
    kinds = [arena.words[slot * 8] & 0xFF for slot in np.frombuffer(arena.take_changes().slots, np.int64)]
    assert sorted(kinds) == [Kind.ACCOUNT, Kind.BALANCE]
    accounts.store([accounts.find(1, 7)])
    assert arena.changed == 0


def test_a_number_that_does_not_fit_changes_nothing():
    arena, index, accounts = room()
    account = an_account(1)
    accounts.add(account, vshard=0)
    arena.take_changes()
    used = arena.records
    bad = replace(account.balances[0], number=70_000)
    with pytest.raises(Invalid) as raised:
        accounts.store([replace(account, balances=(bad, *account.balances), loan_owed=5)])
    assert raised.value.code == "charging.out_of_range"
    assert arena.records == used
    assert read_anew(arena, index, account) == account == accounts.find(1, 7)


def test_an_account_for_which_no_record_is_left_stays_as_it_was():
    arena, index, accounts = room(6)
    account = an_account(1)
    accounts.add(account, vshard=0)
    with pytest.raises(Exhausted):
        accounts.store([replace(account, balances=account.balances * 1 + an_account(4).balances)])
    assert read_anew(arena, index, account) == account
    with pytest.raises(Exhausted):
        accounts.add(replace(account, number=8), vshard=0)
    assert accounts.find(1, 8) is None


@pytest.mark.parametrize("part", ["balances", "sessions"])
def test_a_chain_that_goes_in_a_circle_is_a_defect_and_not_an_endless_account(part):
    arena, index, accounts = room()
    hold = Hold(1, 1, 0, 5, 0)
    group = Group(1, 1, 0, 0, 0, 0, 0, (hold,) * 3, 0, 2001, 5, 0, NEVER, -1)
    session = Session(1, 2, 3, 2001, 0, NEVER, (group,))
    accounts.add(replace(an_account(1), sessions=(session,)), vshard=0)
    kinds = arena.matrix.view(np.uint8)[:, 0]
    circling = Kind.BALANCE if part == "balances" else Kind.HOLDS
    (slot,) = np.flatnonzero(kinds == circling)[-1:]
    arena.matrix.view(TYPES[circling]).reshape(-1)["next"][slot] = slot
    with pytest.raises(Defect) as caught:
        read_cell(arena, index.find(1, 7))
    assert caught.value.code == "charging.chain_broken"


def test_an_account_is_added_once():
    _, _, accounts = room()
    accounts.add(an_account(1), vshard=0)
    with pytest.raises(Defect):
        accounts.add(an_account(1), vshard=0)


def test_the_cache_is_bounded_and_what_left_it_is_read_again():
    arena = Arena(2_000)
    index = Index(arena)
    accounts = Accounts(arena, index, cache=64)
    for number in range(1, 301):
        accounts.add(replace(an_account(1), number=number), vshard=0)
    assert len(accounts._cache) <= 64
    assert all(accounts.find(1, number).number == number for number in range(1, 301))


@pytest.mark.parametrize("kind", list(Kind))
def test_the_table_of_words_is_one_cache_line_for_numpy_and_for_python(kind):
    dtype = TYPES[kind]
    assert dtype.itemsize == STRUCTS[kind].size == 64
    offset = dtype.fields["next"][1]
    assert offset == (24 if kind is Kind.ACCOUNT else 8)


def test_numpy_reads_the_fields_that_python_wrote():
    arena, _, accounts = room()
    account = replace(an_account(1), due_at=77, plan=3, active_until=5)
    slot = accounts.add(account, vshard=11)
    row = arena.matrix[slot : slot + 1].view(TYPES[Kind.ACCOUNT])[0, 0]
    assert (row["tenant"], row["number"], row["vshard"], row["due_at"], row["plan"]) == (1, 7, 11, 77, 3)
    balance = arena.matrix[row["next"]].view(TYPES[Kind.BALANCE])[0]
    assert (balance["amount"], balance["priority"], balance["number"]) == (10**9, 10, 1)


@pytest.mark.parametrize(
    "field",
    [name for name in Account.__struct_fields__ if name not in {"number", "tenant", "loan_owed", *LISTS}],
)
def test_each_field_of_an_accounts_own_record_is_written_when_it_changes(field):
    arena, index, accounts = room()
    account = new_account(7, tenant=1, plan=1)
    accounts.add(account, vshard=9)
    arena.take_changes()
    changed = replace(account, **{field: getattr(account, field) - 1 if field == "due_at" else 3})
    accounts.replace(changed)
    assert read_anew(arena, index, changed) == changed
    assert len(arena.take_changes()) == 1
    accounts.replace(replace(changed))
    assert len(arena.take_changes()) == 0
