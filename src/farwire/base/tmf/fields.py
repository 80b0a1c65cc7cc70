"""``fields``: which attributes a client wants back, to any depth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias

from farwire.base.tmf.descriptor import Descriptor, Version
from farwire.base.tmf.query import wrong
from farwire.base.tmf.resource import Document

MAX_FIELDS: Final = 100
Tree: TypeAlias = dict[str, Any]


def wanted(descriptor: Descriptor, names: Iterable[str], version: Version) -> Tree | None:
    """Return the attributes to keep as a tree, or None for all.

    v4 returns exactly id, href and what is asked for; v5 also ``@type`` and what a resource must have (TMF630).
    """
    paths = [tuple(name.strip().split(".")) for name in names]
    if not paths:
        return None
    if len(paths) > MAX_FIELDS:
        raise wrong("fields", f"at most {MAX_FIELDS} attributes")
    if paths == [("none",)]:
        paths = []
    tree: Tree = {}
    always = (
        ("id", "href") if version is Version.V4 else ("id", "href", "@type", *descriptor.required(version))
    )
    for path in (*paths, *((name,) for name in always)):
        _put(tree, path)
    return tree


def _put(tree: Tree, path: tuple[str, ...]) -> None:
    """Add ``path``; a whole attribute wins over a part of it."""
    for step in path[:-1]:
        inner = tree.setdefault(step, {})
        if inner is None:
            return
        tree = inner
    tree[path[-1]] = None


def select(document: Document, tree: Mapping[str, Any] | None) -> Document:
    """Return the attributes of ``document`` that ``tree`` names."""
    if tree is None:
        return document
    return {name: _part(value, tree[name]) for name, value in document.items() if name in tree}


def _part(value: Any, tree: Mapping[str, Any] | None) -> Any:
    if tree is None:
        return value
    if isinstance(value, list):
        return [_part(item, tree) for item in value]
    return select(value, tree) if isinstance(value, dict) else value
