"""Spend limits, roaming caps, and balances that several draw on."""

from __future__ import annotations

from msgspec.structs import replace

from farwire.charging.model import (
    Account,
    Ask,
    Balance,
    CommandKind,
    EventKind,
    Lifecycle,
    Limit,
    NoticeKind,
    Period,
    Phase,
    ResultCode,
    Scope,
    Service,
    Share,
    Unit,
    new_account,
)
from farwire.charging.model.state import DAY_US, NEVER
from tests.charging.play import DATA, EURO, MB, START, Player

ABROAD = Service("data", visited_network="CH")


def funded(euro: float, number: int = 1) -> Account:
    account = new_account(number, tenant=1, plan=1, lifecycle=Lifecycle.ACTIVE)
    return replace(account, balances=(replace(account.balances[0], amount=int(euro * EURO)),))


def capped(euro: float, cap: float, scope: int = Scope.ROAMING) -> Player:
    end = (START // DAY_US + 1) * DAY_US
    limit = Limit(1, scope, int(cap * EURO), 0, 0, 0, 0, Period.DAY, end)
    return Player(replace(funded(euro), limits=(limit,), due_at=end))


def use_up(player: Player, service: Service = DATA, account: int = 1, session: int = 1) -> int:
    first = player.session(0, Phase.INITIAL, Ask(1), session=session, account=account, service=service)
    granted, total, number = first.groups[0].granted, 0, 0
    while granted:
        total, number = total + granted, number + 1
        answer = player.session(
            number, Phase.UPDATE, Ask(1, granted), session=session, account=account, service=service
        )
        granted = answer.groups[0].granted
    return total


def test_a_roaming_cap_is_told_at_80_percent_and_stops_at_the_limit() -> None:
    player = capped(100, 50)
    assert use_up(player, ABROAD) == 1_000 * MB
    assert player.amount() == 50 * EURO
    assert [n.kind for n in player.notices if n.kind in (NoticeKind.LIMIT_80, NoticeKind.LIMIT_REACHED)] == [
        NoticeKind.LIMIT_80,
        NoticeKind.LIMIT_REACHED,
    ]
    eighty = next(n for n in player.notices if n.kind == NoticeKind.LIMIT_80)
    assert 40 * EURO <= eighty.value < 50 * EURO
    answer = player.session(0, Phase.INITIAL, Ask(1), session=2, service=ABROAD)
    assert answer.groups[0].result == ResultCode.SPEND_LIMIT_REACHED
    assert player.session(0, Phase.INITIAL, Ask(1), session=3).groups[0].granted, "at home nothing is capped"


def test_who_has_opted_on_is_told_and_not_stopped() -> None:
    player = capped(100, 50)
    player.command(CommandKind.OPT_ON, 1, 1)
    assert use_up(player, ABROAD) == 2_000 * MB
    assert player.told().count(NoticeKind.LIMIT_80) == 1
    assert player.told().count(NoticeKind.LIMIT_REACHED) == 1


def test_sessions_at_once_stay_within_one_limit() -> None:
    player = capped(100, 1, Scope.HOME | Scope.ROAMING)
    for session in range(20):
        player.session(0, Phase.INITIAL, Ask(1), session=session)
    limit = player.account().limits[0]
    assert limit.reserved == player.account().balances[0].reserved
    assert limit.reserved <= limit.cap
    for session in range(20):
        use_up(player, session=session + 100)
        player.session(1, Phase.TERMINATION, session=session)
    use_up(player, session=500)
    assert player.amount() == 99 * EURO


def test_a_limit_begins_anew_with_its_period() -> None:
    player = capped(100, 1)
    use_up(player, ABROAD)
    player.now = player.account().limits[0].ends_at
    player.session(1_000, Phase.TERMINATION, service=ABROAD)
    assert use_up(player, ABROAD, session=2) == 20 * MB
    assert player.amount() == 98 * EURO


def test_an_event_that_would_pass_a_limit_is_refused() -> None:
    player = capped(100, 0.01, Scope.HOME)
    text = Service("message")
    player.tariffs.prices["message"] = replace(player.tariffs.prices["message"], tags=1)  # type: ignore[attr-defined]
    assert player.event(EventKind.DIRECT_DEBIT, service=text).result == ResultCode.SPEND_LIMIT_REACHED


def family(priority: int, *, own: float = 1, pot: float = 10, caps: tuple[float, float] = (3, 3)) -> Player:
    owner = funded(pot, 9)
    owner = replace(owner, balances=(replace(owner.balances[0], shared=1),))
    members = [
        replace(
            funded(own, number),
            shares=(Share(9, Unit.MONEY, priority, int(cap * EURO), 0, 0, Period.NEVER, NEVER),),
        )
        for number, cap in enumerate(caps, start=1)
    ]
    return Player(*members, owner)


def test_the_company_pays_first_up_to_the_cap_and_the_member_pays_then() -> None:
    player = family(priority=1)
    assert use_up(player) == 200 * MB
    assert player.amount(account=9) == 7 * EURO
    assert player.amount(account=1) == 0
    assert player.movements[0].account == 9
    assert player.account().shares[0].used == 3 * EURO


def test_a_shared_balance_helps_out_when_the_own_one_is_empty() -> None:
    player = family(priority=200)
    assert use_up(player) == 200 * MB
    assert player.movements[0].account == 1
    assert player.amount(account=9) == 7 * EURO


def test_members_at_once_never_take_more_than_the_shared_balance_has() -> None:
    player = family(priority=1, own=0, pot=2, caps=(5, 5))
    for account in (1, 2):
        for session in range(10):
            player.session(0, Phase.INITIAL, Ask(1), session=session, account=account)
    total = 0
    for account in (1, 2):
        for session in range(10):
            total += use_up(player, account=account, session=100 + session)
            player.session(1, Phase.TERMINATION, session=session, account=account)
    total += use_up(player, account=1, session=999)
    assert total == 100 * MB
    assert player.amount(account=9) == 0


def test_shared_units_are_drawn_on_within_their_own_cap() -> None:
    owner = funded(0, 9)
    pot = Balance(2, Unit.OCTETS, 0, 10, 1, 0, 100 * MB, 0, 0, 0, NEVER)
    owner = replace(owner, balances=(pot, *owner.balances))
    share = Share(9, Unit.OCTETS, 5, 30 * MB, 0, 0, Period.NEVER, NEVER)
    player = Player(replace(funded(0), shares=(share,)), owner)
    assert use_up(player) == 30 * MB
    assert player.amount(2, account=9) == 70 * MB


def test_a_share_that_is_taken_away_gives_back_what_it_holds() -> None:
    player = family(priority=1, own=0)
    player.session(0, Phase.INITIAL, Ask(1))
    assert player.account(9).balances[0].reserved > 0
    member = replace(player.account(1), shares=())
    player.circle = (member, *player.circle[1:])
    player.session(1, Phase.UPDATE, Ask(1, MB))
    assert player.account(9).balances[0].reserved == 0
    assert player.amount(account=9) == 10 * EURO - 20_000_000
    assert player.session(2, Phase.UPDATE, Ask(1)).groups[0].granted == 0


def test_a_shared_balance_that_ends_while_a_member_holds_it_is_forfeited_when_it_is_free() -> None:
    owner = funded(0, 9)
    end = START + DAY_US
    pot = Balance(2, Unit.OCTETS, 0, 10, 1, 0, 100 * MB, 0, 0, 0, end)
    owner = replace(owner, balances=(pot, *owner.balances), due_at=end)
    share = Share(9, Unit.OCTETS, 5, 90 * MB, 0, 0, Period.NEVER, NEVER)
    player = Player(replace(funded(0), shares=(share,)), owner)
    player.now = end - 10
    player.session(0, Phase.INITIAL, Ask(1))
    held = player.account(9).balances[0].reserved
    player.now = end
    player.sweep()
    assert player.amount(2, account=9) == held
    player.session(1, Phase.TERMINATION, Ask(1, MB))
    player.now += 1
    player.sweep()
    assert player.amount(2, account=9) == 0 if len(player.account(9).balances) > 1 else True
    assert -sum(m.amount for m in player.movements) == 100 * MB


def test_the_balances_of_a_barred_owner_are_closed_to_members_but_for_what_they_hold() -> None:
    player = family(priority=1, own=0, pot=10, caps=(9, 9))
    granted = player.session(0, Phase.INITIAL, Ask(1)).groups[0].granted
    player.command(CommandKind.BAR, 1, account=9)
    assert player.session(1, Phase.UPDATE, Ask(1, granted + 10 * MB)).groups[0].granted == 0
    assert player.amount(account=9) == 10 * EURO - granted * 20
    assert player.account().overrun == -200_000_000
