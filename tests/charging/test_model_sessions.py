"""Sessions: quotas, repeats, the last quota, tariff change, overrun, emergency."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from msgspec.structs import replace

from farwire.charging.model import (
    NOTHING,
    Account,
    Ask,
    Balance,
    CommandKind,
    FinalAction,
    Grant,
    Lifecycle,
    NoticeKind,
    OfferTerms,
    Phase,
    PlanTerms,
    Price,
    QuotaPolicy,
    ResultCode,
    Service,
    SessionRequest,
    Unit,
    decide,
    new_account,
)
from farwire.charging.model.state import (
    DAY_US,
    GROUPS_MAX,
    LATE_US,
    NEVER,
    SECOND_US,
    SESSION_IDLE_US,
    SESSION_KEPT_US,
    SESSIONS_MAX,
)
from tests.charging.play import DATA, EMERGENCY, EURO, MB, START, VOICE, Player, Simple

FIRST, NEXT, LAST = Phase.INITIAL, Phase.UPDATE, Phase.TERMINATION


def funded(euro: float = 10, number: int = 1, **changes: int) -> Account:
    account = new_account(number, tenant=1, plan=1, lifecycle=Lifecycle.ACTIVE, **changes)
    return replace(account, balances=(replace(account.balances[0], amount=int(euro * EURO)),))


def use_up(player: Player, session: int = 1) -> int:
    """Use every quota in full until none is granted; return the units that were granted in all."""
    granted = player.session(0, FIRST, Ask(1), session=session).groups[0].granted
    total, number = 0, 0
    while granted:
        total, number = total + granted, number + 1
        granted = player.session(number, NEXT, Ask(1, granted), session=session).groups[0].granted
    return total


def test_the_prepaid_twin_buys_go_5_uses_2_gb_and_250_mb_more_and_stops_at_exactly_0() -> None:
    go_5 = OfferTerms(5, 5 * EURO, (Grant(Unit.OCTETS, 1, 2_000 * MB),))
    player = Player(new_account(1, tenant=1, plan=1), tariffs=Simple(offers={5: go_5}))
    player.command(CommandKind.VOUCHER, 10 * EURO)
    assert player.command(CommandKind.PURCHASE, 0, 5).result == ResultCode.SUCCESS
    assert [balance.amount for balance in player.account().balances] == [2_000 * MB, 5 * EURO]
    assert use_up(player) == 2_250 * MB
    assert [balance.amount for balance in player.account().balances] == [0, 0]
    assert player.account().overrun == 0
    assert player.session(99, NEXT, Ask(1)).groups[0].result == ResultCode.CREDIT_LIMIT_REACHED


def test_a_hundred_sessions_at_once_on_10_00_are_never_over_granted_and_end_at_exactly_0() -> None:
    player = Player(funded(10))
    granted = {n: player.session(0, FIRST, Ask(1), session=n).groups[0].granted for n in range(100)}
    total, number = 0, 0
    while any(granted.values()):
        number += 1
        for n, units in granted.items():
            if units:
                total += units
                granted[n] = player.session(number, NEXT, Ask(1, units), session=n).groups[0].granted
    assert total == 500 * MB
    assert player.amount() == 0
    assert player.account().overrun == 0


def test_a_repeated_request_repeats_its_answer_and_moves_nothing() -> None:
    player = Player(funded())
    for number, phase, ask in ((0, FIRST, Ask(1)), (1, NEXT, Ask(1, 20 * MB)), (2, LAST, Ask(1, 5 * MB))):
        first = player.session(number, phase, ask)
        circle, moved, told = player.circle, len(player.movements), len(player.notices)
        player.now += SECOND_US
        assert player.session(number, phase, ask) == first
        assert (player.circle, len(player.movements), len(player.notices)) == (circle, moved, told)
    assert player.amount() == 10 * EURO - 25 * 20_000_000
    player.now += SESSION_KEPT_US
    assert player.session(2, LAST, Ask(1, 5 * MB)).result == ResultCode.UNKNOWN_SESSION


def test_an_older_request_and_a_second_beginning_are_out_of_sequence_and_move_nothing() -> None:
    player = Player(funded())
    player.session(0, FIRST, Ask(1))
    player.session(3, NEXT, Ask(1, MB))
    for number, phase in ((2, NEXT), (4, FIRST), (1, LAST)):
        assert player.session(number, phase, Ask(1, MB)).result == ResultCode.OUT_OF_SEQUENCE
    assert player.amount() == 10 * EURO - 20_000_000
    player.session(4, LAST)
    assert player.session(5, NEXT, Ask(1, MB)).result == ResultCode.OUT_OF_SEQUENCE


def test_several_rating_groups_in_one_request_share_one_balance() -> None:
    player = Player(funded(1))
    answer = player.session(0, FIRST, Ask(1), Ask(2), Ask(3))
    assert [group.rating_group for group in answer.groups] == [1, 2, 3]
    assert player.account().balances[0].reserved == sum(group.granted * 20 for group in answer.groups)
    player.session(1, NEXT, Ask(2, answer.groups[1].granted, NOTHING))
    player.session(2, LAST, Ask(1, 1_000_000))
    assert player.account().balances[0].reserved == 0
    assert player.amount() == EURO - 20 * (answer.groups[1].granted + 1_000_000)


def test_quotas_shrink_near_zero_and_the_last_one_says_what_to_do_then() -> None:
    tariffs = Simple(PlanTerms(final=FinalAction.REDIRECT))
    player = Player(funded(2), tariffs=tariffs)
    sizes, number, used = [], 0, 0
    while True:
        group = player.session(number, NEXT if number else FIRST, Ask(1, used)).groups[0]
        if not group.granted:
            break
        used, number = group.granted, number + 1
        sizes.append((used, group.final))
    assert sizes[0][0] == 25 * MB
    assert [units for units, _ in sizes] == sorted((units for units, _ in sizes), reverse=True)
    assert [final for _, final in sizes] == [FinalAction.NONE] * (len(sizes) - 1) + [FinalAction.REDIRECT]
    assert sum(units for units, _ in sizes) == 100 * MB
    assert group.result == ResultCode.CREDIT_LIMIT_REACHED
    assert player.told().count(NoticeKind.FINAL_QUOTA) == 1


def test_a_client_that_reports_more_than_it_was_granted_debits_to_zero_and_the_rest_is_overrun() -> None:
    player = Player(funded(1))
    player.session(0, FIRST, Ask(1))
    answer = player.session(1, NEXT, Ask(1, 60 * MB))
    assert answer.groups[0].result == ResultCode.CREDIT_LIMIT_REACHED
    assert player.amount() == 0
    assert player.account().overrun == -200_000_000
    assert [notice.value for notice in player.notices if notice.kind == NoticeKind.OVERRUN] == [200_000_000]


def test_what_another_session_holds_is_not_taken_by_an_overrun() -> None:
    player = Player(funded(1))
    player.session(0, FIRST, Ask(1), session=1)
    held = player.account().balances[0].reserved
    player.session(0, FIRST, Ask(1), session=2)
    player.session(1, LAST, Ask(1, 100 * MB), session=2)
    assert player.amount() == held
    assert player.account().overrun == -(2 * EURO - (EURO - held))


def test_a_quota_without_a_report_lapses_and_a_late_report_is_still_charged() -> None:
    player = Player(funded(1))
    until = player.session(0, FIRST, Ask(1)).groups[0].valid_until
    player.now = until + LATE_US - 1
    player.sweep()
    assert player.account().balances[0].reserved > 0
    player.now += 1
    assert player.account().due_at <= player.now
    player.sweep()
    assert player.account().balances[0].reserved == 0
    assert player.told() == [NoticeKind.QUOTA_LAPSED]
    assert player.session(1, NEXT, Ask(1, MB)).groups[0].granted > 0
    assert player.amount() == EURO - 20_000_000


def test_a_session_that_nobody_ends_is_forgotten_in_the_end() -> None:
    player = Player(funded(1))
    until = player.session(0, FIRST, Ask(1)).groups[0].valid_until
    player.now = until + LATE_US + SESSION_IDLE_US
    player.sweep()
    assert player.account().sessions == ()
    assert player.account().balances[0].reserved == 0
    assert player.account().due_at == NEVER


def test_the_order_of_balances_is_priority_then_end_then_age() -> None:
    def bucket(number: int, priority: int, valid_to: int) -> Balance:
        return Balance(number, Unit.OCTETS, 0, priority, 0, 0, 10 * MB, 0, 0, 0, valid_to)

    rows = [
        bucket(5, 10, START + 9 * DAY_US),
        bucket(4, 10, START + 9 * DAY_US),
        bucket(3, 10, START + DAY_US),
        bucket(2, 1, NEVER),
    ]
    player = Player(replace(funded(), balances=tuple(sorted(rows, key=Balance.order))))
    player.session(0, FIRST, Ask(1))
    for number, units in enumerate((10, 10, 10, 10), start=1):
        player.session(number, NEXT, Ask(1, units * MB))
    assert [movement.balance for movement in player.movements] == [2, 3, 4, 5]


def test_the_validity_of_a_quota_ends_with_the_balance_that_bears_it() -> None:
    soon = START + 5 * SECOND_US
    bucket = Balance(2, Unit.OCTETS, 0, 1, 0, 0, 10 * MB, 0, 0, 0, soon)
    player = Player(replace(funded(), balances=(bucket, *funded().balances)))
    assert player.session(0, FIRST, Ask(1, 0, 10 * MB)).groups[0].valid_until == soon
    player.now = soon + SECOND_US
    player.session(1, NEXT, Ask(1, 4 * MB))
    assert player.amount() == 10 * EURO, "what was granted in time is borne by the balance that ended"
    player.session(2, NEXT, Ask(1, MB))
    assert player.amount() == 10 * EURO - 20_000_000
    player.session(3, LAST)
    player.now += 2 * SESSION_KEPT_US
    player.sweep()
    assert [balance.number for balance in player.account().balances] == [1]


@dataclass
class Banded(Simple):
    """Another band, and price, from ``change`` on; what is not time is priced by the band in which it began."""

    change: int = START + 600 * SECOND_US

    def find(self, plan: int, service: Service, rating_group: int, at: int) -> Price | None:
        return DAY_PRICE if at < self.change else NIGHT_PRICE

    def price(self, number: int) -> Price | None:
        return {8: DAY_PRICE, 9: NIGHT_PRICE}.get(number)

    def band_end(self, price: Price, at: int) -> int:
        return self.change if at < self.change else NEVER


DAY_PRICE = Price(8, Unit.OCTETS, (), 1, True, 20_000_000, MB, by_time=True)
NIGHT_PRICE = Price(9, Unit.OCTETS, (), 1, True, 10_000_000, MB, by_time=True)


def test_a_change_of_tariff_cuts_the_validity_and_begins_a_new_record_at_the_new_price() -> None:
    player = Player(funded(), tariffs=Banded())
    group = player.session(0, FIRST, Ask(1)).groups[0]
    assert group.valid_until == START + 600 * SECOND_US
    player.now = group.valid_until
    player.session(1, NEXT, Ask(1, 10 * MB))
    assert player.amount() == 10 * EURO - 200_000_000
    player.now += SECOND_US
    player.session(2, LAST, Ask(1, 10 * MB))
    assert player.amount() == 10 * EURO - 300_000_000


@pytest.mark.parametrize("lifecycle", list(Lifecycle))
@pytest.mark.parametrize("flags", [0, 1])
@pytest.mark.parametrize("euro", [0, 10])
def test_an_emergency_call_is_never_refused_and_costs_nothing(lifecycle: int, flags: int, euro: int) -> None:
    account = replace(funded(euro), lifecycle=int(lifecycle), flags=flags, plan=1)
    player = Player(account)
    for number, phase, used in ((0, FIRST, 0), (1, NEXT, 300), (2, LAST, 40)):
        answer = player.session(number, phase, Ask(1, used), service=EMERGENCY)
        assert answer.result == ResultCode.SUCCESS
        assert all(group.result == ResultCode.SUCCESS for group in answer.groups)
        if phase != LAST:
            assert answer.groups[0].granted == 300
    assert player.amount() == euro * EURO
    assert player.account().lifecycle == lifecycle
    assert player.movements == []


def test_an_emergency_call_passes_without_an_account_without_a_session_and_beyond_every_bound() -> None:
    player = Player(funded(0))
    assert player.session(0, FIRST, Ask(1), account=9, service=EMERGENCY).groups[0].granted == 300
    assert player.session(4, NEXT, Ask(1, 9), service=EMERGENCY).groups[0].granted == 300
    for n in range(SESSIONS_MAX):
        player.session(0, FIRST, session=n + 10)
    assert player.session(0, FIRST, Ask(1), session=1).result == ResultCode.TOO_BUSY
    assert player.session(0, FIRST, Ask(1), session=2, service=EMERGENCY).groups[0].granted == 300


def test_an_unknown_account_and_a_service_without_a_price_are_answered() -> None:
    player = Player(funded())
    assert player.session(0, FIRST, Ask(1), account=9).result == ResultCode.UNKNOWN_USER
    fax = Service("fax")
    assert player.session(0, FIRST, Ask(1), service=fax).groups[0].result == ResultCode.RATING_FAILED
    player.session(1, NEXT, Ask(1, 70), service=fax)
    assert [(n.kind, n.value) for n in player.notices] == [(NoticeKind.UNRATED, 70)]
    assert player.session(2, NEXT, Ask(1), service=DATA).groups[0].granted, "it can have a price later"


@pytest.mark.parametrize(
    "request_",
    [
        SessionRequest(1, 0, 1, 0, FIRST, DATA, (Ask(1, -1),)),
        SessionRequest(1, 0, 1, 0, FIRST, DATA, (Ask(1, 0, -2),)),
        SessionRequest(1, 0, 1, 0, FIRST, DATA, (Ask(1, 2**63 - 1),)),
        SessionRequest(1, 0, 1, 0, FIRST, DATA, (Ask(1), Ask(1))),
        SessionRequest(1, 0, 1, -1, FIRST, DATA, (Ask(1),)),
        SessionRequest(1, 0, 1, 0, 7, DATA, (Ask(1),)),
    ],
)
def test_content_that_makes_no_sense_is_refused_and_leaves_no_trace(request_: SessionRequest) -> None:
    circle = (funded(),)
    decision = decide(circle, request_, Simple(), START)
    assert decision.answer.result == ResultCode.INVALID
    assert decision.circle[0] is circle[0]
    assert not decision.movements


def test_more_groups_than_an_account_may_have_are_refused() -> None:
    player = Player(funded())
    asks = [Ask(n) for n in range(GROUPS_MAX)]
    assert player.session(0, FIRST, *asks).result == ResultCode.SUCCESS
    assert player.session(1, NEXT, Ask(GROUPS_MAX)).result == ResultCode.TOO_BUSY
    assert player.session(2, NEXT, Ask(3)).result == ResultCode.SUCCESS


def test_usage_beyond_what_can_be_priced_is_told_and_not_charged() -> None:
    player = Player(funded())
    player.session(0, FIRST, Ask(1))
    for number in (1, 2):
        player.session(number, NEXT, Ask(1, 2**62))
    assert [n.kind for n in player.notices][-1] == NoticeKind.UNRATED
    assert -(2**62) <= player.account().overrun <= 0


def test_an_account_that_is_barred_or_in_grace_gets_no_quota_and_its_usage_is_still_charged() -> None:
    player = Player(funded())
    player.session(0, FIRST, Ask(1))
    player.command(CommandKind.BAR, 1)
    answer = player.session(1, NEXT, Ask(1, 10 * MB))
    assert (answer.result, answer.groups[0].granted) == (ResultCode.END_USER_DENIED, 0)
    assert player.amount() == 10 * EURO - 200_000_000
    player.command(CommandKind.BAR, 0)
    assert player.session(2, NEXT, Ask(1)).groups[0].granted


def test_voice_is_held_and_charged_by_whole_minutes() -> None:
    policy = QuotaPolicy(120, 30)
    quotas = PlanTerms().quotas
    terms = PlanTerms(quotas=(*quotas[:2], policy, *quotas[3:]))
    player = Player(funded(0.20), tariffs=Simple(terms))
    group = player.session(0, FIRST, Ask(0), service=VOICE).groups[0]
    assert (group.granted, player.account().balances[0].reserved) == (60, 90_000_000)
    player.session(1, LAST, Ask(0, 1), service=VOICE)
    assert player.amount() == 110_000_000


def test_a_postpaid_account_spends_down_to_its_credit_limit() -> None:
    account = new_account(1, tenant=1, plan=1, lifecycle=Lifecycle.ACTIVE, credit_limit=EURO)
    player = Player(account)
    assert use_up(player) == 50 * MB
    assert player.amount() == -EURO


def test_a_lapsed_group_of_a_session_that_goes_on_is_not_looked_at_again_and_again() -> None:
    player = Player(funded(10))
    first = player.session(0, FIRST, Ask(1), Ask(2))
    player.session(1, NEXT, Ask(1, MB))
    player.now = first.groups[0].valid_until + 2 * LATE_US
    player.session(2, NEXT, Ask(2, MB))
    assert player.account().due_at > player.now
    assert player.told() == [NoticeKind.QUOTA_LAPSED, NoticeKind.QUOTA_LAPSED]
