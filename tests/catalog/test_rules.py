"""Rules of the catalogue: what realises a product, why, and which rules are refused when they are published."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from farwire.catalog.model import (
    ProductSpecification,
    Realisation,
    ServiceSpecification,
    check_references,
    read_catalogue,
    realise,
    typed,
)
from farwire.kernel.errors import Invalid

FILE = """
valid_from = 2026-01-01T00:00:00Z

[[product_specifications]]
code = "internet"
name = "Internet"
characteristics = [
  { name = "down", value_type = "integer", default = 250 },
  { name = "static", value_type = "boolean", default = false },
  { name = "voices", value_type = "integer", default = 0 },
]
rules = [
  { name = "access", services = ["access"] },
  { name = "voice", services = ["voice"], quantity = "{voices}", after = ["access"] },
]

[[service_specifications]]
code = "access"
name = "Access"
characteristics = [
  { name = "down", value_type = "integer" },
  { name = "static", value_type = "boolean", default = false },
]
rules = [
  { name = "line", services = ["xgs", "gpon", "dsl"], mapping = { down = "{down}", node = "{place.node}" } },
  { name = "address", services = ["address"], when = [{ of = "static", values = [true] }], after = ["line"] },
]
operations = [{ adapter = "radius", operation = "subscriber" }]

[[service_specifications]]
code = "xgs"
name = "XGS-PON"
facing = "resource"
characteristics = [{ name = "down", value_type = "integer", maximum = 10000 }, { name = "node" }]
when = [{ of = "place.access", values = ["xgs"] }]
resources = [{ kind = "port", pool = "pon-{node}" }]

[[service_specifications]]
code = "gpon"
name = "GPON"
facing = "resource"
characteristics = [{ name = "down", value_type = "integer", maximum = 1000 }, { name = "node" }]
when = [{ of = "place.access", values = ["xgs", "gpon"] }]
resources = [{ kind = "port", pool = "pon-{node}", otherwise = ["spare-{node}"] }]

[[service_specifications]]
code = "dsl"
name = "DSL"
facing = "resource"
characteristics = [{ name = "down", value_type = "integer", maximum = 100 }, { name = "node" }]

[[service_specifications]]
code = "address"
name = "Address"
facing = "resource"
resources = [{ kind = "ipv4", pool = "static-ipv4" }]

[[service_specifications]]
code = "voice"
name = "Voice"
"""
GPON = {"access": "gpon", "node": "olt1"}


def realised(values: dict[str, int | bool | str], **known: object) -> Realisation:
    file = read_catalogue(FILE)
    (product,) = file.product_specifications
    return realise(product, file.service_specifications, values, **known)  # type: ignore[arg-type]


def codes(found: Realisation) -> list[str]:
    return [one.service.code for one in found.lines]


def test_the_first_service_that_can_be_delivered_is_taken_and_says_why_not_those_before() -> None:
    found = realised({}, place=GPON, free={"pon-olt1": 1})
    assert codes(found) == ["access", "gpon"]
    line = found.lines[1]
    assert (line.parent, line.values) == (1, {"down": 250, "node": "olt1"})
    assert [(need.kind, need.pool) for need in line.needs] == [("port", "pon-olt1")]
    assert line.reason == "access asks for line; not xgs: place.access is gpon, not xgs"
    assert (found.lacks, found.asked) == ((), frozenset())


def test_conditions_quantities_and_the_order_of_rules_make_the_lines() -> None:
    found = realised({"static": True, "voices": 2}, place=GPON, free={"pon-olt1": 1})
    assert codes(found) == ["access", "gpon", "address", "voice", "voice"]
    assert [one.after for one in found.lines] == [(), (), (2,), (1,), (1,)]
    assert found.lines[2].reason == "access asks for address (static true)"
    assert found.asked == {"static-ipv4"}


def test_a_pool_that_is_used_up_is_followed_by_the_next_one_and_by_the_next_service() -> None:
    other = realised({}, place=GPON, free={"pon-olt1": 0, "spare-olt1": 1})
    assert other.lines[1].needs[0].pool == "spare-olt1"
    slow = realised({"down": 50}, place=GPON, free={"pon-olt1": 0, "spare-olt1": 0})
    assert codes(slow) == ["access", "dsl"]
    assert "not gpon: no port is left in pon-olt1, spare-olt1" in slow.lines[1].reason


def test_where_only_stock_is_missing_the_order_may_wait_and_it_is_said() -> None:
    found = realised({}, place=GPON, free={"pon-olt1": 0, "spare-olt1": 0})
    assert codes(found) == ["access", "gpon"]
    assert [one.short for one in found.lacks] == [True] * len(found.lacks) != []
    assert "no port is left in pon-olt1, spare-olt1" in [one.why for one in found.lacks]


def test_what_nothing_can_deliver_has_its_reasons_and_no_line_of_it() -> None:
    found = realised({"down": 2000}, place=GPON)
    assert codes(found) == []
    assert [(one.of, one.why) for one in found.lacks] == [
        ("xgs", "place.access is gpon, not xgs"),
        ("gpon", "down is at most 1000"),
        ("dsl", "down is at most 100"),
    ]
    nowhere = realised({"down": 50})
    assert ("xgs", "place.node is not known") in [(one.of, one.why) for one in nowhere.lacks]


def test_the_lines_of_one_product_share_what_a_pool_has() -> None:
    file = read_catalogue(
        FILE.replace('name = "Voice"', 'name = "Voice"\nresources = [{ kind = "port", pool = "p" }]')
    )
    (product,) = file.product_specifications
    found = realise(
        product, file.service_specifications, {"voices": 3}, place=GPON, free={"p": 2, "pon-olt1": 9}
    )
    assert [one.short for one in found.lacks] == [True]


def test_values_of_the_inventory_are_read_as_their_characteristics_mean_them() -> None:
    (product,) = read_catalogue(FILE).product_specifications
    texts = {"down": "500", "static": "true", "voices": "many", "other": "1"}
    assert typed(product.characteristics, texts) == {"down": 500, "static": True}


@pytest.mark.parametrize(
    ("there", "instead", "field", "why"),
    [
        ('"xgs", "gpon", "dsl"]', '"xgs", "fast"]', "rules[0].services[1]", "there is no service specification fast"),
        ('down = "{down}"', 'down = "{up}"', "rules[0].mapping.down", "rule line of access: there is no"),
        ('down = "{down}"', 'speed = "{down}"', "rules[0].mapping.speed", "rule line of access: xgs has no"),
        ('of = "static"', 'of = "fixed"', "rules[1].when[0].of", "rule address of access: there is no characteristic"),
        ('"{voices}"', '"{sites}"', "rules[1].quantity", "rule voice of internet: there is no whole-number"),
        ('after = ["line"]', 'after = ["port"]', "rules[1].after[0]", "there is no rule port to come after"),
        ('pool = "pon-{node}" }', 'pool = "pon-{olt}" }', "resources[0].pool", "xgs: there is no characteristic olt"),
        ('"place.access", values = ["xgs"]', '"place.", values = ["xgs"]', "when[0].of", "no fact of a place"),
        ('name = "Address"', 'name = "Address"\nrules = [{ name = "up", services = ["access"] }]', "rules", "itself"),
        ('services = ["access"] }', 'services = ["access"], after = ["voice"] }', "rules", "wait for each other"),
    ],
)  # fmt: skip
def test_a_rule_that_names_what_is_not_there_is_refused(
    there: str, instead: str, field: str, why: str
) -> None:
    assert FILE.count(there) >= 1
    with pytest.raises(Invalid, match=why) as refused:
        check_references(read_catalogue(FILE.replace(there, instead, 1)), {}, ())
    assert str(refused.value.field).endswith(field)


def test_a_new_version_of_a_service_keeps_what_rules_map_to_it() -> None:
    file = read_catalogue(FILE)
    published = {}
    for _, one in file.documents():
        assert isinstance(one, ProductSpecification | ServiceSpecification)
        kind = "product_specification" if isinstance(one, ProductSpecification) else "service_specification"
        published[(kind, one.code)] = [one]
    later = read_catalogue(
        'valid_from = 2026-06-01T00:00:00Z\n[[service_specifications]]\ncode = "dsl"\nname = "DSL"\n'
    )
    assert later.service_specifications[0].valid_from == datetime(2026, 6, 1, tzinfo=UTC)
    with pytest.raises(Invalid, match="rule line of access: dsl has no characteristic down"):
        check_references(later, published, ())  # type: ignore[arg-type]
