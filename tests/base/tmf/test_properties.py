"""Filters against a naive reading in Python, patches against a naive oracle, versions against each other."""

from __future__ import annotations

import copy
import operator
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from farwire.base.json_patch import PatchKind, apply
from farwire.base.storage import Database
from farwire.base.tmf import Version
from farwire.base.tmf.query import jsonpath, parse
from farwire.base.tmf.store import documents as store
from farwire.base.tmf.versions import changed_by, from_wire, to_wire
from farwire.catalog.api.tmf620_tables import CATALOG, CATEGORY
from farwire.kernel.errors import FarwireError
from farwire.kernel.ids import TenantId

WORDS = st.sampled_from(["a", "b", "Go 5", 'x"y', "ä'", "10", "9", "true", "$", "\\"])
SCALARS = WORDS | st.integers(-20, 20) | st.booleans() | st.decimals(-9, 9, places=1)
ITEMS = st.lists(st.fixed_dictionaries({}, optional={"id": WORDS, "name": SCALARS}), max_size=3)
DOCUMENTS = st.fixed_dictionaries(
    {},
    optional={
        "name": SCALARS,
        "version": SCALARS,
        "subCategory": ITEMS,
        "parent": st.fixed_dictionaries({"id": WORDS}),
    },
)
PATHS = st.sampled_from(["name", "version", "subCategory.id", "subCategory.name", "parent.id"])
COMPARE = {"gt": operator.gt, "gte": operator.ge, "lt": operator.lt, "lte": operator.le, "eq": operator.eq}


def values(node: Any, path: list[str]) -> list[Any]:
    if isinstance(node, list):
        return [value for item in node for value in values(item, path)]
    if not path:
        return [node]
    return values(node[path[0]], path[1:]) if isinstance(node, dict) and path[0] in node else []


def fits(value: Any, wanted: str, op: str) -> bool:
    """A value fits as text; as a number where the text is one; as a truth value where it says so."""
    if isinstance(value, bool):
        return (op in ("eq", "gte", "lte") and wanted == ("true" if value else "false")) or (
            wanted in ("true", "false") and COMPARE[op](value, wanted == "true")
        )
    if isinstance(value, str):
        return bool(COMPARE[op](value, wanted))
    try:
        return bool(COMPARE[op](value, Decimal(wanted)))
    except ArithmeticError:
        return False


def naive(document: Any, path: str, op: str, wanted: list[str]) -> bool:
    found = values(document, path.split("."))
    if op == "ne":
        return not any(fits(value, one, "eq") for value in found for one in wanted)
    return any(fits(value, one, op) for value in found for one in wanted)


@settings(max_examples=60)
@given(
    rows=st.lists(DOCUMENTS, max_size=8),
    filters=st.lists(
        st.tuples(PATHS, st.sampled_from([*COMPARE, "ne"]), st.lists(WORDS, min_size=1, max_size=2)),
        min_size=1,
        max_size=2,
    ),
)
async def test_a_filter_finds_what_a_naive_reading_finds(
    db: Database, tenant_id: TenantId, rows: list[Any], filters: list[tuple[str, str, list[str]]]
) -> None:
    def quoted(word: str) -> str:
        return f"'{word}'" if '"' in word else f'"{word}"'

    pairs = [
        (path if op == "eq" else f"{path}.{op}", ",".join(map(quoted, wanted)))
        for path, op, wanted in filters
    ]
    predicate = jsonpath(parse(CATEGORY, pairs, Version.V5))
    async with db.transaction(tenant_id) as tx:
        found = await store.fitting(tx, rows, predicate)
    assert found == [row for row in rows if all(naive(row, *one) for one in filters)]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["x", "y", ""]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "~/"]), inner, max_size=3)
    ),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from(["a", "b", "~/"]), JSON_VALUES, max_size=3)


def merged(target: Any, patch: Any) -> Any:
    """RFC 7386 §2, as its pseudo-code says it."""
    if not isinstance(patch, dict):
        return patch
    target = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        else:
            target[name] = merged(target.get(name), value)
    return target


@given(document=OBJECTS, patch=OBJECTS)
def test_a_merge_patch_does_what_the_rfc_says_and_leaves_the_document_alone(
    document: Any, patch: Any
) -> None:
    before = copy.deepcopy(document)
    assert apply(PatchKind.MERGE, document, patch) == merged(document, patch)
    assert document == before


def pointers(node: Any, path: str = "") -> list[str]:
    found = [path] if path else []
    if isinstance(node, dict):
        for name, value in node.items():
            found += pointers(value, path + "/" + name.replace("~", "~0").replace("/", "~1"))
    elif isinstance(node, list):
        for number, value in enumerate(node):
            found += pointers(value, f"{path}/{number}")
    return found


def naive_patch(node: Any, steps: list[str], op: str, value: Any) -> Any:
    """Return a copy of ``node`` after one operation; LookupError where the path leads to nothing."""
    step, rest = steps[0].replace("~1", "/").replace("~0", "~"), steps[1:]
    if isinstance(node, dict):
        if rest:
            return {**node, step: naive_patch(node[step], rest, op, value)}
        if op == "add":
            return {**node, step: value}
        if step not in node:
            raise KeyError(step)
        return {**node, step: value} if op == "replace" else {k: v for k, v in node.items() if k != step}
    if isinstance(node, list):
        place = len(node) if step == "-" and op == "add" and not rest else int(step)
        if not 0 <= place < len(node) + (op == "add" and not rest):
            raise IndexError(step)
        if rest:
            return [*node[:place], naive_patch(node[place], rest, op, value), *node[place + 1 :]]
        middle = {"add": [value], "replace": [value], "remove": []}[op]
        return [*node[:place], *middle, *node[place + (op != "add") :]]
    raise LookupError(step)


@given(data=st.data(), document=OBJECTS, value=JSON_VALUES, op=st.sampled_from(["add", "replace", "remove"]))
def test_a_json_patch_does_what_a_naive_one_does_or_changes_nothing(
    data: Any, document: Any, value: Any, op: str
) -> None:
    known = pointers(document)
    path = data.draw(st.sampled_from([*known, *(f"{one}/-" for one in known), "/a", "/b/0", "/nope/x"]))
    before = copy.deepcopy(document)
    try:
        wanted = naive_patch(document, path[1:].split("/"), op, value)
    except (LookupError, ValueError):
        with pytest.raises(FarwireError):
            apply(PatchKind.JSON_PATCH, document, [{"op": op, "path": path, "value": value}])
    else:
        assert apply(PatchKind.JSON_PATCH, document, [{"op": op, "path": path, "value": value}]) == wanted
    assert document == before


PARTIES = st.lists(
    st.fixed_dictionaries(
        {
            "role": WORDS,
            "@type": st.just("RelatedPartyRefOrPartyRoleRef"),
            "partyOrPartyRole": st.fixed_dictionaries(
                {"id": WORDS, "@type": st.just("PartyRef")}, optional={"name": WORDS}
            ),
        }
    ),
    max_size=3,
)


@given(name=WORDS, parties=PARTIES)
def test_v5_seen_by_v4_and_sent_back_is_v5_again(name: str, parties: list[Any]) -> None:
    stored = {"id": "1", "@type": "ProductCatalog", "name": name, "relatedParty": parties}
    old = to_wire(CATALOG, stored, Version.V4)
    assert from_wire(CATALOG, old, Version.V4) == stored
    assert changed_by(CATALOG, stored, {**old, "name": "new"}, Version.V4) == {**stored, "name": "new"}
