"""Two generations from one stored shape: v5 is stored, v4 is a view of it that can be turned back.

What only v5 has is hidden in v4 and kept when v4 changes something else, and the reverse.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from farwire.base.tmf.descriptor import PARENT, PLAIN, Attribute, Descriptor, Part, Version
from farwire.base.tmf.parts import part_of
from farwire.base.tmf.resource import Document
from farwire.base.tmf.shape import wrong

META: Final = frozenset({"role", "@type", "@baseType", "@schemaLocation"})
"""What stays outside when v5 wraps the thing that v4 has flat."""
OF_REFERENCES: Final = frozenset(
    {"id", "href", "name", "version", "@referredType", "@type", "@baseType", "@schemaLocation"}
)

Turn: TypeAlias = Callable[[Document], Document]


def to_wire(descriptor: Descriptor, document: Document, version: Version) -> Document:
    """Return the stored ``document`` as ``version`` shows it, without what only the other version has."""
    out: Document = {}
    for name, value in document.items():
        if value is None:
            continue
        attribute = descriptor.attributes.get(name)
        if attribute is None:
            out[name] = value
        elif version in attribute.versions:
            out[attribute.name_in(version)] = _each(value, _out(descriptor, attribute, version))
    if version is Version.V4 and out.get("@type") == descriptor.type:
        out["@type"] = descriptor.type_in(version)
    return out


def from_wire(descriptor: Descriptor, document: Document, version: Version) -> Document:
    """Return what a client of ``version`` sent in the shape that is stored."""
    if PARENT.name in document:
        raise wrong(f"$.{PARENT.name}", "a nested resource stays where it was made")
    if version is Version.V5:
        return dict(document)
    by_v4 = {one.older: one for one in descriptor.of(version) if one.older}
    by_v4 |= {one.name_in(version): one for one in descriptor.of(version)}
    out: Document = {}
    for name, value in document.items():
        attribute = by_v4.get(name)
        if attribute is None:
            out[name] = value
        else:
            out[attribute.name] = _each(value, _in(descriptor, attribute))
    if out.get("@type") == descriptor.type_in(version):
        out["@type"] = descriptor.type
    return out


def changed_by(descriptor: Descriptor, before: Document, patched: Document, version: Version) -> Document:
    """Return the stored shape after a client of ``version`` turned its view of ``before`` into ``patched``.

    What it left as it saw it stays as it is stored, to the last attribute that its version does not show.
    """
    seen = to_wire(descriptor, before, version)
    back = from_wire(descriptor, patched, version)
    after = {name: value for name, value in before.items() if name not in _shown(descriptor, version, before)}
    by_name = {one.name: one.name_in(version) for one in descriptor.attributes.values()}
    for name, value in back.items():
        wire = by_name.get(name, name)
        unchanged = wire in seen and name in before and seen[wire] == patched.get(wire)
        after[name] = before[name] if unchanged else value
    return after


def stored_path(descriptor: Descriptor, path: tuple[str, ...], version: Version) -> tuple[str, ...]:
    """Return where the attribute that a client of ``version`` calls ``path`` is stored."""
    if version is Version.V5 or not path:
        return path
    attribute = next((one for one in descriptor.of(version) if one.name_in(version) == path[0]), None)
    if attribute is None:
        return path
    return (attribute.name, *_inner_path(part_of(descriptor, attribute), path[1:]))


def _inner_path(part: Part | None, rest: tuple[str, ...]) -> tuple[str, ...]:
    if part is None or not rest:
        return rest
    if part.wraps and rest[0] not in META:
        return (part.wraps, *rest)
    renamed = {one.v4_name: one.name for one in part.own if one.v4_name}
    return (renamed.get(rest[0], rest[0]), *rest[1:])


def _shown(descriptor: Descriptor, version: Version, document: Document) -> set[str]:
    hidden = {one.name for one in descriptor.attributes.values() if version not in one.versions}
    return document.keys() - hidden


def _each(value: Any, change: Turn | None) -> Any:
    """Apply ``change`` to an object, or to each object of a list; leave what is neither."""
    if change is None:
        return value
    if isinstance(value, list):
        return [change(item) if isinstance(item, dict) else item for item in value]
    return change(value) if isinstance(value, dict) else value


def _out(descriptor: Descriptor, attribute: Attribute, version: Version) -> Turn | None:
    if attribute.type in PLAIN:
        return None
    part = part_of(descriptor, attribute)
    if version is Version.V5:
        return lambda item: _typed(descriptor, attribute.type, part, item)
    if part is None:
        return None
    return lambda item: _part_to_v4(descriptor, attribute.type, part, item)


def _in(descriptor: Descriptor, attribute: Attribute) -> Turn | None:
    part = None if attribute.type in PLAIN else part_of(descriptor, attribute)
    return None if part is None else lambda item: _part_from_v4(descriptor, attribute.type, part, item)


def _typed(descriptor: Descriptor, kind: str, part: Part | None, item: Document) -> Document:
    """Give an object of v5 its ``@type`` where nobody named it, and the objects in it theirs."""
    found = {name: value for name, value in item.items() if value is not None}
    if part is None or part.typed:
        found = {"@type": _named(kind, found), **found}
    for inner in part.own if part else ():
        if inner.name in found and inner.type not in PLAIN:
            found[inner.name] = _each(found[inner.name], _out(descriptor, inner, Version.V5))
    if part is not None and part.wraps:
        wrapped = found.get(part.wraps)
        if isinstance(wrapped, dict):
            found[part.wraps] = {"@type": part.wrapped_type, **wrapped}
    return found


def _named(kind: str, item: Document) -> str:
    """Return the type of an object: ``XRefOrValue`` is none, but X, or XRef where it has nothing but names."""
    stem = kind.removesuffix("RefOrValue")
    if stem == kind or kind.startswith("Related"):
        return kind
    return f"{stem}Ref" if "id" in item and item.keys() <= OF_REFERENCES else stem


def _part_to_v4(descriptor: Descriptor, kind: str, part: Part, item: Document) -> Document:
    if part.to_v4 is not None:
        return part.to_v4(item)
    if part.wraps:
        return _flat(kind, part, item)
    names = {one.name: (one.name_in(Version.V4), _out(descriptor, one, Version.V4)) for one in part.own}
    return _renamed(item, names)


def _part_from_v4(descriptor: Descriptor, kind: str, part: Part, item: Document) -> Document:
    if part.from_v4 is not None:
        return part.from_v4(item)
    if part.wraps:
        return _wrapped(kind, part, item)
    return _renamed(item, {one.name_in(Version.V4): (one.name, _in(descriptor, one)) for one in part.own})


def _renamed(item: Document, names: Mapping[str, tuple[str, Turn | None]]) -> Document:
    out: Document = {}
    for name, value in item.items():
        other, change = names.get(name, (name, None))
        if value is not None:
            out[other] = _each(value, change)
    return out


def _flat(kind: str, part: Part, item: Document) -> Document:
    """Return v4's flat form: the thing's own attributes beside its role."""
    inner = item.get(part.wraps)
    thing = (
        {name: value for name, value in inner.items() if name != "@type"} if isinstance(inner, dict) else {}
    )
    outer = {name: value for name, value in item.items() if name != part.wraps}
    if outer.get("@type", kind) == kind:
        outer["@type"] = part.v4_type
    return {**thing, **outer}


def _wrapped(kind: str, part: Part, item: Document) -> Document:
    """Return v5's form: the thing under its own name, its role outside."""
    outer = {name: value for name, value in item.items() if name in META}
    if outer.get("@type", part.v4_type) == part.v4_type:
        outer["@type"] = kind
    inner = {name: value for name, value in item.items() if name not in META}
    inner_type = (
        "PartyRoleRef" if part.wrapped_type == "PartyRef" and "partyId" in inner else part.wrapped_type
    )
    return {**outer, part.wraps: {"@type": inner_type, **inner}}
