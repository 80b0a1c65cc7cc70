"""``rate`` against a naive oracle, over random plans, decks, records, counters and cuts of sessions."""

from __future__ import annotations

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from farwire.rating.model import Charge, Chargeable, Refusal, from_json, rate, to_json, verify

from .oracle import CannotRate
from .plans import Case, cases


def continued(record: Chargeable, quantity: int, last: Charge | None) -> Chargeable:
    """The same session at ``quantity``, with what its last part was charged."""
    if last is None:
        return msgspec.structs.replace(record, quantity=quantity)
    return msgspec.structs.replace(
        record,
        quantity=quantity,
        charged_nano=last.total_nano,
        charged_quantity=last.explanation.quantity,
        taken=last.taken,
    )


@given(cases())
def test_a_charge_is_what_the_oracle_says(case: Case) -> None:
    tariff, oracle, counters, some = case
    for record in some:
        answer = rate(tariff, record, counters)
        try:
            nano, takes = oracle.price(record, counters)
        except CannotRate:
            assert isinstance(answer, Refusal), answer
            continue
        assert isinstance(answer, Charge), (answer, nano)
        assert answer.nano == nano
        assert answer.taken == takes
        assert answer.counters == {key: counters.get(key, 0) + units for key, units in takes.items()}


@given(cases())
def test_an_explanation_adds_up_to_its_charge_and_survives_json(case: Case) -> None:
    for record in case.records:
        charge = rate(case.tariff, record, case.counters)
        if isinstance(charge, Refusal):
            continue
        assert verify(charge.explanation) == charge.nano
        again = from_json(to_json(charge.explanation))
        assert again == charge.explanation
        assert verify(again) == charge.nano


@given(cases(), st.lists(st.integers(0, 1500), max_size=4))
def test_a_session_cut_anywhere_costs_what_the_whole_costs(case: Case, cuts: list[int]) -> None:
    tariff, _, counters, (record, *_) = case
    whole = rate(tariff, record, counters)
    if isinstance(whole, Refusal):
        return
    moving, last, total = dict(counters), None, 0
    for quantity in [*sorted(cut for cut in cuts if cut < record.quantity), record.quantity]:
        part = rate(tariff, continued(record, quantity, last), moving)
        assert isinstance(part, Charge)
        assert verify(part.explanation) == part.nano
        moving.update(part.counters)
        total += part.nano
        last = part
    assert total == whole.nano
    assert {**counters, **whole.counters} == moving


@given(cases(), st.integers(0, 1500), st.integers(0, 1500))
def test_two_sessions_at_once_never_take_more_than_an_allowance_gives(
    case: Case, cut: int, second_cut: int
) -> None:
    tariff, _, counters, (one, other, *_) = case
    given_units = {spec.key: spec.amount for spec in tariff.counters if spec.key.startswith("allowance:")}
    moving = {key: min(value, given_units.get(key, value)) for key, value in counters.items()}
    start, taken = dict(moving), dict.fromkeys(given_units, 0)
    last: dict[int, Charge] = {}
    for who, record, quantity in (
        (0, one, min(cut, one.quantity)),
        (1, other, min(second_cut, other.quantity)),
        (0, one, one.quantity),
        (1, other, other.quantity),
    ):
        part = rate(tariff, continued(record, quantity, last.get(who)), moving)
        if isinstance(part, Refusal):
            continue
        last[who] = part
        moving.update(part.counters)
    for charge in last.values():
        for key, units in charge.taken.items():
            if key in taken:
                taken[key] += units
    for key, limit in given_units.items():
        assert moving.get(key, 0) <= limit
        assert moving.get(key, 0) - start.get(key, 0) == taken[key]


@given(cases())
def test_rating_twice_gives_the_same_answer(case: Case) -> None:
    tariff, _, counters, (record, *_) = case
    before = dict(counters)
    assert rate(tariff, record, counters) == rate(tariff, record, counters)
    assert counters == before
