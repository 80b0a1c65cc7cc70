"""Spend limits, roaming caps, and balances that several draw on."""

from __future__ import annotations

from msgspec.structs import replace

from farwire.charging.model import (
    Account,
    Ask,
    Balance,
    Command,
    CommandKind,
    EventKind,
    Grant,
    Lifecycle,
    Limit,
    NoticeKind,
    OfferTerms,
    Period,
    Phase,
    ResultCode,
    Scope,
    Service,
    Share,
    Unit,
    new_account,
)
from farwire.charging.model.limits import first
from farwire.charging.model.sharing import PAYS_FIRST, PAYS_LAST
from farwire.charging.model.state import DAY_US, NEVER
from tests.charging.play import DATA, EURO, MB, START, Player, Simple

ABROAD = Service("data", visited_network="CH")


def funded(euro: float, number: int = 1) -> Account:
    account = new_account(number, tenant=1, plan=1, lifecycle=Lifecycle.ACTIVE)
    return replace(account, balances=(replace(account.balances[0], amount=int(euro * EURO)),))


def capped(euro: float, cap: float, scope: int = Scope.ROAMING) -> Player:
    end = (START // DAY_US + 1) * DAY_US
    limit = Limit(1, scope, int(cap * EURO), 0, 0, 0, 0, Period.DAY, end)
    return Player(replace(funded(euro), limits=(limit,), due_at=end))


def use_up(player: Player, service: Service = DATA, account: int = 1, session: int = 1) -> int:
    opened = player.session(0, Phase.INITIAL, Ask(1), session=session, account=account, service=service)
    granted, total, number = opened.groups[0].granted, 0, 0
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


def put(player: Player, cap: float, scope: int = Scope.ROAMING, period: int = Period.DAY) -> int:
    command = Command(1, 5, player.keys, CommandKind.LIMIT, int(cap * EURO), scope=scope, period=period)
    player.keys += 1
    return player.ask(command).result


def test_a_limit_is_set_changed_and_taken_away_by_command() -> None:
    player = Player(funded(100))
    assert put(player, 1) == ResultCode.SUCCESS
    assert use_up(player, ABROAD) == 20 * MB
    assert put(player, 2) == ResultCode.SUCCESS
    assert use_up(player, ABROAD, session=2) == 20 * MB
    (limit,) = player.account().limits
    assert (limit.number, limit.cap, limit.used, limit.told) == (21, 2 * EURO, 2 * EURO, 100)
    assert player.told().count(NoticeKind.LIMIT_REACHED) == 2, "of each amount"
    assert player.command(CommandKind.END_LIMIT, 0, 21).result == ResultCode.SUCCESS
    assert player.command(CommandKind.END_LIMIT, 0, 21).result == ResultCode.INVALID
    assert use_up(player, ABROAD, session=3) == 1_960 * MB
    for scope, period, cap in ((0, 1, 1), (4, 1, 1), (1, 3, 1), (1, 1, -1)):
        assert put(player, cap, scope, period) == ResultCode.INVALID


def test_a_limit_that_comes_while_quotas_are_held_counts_them_and_tells_what_is_used_already() -> None:
    player = Player(funded(100))
    held = player.session(0, Phase.INITIAL, Ask(1), service=ABROAD).groups[0].granted
    assert put(player, 3) == ResultCode.SUCCESS
    assert player.account().limits[0].reserved == held * 50
    player.session(1, Phase.UPDATE, Ask(1, held), service=ABROAD)
    assert put(player, 1) == ResultCode.SUCCESS
    assert player.told()[-2:] == [NoticeKind.LIMIT_REACHED, NoticeKind.LIMIT_CHANGED]
    player.session(2, Phase.TERMINATION, service=ABROAD)
    assert player.account().limits[0].reserved == 0
    answer = player.session(0, Phase.INITIAL, Ask(1), session=2, service=ABROAD)
    assert answer.groups[0].result == ResultCode.SPEND_LIMIT_REACHED


def test_an_account_that_is_opened_with_a_limit_has_it_from_its_first_use() -> None:
    account = new_account(1, tenant=1, plan=1, limits=(first(Scope.ROAMING, Period.DAY, EURO),))
    player = Player(account)
    player.command(CommandKind.TOP_UP, 10 * EURO)
    assert use_up(player, ABROAD) == 20 * MB
    assert player.account().limits[0].ends_at == (START // DAY_US + 1) * DAY_US


def lend(
    player: Player,
    cap: float,
    *,
    balance: int = 1,
    priority: int = PAYS_FIRST,
    member: int = 1,
    owner: int = 9,
) -> int:
    player.keys += 1
    words = (0, Period.NEVER, 0, balance, priority)
    return player.ask(
        Command(member, 6, player.keys, CommandKind.SHARE, int(cap * EURO), owner, *words)
    ).result


def test_a_balance_is_shared_by_command_and_closed_again() -> None:
    player = Player(funded(1), funded(1, 2), funded(10, 9))
    assert lend(player, 3) == ResultCode.SUCCESS
    assert lend(player, 3, member=2, priority=PAYS_LAST) == ResultCode.SUCCESS
    assert use_up(player) == 200 * MB
    assert player.movements[0].account == 9, "the company pays first"
    assert player.amount(account=9) == 7 * EURO
    assert use_up(player, account=2, session=2) == 200 * MB
    assert player.amount(account=9) == 4 * EURO
    assert lend(player, 4) == ResultCode.SUCCESS
    assert use_up(player, session=3) == 50 * MB, "what was used before counts"
    assert player.command(CommandKind.END_SHARE, 0, 9).result == ResultCode.SUCCESS
    assert player.command(CommandKind.END_SHARE, 0, 9).result == ResultCode.INVALID
    assert player.account().shares == ()
    close = Command(9, 7, 1, CommandKind.END_SHARE, 0, 9, balance=1)
    assert player.ask(close).result == ResultCode.SUCCESS
    assert lend(player, 9, owner=8) == ResultCode.UNKNOWN_USER
    assert lend(player, 9, owner=1) == lend(player, 9, balance=7) == lend(player, -1) == ResultCode.INVALID
    assert use_up(player, account=2, session=4) == 0


def test_what_a_member_holds_may_be_used_when_its_cap_falls_and_nothing_more_is_held() -> None:
    player = Player(funded(0), funded(10, 9))
    lend(player, 5)
    granted = player.session(0, Phase.INITIAL, Ask(1)).groups[0].granted
    assert lend(player, 0.1) == ResultCode.SUCCESS
    assert player.session(1, Phase.UPDATE, Ask(1, granted)).groups[0].granted == 0
    assert player.account().overrun == 0
    assert player.amount(account=9) == 10 * EURO - granted * 20


def test_a_share_that_comes_back_while_its_quota_is_open_knows_what_is_held() -> None:
    player = Player(funded(0), funded(10, 9))
    lend(player, 5)
    player.session(0, Phase.INITIAL, Ask(1))
    player.command(CommandKind.END_SHARE, 0, 9)
    lend(player, 5)
    assert player.account().shares[0].reserved == player.account(9).balances[0].reserved > 0
    player.session(1, Phase.TERMINATION)
    assert player.account().shares[0].reserved == 0


def test_a_balance_that_is_shared_stays_shared_when_its_offer_is_renewed() -> None:
    tariffs = Simple()
    tariffs.offers[5] = OfferTerms(5, EURO, (Grant(Unit.OCTETS, 0, 100 * MB),))
    player = Player(funded(1), funded(10, 9), tariffs=tariffs)
    player.command(CommandKind.PURCHASE, 1, 5, account=9)
    lend(player, 1, balance=2)
    player.now += 7 * DAY_US
    player.sweep()
    assert [one.shared for one in player.account(9).balances if one.unit == Unit.OCTETS] == [1]
