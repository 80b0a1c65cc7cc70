"""Requires, excludes, bundles and relations, decided without a database."""

from __future__ import annotations

import pytest

from farwire.catalog.model import (
    BundleItem,
    Combination,
    Eligibility,
    Known,
    Offering,
    ProductSpecification,
    Relation,
    RelationType,
    not_eligible,
)

FIXED = ProductSpecification(code="fixed", name="Fixed")
MOBILE = ProductSpecification(code="mobile", name="Mobile")
OPTION = ProductSpecification(
    code="option", name="Option", relations=(Relation(RelationType.DEPENDENCY, "mobile"),)
)
LEGACY = ProductSpecification(
    code="legacy", name="Legacy", relations=(Relation(RelationType.EXCLUSIVITY, "fixed"),)
)


def offer(code: str, specification: ProductSpecification | None = None, **fields: object) -> Known:
    return Known(Offering(code=code, name=code, **fields), specification)  # type: ignore[arg-type]


KNOWN = {
    known.offering.code: known
    for known in (
        offer("flex", MOBILE),
        offer("fibre", FIXED),
        offer("old-dsl", LEGACY),
        offer("roaming", OPTION),
        offer("router", requires=("fibre",)),
        offer("unlimited", excludes=("flex",)),
        offer("partner-card", sold_alone=False),
        offer("duo", bundle=(BundleItem("flex", 1, 2, 1), BundleItem("partner-card", 0, 1, 0))),
    )
}


@pytest.mark.parametrize(
    ("held", "added", "codes"),
    [
        ("", "flex", []),
        ("", "router", ["requires router fibre"]),
        ("fibre", "router", []),
        ("", "router fibre", []),
        ("", "unlimited", []),
        ("", "flex unlimited", ["excludes flex unlimited"]),
        ("", "unlimited flex", ["excludes unlimited flex"]),
        ("flex", "unlimited", ["excludes unlimited flex"]),
        ("unlimited", "flex", ["excludes flex unlimited"]),
        ("", "roaming", ["specification_requires roaming mobile"]),
        ("flex", "roaming", []),
        ("", "fibre old-dsl", ["specification_excludes fibre old-dsl"]),
        ("old-dsl", "fibre", ["specification_excludes fibre old-dsl"]),
        ("", "nothing", ["offering_unknown nothing nothing"]),
        ("nothing", "flex", []),
        ("", "partner-card", ["only_in_bundle partner-card partner-card"]),
        ("", "duo", ["bundle_cardinality duo flex"]),
        ("", "duo flex", []),
        ("flex", "duo", ["bundle_cardinality duo flex"]),
        ("", "duo flex flex", []),
        ("", "duo flex flex flex", ["bundle_cardinality duo flex"]),
        ("", "duo duo flex", ["bundle_cardinality duo flex"]),
        ("", "duo duo flex flex flex flex", []),
        ("duo flex", "flex", []),
        ("duo flex", "partner-card", []),
        ("duo flex partner-card", "partner-card", ["only_in_bundle partner-card partner-card"]),
        ("duo flex", "duo flex flex flex", []),
        ("duo flex flex", "duo flex flex flex", ["bundle_cardinality duo flex"]),
    ],
)
def test_a_combination_is_refused_with_its_reason(held: str, added: str, codes: list[str]) -> None:
    refusals = Combination(held.split(), added.split(), KNOWN).refusals()
    found = [f"{r.code.removeprefix('catalog.')} {r.field} {r.value}" for r in refusals]
    assert found == codes
    assert all(refusal.message and refusal.fix for refusal in refusals)


@pytest.mark.parametrize(
    ("region", "segment", "channel", "fields"),
    [
        ("DE", "business", "shop", []),
        ("DE", "business", "", []),
        ("AT", "business", "", ["region"]),
        ("", "business", "", ["region"]),
        ("AT", "home", "", ["region", "segment"]),
    ],
)
def test_eligibility_names_each_reason(region: str, segment: str, channel: str, fields: list[str]) -> None:
    eligibility = Eligibility(regions=("DE",), segments=("business",))
    found = not_eligible("x", eligibility, region=region, segment=segment, channel=channel)
    assert [refusal.field for refusal in found] == fields


def test_a_country_holds_its_subdivisions_and_not_the_reverse() -> None:
    country, city = Eligibility(regions=("DE",)), Eligibility(regions=("DE-HH",))
    assert not not_eligible("x", country, region="DE-HH", segment="", channel="")
    assert not_eligible("x", city, region="DE", segment="", channel="")
    assert not_eligible("x", country, region="AT-9", segment="", channel="")
