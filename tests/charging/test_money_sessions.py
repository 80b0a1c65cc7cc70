"""Sessions that use money itself: an amount is held, a part of it is used, the rest is free again."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from farwire.charging.model import (
    BY_AMOUNT,
    MONEY,
    NOTHING,
    Account,
    Ask,
    Balance,
    EventKind,
    FinalAction,
    Flag,
    Limit,
    MovementKind,
    NoticeKind,
    Period,
    Phase,
    ResultCode,
    Scope,
    Service,
    SessionRequest,
    Share,
    Unit,
    new_account,
)
from farwire.charging.model.state import AMOUNT_MAX, DAY_US, LATE_US, NEVER
from farwire.charging.shard.frames import ENVELOPE, LENGTH, SESSION, decode_request, encode_request
from tests.charging.play import DATA, EURO, MB, START, Player

FIRST, NEXT, LAST = Phase.INITIAL, Phase.UPDATE, Phase.TERMINATION
PURSE: Final = Service(MONEY)
OWNER: Final = 9
CHARGED: Final = (MovementKind.USAGE, MovementKind.OVERRUN)


def funded(euro: int, **more: object) -> Account:
    account = new_account(1, tenant=1, plan=1)
    return replace(account, balances=(replace(account.balances[0], amount=euro * EURO),), **more)


def test_an_amount_is_held_what_is_used_of_it_is_charged_and_the_rest_is_free_again() -> None:
    player = Player(funded(10))
    group = player.session(0, FIRST, Ask(1, requested=4 * EURO), service=PURSE).groups[0]
    assert (group.result, group.unit, group.granted) == (ResultCode.SUCCESS, Unit.MONEY, 4 * EURO)
    assert player.account().balances[0].reserved == 4 * EURO
    player.session(1, NEXT, Ask(1, EURO, 2 * EURO), service=PURSE)
    assert (player.amount(), player.account().balances[0].reserved) == (9 * EURO, 2 * EURO)
    player.session(2, LAST, Ask(1, 2 * EURO), service=PURSE)
    assert (player.amount(), player.account().balances[0].reserved) == (7 * EURO, 0)


@pytest.mark.parametrize(
    ("wanted", "granted"), [(4 * EURO, 4 * EURO), (12 * EURO, 10 * EURO), (AMOUNT_MAX, 10 * EURO)]
)
def test_no_more_is_held_than_there_is_and_never_a_part_for_later(wanted: int, granted: int) -> None:
    player = Player(funded(10))
    group = player.session(0, FIRST, Ask(1, requested=wanted), service=PURSE).groups[0]
    assert (group.granted, group.final != FinalAction.NONE) == (granted, granted < wanted)
    assert NoticeKind.FINAL_QUOTA not in player.told(), "no quota of units ends"


def test_an_amount_that_is_not_named_is_not_held_and_a_plan_is_not_needed() -> None:
    player = Player(funded(10, plan=77))
    assert player.session(0, FIRST, Ask(1), service=PURSE).groups[0].granted == 0
    assert player.session(1, NEXT, Ask(1, EURO, EURO), service=PURSE).groups[0].granted == EURO
    assert player.amount() == 9 * EURO


def test_who_is_barred_or_has_nothing_holds_nothing() -> None:
    barred = Player(funded(10, flags=Flag.BARRED))
    assert barred.session(0, FIRST, Ask(1, requested=EURO), service=PURSE).result != ResultCode.SUCCESS
    poor = Player(funded(0)).session(0, FIRST, Ask(1, requested=EURO), service=PURSE)
    assert poor.groups[0].result == ResultCode.CREDIT_LIMIT_REACHED


def test_a_spend_limit_counts_amounts_of_sessions_and_of_events() -> None:
    limit = Limit(1, Scope.HOME, 5 * EURO, 0, 0, 0, 0, Period.DAY, START + DAY_US)
    player = Player(funded(10, limits=(limit,)))
    assert player.session(0, FIRST, Ask(1, requested=4 * EURO), service=PURSE).groups[0].granted == 4 * EURO
    over = player.event(EventKind.DIRECT_DEBIT, amount=2 * EURO)
    assert over.result == ResultCode.SPEND_LIMIT_REACHED
    assert player.event(EventKind.DIRECT_DEBIT, amount=EURO).result == ResultCode.SUCCESS
    assert player.session(0, FIRST, Ask(1, requested=1), session=2, service=PURSE).groups[0].granted == 0


def test_money_that_is_not_settled_is_free_after_its_day() -> None:
    player = Player(funded(10))
    until = player.session(0, FIRST, Ask(1, requested=4 * EURO), service=PURSE).groups[0].valid_until
    assert until == START + DAY_US
    player.now = until + LATE_US
    player.sweep()
    assert (player.amount(), player.account().balances[0].reserved) == (10 * EURO, 0)


def test_units_are_never_taken_for_money_nor_money_for_units() -> None:
    player = Player(funded(10))
    player.session(0, FIRST, Ask(1, requested=EURO), service=PURSE)
    player.session(0, FIRST, Ask(1, requested=MB), session=2)
    for session, service in ((1, DATA), (2, PURSE)):
        for ask in (Ask(1, MB), Ask(1, 0, MB)):
            for phase in (NEXT, LAST):
                refused = player.session(1, phase, ask, session=session, service=service)
                assert refused.result == ResultCode.INVALID
        assert player.session(2, LAST, Ask(1, 0, NOTHING), session=session, service=service).result == 2001
    assert (player.amount(), player.account().balances[0].reserved) == (10 * EURO, 0)


def test_the_record_of_it_names_the_built_in_price() -> None:
    player = Player(funded(10))
    player.session(0, FIRST, Ask(1, requested=4 * EURO), service=PURSE)
    group = player.account().sessions[0].groups[0]
    assert (group.price, group.unit) == (BY_AMOUNT.number, Unit.MONEY)


def test_it_passes_through_a_frame() -> None:
    request = SessionRequest(1, 2, 3, 0, FIRST, PURSE, (Ask(1, 0, 5 * EURO),))
    body = encode_request(1, 7, request)[LENGTH.size :]
    assert ENVELOPE.unpack_from(body)[0] == SESSION
    assert decode_request(SESSION, 1, body) == request


STEPS = st.lists(
    st.tuples(
        st.integers(1, 3),
        st.sampled_from([0, 1, 7, EURO // 3, EURO, 4 * EURO]),
        st.sampled_from([NOTHING, 1, EURO, 3 * EURO, 20 * EURO]),
        st.sampled_from([False, False, False, True]),
        st.sampled_from([timedelta(), timedelta(minutes=1), timedelta(hours=5), timedelta(days=2)]),
    ),
    max_size=12,
)


def circle() -> tuple[Account, Account]:
    """One who has money of two kinds, a share of the company's, and a limit."""
    limit = Limit(1, Scope.HOME, 15 * EURO, 0, 0, 0, 0, Period.NEVER, NEVER)
    gift = Balance(2, Unit.MONEY, 0, 10, 0, 0, 2 * EURO, 0, 0, 0, START + DAY_US // 2)
    kept = Balance(3, Unit.MONEY, 1, 5, 0, 0, 50 * EURO, 0, 0, 0, NEVER)
    share = Share(OWNER, Unit.MONEY, 50, 3 * EURO, 0, 0, Period.NEVER, NEVER)
    one = funded(10, limits=(limit,), shares=(share,), due_at=START, serial=3)
    one = replace(one, balances=tuple(sorted((*one.balances, gift, kept), key=Balance.order)))
    company = new_account(OWNER, tenant=1, plan=1)
    return one, replace(company, balances=(replace(company.balances[0], amount=40 * EURO, shared=1),))


@settings(max_examples=150, deadline=None)
@given(STEPS)
def test_whatever_is_held_and_wherever_it_is_cut_exactly_what_was_used_is_charged(
    steps: list[tuple[int, int, int, bool, timedelta]],
) -> None:
    player, used = Player(*circle()), 0
    at: dict[int, int] = {}
    for number, amount, wanted, ends, pause in steps:
        player.now += pause // timedelta(microseconds=1)
        again = number in at
        phase = NEXT if again else FIRST
        place = at.get(number, 0) + again
        ask = Ask(1, amount if again else 0, wanted)
        answer = player.session(place, LAST if ends and again else phase, ask, session=number, service=PURSE)
        if answer.result in (ResultCode.UNKNOWN_SESSION, ResultCode.OUT_OF_SEQUENCE):
            assert player.session(place, phase, ask, session=number, service=PURSE).result == answer.result
            continue
        at[number], used = place, used + ask.used
        moved = len(player.movements)
        repeated = player.session(
            place, LAST if ends and again else phase, ask, session=number, service=PURSE
        )
        assert (repeated, len(player.movements)) == (answer, moved), "a repeat moves nothing"
    for _ in range(2):
        player.now += DAY_US + LATE_US
        player.sweep()
    spent = -sum(one.amount for one in player.movements if one.kind in CHARGED)
    assert spent == used
    assert not any(balance.reserved for account in player.circle for balance in account.balances)
    assert player.amount(3) == 50 * EURO, "money that is kept for other prices"
