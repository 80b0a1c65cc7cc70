"""The plan document: what is read, what is refused and how the refusal helps."""

from __future__ import annotations

import contextlib
import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farwire.catalog.model import digest, read_plan, to_document
from farwire.catalog.model.document import from_document
from farwire.kernel.errors import FarwireError, Invalid

PLAN = """
offering = "flex-m"
name = "Flex M"
valid_from = 2026-06-01T09:00:00+02:00
currency = "EUR"
zone = "Europe/Berlin"
prices_include_tax = false

[destinations]
national = ["49"]

[[recurring]]
id = "monthly"
price = "20.00"

[[one_off]]
id = "activation"
price = 9.90

[[usage]]
id = "voice"
kind = "voice"
price = "0.09"
per = "1 min"
"""
BAND = '[[bands]]\nname = "peak"\ndays = ["mon"]\nhours = ["08:00-18:00"]\n'
USAGE = '[[usage]]\nid = "more"\nkind = "data"\nprice = "1"\nper = "1 MB"\n'


def test_a_price_is_exact_written_as_text_or_as_a_number() -> None:
    plan = read_plan(PLAN)
    assert str(plan.one_off[0].price) == "9.90"
    assert plan.valid_from == datetime(2026, 6, 1, 7, tzinfo=UTC)


def test_a_plan_survives_its_document_and_json() -> None:
    plan = read_plan(PLAN + BAND + USAGE)
    again = from_document(to_document(plan))
    assert digest(read_plan(json.dumps(to_document(plan)))) == digest(again) == digest(plan)


def test_the_digest_names_the_meaning_not_the_spelling() -> None:
    assert digest(read_plan(PLAN)) == digest(read_plan(PLAN.replace('"20.00"', "20")))
    assert digest(read_plan(PLAN)) == digest(read_plan(PLAN.replace("09:00:00+02:00", "07:00:00Z")))
    assert digest(read_plan(PLAN)) != digest(read_plan(PLAN.replace('"20.00"', "20.01")))


@pytest.mark.parametrize(
    ("old", "new", "field", "code"),
    [
        ('currency = "EUR"', 'currency = "EUX"', "currency", "money.currency_unknown"),
        ("Europe/Berlin", "Europe/Nowhere", "zone", "time.zone_unknown"),
        ("T09:00:00+02:00", "T09:00:00", "valid_from", "time.zone_missing"),
        ('price = "20.00"', 'price = "-1"', "recurring[0].price", "catalog.plan_invalid"),
        ('price = "20.00"', 'price = "x"', "recurring[0].price", "catalog.plan_field"),
        ('price = "20.00"', 'price = "NaN"', "recurring[0].price", "money.malformed"),
        ('price = "20.00"', 'price = "1e30"', "recurring[0].price", "money.overflow"),
        ('price = "0.09"', 'price = "0.0000000001"', "usage[0].price", "money.precision"),
        ('price = "0.09"', 'prize = "0.09"', "usage[0]", "catalog.plan_field"),
        ('price = "0.09"', "", "usage[0]", "catalog.plan_invalid"),
        ('price = "0.09"', 'price = "0.09"\ndeck = "d"', "usage[0]", "catalog.plan_invalid"),
        ('per = "1 min"', 'per = "1 MB"', "usage[0].per", "catalog.plan_invalid"),
        ('per = "1 min"', 'per = "1 lightyear"', "usage[0].per", "quantity.malformed"),
        ('per = "1 min"', 'per = "0 s"', "usage[0].per", "catalog.plan_invalid"),
        ('kind = "voice"', 'kind = "telepathy"', "usage[0].kind", "catalog.plan_invalid"),
        ('id = "activation"', 'id = "monthly"', "one_off[0].id", "catalog.plan_invalid"),
        ('id = "voice"', 'id = "Voice call"', "usage[0].id", "catalog.plan_invalid"),
        ('per = "1 min"', 'destinations = ["mars"]', "usage[0].destinations", "catalog.plan_invalid"),
        ('per = "1 min"', 'networks = ["mars"]', "usage[0].networks", "catalog.plan_invalid"),
        (
            'per = "1 min"',
            'by_band = { late = { price = "1" } }',
            "usage[0].by_band.late",
            "catalog.plan_invalid",
        ),
        ('per = "1 min"', 'increments = ["0 s"]', "usage[0].increments[0]", "catalog.plan_invalid"),
        ('per = "1 min"', 'minimum = "2"\nmaximum = "1"', "usage[0].minimum", "catalog.plan_invalid"),
        ('["49"]', '["49", "49"]', "destinations.national", "catalog.plan_invalid"),
        ('["49"]', "[]", "destinations.national", "catalog.plan_invalid"),
    ],
)
def test_a_wrong_field_is_named_by_its_path(old: str, new: str, field: str, code: str) -> None:
    assert old in PLAN
    with pytest.raises(Invalid) as caught:
        read_plan(PLAN.replace(old, new))
    assert (caught.value.field, caught.value.code) == (field, code)


@pytest.mark.parametrize(
    ("part", "field"),
    [
        (BAND + BAND.replace("peak", "noon").replace("08:00-18:00", "12:00-13:00"), "bands[1].hours"),
        (BAND.replace("08:00-18:00", "18:00-08:00"), "bands[0].hours"),
        (BAND.replace("08:00-18:00", "8-18"), "bands[0].hours"),
        (BAND.replace("08:00-18:00", "20:00-24:30"), "bands[0].hours"),
        (USAGE + '[[allowances]]\nid = "a"\namount = "10 min"\nprices = ["more"]\n', "allowances[0].amount"),
        (USAGE + '[[allowances]]\nid = "a"\namount = "1 GB"\nprices = ["none"]\n', "allowances[0].prices"),
        (
            USAGE + '[[allowances]]\nid = "a"\namount = "1 GB"\nprices = ["more"]\ndays = 3\n',
            "allowances[0].days",
        ),
        (
            USAGE + '[[allowances]]\nid = "a"\namount = "1 GB"\nprices = ["more"]\nperiod = "day"\n'
            'rollover_cap = "1 GB"\n',
            "allowances[0].rollover_cap",
        ),
        (
            USAGE.replace('price = "1"\nper = "1 MB"', 'source = "record"')
            + '[[allowances]]\nid = "a"\namount = "1 GB"\nprices = ["more"]\n',
            "allowances[0].prices",
        ),
        ('[[discounts]]\nid = "d"\npercent = "101"\nprices = ["voice"]\n', "discounts[0].percent"),
        ('[[discounts]]\nid = "d"\npercent = "1"\nprices = ["voice"]\nmonths = 2\n', "discounts[0].months"),
        ('[[recurring]]\nid = "r"\nprice = "1"\ncount = 2\n', "recurring[1].count"),
        (
            USAGE.replace('price = "1"\nper = "1 MB"', 'tiers = { mode = "volume", steps = [] }'),
            "usage[1].tiers.steps",
        ),
    ],
)
def test_parts_that_contradict_each_other_are_refused(part: str, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_plan(PLAN + part)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("selector", "overlaps"),
    [
        ("", True),
        ('networks = ["home"]', True),
        ('networks = ["other"]', False),
        ('networks = ["*"]', False),
        ('destinations = ["national"]', False),
        ("rating_groups = [1]", False),
        ('direction = "terminating"', False),
        ('segments = ["business"]', False),
    ],
)
def test_two_prices_for_the_same_usage_are_refused(selector: str, overlaps: bool) -> None:
    text = PLAN + f'[[usage]]\nid = "again"\nkind = "voice"\nprice = "1"\n{selector}\n'
    if not overlaps:
        assert len(read_plan(text).usage) == 2
        return
    with pytest.raises(Invalid) as caught:
        read_plan(text)
    assert caught.value.code == "catalog.price_overlap"
    assert "voice and again" in caught.value.message or "again and voice" in caught.value.message


@pytest.mark.parametrize(
    "text", ["", "=", "{", '{"offering": 1}', "[]", '{"usage": [{}]}', "a = nan", "\x00"]
)
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        read_plan(text)


@given(st.text(max_size=200))
def test_no_text_makes_the_reader_fail_otherwise(text: str) -> None:
    for document in (text, PLAN + text, "{" + text):
        with contextlib.suppress(FarwireError):
            read_plan(document)
