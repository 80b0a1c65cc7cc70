"""The straight way says what the general way says, and the usual requests of a running session go it."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from msgspec.structs import replace

from farwire.charging.model import (
    NOTHING,
    Account,
    Ask,
    Balance,
    Flag,
    Lifecycle,
    Limit,
    Period,
    Phase,
    PlanTerms,
    Price,
    QuotaPolicy,
    Scope,
    Service,
    SessionRequest,
    Unit,
    new_account,
)
from farwire.charging.model.decide import decide_generally
from farwire.charging.model.state import AMOUNT_MAX, DAY_US, NEVER, SECOND_US
from farwire.charging.model.straight import go_straight
from tests.charging.play import DATA, EURO, MB, ROAMING, START, VOICE, Player, Simple

ABROAD = Service("data", visited_network="CH")
CONNECTED = Price(2, Unit.SECONDS, (2,), 1, True, 90_000_000, 60, 60, 6, 0, 70_000_000)
INCLUDED = Price(1, Unit.OCTETS, (1,), 1, True, 3, MB, 1_000, 1_000, 500)
SMALL = PlanTerms(
    quotas=(
        QuotaPolicy(0, 0),
        QuotaPolicy(1_000, 10),
        QuotaPolicy(60, 7),
        QuotaPolicy(1, 1),
        QuotaPolicy(1, 1),
    )
)
SEEDS = 3_000


def balance(random: Random, number: int) -> Balance:
    """Money or a bundle: empty, for a few quotas or for many; some not begun, some over soon."""
    unit = Unit.MONEY if number == 1 else random.choice([Unit.MONEY, Unit.OCTETS, Unit.SECONDS])
    one = {Unit.MONEY: EURO // 10, Unit.OCTETS: MB, Unit.SECONDS: 10}[unit]
    amount = one * random.choice([0, random.randrange(300), 10**6])
    ends_at = random.choice([NEVER, NEVER, START + 900 * SECOND_US, START + DAY_US])
    begins_at = random.choice([0, 0, 0, START + 300 * SECOND_US])
    scope = 0 if unit == Unit.MONEY else random.randrange(3)
    floor = random.choice([0, 0, -one])
    return Balance(number, unit, scope, random.randint(1, 3), 0, 0, amount, 0, floor, begins_at, ends_at)


def account(random: Random) -> Account:
    """An account of one's own, mostly in good order."""
    until = random.choice([NEVER, START + 600 * SECOND_US, START + 90 * DAY_US])
    opened = new_account(1, tenant=1, plan=1, lifecycle=Lifecycle.ACTIVE, active_until=until)
    balances = [balance(random, number) for number in range(1, random.choice([2, 3, 5]))]
    limit = Limit(1, Scope.HOME, 10 * EURO, 0, 0, 0, 0, Period.DAY, START + DAY_US)
    return replace(
        opened,
        balances=tuple(sorted(balances, key=Balance.order)),
        serial=4,
        limits=(limit,) if random.random() < 0.05 else (),
        due_at=START,
    )


def world(random: Random) -> Simple:
    """Prices with and without a connect fee, included units and roundings; small quotas and large ones."""
    tariffs = Simple(random.choice([PlanTerms(), SMALL]))
    tariffs.prices["voice"] = random.choice([CONNECTED, tariffs.prices["voice"]])
    tariffs.prices["data"] = random.choice([INCLUDED, tariffs.prices["data"], replace(ROAMING, number=1)])
    return tariffs


def next_request(random: Random, account: Account) -> SessionRequest:
    """Mostly what comes next in a session, sometimes anything."""
    number = random.choice([1, 1, 1, 2])
    known = next((one for one in account.sessions if one.id_lo == number), None)
    service = random.choice([DATA, DATA, VOICE, ABROAD])
    odd = random.random() < 0.1
    started_at = random.choice([0, 0, START - SECOND_US, START + DAY_US]) if odd else 0
    if known is None:
        asks = tuple(Ask(1 + place) for place in range(2 if odd else 1))
        return SessionRequest(1, 7, number, 0, Phase.INITIAL, service, asks, started_at)
    granted = known.groups[0].granted if known.groups else 0
    used = (
        random.choice([0, 61, 60 * MB, AMOUNT_MAX, -1])
        if odd
        else random.choice([granted, granted, granted // 3])
    )
    wanted = random.choice([NOTHING, 1, AMOUNT_MAX + 1]) if odd else random.choice([0, 0, 0, 100, MB])
    phase = random.choice([Phase.UPDATE] * 8 + [Phase.TERMINATION])
    grown = random.choice([0, 1, 2]) if odd else 1
    group = random.choice([1, 1, 2]) if odd else 1
    return SessionRequest(
        1, 7, number, known.number + grown, phase, service, (Ask(group, used, wanted),), started_at
    )


def test_whatever_is_asked_it_says_the_same_as_the_general_way() -> None:
    went: Counter[tuple[int, bool]] = Counter()
    for seed in range(SEEDS):
        random = Random(seed)
        one, tariffs, now = account(random), world(random), START
        for step in range(8):
            now += random.choice([0, 1, 60, 600, 4_000]) * SECOND_US
            request = next_request(random, one)
            general = decide_generally((one,), request, tariffs, now)
            straight = go_straight(one, request, tariffs, now)
            assert straight is None or straight == general, (seed, step)
            went[request.phase, straight is not None] += 1
            barred = Flag.BARRED if random.random() < 0.05 else 0
            one = replace(general.circle[0], flags=barred)
    assert went[Phase.UPDATE, True] > SEEDS // 2, went
    assert went[Phase.TERMINATION, True] > SEEDS // 20, went


@pytest.mark.parametrize(
    ("service", "bearer"),
    [
        (DATA, Balance(1, Unit.MONEY, 0, 100, 0, 0, 1_000 * EURO, 0, 0, 0, NEVER)),
        (DATA, Balance(2, Unit.OCTETS, 1, 10, 0, 1, 10**12, 0, 0, 0, START + DAY_US)),
        (VOICE, Balance(2, Unit.SECONDS, 2, 10, 0, 1, 10**6, 0, 0, 0, NEVER)),
    ],
)
def test_a_session_that_one_full_balance_bears_goes_straight(service: Service, bearer: Balance) -> None:
    opened = new_account(1, tenant=1, plan=1, lifecycle=Lifecycle.ACTIVE)
    others = opened.balances if bearer.number != 1 else ()
    player = Player(replace(opened, balances=(bearer, *others)))
    granted = player.session(0, Phase.INITIAL, Ask(1), service=service).groups[0].granted
    for number in range(1, 5):
        phase = Phase.UPDATE if number < 4 else Phase.TERMINATION
        request = SessionRequest(1, 0, 1, number, phase, service, (Ask(1, granted),))
        assert go_straight(player.account(), request, player.tariffs, player.now) is not None
        player.ask(request)
