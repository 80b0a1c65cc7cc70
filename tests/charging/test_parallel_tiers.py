"""Sessions at once fill the same tiers: whatever the order, nothing is used that no balance pays for."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from msgspec.structs import replace

from farwire.catalog.model.document import from_document
from farwire.charging.model import (
    NOTHING,
    Answer,
    Ask,
    CommandKind,
    EventKind,
    Lifecycle,
    Phase,
    PlanTerms,
    QuotaPolicy,
    Tariffs,
    new_account,
)
from farwire.charging.model.compiled import CompiledTariffs, Plan
from farwire.charging.model.state import DAY_US
from farwire.charging.model.tariffs import QUOTAS
from farwire.rating.model import compile_tariff
from tests.charging.play import DATA, EURO, MB, Player


def steps(*prices: str) -> list[dict[str, str]]:
    """Tiers of 10 MB each."""
    ends = [f"{10 * place} MB" for place in range(1, len(prices))]
    return [
        {"price": price, **({"up_to": end} if end else {})}
        for price, end in zip(prices, [*ends, ""], strict=True)
    ]


def tiers(mode: str, *prices: str) -> dict[str, Any]:
    return {"tiers": {"mode": mode, "steps": steps(*prices)}, "per": "1 MB"}


WAYS: dict[str, dict[str, Any]] = {
    "rising": tiers("graduated", "0", "0.10", "1"),
    "falling": tiers("graduated", "1", "0.10", "0.05"),
    "up and down": tiers("graduated", "0.10", "1", "0.10"),
    "volume rising": tiers("volume", "0.01", "0.10", "0.50"),
    "volume falling": tiers("volume", "0.50", "0.30", "0.10"),
    "package": {"package": {"block": "3 MB", "price": "0.50", "included": "5 MB"}},
    "connect fee": tiers("graduated", "0.05", "0.50", "0.02") | {"connect_fee": "0.01"},
    "increments": tiers("graduated", "0", "0.37", "0.11") | {"increments": ["1 MB", "700 kB"]},
}


def tariffs(way: str) -> Tariffs:
    plan = from_document(
        {
            "offering": "any",
            "name": "Any",
            "valid_from": datetime(2020, 1, 1, tzinfo=UTC),
            "currency": "EUR",
            "zone": "Europe/Berlin",
            "prices_include_tax": False,
            "usage": [{"id": "data", "kind": "data", **WAYS[way]}],
            "discounts": [{"id": "third", "percent": "33.3", "prices": ["data"]}]
            if way == "up and down"
            else [],
        }
    )
    quotas = (QUOTAS[0], QuotaPolicy(4 * MB, 100_000), *QUOTAS[2:])
    return CompiledTariffs(
        {1: Plan(compile_tariff(plan), PlanTerms(quotas=quotas), {"112"}.__contains__)}, {}
    )


def funded(amount: int) -> Any:
    account = new_account(1, tenant=1, plan=1, lifecycle=Lifecycle.ACTIVE)
    return replace(account, balances=(replace(account.balances[0], amount=amount),))


class Sessions:
    """Clients that never use more than they were granted."""

    def __init__(self, way: str, amount: int) -> None:
        self.player = Player(funded(amount), tariffs=tariffs(way))
        self.numbers: dict[int, int] = {}
        self.granted: dict[tuple[int, int], int] = {}

    def ask(self, one: int, used: dict[int, int], *, wants: int = 0, end: bool = False) -> Answer:
        number = self.numbers.get(one, -1) + 1
        phase = Phase.TERMINATION if end else Phase.UPDATE if number else Phase.INITIAL
        asks = [Ask(group, spent, wants) for group, spent in used.items()]
        answer = self.player.session(number, phase, *asks, session=one, service=DATA)
        self.numbers[one] = number
        for group in answer.groups:
            self.granted[one, group.rating_group] = 0 if end else group.granted
        if end:
            self.numbers[one] = -1
            self.granted = {place: units for place, units in self.granted.items() if place[0] != one}
            self.player.circle = (replace(self.player.account(), sessions=tuple(
                session for session in self.player.account().sessions if session.id_lo != one
            )),)  # fmt: skip
        return answer

    def use_up(self, rounds: int = 300) -> None:
        """Use everything that is granted, until even a new session is given nothing more."""
        for probe in range(1_000, 1_000 + rounds):
            for place in [place for place, units in self.granted.items() if units]:
                self.ask(place[0], {place[1]: self.granted[place]})
            if not any(self.granted.values()) and not self.ask(probe, {1: 0}).groups[0].granted:
                return


class Machine(RuleBasedStateMachine):
    """Sessions with one or two groups each, events and top-ups, on the same tiers."""

    @initialize(way=st.sampled_from(sorted(WAYS)), cents=st.integers(0, 1_500))
    def begin(self, way: str, cents: int) -> None:
        self.sessions = Sessions(way, cents * EURO // 100)
        self.way = way

    @rule(
        one=st.integers(1, 5),
        percent=st.sampled_from([0, 10, 50, 100, 100]),
        groups=st.sampled_from([(1,), (1,), (2,), (1, 2), (2, 1)]),
        wants=st.sampled_from([0, 0, 0, NOTHING, 700_000]),
        end=st.sampled_from([False, False, False, True]),
    )
    def ask(self, one: int, percent: int, groups: tuple[int, ...], wants: int, end: bool) -> None:
        end = end and self.sessions.numbers.get(one, -1) >= 0
        granted = self.sessions.granted
        self.sessions.ask(
            one,
            {group: granted.get((one, group), 0) * percent // 100 for group in groups},
            wants=wants,
            end=end,
        )

    @rule(units=st.integers(1, 6 * MB))
    def event(self, units: int) -> None:
        self.sessions.player.event(EventKind.DIRECT_DEBIT, units=units)

    @rule(cents=st.integers(1, 50))
    def top_up(self, cents: int) -> None:
        self.sessions.player.command(CommandKind.TOP_UP, cents * EURO // 100)

    @invariant()
    def nothing_is_used_that_is_not_paid(self) -> None:
        if hasattr(self, "sessions"):
            assert self.sessions.player.account().overrun == 0

    def teardown(self) -> None:
        if hasattr(self, "sessions"):
            self.sessions.use_up(10)
            for one in [one for one, number in self.sessions.numbers.items() if number >= 0]:
                used = {at[1]: units for at, units in self.sessions.granted.items() if at[0] == one}
                self.sessions.ask(one, used, end=True)
            assert self.sessions.player.account().overrun == 0
            assert not any(balance.reserved for balance in self.sessions.player.account().balances)


TestTiers = Machine.TestCase
TestTiers.settings = settings(stateful_step_count=20, max_examples=8, deadline=timedelta(seconds=10))


@pytest.mark.parametrize("way", ["rising", "up and down"])
def test_a_hundred_sessions_on_the_same_tiers_share_ten_to_the_last_unit(way: str) -> None:
    sessions = Sessions(way, 10 * EURO)
    rng = random.Random(1)
    for _ in range(600):
        one = rng.randrange(1, 101)
        granted = sessions.granted.get((one, 1), 0)
        sessions.ask(one, {1: rng.randrange(granted + 1)})
        assert sessions.player.account().overrun == 0
    sessions.use_up()
    account = sessions.player.account()
    assert account.overrun == 0
    assert account.balances[0].amount < EURO // MB, "not one unit more could be paid"


def test_what_sessions_at_once_pay_together_is_what_one_would_pay_for_it_all() -> None:
    sessions = Sessions("rising", 100 * EURO)
    for one in (1, 2, 3):
        sessions.ask(one, {1: 0})
    for one in (3, 1, 2, 2, 3, 1, 1):
        sessions.ask(one, {1: sessions.granted[one, 1]})
    used = 7 * 4 * MB
    expected = 10 * EURO // 10 + (used - 20 * MB) * EURO // MB
    assert 100 * EURO - sessions.player.amount() == expected


def test_a_day_that_ends_is_another_counter() -> None:
    sessions = Sessions("rising", 3 * EURO)
    sessions.ask(1, {1: 0})
    sessions.player.now += 31 * DAY_US
    sessions.player.sweep()
    assert sessions.ask(2, {1: 0}).groups[0].granted


def test_who_was_alone_is_secured_before_a_second_one_is_let_in() -> None:
    poor, rich = Sessions("rising", 3 * EURO), Sessions("rising", 100 * EURO)
    for sessions, wanted, held in ((poor, 0, 0), (rich, 4 * MB, 8 * EURO)):
        assert sessions.ask(1, {1: 0}).groups[0].granted == 4 * MB
        assert sessions.player.account().balances[0].reserved == 0, "the first tier is free"
        assert sessions.ask(2, {1: 0}).groups[0].granted == wanted
        assert 0 <= sessions.player.account().balances[0].reserved - held <= 2
