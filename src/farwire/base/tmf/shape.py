"""Whether a document has the shape of its resource: one walk that also writes times the way they are stored."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any, Final

from farwire.base.canonical import instant_text
from farwire.base.tmf.descriptor import PLAIN, Attribute, Descriptor, Fill, Version
from farwire.base.tmf.parts import part_of
from farwire.base.tmf.resource import Document
from farwire.kernel.errors import Invalid

PATTERNS: Final[Mapping[str, str]] = {
    "id": r"[A-Za-z0-9._:@~+-]{1,100}",
    "@type": r"[A-Za-z][A-Za-z0-9._-]{0,99}",
}
"""What an id and the name of a type look like: an id is a part of a path, and of a header."""
MAX_DEPTH: Final = 32
MAX_EXPONENT: Final = 100
MAX_DIGITS: Final = 100
MAX_ITEMS: Final = 10_000
"""Elements of one list."""
_KINDS: Final[Mapping[str, tuple[type, ...]]] = {
    "integer": (int,),
    "number": (int, float, Decimal),
    "boolean": (bool,),
    "object": (dict,),
} | dict.fromkeys(("string", "dateTime", "date"), (str,))


def wrong(path: str, message: str, *, fix: str | None = None, value: object = None) -> Invalid:
    """Return the refusal (400) of the attribute at ``path``."""
    return Invalid(message, code="tmf.shape", field=path, fix=fix, value=value)


def checked(descriptor: Descriptor, document: Document, version: Version) -> Document:
    """Return the stored shape ``document`` with its times in UTC. Raises ``Invalid`` (``tmf.shape``) naming the path.

    An attribute that the resource does not have is kept only where the document says that it extends the resource: by
    an ``@schemaLocation``, or an ``@type`` other than the resource's own.
    """
    excess = _excess(document, 0)
    if excess is not None:
        raise wrong(f"${excess[0]}", excess[1])
    for name, pattern in PATTERNS.items():
        value = document.get(name)
        if isinstance(value, str) and not re.fullmatch(pattern, value):
            raise wrong(f"$.{name}", f"{name} does not match {pattern}", value=value)
    for attribute in descriptor.of(version):
        name = attribute.name_in(version)
        given = document.get(attribute.name) is not None or not from_client(descriptor, attribute)
        if version in attribute.required and not given:
            raise wrong(f"$.{name}", f"{name} is missing", fix=f"give {name}")
    out: Document = {}
    for name, value in document.items():
        known = descriptor.attributes.get(name)
        if known is None and not extends(descriptor, document):
            fix = "leave it out, or name the extension by @type or @schemaLocation"
            raise wrong(f"$.{name}", f"{descriptor.type} has no attribute {name}", fix=fix)
        if value is None:
            continue
        path = "" if known is None else f"$.{known.name_in(version)}"
        out[name] = _without_nulls(value) if known is None else _value(descriptor, known, value, path)
    return out


def extends(descriptor: Descriptor, document: Document) -> bool:
    """Return whether the document says that it has more than the resource's own attributes."""
    return bool(document.get("@schemaLocation")) or document.get("@type", descriptor.type) != descriptor.type


def from_client(descriptor: Descriptor, attribute: Attribute) -> bool:
    """Return whether only a client can give it: what the server fills is never missing."""
    if descriptor.lifecycle is not None and attribute.name == descriptor.lifecycle.attribute:
        return False
    return attribute.fill is Fill.NONE and attribute.default is None


def _value(descriptor: Descriptor, attribute: Attribute, value: Any, path: str) -> Any:
    if not attribute.many:
        return _one(descriptor, attribute, value, path)
    if not isinstance(value, list):
        raise wrong(path, "a list is expected here", fix="write [ … ]")
    return [_one(descriptor, attribute, item, f"{path}[{n}]") for n, item in enumerate(value)]


def _one(descriptor: Descriptor, attribute: Attribute, value: Any, path: str) -> Any:
    kind = attribute.type
    if kind == "any":
        return value
    if kind in PLAIN:
        if not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "boolean"):
            raise wrong(path, f"expected {kind}, got {_name(value)}")
        return _time(kind, value, path)
    if not isinstance(value, dict):
        raise wrong(path, f"expected an object ({kind}), got {_name(value)}")
    part = part_of(descriptor, attribute)
    inner = {} if part is None else {one.name: one for one in part.own}
    return {
        name: _value(descriptor, inner[name], item, f"{path}.{name}")
        if name in inner
        else _without_nulls(item)
        for name, item in value.items()
        if item is not None
    }


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(item) for name, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value


def _time(kind: str, value: Any, path: str) -> Any:
    if kind == "dateTime":
        found = instant_text(value)
        if found is None:
            raise wrong(path, "not a time", value=value, fix="write it as 2026-06-01T12:00:00Z")
        return found
    if kind == "date":
        try:
            date.fromisoformat(value)
        except ValueError:
            raise wrong(path, "not a date", value=value, fix="write it as 2026-06-01") from None
    return value


def _excess(value: Any, depth: int) -> tuple[str, str] | None:
    """Return where a value is what PostgreSQL could not keep, or would take more than its share of time, and why."""
    if depth > MAX_DEPTH:
        return "", "the document is nested too deeply"
    if isinstance(value, dict):
        for name, item in value.items():
            if type(item) is not str and (found := _excess(item, depth + 1)) is not None:
                return f".{name}{found[0]}", found[1]
    elif isinstance(value, list):
        if len(value) > MAX_ITEMS:
            return "", f"a list has at most {MAX_ITEMS} elements"
        for number, item in enumerate(value):
            if type(item) is not str and (found := _excess(item, depth + 1)) is not None:
                return f"[{number}]{found[0]}", found[1]
    elif isinstance(value, Decimal):
        exact = value.as_tuple()
        if not value.is_finite() or abs(value.adjusted()) > MAX_EXPONENT or len(exact.digits) > MAX_DIGITS:
            return "", "the number is out of range"
    return None


def _name(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "boolean", int: "integer", str: "string", list: "list", dict: "object"}
    return names.get(type(value), "number")
