"""An OpenAPI document of each TMF API and version by itself, with examples made from its own schemas."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final, TypeAlias

from farwire.base.json_patch import PatchKind
from farwire.base.web.openapi import openapi_document
from farwire.base.web.route import AnyRoute
from farwire.kernel.errors import Defect

Object: TypeAlias = dict[str, Any]

ROOT: Final = "/tmf-api/"
"""Under which TMF630 puts every API: ``/tmf-api/<name>/<version>/``."""
_ID: Final = "01979a40-5c00-7000-8000-000000000001"
_WORDS: Final[Mapping[str, object]] = {
    "id": _ID,
    "href": "",
    "version": "1.0",
    "callback": "https://listener.example/events",
    "query": "",
    "unit": "EUR",
    "currency": "EUR",
    "priceType": "recurring",
    "recurringChargePeriodType": "month",
    "startDateTime": "2026-06-01T00:00:00.000Z",
    "endDateTime": "2027-06-01T00:00:00.000Z",
}
"""What an attribute of this name is in every example."""
_FORMATS: Final[Mapping[str, str]] = {
    "date-time": "2026-06-01T08:00:00.000Z",
    "date": "2026-06-01",
    "uuid": _ID,
    "uri": "https://www.example/",
}
_NUMBERS: Final[Mapping[str, object]] = {"integer": 1, "number": 10, "boolean": False}
_UNTOLD: Final = frozenset({"href", "query", "@baseType", "@schemaLocation"})
"""Attributes that an example leaves out unless they are required."""


def api_documents(routes: Sequence[AnyRoute]) -> Mapping[str, Callable[[], Object]]:
    """Return, by base path (``/tmf-api/partyManagement/v5``), what makes the document of each API and version."""
    bases: dict[str, list[AnyRoute]] = {}
    for route in routes:
        if route.listed and route.path.startswith(ROOT):
            bases.setdefault("/".join(route.path.split("/")[:4]), []).append(route)
    return {base: partial(_document, base, of_base) for base, of_base in bases.items()}


def _document(base: str, routes: Sequence[AnyRoute]) -> Object:
    title = f"{routes[0].tag} {base.rsplit('/', 1)[1]}"
    document = openapi_document(routes, title=title)
    examples = _Examples(document["components"]["schemas"])
    for path, operations in document["paths"].items():
        for operation in operations.values():
            _add(operation, path, examples)
    return document


def _add(operation: Object, path: str, examples: _Examples) -> None:
    """Put an example beside each schema of what is sent and of what comes back when it went well."""
    shown: Any = None
    for status, response in operation["responses"].items():
        if status[0] == "2":
            for content in response.get("content", {}).values():
                shown = content["example"] = _placed(examples.of(content["schema"], sent=False), path)
    changes = operation["operationId"].startswith("patch")
    for media, content in operation.get("requestBody", {}).get("content", {}).items():
        sent = _change(shown, media) if changes else examples.of(content["schema"], sent=True)
        content["example"] = sent


def _change(shown: Object, media: str) -> Any:
    """Return a change of one text of ``shown``, written as ``media`` wants it."""
    texts = [name for name, value in shown.items() if isinstance(value, str) and name[0] != "@"]
    name = next((one for one in ("description", "name") if one in texts), texts[-1])
    if media in (PatchKind.PLAIN, PatchKind.MERGE):
        return {name: shown[name]}
    return [{"op": "replace", "path": f"/{name}", "value": shown[name]}]


def _placed(example: Any, path: str) -> Any:
    """Return the example of an answer with the ``href`` under which it would be found."""
    if isinstance(example, list):
        return [_placed(one, path) for one in example]
    if isinstance(example, dict) and "href" in example:
        collection = path if not path.endswith("}") else path.rsplit("/", 1)[0]
        return {**example, "href": f"{re.sub('{.*?}', _ID, collection)}/{example.get('id', '')}"}
    return example


class _Examples:
    """Makes one value that a schema allows, the same one each time."""

    def __init__(self, components: Mapping[str, Object]) -> None:
        self._components = components
        self._states = {
            (schema.get("title"), name): choices[0]
            for schema in components.values()
            for name, inner in schema.get("properties", {}).items()
            if (choices := self._resolved(inner).get("enum"))
        }
        """First states: what is sent is told all of them, what comes back may have one of a later version."""

    def of(self, schema: Object, *, sent: bool, name: str = "", title: str = "") -> Any:
        """Return an example of ``schema``, which is the attribute ``name`` of a ``title``.

        What is sent has no reference but a required one: such an example can be tried as it stands.
        """
        schema = self._resolved(schema)
        for word in ("const", "default"):
            if word in schema:
                return schema[word]
        if "enum" in schema:
            return schema["enum"][0]
        if (title, name) in self._states:
            return self._states[title, name]
        kind = schema.get("type", "string")
        kind = kind if isinstance(kind, str) else kind[0]
        if kind == "array":
            return [self.of(schema.get("items", {}), sent=sent, name=name, title=title)]
        if kind == "object":
            return self._object(schema, sent=sent)
        return _NUMBERS[kind] if kind in _NUMBERS else _text(schema, name, title)

    def _resolved(self, schema: Object) -> Object:
        while True:
            if "$ref" in schema:
                schema = self._components[schema["$ref"].rsplit("/", 1)[1]]
            elif choices := schema.get("anyOf", schema.get("oneOf")):
                schema = next(one for one in choices if one.get("type") != "null")
            else:
                return schema

    def _object(self, schema: Object, *, sent: bool) -> Object:
        title = str(schema.get("title", ""))
        required = set(schema.get("required", ()))
        found: Object = {}
        for name, inner in schema.get("properties", {}).items():
            if name in required or self._told(name, inner, sent=sent):
                value = self.of(inner, sent=sent, name=name, title=title)
                if name in required or value not in ({}, [{}]):
                    found[name] = value
        return found

    def _told(self, name: str, schema: Object, *, sent: bool) -> bool:
        schema = self._resolved(schema)
        plain = self._resolved(schema.get("items", {})) if schema.get("type") == "array" else schema
        whole = plain.get("title", "") in ("TimePeriod", "Money", "Quantity") or not plain.get("title")
        return name not in _UNTOLD and (name != "id" or not sent) and (whole or not sent)


def _text(schema: Object, name: str, title: str) -> str:
    if name == "@type":
        return title or "Entity"
    if name == "@referredType":
        return title.removesuffix("Ref")
    if name in _WORDS:
        text = str(_WORDS[name])
    elif schema.get("format") in _FORMATS:
        text = _FORMATS[schema["format"]]
    elif name in ("name", "description"):
        text = f"{'An example of' if name == 'description' else 'Example of'} {_spoken(title) or 'a thing'}"
    else:
        text = _spoken(name) or "text"
    if "pattern" in schema and not re.search(schema["pattern"], text):
        raise Defect(f"{text!r} is no example of {name}", code="web.example")
    return text


def _spoken(name: str) -> str:
    """Return a name as words: ``troubleTicketSeverity`` as ``trouble ticket severity``."""
    return re.sub(r"(?<=[a-z0-9])([A-Z])", r" \1", name.strip("@")).lower()
