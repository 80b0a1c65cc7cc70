"""What conformance kits look at: the mandatory attributes of the documents, and what the kits themselves check."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from farwire.base.tmf import Version


@dataclass
class Kit:
    """What the kit of one API (v4) wants of one resource."""

    api: str
    path: str
    methods: list[str]
    mandatory: list[str] = field(default_factory=list)
    types: dict[str, str] = field(default_factory=dict)
    asked: set[str] = field(default_factory=set)
    """Attributes that it filters by or asks for with ``fields``."""


@cache
def mandatory(folder: Path) -> tuple[dict[str, Any], ...]:
    """Return (api, v, res, type, req) of each resource of each document."""
    return tuple(json.loads((folder / "mandatory-attributes.json").read_text(encoding="utf-8")))


@cache
def kits(folder: Path) -> tuple[Kit, ...]:
    return tuple(_kits((folder / "kit-attributes.txt").read_text(encoding="utf-8")))


def _kits(text: str) -> Iterator[Kit]:
    api, kit = "", None
    for line in text.splitlines():
        if match := re.match(r"== TMF(\d+)", line):
            api = match[1]
        elif match := re.match(r"    (\w+) (\[.*?\]) ", line):
            if kit is not None:
                yield kit
            kit = Kit(api, match[1], ast.literal_eval(match[2]))
        elif kit is not None and (match := re.match(r"       (mandatory|types): (.*)", line)):
            setattr(kit, match[1], ast.literal_eval(match[2]))
        elif kit is not None and (match := re.match(r"       filters: (\[.*\])  fields: (\[.*\])", line)):
            kit.asked = {*ast.literal_eval(match[1]), *ast.literal_eval(match[2])} - {"limit"}
    if kit is not None:
        yield kit


def wanted_by_documents(folder: Path, number: str, bound: Any) -> Iterator[str]:
    """Yield what our tables require otherwise than the list of mandatory attributes says."""
    for row in mandatory(folder):
        version = Version(row["v"])
        if row["api"] != number:
            continue
        one = _found(bound, row["res"], version)
        if one is None:
            yield f"{row['res']} {version} collection"
        elif row["req"] is not None:
            for name in set(row["req"]) ^ set(one.required(version)):
                yield f"{one.type} {version} required {name}"


def wanted_by_kits(folder: Path, number: str, bound: Any) -> Iterator[str]:
    """Yield what a kit asks of a resource that our table does not have, or has as another kind of value."""
    for kit in kits(folder):
        one = _found(bound, kit.path, Version.V4) if kit.api == number else None
        if kit.api != number or kit.path[0].isupper():  # a wrong path, to see a 404
            continue
        if one is None:
            yield f"{kit.path} v4 kit"
            continue
        words = {"GET": {"list", "get"}, "POST": {"create"}, "PATCH": {"patch"}, "DELETE": {"delete"}}
        for operation in set().union(*(words[method] for method in kit.methods)) - one.operations:
            yield f"{one.type} v4 operation {operation}"
        ours = {each.name_in(Version.V4): each for each in one.of(Version.V4)}
        for name in {*kit.mandatory, *kit.types, *kit.asked}:
            if name not in ours or kit.types.get(name, kind(ours[name])) != kind(ours[name]):
                yield f"{one.type} v4 kit {name}"


def kind(attribute: Any) -> str:
    """Return the type of JSON that an attribute is."""
    if attribute.many:
        return "array"
    if attribute.type[0].isupper():
        return "object"
    return {"date": "string", "dateTime": "string"}.get(attribute.type, attribute.type)


def _found(bound: Any, path: str, version: Version) -> Any:
    for api, one in bound:
        if version in api.versions and version in one.versions and one.path_in(version) == path:
            return one
    return None
