"""What the OpenAPI document says of a resource, made from its descriptor."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from farwire.base.json_patch import MAX_OPERATIONS, PatchKind
from farwire.base.tmf.descriptor import PLAIN, Attribute, Descriptor, Operation, Version
from farwire.base.tmf.parts import part_of
from farwire.base.tmf.query import MAX_SORTS
from farwire.base.tmf.resource import Api
from farwire.base.tmf.shape import PATTERNS, from_client
from farwire.base.web import JSON, Contract
from farwire.base.web.openapi import NO_NUL

Schema: TypeAlias = dict[str, Any]
_PLAIN: Final[Mapping[str, Schema]] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "dateTime": {"type": "string", "format": "date-time"},
    "date": {"type": "string", "format": "date"},
    "object": {"type": "object"},
    "any": {},
}
_TEXT: Final[Schema] = {"type": "string", "maxLength": 1000, "pattern": NO_NUL}


def contract(api: Api, descriptor: Descriptor, version: Version, operation: Operation) -> Contract:
    """Return the schemas of one operation. Component names tell API and version: every one is unique."""
    stem = f"TMF{api.number}{version}{descriptor.type_in(version)}"
    shown = {"$ref": f"#/components/schemas/{stem}"}
    components: dict[str, Any] = {stem: _schema(descriptor, version, required=("id", "href"))}
    request: dict[str, Any] = {}
    if operation in (Operation.CREATE, Operation.PUT):
        components[f"{stem}Create"] = _create(descriptor, version)
        request = {JSON: {"schema": {"$ref": f"#/components/schemas/{stem}Create"}}}
    elif operation is Operation.PATCH:
        request = {kind.value: {"schema": _patch(kind)} for kind in PatchKind}
    listed = {"type": "array", "items": shown}
    lists, creates = operation is Operation.LIST, operation is Operation.CREATE
    return Contract(
        operation_id=f"{operation}{stem}",
        parameters=_list_parameters(descriptor, version) if lists else _fields(operation),
        request=request,
        response=None if operation is Operation.DELETE else listed if lists else shown,
        headers=_LIST_HEADERS if lists else _CREATED_HEADERS if creates else {},
        components=components,
    )


def _schema(descriptor: Descriptor, version: Version, required: tuple[str, ...]) -> Schema:
    properties = {one.name_in(version): _property(descriptor, one, version) for one in descriptor.of(version)}
    title = descriptor.type_in(version)
    return {"type": "object", "title": title, "properties": properties, "required": sorted(required)}


def _create(descriptor: Descriptor, version: Version) -> Schema:
    """Return the schema of what a client sends: further attributes only where it names an extension."""
    given = tuple(
        one.name_in(version)
        for one in descriptor.of(version)
        if version in one.required and from_client(descriptor, one)
    )
    schema = _schema(descriptor, version, given)
    for one in descriptor.attributes.values():
        if descriptor.lifecycle is not None and one.name == descriptor.lifecycle.attribute:
            states = descriptor.lifecycle.states
            schema["properties"][one.name_in(version)] = {"type": "string", "enum": list(states)}
    names = sorted(schema["properties"])
    for name in set(names) - set(given):  # null is as if it were left out
        schema["properties"][name] = {"anyOf": [schema["properties"][name], {"type": "null"}]}
    own = {"properties": {"@type": {"const": descriptor.type_in(version)}, "@schemaLocation": {"const": ""}}}
    return {**schema, "if": own, "then": {"propertyNames": {"enum": names}}}


def _property(descriptor: Descriptor, attribute: Attribute, version: Version) -> Schema:
    schema = _type(descriptor, attribute, version)
    return {"type": "array", "items": schema} if attribute.many else schema


def _type(descriptor: Descriptor, attribute: Attribute, version: Version) -> Schema:
    if attribute.name in PATTERNS:
        return {"type": "string", "pattern": f"^{PATTERNS[attribute.name]}$"}
    if attribute.type in PLAIN:
        return dict(_PLAIN[attribute.type])
    part = part_of(descriptor, attribute)
    inner = {}
    if part is not None and not (version is Version.V4 and (part.wraps or part.to_v4)):
        inner = {one.name_in(version): _property(descriptor, one, version) for one in part.own}
    return {"type": "object", "title": attribute.type, **({"properties": inner} if inner else {})}


def _patch(kind: PatchKind) -> Schema:
    if kind in (PatchKind.PLAIN, PatchKind.MERGE):
        return {"type": "object"}
    words = {"enum": ["add", "remove", "replace", "move", "copy", "test"]}
    text = {"type": "string"}
    facts = {"op": words, "path": text, "from": text, "value": {}}
    operation = {"type": "object", "properties": facts, "required": ["op", "path"]}
    return {"anyOf": [{"type": "array", "items": operation, "maxItems": MAX_OPERATIONS}, operation]}


def _parameter(name: str, description: str, schema: Schema) -> Schema:
    return {"name": name, "in": "query", "required": False, "description": description, "schema": schema}


def _fields(operation: Operation) -> list[Schema]:
    if operation is Operation.DELETE:
        return []
    return [_parameter("fields", "Attributes to return, comma-separated, dotted for inner ones.", _TEXT)]


def _list_parameters(descriptor: Descriptor, version: Version) -> list[Schema]:
    whole: Schema = {"type": "integer", "minimum": 0, "maximum": 1_000_000_000}
    names = {one.name_in(version) for one in descriptor.of(version) if one.type in PLAIN and not one.many}
    one = "-?(?:" + "|".join(sorted(name for name in names if name.isalpha())) + ")"
    sort = {"type": "string", "pattern": f"^{one}(?:,{one}){{0,{MAX_SORTS - 1}}}$"}
    found = [
        *_fields(Operation.LIST),
        _parameter("offset", "Rows to skip.", {**whole, "default": 0}),
        _parameter("limit", "Most rows to return.", {**whole, "minimum": 1, "maximum": 1000, "default": 50}),
        _parameter("sort", "Attributes to sort by; - before one for descending.", sort),
        _parameter("count", "exact: the total, however large.", {"type": "string", "enum": ["exact"]}),
    ]
    state = descriptor.lifecycle.attribute if descriptor.lifecycle else "status"
    found += [
        _parameter(name, "Equal to this, or to one of several with commas.", _TEXT)
        for name in ("id", "name", state)
        if name in names
    ]
    return found


FILTERS: Final = (
    " Every attribute is a filter by its dotted path, with .ne, .gt, .gte, .lt, .lte or .regex after it;"
    " `filter` takes JSONPath, `cursor` comes from the Link header (docs/tmf.md)."
)


def _header(description: str, kind: str = "string") -> Schema:
    return {"description": description, "schema": {"type": kind}}


_LIST_HEADERS: Final[Schema] = {
    "X-Total-Count": _header("Size of the whole list.", "integer"),
    "X-Result-Count": _header("Rows in this answer.", "integer"),
    "X-Total-Count-Lower-Bound": _header("true: there are more than were counted."),
    "Link": _header("first and next (RFC 8288)."),
}
_CREATED_HEADERS: Final[Schema] = {"Location": _header("Where it is.")}
