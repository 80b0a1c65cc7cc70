"""Every table of every API that is served, against the official documents of its versions.

What we do otherwise stands in ``differences.toml``, each with its reason; a line that is no longer needed fails too.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType

import pytest

from farwire import app
from farwire.base.tmf import Api, Attribute, Descriptor, Version
from farwire.base.tmf.parts import part_of
from farwire.base.tmf.references import FAMILIES
from farwire.base.tmf.resource import SERVED


def _beside(name: str) -> ModuleType:
    """Return a module of this folder, which is no package."""
    spec = spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules.setdefault(name, module)
    spec.loader.exec_module(module)
    return module


official, coverage, kits = (_beside(name) for name in ("official", "print_coverage", "kits"))
app.api_routes()
APIS: dict[str, list[tuple[Api, Descriptor]]] = {}
for _api, _resource in SERVED.all():
    APIS.setdefault(_api.number, []).append((_api, _resource.descriptor))
STANDARD = {"id", "href", "@type", "@baseType", "@schemaLocation"}
DIFFERENCES = Path(__file__).with_name("differences.toml")
FLAT_PARTY = {"RelatedParty", "RelatedPartyRef"}
"""How v4 calls what v5 wraps as ``partyOrPartyRole``: the engine turns one into the other."""


@cache
def listed(api: str) -> dict[str, str]:
    """Return the differences of an API with their reasons: "Type version what name", with * for any."""
    return dict(tomllib.loads(DIFFERENCES.read_text(encoding="utf-8")).get(api, {}))


def differences(folder: Path, number: str) -> Iterator[str]:
    """Yield "Type version what name" for each thing that our tables say otherwise than the documents."""
    bound = APIS[number]
    yield from kits.wanted_by_documents(folder, number, bound)
    yield from kits.wanted_by_kits(folder, number, bound)
    names = {}
    for version in Version:
        if (document := official.load(folder, number, version)) is not None:
            names[version] = document
    for version, document in names.items():
        paths = {place(one, version) for _, one in bound if version in one.versions}
        for absent in official.collections(document).keys() - paths:
            yield f"{absent} {version} collection"
    if not any(version in api.versions for api, _ in bound for version in names):
        yield "* * document"
    for api, one in bound:
        for version in sorted(set(api.versions) & one.versions & names.keys()):
            kinds = {other.type_in(version) for _, other in bound}
            kinds |= {path[0].upper() + path[1:] for path in official.collections(names[version])}
            for what in _of(one, names[version], version, kinds):
                yield f"{one.type} {version} {what}"
        told = {v: official.events(d, one.type_in(v), {one.type_in(v)}) for v, d in names.items()}
        for word in set(one.events) - set().union(*told.values()):
            yield f"{one.type} * invented-event {word}"


def place(one: Descriptor, version: Version) -> str:
    """Return a collection as ``official.collections`` names it."""
    return one.path_in(version) if one.inside is None else f"{one.inside.path}/{one.path_in(version)}"


def _of(one: Descriptor, document: dict[str, object], version: Version, kinds: set[str]) -> Iterator[str]:
    kind = one.type_in(version)
    theirs, _ = official.shape(document, kind)
    ours = {each.name_in(version): each for each in one.of(version)}
    for name in theirs.keys() - ours.keys() - STANDARD:
        yield f"absent {name}"
    for name in ours.keys() - theirs.keys() - STANDARD:
        yield f"invented {name}"
    must = official.required(document, kind)
    for name in (theirs.keys() & ours.keys()) - STANDARD:
        if not same_type(one, ours[name], official.type_name(document, theirs[name]), version):
            yield f"type {name}"
        if (name in must) != (version in ours[name].required):
            yield f"required {name}"
    if one.lifecycle is not None and one.lifecycle.attribute in ours:
        known = official.states(document, theirs.get(one.lifecycle.attribute, {}))
        for state in set(known) ^ set(one.lifecycle.states) if known else ():
            yield f"state {state}"
    for operation in official.operations(document, place(one, version)) ^ {str(o) for o in one.operations}:
        yield f"operation {operation}"
    for word in official.events(document, kind, kinds) - {one.word_in(version, word) for word in one.events}:
        yield f"event {word}"


def same_type(descriptor: Descriptor, ours: Attribute, theirs: str, version: Version) -> bool:
    many = "[]" if ours.many else ""
    part = part_of(descriptor, ours)
    allowed = {ours.type + many}
    if part is not None and part.wraps and version is Version.V4:
        names = FLAT_PARTY if part.wraps == "partyOrPartyRole" else {part.v4_type}
        allowed = {name + many for name in names}
    elif part is not None and part.v4_type and version is Version.V4:
        allowed = {part.v4_type + many}
    return theirs in allowed


FREE = {
    "6[57][47] *": "what names no balance of ours is kept as another system's",
    "* EventRef": "an event of any system",
    "629 *": "kept beside the customer, from wherever the client has it",
    "* AgreementRef": "TMF651 does not show the agreements that a customer has with us",
    "620 * *SpecificationRef": "one of the catalogue's own, which TMF633 and TMF634 do not show, does as well",
    "622 * PaymentRef": "a payment of any system",
    "637 * ProductSpecificationRef": "a product is of an offering, which says the specification",
    "638 * ServiceSpecificationRef": "of the catalogue's own, or of another system's service",
    "635 * UsageSpecificationRef": "usage that the network sent is evidence, whatever it is called",
    "678 *": "the bill's own",
    "651 * CategoryRef": "a category of services, of any catalogue",
    "679 * CategoryRef": "a question: nothing is the answer",
}
"""References to what one API serves that are not looked up: "API attribute type", and why. The others are."""


def test_a_reference_to_what_one_api_serves_is_looked_up_or_has_a_reason() -> None:
    served = [one.descriptor.type for _, one in SERVED.all()]
    unchecked = {
        f"{number} {one.name} {one.type}"
        for number, bound in APIS.items()
        for _, descriptor in bound
        for one in descriptor.attributes.values()
        if one.refers is None and one.writable and served.count(one.type.removesuffix("Ref")) == 1
        if one.type.endswith("Ref") and one.type.removesuffix("Ref") not in FAMILIES
    }
    assert {one for one in unchecked if not any(fnmatchcase(one, line) for line in FREE)} == set()
    assert {line for line in FREE if not any(fnmatchcase(one, line) for one in unchecked)} == set()


@pytest.mark.parametrize("api", sorted(APIS))
def test_the_tables_say_what_the_documents_say_except_where_a_reason_is_given(
    shared_data: Path, api: str
) -> None:
    found = set(differences(shared_data / "tmf", api))
    unexplained = sorted(one for one in found if not any(fnmatchcase(one, line) for line in listed(api)))
    assert not unexplained, "\n".join((f"not in [{api}] of differences.toml:", *unexplained))
    unused = [line for line in listed(api) if not any(fnmatchcase(one, line) for one in found)]
    assert not unused, "\n".join((f"no longer a difference: take it out of [{api}]:", *unused))


def test_the_tables_have_what_conformance_kits_look_at(shared_data: Path) -> None:
    """The lists of what the documents want and of what the kits check, in numbers; the exceptions stand in the file."""
    folder = shared_data / "tmf"
    rows = [row for row in kits.mandatory(folder) if row["api"] in APIS]
    wanted = [kit for kit in kits.kits(folder) if kit.api in APIS]
    numbers = {
        "resources": len(rows),
        "mandatory attributes": sum(len(row["req"] or ()) for row in rows),
        "resources of kits": len(wanted),
        "attributes of kits": sum(len({*kit.mandatory, *kit.types, *kit.asked}) for kit in wanted),
    }
    known = {
        "resources": 199,
        "mandatory attributes": 321,
        "resources of kits": 57,
        "attributes of kits": 252,
    }
    assert all(numbers[what] >= number for what, number in known.items()), numbers
    for api, bound in APIS.items():
        apart = {*kits.wanted_by_kits(folder, api, bound), *kits.wanted_by_documents(folder, api, bound)}
        assert [one for one in apart if not any(fnmatchcase(one, line) for line in listed(api))] == []


def test_every_difference_has_a_reason_and_an_api_that_is_served() -> None:
    table = tomllib.loads(DIFFERENCES.read_text(encoding="utf-8"))
    assert set(table) <= set(APIS)
    assert [line for api in table for line, why in table[api].items() if len(why) < 10] == []


def test_the_page_of_what_is_served_says_what_the_tables_say() -> None:
    assert coverage.PAGE.read_text(encoding="utf-8") == coverage.page(), f"run {coverage.__file__}"
