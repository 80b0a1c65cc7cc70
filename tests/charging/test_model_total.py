"""Whatever a request says, it is answered: no content raises, and what is refused leaves no trace."""

from __future__ import annotations

from functools import partial

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from farwire.charging.model import (
    Ask,
    Command,
    EventRequest,
    Lifecycle,
    Phase,
    PlanTerms,
    Request,
    ResultCode,
    Service,
    SessionRequest,
    decide,
    new_account,
)
from farwire.charging.model.compiled import CompiledTariffs, Plan
from farwire.country.model import is_emergency
from farwire.country.service import load_pack
from tests.charging.play import EURO, START, Player
from tests.charging.test_model_machine import compiled, simple
from tests.charging.test_pricing import _flat

INTS = (
    st.integers(-(2**63), 2**63 - 1)
    | st.sampled_from([-1, 0, 1, 2, 3, 2**62, 2**62 + 1])
    | st.integers(0, 10**7)
)
WORDS = st.sampled_from(["voice", "data", "message", "event", "112", "4930", "CH", "26201", ""]) | st.text(
    max_size=20
)
SERVICES = st.builds(Service, WORDS, WORDS, WORDS, WORDS, WORDS, WORDS, WORDS) | st.builds(
    Service, st.sampled_from(["voice", "data"])
)
FEW = st.sampled_from([0, 1, 2])
STARTS = st.just(0) | INTS | st.integers(START - 10**13, START + 10**13)
REQUESTS: st.SearchStrategy[Request] = (
    st.builds(
        SessionRequest,
        FEW,
        FEW,
        FEW,
        FEW | INTS,
        st.sampled_from(Phase) | INTS,
        SERVICES,
        st.lists(st.builds(Ask, FEW | INTS, INTS | FEW, FEW | INTS), max_size=3).map(tuple),
        STARTS,
    )
    | st.builds(EventRequest, FEW, FEW, FEW, st.integers(0, 3) | INTS, SERVICES, INTS, FEW, FEW | INTS)
    | st.builds(Command, FEW, INTS, INTS, st.integers(1, 11) | INTS, INTS, FEW | INTS)
)


@given(
    st.lists(REQUESTS, min_size=1, max_size=12), st.booleans(), st.lists(st.integers(0, 10**13), max_size=12)
)
def test_any_content_is_answered(requests: list[Request], plain: bool, waits: list[int]) -> None:
    account = new_account(1, tenant=1, plan=1, lifecycle=Lifecycle.ACTIVE)
    account = replace(account, balances=(replace(account.balances[0], amount=2 * EURO),))
    player = Player(
        account, new_account(2, tenant=1, plan=7), tariffs=simple() if plain else compiled(tiers=True)
    )
    for number, request in enumerate(requests):
        player.now += waits[number] if number < len(waits) else 1
        answer = player.ask(request)
        assert answer.result in set(ResultCode)
        assert all(group.result in set(ResultCode) and group.granted >= 0 for group in answer.groups)


@given(REQUESTS)
def test_a_decision_is_the_same_each_time(request: Request) -> None:
    account = new_account(1, tenant=1, plan=1)
    first = decide((account,), request, simple(), START)
    assert decide((account,), request, simple(), START) == first


def test_every_emergency_number_of_a_country_pack_is_granted_to_an_empty_barred_expired_account() -> None:
    pack = load_pack("DE")
    tariffs = CompiledTariffs({1: Plan(_flat(), PlanTerms(), partial(is_emergency, pack))}, {})
    account = replace(new_account(1, tenant=1, plan=1, lifecycle=Lifecycle.EXPIRED), flags=1)
    for number in pack.emergency.numbers:
        request = SessionRequest(1, 0, 1, 0, Phase.INITIAL, Service("voice", number.number), (Ask(0),))
        answer = decide((account,), request, tariffs, START).answer
        assert answer.result == ResultCode.SUCCESS
        assert answer.groups[0].granted
    other = SessionRequest(1, 0, 1, 0, Phase.INITIAL, Service("voice", "4930123"), (Ask(0),))
    assert decide((account,), other, tariffs, START).answer.result == ResultCode.END_USER_DENIED
