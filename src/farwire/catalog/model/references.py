"""What a catalogue file must obey together with what is published: references exist, nothing needs itself."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime
from graphlib import CycleError, TopologicalSorter
from typing import Final, TypeAlias

from farwire.catalog.model.catalogue import Catalogue, Document, Offering, end_of, kind_of
from farwire.catalog.model.catalogue_check import refuse
from farwire.catalog.model.rules_check import check_mapping
from farwire.catalog.model.specification import (
    Kind,
    ProductSpecification,
    RelationType,
    ResourceSpecification,
    ServiceSpecification,
)
from farwire.kernel.errors import Conflict

Name: TypeAlias = tuple[Kind, str]
"""The kind and the code of a document."""
_CIRCLES: Final = ("bundle", "requires", "relations", "rules")
"""The references that must not lead back to where they start."""


def current(versions: Sequence[Document], at: datetime) -> Document | None:
    """Return the version in force at ``at``: the one that started last and has not ended, or None."""
    started = [one for one in versions if one.valid_from is not None and one.valid_from <= at]
    if not started:
        return None
    latest = max(started, key=lambda one: one.valid_from or at)
    end = end_of(latest)
    return latest if end is None or at < end else None


def references(document: Document) -> Iterator[tuple[str, Name]]:
    """Yield each document that this one names, with the path of the field that does."""
    if isinstance(document, Offering):
        if document.product_specification:
            yield "product_specification", (Kind.PRODUCT, document.product_specification)
        for i, item in enumerate(document.bundle):
            yield f"bundle[{i}].offering", (Kind.OFFERING, item.offering)
        for field, codes in (("requires", document.requires), ("excludes", document.excludes)):
            for i, code in enumerate(codes):
                yield f"{field}[{i}]", (Kind.OFFERING, code)
        return
    for i, relation in enumerate(document.relations):
        yield f"relations[{i}].specification", (kind_of(document), relation.specification)
    if isinstance(document, ProductSpecification | ServiceSpecification):
        yield from _of_rules(document)
    if isinstance(document, ServiceSpecification):
        for i, need in enumerate(document.resources):
            if need.specification:
                yield f"resources[{i}].specification", (Kind.RESOURCE, need.specification)


def _of_rules(document: ProductSpecification | ServiceSpecification) -> Iterator[tuple[str, Name]]:
    if isinstance(document, ProductSpecification):
        for i, code in enumerate(document.services):
            yield f"services[{i}]", (Kind.SERVICE, code)
    for i, rule in enumerate(document.rules):
        for j, code in enumerate(rule.services):
            yield f"rules[{i}].services[{j}]", (Kind.SERVICE, code)


def led_to(document: ProductSpecification | ServiceSpecification) -> tuple[str, ...]:
    """Return the codes of the services that a specification names, each once."""
    named = document.services if isinstance(document, ProductSpecification) else ()
    return tuple(dict.fromkeys((*named, *(code for rule in document.rules for code in rule.services))))


def check_references(
    file: Catalogue, published: Mapping[Name, Sequence[Document]], offerings: Collection[str]
) -> None:
    """Refuse a file that names what is neither in it nor published then, or that makes a circle.

    ``published`` holds the versions that are there; ``offerings`` the codes that have a price plan, with or without
    a document. Raises ``Invalid`` (``catalog.document_invalid``).
    """
    versions: dict[Name, list[Document]] = {name: list(known) for name, known in published.items()}
    for _, document in file.documents():
        known = versions.setdefault((kind_of(document), document.code), [])
        if document not in known:
            known.append(document)
    for path, document in file.documents():
        for field, (kind, code) in references(document):
            _check_reference(f"{path}.{field}", document, kind, code, versions, offerings)
        if isinstance(document, ServiceSpecification):
            _check_kinds(path, document, versions)
    _check_mappings(file, versions)
    for at in _changes(file, versions):
        for relation in _CIRCLES:
            _check_circle(file, versions, relation, at)


def _check_mappings(file: Catalogue, versions: Mapping[Name, Sequence[Document]]) -> None:
    """Refuse what no longer fits, of the file's rules and of those that are published and lead to its services."""
    paths = {(kind_of(one), one.code): path for path, one in file.documents()}
    for name, known in versions.items():
        for one in known:
            if not isinstance(one, ProductSpecification | ServiceSpecification):
                continue
            below = (paths.get((Kind.SERVICE, code)) for code in led_to(one))
            path = paths.get(name) or next((found for found in below if found), None)
            if path is not None:
                check_mapping(path, one, _below(one, versions), refuse)


def _below(
    document: ProductSpecification | ServiceSpecification, versions: Mapping[Name, Sequence[Document]]
) -> Mapping[str, Sequence[ServiceSpecification]]:
    """Return the versions of the services that the rules name, as far as they hold beside the document or after it."""
    found: dict[str, Sequence[ServiceSpecification]] = {}
    for code in {code for rule in document.rules for code in rule.services}:
        known = [
            one for one in versions.get((Kind.SERVICE, code), ()) if isinstance(one, ServiceSpecification)
        ]
        now = current(known, document.valid_from) if document.valid_from else None
        found[code] = [one for one in known if one is now or _later(one, document)]
    return found


def _later(one: Document, than: Document) -> bool:
    return one.valid_from is not None and than.valid_from is not None and one.valid_from > than.valid_from


def _check_reference(
    path: str,
    document: Document,
    kind: Kind,
    code: str,
    versions: Mapping[Name, Sequence[Document]],
    offerings: Collection[str],
) -> None:
    known = versions.get((kind, code), ())
    words = kind.value.replace("_", " ")
    if kind is Kind.OFFERING and (known or code in offerings):
        return
    if not known:
        fix = "put it in this file, or publish it before"
        raise refuse(path, code, f"there is no {words} {code}", fix)
    start = document.valid_from
    if kind is not Kind.OFFERING and start is not None and current(known, start) is None:
        raise refuse(
            path, code, f"the {words} {code} does not hold at {start.isoformat()}", "let it start before"
        )


def check_overlap(path: str, document: Document, versions: Sequence[tuple[int, Document]]) -> None:
    """Refuse a document whose time overlaps a published version, given with its number.

    Raises ``Conflict`` (``catalog.version_overlap``).
    """
    for number, other in versions:
        if document.valid_from is None or other.valid_from is None:
            continue
        earlier, later = (other, document) if other.valid_from <= document.valid_from else (document, other)
        end = end_of(earlier)
        overlaps = end is not None and later.valid_from is not None and end > later.valid_from
        if overlaps or other.valid_from == document.valid_from:
            raise Conflict(
                f"version {number} of {document.code} is published from {other.valid_from.isoformat()} on "
                "with another content",
                code="catalog.version_overlap",
                field=f"{path}.valid_from",
                value=document.valid_from.isoformat(),
                fix="a published version never changes: publish the change from another time",
            )


def _check_kinds(
    path: str, service: ServiceSpecification, versions: Mapping[Name, Sequence[Document]]
) -> None:
    for i, need in enumerate(service.resources):
        for resource in versions.get((Kind.RESOURCE, need.specification), ()):
            if isinstance(resource, ResourceSpecification) and resource.kind != need.kind:
                message = f"{need.specification} describes the kind {resource.kind}"
                raise refuse(f"{path}.resources[{i}].kind", need.kind, message)


def _changes(file: Catalogue, versions: Mapping[Name, Sequence[Document]]) -> list[datetime]:
    """Return the moments at which what holds changes, from the file's first one on."""
    first = min(one.valid_from for _, one in file.documents() if one.valid_from is not None)
    starts = (one.valid_from for known in versions.values() for one in known)
    return sorted({start for start in starts if start is not None and start >= first})


def _needs(document: Document, relation: str) -> Iterator[Name]:
    if isinstance(document, Offering):
        codes = {"bundle": [item.offering for item in document.bundle], "requires": document.requires}
        yield from ((Kind.OFFERING, code) for code in codes.get(relation, ()))
    elif relation == "rules":
        if isinstance(document, ServiceSpecification):
            yield from ((Kind.SERVICE, code) for code in led_to(document))
    elif relation == "relations":
        for one in document.relations:
            if one.type is RelationType.DEPENDENCY:
                yield kind_of(document), one.specification


def _check_circle(
    file: Catalogue, versions: Mapping[Name, Sequence[Document]], relation: str, at: datetime
) -> None:
    graph: dict[Name, list[Name]] = {}
    for name, known in versions.items():
        document = current(known, at)
        if document is not None:
            graph[name] = list(_needs(document, relation))
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        circle: list[Name] = error.args[1]
        paths = {(kind_of(one), one.code): path for path, one in file.documents()}
        path = next((f"{paths[name]}.{relation}" for name in circle if name in paths), relation)
        way = " → ".join(code for _, code in reversed(circle))
        raise refuse(path, way, "it needs itself", f"break the circle {way}") from None
