"""The catalogue file: what is read, what is refused and how the refusal helps."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime
from decimal import Decimal

import pytest
from catalogue_cases import FILE
from hypothesis import given
from hypothesis import strategies as st

from farwire.catalog.model import (
    Catalogue,
    Characteristic,
    Lifecycle,
    PricePlan,
    ValueType,
    configure,
    digest,
    move,
    read_catalogue,
    read_document,
    to_document,
)
from farwire.catalog.model.lifecycle import TRANSITIONS
from farwire.kernel.errors import Conflict, FarwireError, Invalid


def test_a_file_survives_its_document_and_json() -> None:
    file = read_catalogue(FILE)
    assert file.offerings[0].valid_from == datetime(2026, 5, 31, 22, tzinfo=UTC)
    assert file.offerings[0].terms.early_termination_fee == Decimal("50.00")
    assert digest(read_catalogue(json.dumps(to_document(file)))) == digest(file)


def test_the_kind_of_a_file_is_recognised() -> None:
    plan = 'offering = "a"\nname = "A"\nvalid_from = 2026-06-01T00:00:00Z\ncurrency = "EUR"\nzone = "UTC"\n'
    assert isinstance(read_document(FILE), Catalogue)
    assert isinstance(read_document(plan + "prices_include_tax = false"), PricePlan)


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("valid_from = 2026-06-01T00:00:00+02:00", "", "resource_specifications[0].valid_from"),
        ("00:00:00+02:00", "00:00:00", "resource_specifications[0].valid_from"),
        ('code = "flex-m"', 'code = "Flex M"', "offerings[0].code"),
        ('code = "family"', 'code = "flex-m"', "offerings[1].code"),
        ('name = "Family"', 'name = " "', "offerings[1].name"),
        ('name = "Family"', 'name = "Family"\nprice = 1', "offerings[1]"),
        ('sim = "postpaid"', 'sim = "both"', "offerings[0].sim"),
        ('sim = "postpaid"', "valid_to = 2026-05-01T00:00:00Z", "offerings[0].valid_to"),
        ('sim = "postpaid"', 'requires = ["flex-m"]', "offerings[0].requires"),
        ('sim = "postpaid"', 'requires = ["a", "a"]', "offerings[0].requires[1]"),
        ('sim = "postpaid"', 'requires = ["a"]\nexcludes = ["a"]', "offerings[0].excludes"),
        ("minimum_term_months = 24", "minimum_term_months = 121", "offerings[0].terms.minimum_term_months"),
        ("minimum_term_months = 24, ", "", "offerings[0].terms.minimum_term_months"),
        ("notice_days = 30", "notice_days = -1", "offerings[0].terms.notice_days"),
        ('fee = "50.00"', 'fee = "-1"', "offerings[0].terms.early_termination_fee"),
        (
            "withdrawal_days = 14",
            "early_termination_percent = 50",
            "offerings[0].terms.early_termination_percent",
        ),
        ("minimum = 2", "minimum = 6", "offerings[1].bundle[0].maximum"),
        ("default = 2", "default = 1", "offerings[1].bundle[0].default"),
        ('default = "esim"', 'default = "paper"', "product_specifications[0].characteristics[0].default"),
        ('"esim", "card"', '"esim", 1', "product_specifications[0].characteristics[0].values[1]"),
        ('"esim", "card"', '"esim", "esim"', "product_specifications[0].characteristics[0].values[1]"),
        ('default = "esim"', "configurable = false", "product_specifications[0].characteristics[0].default"),
        (
            'default = "esim", mandatory = true',
            "minimum = nan",
            "product_specifications[0].characteristics[0].minimum",
        ),
        ('pool = "msisdn"', 'pool = "msisdn", count = 0', "service_specifications[0].resources[0].count"),
        ('regions = ["DE"]', 'regions = [""]', "offerings[0].eligibility.regions[0]"),
        ('regions = ["DE"]', "regions = [1]", "offerings[0].eligibility.regions[0]"),
    ],
)
def test_a_wrong_field_is_named_by_its_path(old: str, new: str, field: str) -> None:
    assert old in FILE
    with pytest.raises(Invalid) as caught:
        read_catalogue(FILE.replace(old, new))
    assert caught.value.field == field


@pytest.mark.parametrize(
    "text",
    [
        *("", "=", "{", "[]", '{"offerings": 1}', "a = nan", "\x00", "offering = 1"),
        *("a = " + "[" * 5000, '{"a":' * 5000),
    ],
)
def test_what_is_no_document_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read_document(text)


@given(st.text(max_size=200))
def test_no_text_makes_the_reader_fail_otherwise(text: str) -> None:
    for document in (text, FILE + text, "{" + text):
        with contextlib.suppress(FarwireError):
            read_document(document)


def test_only_the_steps_of_the_table_are_taken() -> None:
    for present in Lifecycle:
        for wanted in Lifecycle:
            if wanted in TRANSITIONS[present] or present is wanted:
                assert move("a", present, wanted) is (present is not wanted)
            else:
                with pytest.raises(Conflict) as caught:
                    move("a", present, wanted)
                assert caught.value.code == "catalog.lifecycle"
    assert {state for state in Lifecycle if state.sellable} == {Lifecycle.ACTIVE, Lifecycle.LAUNCHED}


def test_every_state_of_an_idea_can_still_be_sold_or_rejected() -> None:
    reach = {state: set(TRANSITIONS[state]) for state in Lifecycle}
    for _ in Lifecycle:
        for state in Lifecycle:
            reach[state] |= {further for step in list(reach[state]) for further in reach[step]}
    for idea in (Lifecycle.IN_STUDY, Lifecycle.IN_DESIGN, Lifecycle.IN_TEST):
        assert {Lifecycle.LAUNCHED, Lifecycle.REJECTED, Lifecycle.OBSOLETE} <= reach[idea]


CHARACTERISTICS = (
    Characteristic(name="sim", values=("esim", "card"), default="esim"),
    Characteristic(
        name="speed", value_type=ValueType.INTEGER, minimum=Decimal(50), maximum=Decimal(1000), mandatory=True
    ),
    Characteristic(name="static", value_type=ValueType.BOOLEAN, default=True, configurable=False),
)


@pytest.mark.parametrize(
    ("chosen", "values", "fields"),
    [
        ({"speed": 250}, {"sim": "esim", "speed": 250, "static": True}, []),
        ({"speed": 250, "sim": "card", "static": True}, {"sim": "card", "speed": 250, "static": True}, []),
        ({}, None, ["speed"]),
        ({"speed": 49}, None, ["speed"]),
        ({"speed": "fast"}, None, ["speed"]),
        ({"speed": True}, None, ["speed"]),
        ({"speed": 50, "sim": "paper", "colour": "red"}, None, ["sim", "colour"]),
        ({"speed": 50, "static": False}, None, ["static"]),
    ],
)
def test_what_is_chosen_is_held_to_its_characteristics(
    chosen: dict[str, str | int], values: dict[str, str | int] | None, fields: list[str]
) -> None:
    found, refusals = configure(CHARACTERISTICS, chosen)
    assert [refusal.field for refusal in refusals] == fields
    if values is not None:
        assert found == values
