"""Commands and events: top-up, voucher, transfer, loan, purchase, renewal, debit, refund, enquiry."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from farwire.charging.model import (
    Account,
    Ask,
    Balance,
    CommandKind,
    EventKind,
    EventRequest,
    Grant,
    Lifecycle,
    MovementKind,
    NoticeKind,
    OfferTerms,
    Phase,
    PlanTerms,
    ResultCode,
    Service,
    Unit,
    new_account,
)
from farwire.charging.model.state import COMMAND_KEPT_US, DAY_US, EVENT_KEPT_US, KEYS_MAX, NEVER
from tests.charging.play import DATA, EMERGENCY, EURO, MB, START, Player, Simple

SMS = Service("message", "4930123")
WEEK = OfferTerms(5, 5 * EURO, (Grant(Unit.OCTETS, 1, 2_000 * MB, rollover_cap=500 * MB),))


def funded(euro: float = 10, number: int = 1, **changes: int) -> Account:
    account = new_account(number, tenant=1, plan=1, lifecycle=Lifecycle.ACTIVE, **changes)
    return replace(account, balances=(replace(account.balances[0], amount=int(euro * EURO)),))


def selling(*accounts: Account) -> Player:
    return Player(*(accounts or (funded(),)), tariffs=Simple(offers={5: WEEK}))


def test_a_top_up_takes_an_account_off_the_shelf_and_keeps_it_alive() -> None:
    player = Player(new_account(1, tenant=1, plan=1))
    assert player.command(CommandKind.TOP_UP, 10 * EURO).cost == 10 * EURO
    account = player.account()
    assert account.lifecycle == Lifecycle.ACTIVE
    assert account.active_until == START + PlanTerms().active_us
    assert NoticeKind.ACTIVATED in player.told()


def test_an_account_ages_from_active_to_grace_to_expired_and_a_top_up_revives_it_in_between() -> None:
    player = Player(new_account(1, tenant=1, plan=1))
    player.command(CommandKind.TOP_UP, 10 * EURO)
    player.now = player.account().active_until
    assert player.session(0, Phase.INITIAL, Ask(1)).result == ResultCode.END_USER_DENIED
    assert player.account().lifecycle == Lifecycle.GRACE
    player.command(CommandKind.TOP_UP, EURO)
    assert player.account().lifecycle == Lifecycle.ACTIVE
    player.now = player.account().grace_until
    player.sweep()
    assert player.account().lifecycle == Lifecycle.EXPIRED
    assert player.amount() == 0
    assert player.movements[-1].kind == MovementKind.FORFEITED
    assert player.command(CommandKind.TOP_UP, EURO).result == ResultCode.END_USER_DENIED


def test_the_first_use_takes_an_account_off_the_shelf() -> None:
    account = replace(funded(), lifecycle=int(Lifecycle.POOL))
    player = Player(account)
    assert player.session(0, Phase.INITIAL, Ask(1)).groups[0].granted
    assert player.account().lifecycle == Lifecycle.ACTIVE


@pytest.mark.parametrize(
    "kind", [CommandKind.TOP_UP, CommandKind.DEBIT, CommandKind.PURCHASE, CommandKind.LOAN]
)
def test_a_command_with_a_known_key_repeats_its_answer_and_moves_nothing(kind: int) -> None:
    player = selling()
    player.tariffs = Simple(PlanTerms(loan_amount=EURO, loan_below=20 * EURO), {5: WEEK})
    first = player.command(kind, EURO, 5, key=77)
    circle, moved = player.circle, len(player.movements)
    player.now += COMMAND_KEPT_US - 1
    assert player.command(kind, EURO, 5, key=77) == first
    assert (player.circle, len(player.movements)) == (circle, moved)
    player.now += 1
    assert player.command(kind, EURO, 5, key=77) is not None
    assert player.account().keys[-1].forget_at == player.now + COMMAND_KEPT_US


def test_a_refused_command_is_refused_again_under_its_key_even_when_money_has_come() -> None:
    player = Player(funded(1))
    assert player.command(CommandKind.DEBIT, 5 * EURO, key=9).result == ResultCode.CREDIT_LIMIT_REACHED
    player.command(CommandKind.TOP_UP, 10 * EURO)
    assert player.command(CommandKind.DEBIT, 5 * EURO, key=9).result == ResultCode.CREDIT_LIMIT_REACHED
    assert player.command(CommandKind.DEBIT, 5 * EURO).result == ResultCode.SUCCESS


def test_an_account_at_its_bound_of_keys_refuses_until_they_are_over() -> None:
    player = Player(funded(10_000))
    for _ in range(KEYS_MAX):
        player.event(EventKind.DIRECT_DEBIT, amount=1)
    assert player.event(EventKind.DIRECT_DEBIT, amount=1).result == ResultCode.TOO_BUSY
    assert player.event(EventKind.DIRECT_DEBIT, service=EMERGENCY).result == ResultCode.SUCCESS
    player.now += EVENT_KEPT_US
    assert player.event(EventKind.DIRECT_DEBIT, amount=1).result == ResultCode.SUCCESS
    assert len(player.account().keys) == 1


def test_a_transfer_moves_money_between_two_accounts_of_a_circle_all_or_nothing() -> None:
    player = Player(funded(10), funded(1, 2))
    assert player.command(CommandKind.TRANSFER, 4 * EURO, 2).cost == 4 * EURO
    assert (player.amount(account=1), player.amount(account=2)) == (6 * EURO, 5 * EURO)
    assert player.command(CommandKind.TRANSFER, 7 * EURO, 2).result == ResultCode.CREDIT_LIMIT_REACHED
    assert player.command(CommandKind.TRANSFER, EURO, 3).result == ResultCode.UNKNOWN_USER
    assert player.command(CommandKind.TRANSFER, EURO, 1).result == ResultCode.INVALID
    assert (player.amount(account=1), player.amount(account=2)) == (6 * EURO, 5 * EURO)


def test_what_a_quota_holds_cannot_be_transferred() -> None:
    player = Player(funded(10), funded(0, 2))
    player.session(0, Phase.INITIAL, Ask(1))
    held = player.account().balances[0].reserved
    assert held
    assert player.command(CommandKind.TRANSFER, 10 * EURO, 2).result == ResultCode.CREDIT_LIMIT_REACHED
    assert player.command(CommandKind.TRANSFER, 10 * EURO - held, 2).result == ResultCode.SUCCESS


def test_an_emergency_credit_is_lent_once_and_paid_back_with_its_fee_by_the_next_top_up() -> None:
    terms = PlanTerms(loan_amount=2 * EURO, loan_fee=EURO // 5, loan_below=EURO)
    player = Player(funded(0.5), tariffs=Simple(terms))
    assert player.command(CommandKind.LOAN).cost == 2 * EURO
    assert player.command(CommandKind.LOAN).result == ResultCode.END_USER_DENIED
    assert player.amount() == int(2.5 * EURO)
    player.command(CommandKind.TOP_UP, EURO)
    assert player.account().loan_owed == 1_200_000_000
    player.command(CommandKind.TOP_UP, 10 * EURO)
    assert player.account().loan_owed == 0
    assert player.amount() == int((2.5 + 11 - 2.2) * EURO)
    assert Player(funded()).command(CommandKind.LOAN).result == ResultCode.NOT_APPLICABLE
    assert (
        Player(funded(5), tariffs=Simple(terms)).command(CommandKind.LOAN).result
        == ResultCode.END_USER_DENIED
    )


def test_a_voucher_is_worth_money_or_an_offer() -> None:
    player = selling(new_account(1, tenant=1, plan=1))
    player.command(CommandKind.VOUCHER, 10 * EURO)
    player.command(CommandKind.VOUCHER, 0, 5)
    assert [movement.kind for movement in player.movements] == [MovementKind.VOUCHER, MovementKind.GRANT]
    assert player.amount(2) == 2_000 * MB
    assert player.command(CommandKind.VOUCHER, 0, 99).result == ResultCode.INVALID


def test_an_offer_that_cannot_be_paid_is_not_sold_and_gives_nothing() -> None:
    player = selling(funded(4.99))
    assert player.command(CommandKind.PURCHASE, 0, 5).result == ResultCode.CREDIT_LIMIT_REACHED
    assert len(player.account().balances) == 1
    assert player.movements == []


def test_an_offer_renews_itself_at_its_end_and_carries_over_what_is_left_up_to_the_cap() -> None:
    player = selling(funded(12))
    player.command(CommandKind.PURCHASE, 1, 5)
    player.session(0, Phase.INITIAL, Ask(1))
    player.session(1, Phase.TERMINATION, Ask(1, 1_200 * MB))
    player.now += 7 * DAY_US
    player.sweep()
    assert [balance.amount for balance in player.account().balances] == [2_500 * MB, 2 * EURO]
    kinds = [movement.kind for movement in player.movements][-4:]
    assert kinds == [
        MovementKind.PURCHASE,
        MovementKind.FORFEITED,
        MovementKind.GRANT,
        MovementKind.ROLLED_OVER,
    ]
    player.now += 7 * DAY_US
    player.sweep()
    assert [balance.amount for balance in player.account().balances] == [2 * EURO]
    assert player.told()[-2:] == [NoticeKind.RENEWAL_FAILED, NoticeKind.BALANCE_FORFEITED]
    assert player.notices[-2].value == ResultCode.CREDIT_LIMIT_REACHED
    assert player.account().holdings == ()


def test_an_offer_that_is_no_longer_to_renew_lasts_until_its_end_and_may_renew_again() -> None:
    player = selling(funded(12))
    player.command(CommandKind.PURCHASE, 1, 5)
    assert player.command(CommandKind.AUTO_RENEW, 0, 6).result == ResultCode.INVALID
    assert player.command(CommandKind.AUTO_RENEW, 0, 5).result == ResultCode.SUCCESS
    player.now += 6 * DAY_US
    player.sweep()
    (held,) = player.account().holdings
    assert (held.renews, held.ends_at) == (0, START + 7 * DAY_US)
    assert player.command(CommandKind.AUTO_RENEW, 1, 5).result == ResultCode.SUCCESS
    player.now += DAY_US
    player.sweep()
    assert player.amount() == 2 * EURO
    player.command(CommandKind.AUTO_RENEW, 0, 5)
    player.now += 7 * DAY_US
    player.sweep()
    assert (player.amount(), player.account().holdings) == (2 * EURO, ())
    assert NoticeKind.RENEWAL_FAILED not in player.told()


def test_missed_renewals_are_caught_up_with_each_at_its_own_time() -> None:
    player = selling(funded(16))
    player.command(CommandKind.PURCHASE, 1, 5)
    player.now += 17 * DAY_US
    player.sweep()
    paid = [movement.at for movement in player.movements if movement.kind == MovementKind.PURCHASE]
    assert paid == [START, START + 7 * DAY_US, START + 14 * DAY_US]
    assert player.account().holdings[0].ends_at == START + 21 * DAY_US
    assert player.amount() == EURO


def test_an_offer_can_be_renewed_before_its_end() -> None:
    player = selling()
    player.command(CommandKind.PURCHASE, 0, 5)
    player.now += DAY_US
    assert player.command(CommandKind.RENEW, 0, 5).cost == 5 * EURO
    assert [balance.amount for balance in player.account().balances if balance.amount] == [2_500 * MB]
    assert len(player.account().holdings) == 1
    assert player.command(CommandKind.RENEW, 0, 6).result == ResultCode.INVALID


def test_an_adjustment_corrects_any_balance_but_never_takes_what_is_held() -> None:
    player = Player(funded(1))
    player.session(0, Phase.INITIAL, Ask(1))
    held = player.account().balances[0].reserved
    assert player.command(CommandKind.ADJUST, -EURO, 1).result == ResultCode.CREDIT_LIMIT_REACHED
    assert player.command(CommandKind.ADJUST, held - EURO, 1).result == ResultCode.SUCCESS
    assert player.command(CommandKind.ADJUST, 1, 8).result == ResultCode.INVALID


@pytest.mark.parametrize("kind", list(CommandKind))
@pytest.mark.parametrize("amount", [-(2**63), -1, 2**62, 2**63 - 1])
def test_amounts_out_of_range_are_refused_and_move_nothing(kind: int, amount: int) -> None:
    player = selling()
    player.command(kind, amount, 1)
    assert -(2**62) <= player.amount() <= 2**62
    assert sum(movement.amount for movement in player.movements) == player.amount() - 10 * EURO


def test_a_command_of_an_unknown_kind_is_refused() -> None:
    assert Player(funded()).command(99).result == ResultCode.INVALID


def test_a_direct_debit_takes_all_or_nothing_once() -> None:
    player = Player(funded(0.10))
    assert player.event(EventKind.DIRECT_DEBIT, service=SMS, key=4).cost == 70_000_000
    assert player.event(EventKind.DIRECT_DEBIT, service=SMS, key=4).cost == 70_000_000
    assert player.amount() == 30_000_000
    assert player.event(EventKind.DIRECT_DEBIT, service=SMS).result == ResultCode.CREDIT_LIMIT_REACHED
    assert player.amount() == 30_000_000
    assert player.event(EventKind.DIRECT_DEBIT, amount=30_000_000).result == ResultCode.SUCCESS
    assert player.amount() == 0


def test_messages_of_an_allowance_are_taken_before_money() -> None:
    texts = Balance(2, Unit.MESSAGES, 4, 10, 0, 0, 3, 0, 0, 0, NEVER)
    player = Player(replace(funded(), balances=(texts, *funded().balances)))
    answer = player.event(EventKind.DIRECT_DEBIT, service=SMS, units=5)
    assert (answer.cost, answer.units) == (140_000_000, 3)
    assert player.amount(2) == 0


def test_an_enquiry_says_what_it_would_cost_and_moves_nothing() -> None:
    player = Player(funded())
    before = player.circle
    assert player.event(EventKind.PRICE_ENQUIRY, service=SMS, units=2).cost == 140_000_000
    assert player.event(EventKind.BALANCE_CHECK).cost == 10 * EURO
    assert player.event(EventKind.PRICE_ENQUIRY, service=Service("fax")).result == ResultCode.RATING_FAILED
    assert player.circle[0] is before[0]


def test_a_refund_gives_back_once() -> None:
    player = Player(funded(1))
    for _ in range(2):
        assert player.event(EventKind.REFUND, service=SMS, key=6).cost == 70_000_000
    assert player.amount() == EURO + 70_000_000
    assert player.movements[0].kind == MovementKind.REFUND


@pytest.mark.parametrize(
    "event",
    [
        EventRequest(1, 0, 1, 0, DATA, units=-1),
        EventRequest(1, 0, 1, 0, DATA, units=2**63 - 1),
        EventRequest(1, 0, 1, 0, DATA, amount=-1),
        EventRequest(1, 0, 1, 9, DATA),
    ],
)
def test_an_event_that_makes_no_sense_is_refused(event: EventRequest) -> None:
    player = Player(funded())
    assert player.ask(event).result == ResultCode.INVALID
    assert player.movements == []


@pytest.mark.parametrize("why", ["barred", "grace"])
def test_an_offer_does_not_renew_on_an_account_that_may_not_use_it(why: str) -> None:
    player = selling(funded(20, active_until=NEVER if why == "barred" else START + DAY_US))
    player.command(CommandKind.PURCHASE, 1, 5)
    if why == "barred":
        player.command(CommandKind.BAR, 1)
    player.now += 8 * DAY_US
    player.sweep()
    assert player.amount() == 15 * EURO
    (failed,) = (one for one in player.notices if one.kind == NoticeKind.RENEWAL_FAILED)
    assert (failed.subject, failed.value) == (5, ResultCode.END_USER_DENIED)
