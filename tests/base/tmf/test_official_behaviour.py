"""The official examples of what a context serves by functions of its own, and every official example of a patch."""

from __future__ import annotations

from fnmatch import fnmatchcase
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any

from farwire import app
from farwire.base.canonical import from_text, to_text
from farwire.base.json_patch import PatchKind, apply
from farwire.base.tmf import Descriptor, Document, Version
from farwire.base.tmf import resource as bindings
from farwire.base.tmf.shape import checked
from farwire.base.tmf.versions import changed_by, from_wire, to_wire
from farwire.kernel.errors import FarwireError


def _beside(name: str) -> ModuleType:
    """Return a module of this folder, which is no package."""
    spec = spec_from_file_location(name, Path(__file__).with_name(f"{name}.py"))
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


official, records = _beside("official"), _beside("test_records")
app.api_routes()
SERVED = [(api, one) for api, one in bindings.SERVED.all() if Version.V5 in one.descriptor.versions]

SELECTED = "an answer to fields=, not a whole thing"
REFUSED = {
    "622 retrieveProductOrderByListwith_FieldsSelection": SELECTED,
    "638 Service_List_example_with_Field_Selection": SELECTED,
    "666 *Account_list_example": "lacks the relatedParty that its schema requires",
    "666 FinancialAccount_Create_example": "lacks the relatedParty that its schema requires",
    "622 CreateProductOrder_with_intent_specification": "writes an attribute that its schema does not have",
    "678 AppliedCustomerBillingRate_list_example": "writes customerBill where its schema writes bill",
    "678 BillCycle_retrieve_example": "a time that is none: 2020-01-00",
}
"""Examples of whole things that are refused, and why."""
CALLS_BY_ANOTHER = "its query names nothing in any example of the thing"
REFUSED_PATCHES = {
    "620 Product_Offering_Price_Update_JSON_Patch_Query": CALLS_BY_ANOTHER,
    "621 TroubleTicket_partialupdate_example_application_json_patch_query": "writes sererity for severity",
    "632 Individual_update_example_JSON_Patch_Query": CALLS_BY_ANOTHER,
    "634 ResourceCatalog_Update_example_JSON-PATCH_": "an operation without value",
    "634 ResourceSpecification_Update_example_JSON-PATCH_": "writes /path for path",
    "637 Product_partialupdate_example_application_json_patch_query_json": CALLS_BY_ANOTHER,
    "639 updateResource_using_json": "changes id and href",
    "639 updateResource_using_merge-patch_json": "changes id and href",
    "649 ThresholdJobPatch200ApplicationJsonPatch": "a text where its schema has a whole number",
    "649 ThresholdJobPatch200ApplicationJsonPatchQuery": CALLS_BY_ANOTHER,
    "656 ServiceProblem_partialupdate_example_22": CALLS_BY_ANOTHER,
    "663 ShoppingCart_partialupdate_example_json_patch_query_json": "delete is no operation of a JSON patch",
    "666 BillingCycleSpecification_update_example_*": "another @type than the examples of the thing have",
    "678 Customer_Bill_Update_JSON_Patch*": "replaces the state of a bill that has none in any example",
    "683 Party_Interaction_partialupdate_example_json_patch_query_json": "delete is no operation of a JSON patch",
    "735 CdrTransaction_partial_update_application_json-patch_json_exapmles": "a time that is none: T015",
    "735 CdrTransaction_partial_update_application_json-patch-query_json_exapmles": CALLS_BY_ANOTHER,
    "679 CPOQ_partialupdate_example_*": "writes status for state",
    "679 CheckProductOfferingQualification_partialupdate_example_*": "writes status for state",
    "679 QueryProductOfferingQualification_partialupdate_example_*": "writes status for state",
}
"""Examples of patches that are refused, and why."""


def exact(body: Any) -> Any:
    return from_text(to_text(body))


def wholes(document: dict[str, Any], path: str) -> list[tuple[str, Any]]:
    """Return (name, body) of the examples of answers and of requests that show a whole resource."""
    posts = [
        (n, body)
        for m, place, _, n, body in official.examples(document)
        if (m, place) == ("post", f"/{path}")
    ]
    return [*official.answers(document, path), *posts]


def kept(one: Descriptor, body: Any) -> Document:
    given = {key: value for key, value in exact(body).items() if key != "href"}
    return checked(one, from_wire(one, given, Version.V5), Version.V5)


def test_the_official_examples_of_what_behaves_are_read_and_come_back_whole(shared_data: Path) -> None:
    taken, refused = 0, set()
    for api, resource in SERVED:
        one = resource.descriptor
        document = official.load(shared_data / "tmf", api.number, Version.V5)
        if document is None or (resource.behaviour is None and api.number in records.EXAMPLES):
            continue
        filled = {name for name, each in one.attributes.items() if not each.writable}
        filled |= {name for name, each in one.attributes.items() if Version.V5 not in each.versions}
        for name, body in wholes(document, one.path):
            try:
                stored = kept(one, body)
            except FarwireError:
                refused.add(f"{api.number} {name}")
                continue
            taken += 1
            given = {key: value for key, value in exact(body).items() if key not in filled}
            assert records.superset(given, to_wire(one, stored, Version.V5)), name
            old = to_wire(one, stored, Version.V4)
            if Version.V4 in one.versions:
                assert changed_by(one, stored, old, Version.V4) == stored, name
    _explained(refused, REFUSED)
    assert taken == 107


def test_the_official_examples_of_patches_change_an_official_example_of_their_thing(
    shared_data: Path,
) -> None:
    taken, refused = 0, set()
    for api, resource in SERVED:
        one = resource.descriptor
        document = official.load(shared_data / "tmf", api.number, Version.V5)
        for method, path, media, name, body in official.examples(document) if document else ():
            if (method, path) == ("patch", f"/{one.path}/{{id}}"):
                bodies = [body for _, body in wholes(document, one.path)]
                if any(takes(one, whole, PatchKind(media), exact(body)) for whole in bodies):
                    taken += 1
                else:
                    refused.add(f"{api.number} {name}")
    _explained(refused, REFUSED_PATCHES)
    assert taken == 118


def takes(one: Descriptor, whole: Any, kind: PatchKind, change: Any) -> bool:
    """Return whether ``whole`` can be changed so, as the engine does it."""
    try:
        stored = kept(one, whole)
        view = to_wire(one, stored, Version.V5)
        many = frozenset(each.name for each in one.of(Version.V5) if each.many)
        patched = apply(kind, view, change, many)
        checked(one, changed_by(one, stored, patched, Version.V5), Version.V5)
    except FarwireError:
        return False
    fixed = [each.name for each in one.of(Version.V5) if not (each.patchable and each.writable)]
    return all(patched.get(name) == view.get(name) for name in fixed)


def _explained(refused: set[str], reasons: dict[str, str]) -> None:
    bare = {one for one in refused if not any(fnmatchcase(one, line) for line in reasons)}
    assert not bare, sorted(bare)
    unused = {line for line in reasons if not any(fnmatchcase(one, line) for one in refused)}
    assert not unused, f"no longer refused: {sorted(unused)}"
