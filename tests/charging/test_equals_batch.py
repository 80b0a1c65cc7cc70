"""A session that is charged online in parts costs what the batch says of the whole, to the nano-unit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from farwire.charging.model import (
    NOTHING,
    Ask,
    Balance,
    Counter,
    Lifecycle,
    MovementKind,
    Phase,
    ResultCode,
    SessionRequest,
    Unit,
    new_account,
)
from farwire.charging.model.compiled import scope_of
from farwire.charging.model.state import NEVER
from farwire.rating.model import Charge, rate
from tests.charging.play import Player
from tests.charging.test_pricing import PLAN, found, micros, port, service
from tests.rating.plans import Case, cases

UNITS = {"voice": Unit.SECONDS, "data": Unit.OCTETS, "message": Unit.MESSAGES}


@given(
    cases(), st.lists(st.tuples(st.integers(0, 1500), st.integers(NOTHING, 400)), max_size=5), st.booleans()
)
def test_a_session_cut_anywhere_costs_online_what_the_batch_says_of_the_whole(
    case: Case, cuts: list[tuple[int, int]], poor: bool
) -> None:
    tariff, tariffs = case.tariff, port(case.tariff)
    for record in case.records[:3]:
        price = found(tariffs, record)
        if price is None:
            continue
        whole = rate(tariff, record, case.counters)
        assert isinstance(whole, Charge)
        account = new_account(1, tenant=1, plan=PLAN, lifecycle=Lifecycle.ACTIVE)
        left = {
            scope_of(tariff, spec.key[10:]): max(0, spec.amount - case.counters.get(spec.key, 0))
            for spec in tariff.counters
            if spec.key.startswith("allowance:")
        }
        buckets = [
            Balance(10 + scope, UNITS[record.kind], scope, 10, 0, 0, units, 0, 0, 0, NEVER)
            for scope, units in left.items()
            if scope in price.scopes
        ]
        money = replace(account.balances[0], amount=0 if poor else 10**15)
        counters = (Counter(price.counter, case.counters.get(price.counter_key, 0), 0, NEVER),)
        account = replace(account, balances=(*buckets, money), counters=counters if price.counter else ())
        start = micros(record.started_at)
        player = Player(account, tariffs=tariffs, now=start)
        group = -1 if record.rating_group is None else record.rating_group
        at = 0
        for number, (cut, wanted) in enumerate([*sorted(cuts), (record.quantity, NOTHING)]):
            used, at = max(0, min(cut, record.quantity) - at), max(at, min(cut, record.quantity))
            phase = Phase.UPDATE if number else Phase.INITIAL
            if price.unit == Unit.SECONDS:
                player.now = start + at * 10**6
            answer = player.ask(
                SessionRequest(1, 7, 7, number, phase, service(record), (Ask(group, used, wanted),), start)
            )
            assert answer.groups[0].result in (
                ResultCode.SUCCESS,
                ResultCode.CREDIT_LIMIT_REACHED,
            )
        spent = -sum(
            movement.amount
            for movement in player.movements
            if movement.balance in (0, 1) and movement.kind in (MovementKind.USAGE, MovementKind.OVERRUN)
        )
        assert spent == whole.total_nano
        taken = {
            10 + scope_of(tariff, k[10:]): n for k, n in whole.taken.items() if k.startswith("allowance:")
        }
        assert sum(taken.values()) == -sum(m.amount for m in player.movements if m.balance >= 10)
        if price.counter:
            assert player.account().counters[0].value == whole.counters.get(
                price.counter_key, case.counters.get(price.counter_key, 0)
            )
