"""Prices by example: each figure can be checked by hand."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from farwire.catalog.model import read_plan
from farwire.kernel.errors import Defect, Invalid, NotFound
from farwire.rating.model import (
    Charge,
    Chargeable,
    Deck,
    DeckRow,
    DeckVersion,
    Portability,
    PortedNumber,
    Refusal,
    Tariff,
    Unrated,
    compile_tariff,
    explain_in_words,
    rate,
    routed,
    verify,
)

NOON = datetime(2026, 6, 10, 12, tzinfo=UTC)
HEAD = """
offering = "x"
name = "X"
valid_from = 2026-01-01T00:00:00Z
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = false
"""
VOICE = HEAD + '[[usage]]\nid = "voice"\nkind = "voice"\nper = "1 min"\n'


def tariff(text: str, *rows: DeckRow) -> Tariff:
    version = DeckVersion(
        name="d", version=1, currency="EUR", valid_from=datetime(2026, 1, 1, tzinfo=UTC), rows=rows
    )
    return compile_tariff(read_plan(text), decks={"d": Deck.of("d", [version])})


def charged(
    text: str, quantity: int, *rows: DeckRow, counters: dict[str, int] | None = None, **more: Any
) -> Charge:
    record = Chargeable(**{"kind": "voice", "started_at": NOON, "quantity": quantity, **more})
    answer = rate(tariff(text, *rows), record, counters or {})
    assert isinstance(answer, Charge), answer
    assert verify(answer.explanation) == answer.nano
    return answer


def refused(text: str, *rows: DeckRow, **more: Any) -> Unrated:
    answer = rate(
        tariff(text, *rows), Chargeable(**{"kind": "voice", "started_at": NOON, "quantity": 60, **more})
    )
    assert isinstance(answer, Refusal)
    return answer.reason


@pytest.mark.parametrize(
    ("rules", "quantity", "nano"),
    [
        ('price = "0.09"\nincrements = ["60 s", "60 s"]', 61, 180_000_000),
        ('price = "0.09"\nincrements = ["30 s", "6 s"]', 31, 54_000_000),
        ('price = "0.09"\nincrements = ["1 s"]', 1, 1_500_000),
        ('price = "0.10"', 1, 1_666_667),
        ('price = "0.10"', 0, 0),
        ('price = "0.09"\nconnect_fee = "0.05"', 60, 140_000_000),
        ('price = "0.09"\nconnect_fee = "0.05"', 0, 0),
        ('price = "0.09"\nincluded = "30 s"\nincrements = ["60 s"]', 30, 0),
        ('price = "0.09"\nincluded = "30 s"\nincrements = ["60 s"]', 31, 90_000_000),
        ('price = "0.09"\nincluded = "30 s"\nconnect_fee = "0.05"', 10, 50_000_000),
        ('price = "0.09"\nminimum = "0.20"', 60, 200_000_000),
        ('price = "0.09"\nminimum = "0.20"', 0, 0),
        ('price = "0.09"\nmaximum = "1.00"', 3_600, 1_000_000_000),
    ],
)
def test_increments_fees_and_limits(rules: str, quantity: int, nano: int) -> None:
    assert charged(VOICE + rules, quantity).nano == nano


def test_increments_are_not_rounded_one_by_one() -> None:
    # 35 increments of 6 s at 0.2048/min are 0.71680 exactly; rounding each to four decimals would give 0.7175.
    text = VOICE.replace('per = "1 min"\n', 'deck = "d"\n')
    charge = charged(text, 209, DeckRow("49", "", 204_800_000, 60, 0, 6, 6), destination="49")
    assert charge.nano == 716_800_000


@pytest.mark.parametrize(
    ("before", "quantity", "nano"),
    [(0, 100, 10_000_000_000), (0, 101, 10_050_000_000), (90, 20, 1_500_000_000), (100, 1, 50_000_000)],
)
def test_graduated_tiers_price_each_unit_by_its_own_tier(before: int, quantity: int, nano: int) -> None:
    text = HEAD + (
        '[[usage]]\nid = "m"\nkind = "message"\n[usage.tiers]\nmode = "graduated"\n'
        'steps = [{ up_to = "100 message", price = "0.10" }, { price = "0.05" }]\n'
    )
    charge = charged(text, quantity, kind="message", counters={"tier:m": before})
    assert charge.nano == nano
    assert charge.counters == {"tier:m": before + quantity}


def test_a_volume_tier_gives_back_what_the_units_before_cost_more() -> None:
    text = HEAD + (
        '[[usage]]\nid = "m"\nkind = "message"\n[usage.tiers]\nmode = "volume"\n'
        'steps = [{ up_to = "100 message", price = "0.10" }, { price = "0.05" }]\n'
    )
    first = charged(text, 100, kind="message")
    last = charged(text, 1, kind="message", counters={"tier:m": 100})
    assert (first.nano, last.nano) == (10 * 10**9, 5_050_000_000 - 10 * 10**9)


def test_golden_invoice_c_charges_started_blocks_above_the_pool() -> None:
    text = HEAD + (
        '[[usage]]\nid = "m"\nkind = "message"\n'
        '[usage.package]\nblock = "10000 message"\nprice = "0.50"\nincluded = "25000000 message"\n'
    )
    used = 6_000 * (40 + 24) * 30 + 4_000 * 144 * 30
    assert charged(text, used, kind="message").nano == 190 * 10**9
    assert charged(text, 1, kind="message", counters={"tier:m": used}).nano == 500_000_000
    assert charged(text, 9_999, kind="message", counters={"tier:m": used + 1}).nano == 0


ALLOWANCES = HEAD + (
    '[[usage]]\nid = "data"\nkind = "data"\nprice = "0.02"\nper = "1 MB"\nconnect_fee = "0.10"\n'
    '[[allowances]]\nid = "main"\namount = "100 MB"\nprices = ["data"]\norder = 2\n'
    '[[allowances]]\nid = "bonus"\namount = "10 MB"\nprices = ["data"]\norder = 1\n'
)


@pytest.mark.parametrize(
    ("megabytes", "counters", "nano", "taken"),
    [
        (5, {}, 0, {"allowance:bonus": 5}),
        (15, {}, 0, {"allowance:bonus": 10, "allowance:main": 5}),
        (120, {}, 300_000_000, {"allowance:bonus": 10, "allowance:main": 100}),
        (1, {"allowance:bonus": 10, "allowance:main": 100}, 120_000_000, {}),
        (7, {"allowance:bonus": 10, "allowance:main:granted": 3}, 180_000_000, {"allowance:main": 3}),
    ],
)
def test_allowances_are_taken_in_their_order(
    megabytes: int, counters: dict[str, int], nano: int, taken: dict[str, int]
) -> None:
    octets = {key: value * 10**6 for key, value in counters.items()}
    charge = charged(ALLOWANCES, megabytes * 10**6, kind="data", counters=octets)
    assert charge.nano == nano
    assert charge.taken == {key: value * 10**6 for key, value in taken.items()}


@pytest.mark.parametrize(
    ("more", "price_id"),
    [
        ({"destination": "4930"}, "national"),
        ({"destination": "4917"}, "mobile"),
        ({"destination": "33"}, "rest"),
        ({"destination": "4930", "visited_network": "FR"}, "roaming"),
        ({"destination": "4930", "visited_network": "20801"}, "roaming"),
        ({"destination": "4930", "visited_network": "XX"}, "anywhere"),
        ({"destination": "4930", "segment": "business"}, "business"),
        ({"destination": "4930", "region": "north"}, "north"),
        ({"destination": "4930", "rating_group": 7}, "group"),
    ],
)
def test_the_most_specific_price_wins(more: dict[str, Any], price_id: str) -> None:
    text = HEAD + (
        '[destinations]\nnational = ["49"]\nmobile = ["4915", "4917"]\n[networks]\neu = ["FR", "208"]\n'
    )
    for ident, selector in {
        "national": 'destinations = ["national"]',
        "mobile": 'destinations = ["mobile"]',
        "rest": "",
        "roaming": 'networks = ["eu"]',
        "anywhere": 'networks = ["*"]',
        "business": 'destinations = ["national"]\nsegments = ["business"]',
        "north": 'destinations = ["national"]\nregions = ["north"]',
        "group": 'destinations = ["national"]\nrating_groups = [7]',
    }.items():
        text += f'[[usage]]\nid = "{ident}"\nkind = "voice"\nprice = "1"\n{selector}\n'
    assert charged(text, 1, **more).price_id == price_id


def test_a_deck_price_carries_its_markup_and_names_its_version() -> None:
    text = VOICE.replace('per = "1 min"\n', 'deck = "d"\nmarkup_percent = "15"\n')
    charge = charged(
        text, 60, DeckRow("49", "Germany", 100_000_000, 60, 10_000_000, 6, 6), destination="4930"
    )
    assert charge.nano == 126_500_000
    assert (charge.explanation.deck, charge.explanation.matched, charge.explanation.zone) == (
        "d@1",
        "49",
        "Germany",
    )
    assert "Price from the deck d@1 with 15 % on top." in explain_in_words(charge.explanation)


def test_the_price_of_the_record_is_passed_on_with_markup() -> None:
    text = HEAD + '[[usage]]\nid = "p"\nkind = "event"\nsource = "record"\nmarkup_percent = "10"\n'
    assert charged(text, 1, kind="event", external_charge_nano=5).nano == 6
    assert refused(text, kind="event") is Unrated.EXTERNAL_CHARGE_MISSING
    assert refused(text, kind="event", external_charge_nano=-1) is Unrated.EXTERNAL_CHARGE_NEGATIVE
    assert refused(text, kind="event", external_charge_nano=2**63) is Unrated.OVERFLOW
    wrong = {"external_charge_nano": 5, "external_currency": "USD"}
    assert refused(text, kind="event", **wrong) is Unrated.CURRENCY_MISMATCH


def test_discounts_multiply_before_the_minimum() -> None:
    text = VOICE + (
        'price = "1.00"\nminimum = "0.50"\n'
        '[[discounts]]\nid = "ten"\npercent = "10"\nprices = ["voice"]\n'
        '[[discounts]]\nid = "half"\npercent = "50"\nprices = ["voice"]\nsegments = ["staff"]\n'
    )
    assert charged(text, 60).nano == 900_000_000
    assert charged(text, 60, segment="staff").nano == 500_000_000
    assert charged(text, 120, segment="staff").nano == 900_000_000


def test_a_ported_number_costs_what_its_operator_costs_at_that_time() -> None:
    march = datetime(2026, 3, 1, tzinfo=UTC)
    known = Portability.of(
        [PortedNumber("49301", march, "o2", "49176"), PortedNumber("49301", NOON, "home", "")]
    )
    rows = (DeckRow("4930", "Berlin", 1), DeckRow("49176", "Mobile", 2))
    text = VOICE.replace('per = "1 min"\n', 'deck = "d"\n')
    for at, label in ((datetime(2026, 2, 1, tzinfo=UTC), "Berlin"), (march, "Mobile"), (NOON, "Berlin")):
        record = routed(Chargeable(kind="voice", started_at=at, quantity=1, destination="49301"), known)
        charge = rate(tariff(text, *rows), record)
        assert isinstance(charge, Charge)
        assert (charge.explanation.zone, charge.explanation.ported) == (label, label == "Mobile")


@pytest.mark.parametrize(
    ("more", "reason"),
    [
        ({"destination": "999"}, Unrated.DESTINATION_UNKNOWN),
        ({"destination": "1001"}, Unrated.DESTINATION_UNKNOWN),
        ({"destination": ""}, Unrated.DESTINATION_UNKNOWN),
        ({"kind": "data"}, Unrated.NO_PRICE),
        ({"direction": "terminating", "destination": "49"}, Unrated.NO_PRICE),
        ({"visited_network": "FR", "destination": "49"}, Unrated.NO_PRICE),
        ({"destination": "49", "started_at": datetime(2025, 12, 31, tzinfo=UTC)}, Unrated.DECK_NOT_IN_FORCE),
        ({"destination": "49", "quantity": -1}, Unrated.QUANTITY_INVALID),
        ({"destination": "49", "quantity": 2**63}, Unrated.QUANTITY_INVALID),
        ({"destination": "49", "quantity": 60, "charged_quantity": 61}, Unrated.QUANTITY_INVALID),
        ({"destination": "49", "quantity": 2**63 - 1}, Unrated.OVERFLOW),
    ],
)
def test_a_record_that_cannot_be_rated_says_why(more: dict[str, Any], reason: Unrated) -> None:
    text = VOICE.replace('per = "1 min"\n', 'deck = "d"\n')
    assert refused(text, DeckRow("49", "Germany", 10**9, 60), **more) is reason


def test_a_refusal_shows_no_whole_number() -> None:
    answer = rate(
        tariff(VOICE.replace('per = "1 min"\n', 'deck = "d"\n')),
        Chargeable(kind="voice", started_at=NOON, quantity=1, destination="4930123456789"),
    )
    assert isinstance(answer, Refusal)
    assert "49301" in answer.detail
    assert "493012" not in answer.detail


def test_a_time_without_a_zone_is_an_error() -> None:
    with pytest.raises(Invalid, match="time zone"):
        rate(
            tariff(VOICE + 'price = "1"'),
            Chargeable(kind="voice", started_at=datetime(2026, 1, 1), quantity=1),
        )


def test_a_timed_record_of_years_is_refused() -> None:
    text = (
        VOICE
        + 'price = "1"\nby_band = { n = { price = "2" } }\n[[bands]]\nname = "n"\nhours = ["00:00-06:00"]\n'
    )
    assert refused(text, quantity=401 * 86_400) is Unrated.QUANTITY_INVALID


def test_a_wrong_explanation_is_found() -> None:
    explanation = charged(VOICE + 'price = "1"', 60).explanation
    wrong = msgspec.structs.replace(explanation, total_nano=explanation.total_nano + 1)
    with pytest.raises(Defect):
        verify(wrong)


def test_a_later_deck_version_changes_no_charge_before_it() -> None:
    july = datetime(2026, 7, 1, tzinfo=UTC)
    plan = read_plan(VOICE.replace('per = "1 min"\n', 'deck = "d"\n'))
    old = DeckVersion(
        name="d",
        version=1,
        currency="EUR",
        valid_from=datetime(2026, 1, 1, tzinfo=UTC),
        rows=[DeckRow("4", "a", 60)],
    )
    new = DeckVersion(name="d", version=2, currency="EUR", valid_from=july, rows=[DeckRow("4", "b", 120)])
    before = compile_tariff(plan, decks={"d": Deck.of("d", [old])})
    after = compile_tariff(plan, decks={"d": Deck.of("d", [old, new])})
    assert before.version != after.version
    for at, nano in ((NOON, 60), (datetime(2026, 6, 30, 23, 59, 59, tzinfo=UTC), 60), (july, 120)):
        answer = rate(after, Chargeable(kind="voice", started_at=at, quantity=60, destination="49"))
        assert isinstance(answer, Charge)
        assert answer.nano == nano


def test_a_deck_that_is_missing_or_in_another_currency_is_refused() -> None:
    plan = read_plan(VOICE.replace('per = "1 min"\n', 'deck = "d"\n'))
    with pytest.raises(NotFound, match="not there"):
        compile_tariff(plan)
    dollars = DeckVersion(name="d", version=1, currency="USD", valid_from=NOON, rows=[])
    with pytest.raises(Invalid, match="USD"):
        compile_tariff(plan, decks={"d": Deck.of("d", [dollars])})


def test_the_explanation_speaks_two_languages() -> None:
    text = VOICE + 'price = "0.10"\nconnect_fee = "0.05"\n'
    explanation = charged(text, 70).explanation
    assert explain_in_words(explanation).splitlines() == [
        f"1 min 10 s of voice, billed as 1 min 10 s, by price voice of x version {explanation.plan_version}.",
        "Connect fee: 0.05 EUR.",
        "1 min 10 s at 0.10 EUR per 1 min = 0.116666666667… EUR.",
        "Together 0.166666667 EUR.",
    ]
    assert "Zusammen 0.166666667 EUR." in explain_in_words(explanation, "de")
    with pytest.raises(Invalid, match="words"):
        explain_in_words(explanation, "xx")


BANDS = (
    VOICE
    + 'price = "0.10"\nby_band = { night = { percent = "50" } }\nincluded = "300 s"\nincrements = ["60 s"]\n'
    + '[[bands]]\nname = "night"\nhours = ["14:00-15:00"]\n'
)


@pytest.mark.parametrize(("quantity", "nano"), [(360, 100_000_000), (420, 200_000_000), (480, 250_000_000)])
def test_increments_start_after_the_included_units_in_time_too(quantity: int, nano: int) -> None:
    # 13:53 local, so the first paid minute starts at 13:58 and the third at 14:00, in the cheaper band.
    at = datetime(2026, 6, 10, 11, 53, tzinfo=UTC)
    assert charged(BANDS, quantity, started_at=at).nano == nano


def test_an_allowance_that_spans_bands_is_given_once() -> None:
    text = BANDS + '[[allowances]]\nid = "free"\namount = "3 min"\nprices = ["voice"]\n'
    at = datetime(2026, 6, 10, 11, 53, tzinfo=UTC)
    charge = charged(text, 300 + 300, started_at=at)
    assert charge.taken == {"allowance:free": 180}
    assert charge.nano == 2 * 50_000_000


def test_an_allowance_of_one_band_leaves_the_others_to_pay() -> None:
    text = BANDS + '[[allowances]]\nid = "free"\namount = "9 min"\nprices = ["voice"]\nbands = ["night"]\n'
    at = datetime(2026, 6, 10, 11, 53, tzinfo=UTC)
    charge = charged(text, 300 + 300, started_at=at)
    assert (charge.taken, charge.nano) == ({"allowance:free": 180}, 200_000_000)


@pytest.mark.parametrize("mode", ["graduated", "volume"])
def test_a_session_over_tiers_costs_what_the_whole_costs(mode: str) -> None:
    text = HEAD + (
        f'[[usage]]\nid = "m"\nkind = "message"\n[usage.tiers]\nmode = "{mode}"\n'
        'steps = [{ up_to = "100 message", price = "0.10" }, { price = "0.05" }]\n'
    )
    prices, counters = tariff(text), {"tier:m": 60}
    whole = charged(text, 90, kind="message", counters=counters)
    total, last = 0, None
    for quantity in (30, 40, 41, 90):
        part = rate(
            prices,
            Chargeable(
                kind="message",
                started_at=NOON,
                quantity=quantity,
                charged_nano=last.total_nano if last else 0,
                charged_quantity=last.explanation.quantity if last else 0,
                taken=last.taken if last else {},
            ),
            counters,
        )
        assert isinstance(part, Charge)
        counters = {**counters, **part.counters}
        total, last = total + part.nano, part
    assert (total, counters) == (whole.nano, {"tier:m": 150})
