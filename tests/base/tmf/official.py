"""Reads the official documents of the Open APIs: types, attributes, operations, events, examples."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from farwire.base.tmf import Version


@cache
def load(folder: Path, api: str, version: Version) -> dict[str, Any] | None:
    """Return the document of an API, or None where there is none of that version."""
    for path in sorted(folder.glob(f"TMF{api}-{version}*")):
        text = path.read_text(encoding="utf-8")
        found: dict[str, Any] = (
            json.loads(text) if path.suffix == ".json" else yaml.load(text, yaml.CSafeLoader)
        )
        return found
    return None


def schemas(document: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = document.get("definitions") or document["components"]["schemas"]
    return found


def resolved(document: dict[str, Any], node: Any) -> Any:
    while isinstance(node, dict) and "$ref" in node:
        target: Any = document
        for step in node["$ref"][2:].split("/"):
            target = target[step]
        node = target
    return node


def shape(document: dict[str, Any], name: str) -> tuple[dict[str, Any], set[str]]:
    """Return the attributes and the required ones of a type, those of what it extends included."""
    return _merged(document, schemas(document).get(name) or {}, (name,))


def _merged(document: dict[str, Any], schema: Any, seen: tuple[str, ...]) -> tuple[dict[str, Any], set[str]]:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[1]
        if name in seen:
            return {}, set()
        return _merged(document, resolved(document, schema), (*seen, name))
    found: dict[str, Any] = {}
    required: set[str] = set()
    for part in schema.get("allOf", []):
        more, needed = _merged(document, part, seen)
        found |= more
        required |= needed
    return found | schema.get("properties", {}), required | set(schema.get("required", []))


def type_name(document: dict[str, Any], schema: Any) -> str:
    """Return a type in the words of the descriptors: ``Money``, ``CategoryRef[]``, ``dateTime``."""
    if schema.get("type") == "array":
        return type_name(document, schema.get("items", {})) + "[]"
    if "$ref" in schema:
        target = resolved(document, schema)
        plain = target.get("type") not in (None, "object")
        return type_name(document, target) if plain else str(schema["$ref"].rsplit("/", 1)[1])
    if "allOf" in schema:
        return type_name(document, schema["allOf"][0])
    kind = str(schema.get("type", "any"))
    if kind == "string":
        return {"date-time": "dateTime", "date": "date"}.get(schema.get("format", ""), "string")
    return kind


def collections(document: dict[str, Any]) -> dict[str, set[str]]:
    """Return each collection, nested ones as ``outer/inner``, with list, get, create, patch, delete as it has them."""
    outer = {"get": "list", "post": "create", "patch": "patch"}
    inner = {"get": "get", "patch": "patch", "delete": "delete", "put": "put"}
    found: dict[str, set[str]] = {}
    for path, methods in document["paths"].items():
        if path.startswith(("/listener", "/hub")):
            continue
        names = [step for step in path.split("/") if step and not step.startswith("{")]
        words = inner if path.endswith("}") else outer
        found.setdefault("/".join(names), set()).update(words[m] for m in methods if m in words)
    return found


def operations(document: dict[str, Any], path: str) -> set[str]:
    """Return list, get, create, patch, delete as far as the document has them for a collection."""
    return collections(document).get(path, set())


def events(document: dict[str, Any], kind: str, kinds: Iterable[str]) -> set[str]:
    """Return the words of the events of a type, Create, StateChange, …; ``kinds`` are the types that may have some."""

    def starts(name: str, one: str) -> bool:
        return name[:1].lower() + name[1:] == name and name.startswith(one[0].lower() + one[1:])

    found = set()
    for path in document["paths"]:
        name = path.removeprefix("/listener/")
        name = name[:1].lower() + name[1:]
        owners = [one for one in kinds if starts(name, one)]
        if path.startswith("/listener/") and owners and max(owners, key=len) == kind:
            found.add(name[len(kind) :].removesuffix("Event"))
    return found - {""}


def states(document: dict[str, Any], schema: Any) -> list[str]:
    """Return the values that an attribute may have, or nothing where the document does not say."""
    return list(resolved(document, schema).get("enum", ()))


def required(document: dict[str, Any], kind: str) -> set[str]:
    """Return what a client must send to create a thing."""
    for name in (f"{kind}_Create", f"{kind}_FVO"):
        if name in schemas(document):
            return shape(document, name)[1]
    return set()


def examples(document: dict[str, Any]) -> Iterator[tuple[str, str, str, str, Any]]:
    """Yield (method, path, media type, name, body) of every example of a request that is no event."""
    for path, methods in document["paths"].items():
        if path.startswith(("/listener", "/hub")):
            continue
        for method, operation in methods.items():
            body = (
                resolved(document, operation.get("requestBody") or {}) if isinstance(operation, dict) else {}
            )
            for media, content in body.get("content", {}).items():
                for name, example in (content.get("examples") or {}).items():
                    yield method, path, media, name, resolved(document, example).get("value")


def answers(document: dict[str, Any], path: str) -> Iterator[tuple[str, Any]]:
    """Yield (name, body) of the examples of answers that show whole resources of a collection."""
    for place, method in ((f"/{path}", "get"), (f"/{path}", "post"), (f"/{path}/{{id}}", "get")):
        operation = document["paths"].get(place, {}).get(method, {})
        for status, response in operation.get("responses", {}).items():
            if status not in ("200", "201"):
                continue
            for content in (resolved(document, response).get("content") or {}).values():
                for name, example in (content.get("examples") or {}).items():
                    value = resolved(document, example).get("value")
                    for body in value if isinstance(value, list) else [value]:
                        yield name, body
