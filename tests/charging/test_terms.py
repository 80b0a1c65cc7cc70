"""Terms beside a price plan: what is wrong is refused with its path, what is left out is the price plan's."""

from __future__ import annotations

import pytest

from farwire.charging.model import Unit
from farwire.charging.model.compiled import Offer
from farwire.charging.model.state import DAY_US, SECOND_US
from farwire.charging.model.termed import offer_of, plan_terms
from farwire.charging.model.terms import digest, read_offer_terms, read_plan_terms
from farwire.kernel.errors import Invalid
from farwire.rating.model import compile_tariff
from tests.charging.desk import go_5
from tests.charging.play import EURO, MB

HEAD = 'offering = "go-5"\n'


def offer_from(text: str) -> Offer:
    return offer_of(7, read_offer_terms(HEAD + text), plan=go_5(), buyers=compile_tariff(go_5()))


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('loan = {amount = "1"}', "loan"),
        ('[quotas.data]\nsize = "5 min"', "quotas.data.size"),
        ('[quotas.data]\nsize = "1 MB"\nleast = "2 MB"', "quotas.data.least"),
        ("[quotas.data]\nthreshold_percent = 100", "quotas.data.threshold_percent"),
        ('[quotas.video]\nsize = "1 MB"', "quotas"),
        ("grace = 3", "terms"),
        ("active_days = -1", "active_days"),
        ('loan = {amount = "-1", below = "1"}', "loan.amount"),
    ],
)
def test_wrong_plan_terms_name_the_field(text: str, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        plan_terms(read_plan_terms(HEAD + text))
    assert caught.value.code == "charging.terms_field"
    assert str(caught.value.field).startswith(field)


@pytest.mark.parametrize(
    ("text", "field"),
    [
        ('price = "year"', "price"),
        ('[[gives]]\nallowance = "x"', "gives[0].allowance"),
        ('[[gives]]\namount = "1 GB"\nmoney = "1"', "gives[0]"),
        ("[[gives]]\npriority = 3", "gives[0]"),
        ('[[gives]]\namount = "1 piece"', "gives[0].amount"),
        ('[[gives]]\namount = "1 GB"\npriority = 99999', "gives[0].priority"),
        ('[[gives]]\namount = "1 GB"\nrollover_cap = "1 min"', "gives[0].rollover_cap"),
        ("days = -1", "days"),
    ],
)
def test_wrong_offer_terms_name_the_field(text: str, field: str) -> None:
    with pytest.raises(Invalid) as caught:
        offer_from(text)
    assert (caught.value.code, caught.value.field) == ("charging.terms_field", field)


@pytest.mark.parametrize("text", ["offering = ", '{"offering": ', "[" * 5_000])
def test_what_is_no_document_is_told_so(text: str) -> None:
    with pytest.raises(Invalid) as caught:
        read_plan_terms(text)
    assert caught.value.code in ("charging.terms_syntax", "charging.terms_field")


def test_an_offer_is_what_its_price_plan_says_unless_its_terms_differ() -> None:
    usual = offer_from("")
    (grant,) = usual.terms.grants
    assert (usual.terms.price, usual.days, usual.zone) == (5 * EURO, 7, "Europe/Berlin")
    assert (grant.unit, grant.scope, grant.amount) == (Unit.OCTETS, 1, 2_000 * MB)
    other = offer_from('days = 3\n[[gives]]\namount = "100 min"\n[[gives]]\nmoney = "2"\nshared = true')
    assert other.days == 3
    assert [(one.unit, one.scope, one.amount, one.shared) for one in other.terms.grants] == [
        (Unit.SECONDS, 0, 6_000, 0),
        (Unit.MONEY, 0, 2 * EURO, 1),
    ]


def test_plan_terms_keep_their_usual_values_where_nothing_is_said() -> None:
    terms = plan_terms(read_plan_terms(HEAD + '[quotas.data]\nsize = "20 MB"\nvalidity = "10 min"'))
    data = terms.quotas[Unit.OCTETS]
    assert (data.size, data.least, data.validity_us, data.part) == (20 * MB, MB, 600 * SECOND_US, 4)
    assert (terms.active_us, terms.loan_amount) == (90 * DAY_US, 0)
    small = plan_terms(read_plan_terms(HEAD + '[quotas.data]\nsize = "100 kB"'))
    assert small.quotas[Unit.OCTETS].least == 100_000


def test_equal_documents_have_one_digest() -> None:
    toml, json = read_plan_terms(HEAD), read_plan_terms('{"offering": "go-5"}')
    assert digest(toml) == digest(json)
    assert digest(toml) != digest(read_plan_terms(HEAD + "grace_days = 3"))
