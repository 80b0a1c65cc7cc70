"""The services of a product as a plan sees them: those that the rules ask for, and those that are there. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from farwire.base.canonical import JSON
from farwire.catalog.model import (
    ActivationOperation,
    Condition,
    Line,
    Need,
    ServiceSpecification,
    against,
    text_of,
)
from farwire.inventory.model import Resource, Service, ServiceState
from farwire.kernel.ids import ServiceId


@dataclass(frozen=True, slots=True)
class Part:
    """A service that a product has or gets. It is switched on after those in ``after``, and off before them."""

    id: ServiceId
    specification: str
    supports: ServiceId | None = None
    values: Mapping[str, str] | None = None
    """Its characteristics; None where it keeps what it has."""
    needs: tuple[Need, ...] = ()
    operations: tuple[ActivationOperation, ...] = ()
    after: tuple[ServiceId, ...] = ()
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Has:
    """A resource that a product has, and for which of its services."""

    kind: str
    pool: str
    service_id: ServiceId | None


@dataclass(frozen=True, slots=True)
class Standing:
    """What a product is made of now: its services that have not ended, what realises comes behind; its resources."""

    parts: tuple[Part, ...] = ()
    held: tuple[Has, ...] = ()

    def held_by(self, service_id: ServiceId) -> tuple[Has, ...]:
        """Return what one of the services has."""
        return tuple(one for one in self.held if one.service_id == service_id)

    def chosen(self) -> Mapping[str, str]:
        """Return the characteristics of the product, as its services that face the customer keep them."""
        roots = [one for one in self.parts if one.supports is None]
        return {name: text for one in reversed(roots) for name, text in (one.values or {}).items()}


def standing(
    services: Sequence[Service],
    specifications: Mapping[str, ServiceSpecification],
    resources: Iterable[Resource],
    facts: Mapping[str, str],
) -> Standing:
    """Return what a product is made of. ``facts`` are what is known of its place."""
    alive = [one for one in services if one.state is not ServiceState.TERMINATED]
    known = {f"place.{name}": text for name, text in facts.items()}
    parts, before = [], tuple[ServiceId, ...]()
    for one in alive:
        specification = specifications.get(one.specification)
        values = {**one.attributes, **known}
        needs, operations = _of(specification, values) if specification else ((), ())
        after = before if one.supports is None else ()
        parts.append(Part(one.id, one.specification, one.supports, one.attributes, needs, operations, after))
        before = (one.id,) if one.supports is None else before
    held = tuple(Has(one.kind.value, one.pool, one.service_id) for one in resources)
    return Standing(_ordered(parts), held)


def _of(
    service: ServiceSpecification, values: Mapping[str, str]
) -> tuple[tuple[Need, ...], tuple[ActivationOperation, ...]]:
    """Return what a service with these values needs, whatever pool it had it from, and what switches it."""

    def holds(conditions: Sequence[Condition]) -> bool:
        return not any(against(one, values) for one in conditions)

    needs = tuple(Need(one.kind, one.pool, one.count) for one in service.resources if holds(one.when))
    return needs, tuple(one for one in service.operations if holds(one.when))


def parts_of(lines: Sequence[Line], ids: Sequence[ServiceId]) -> tuple[Part, ...]:
    """Return the parts that the lines of a realisation become, with these ids."""
    parts = [
        Part(
            ids[line.number - 1],
            line.service.code,
            None if line.parent is None else ids[line.parent - 1],
            {name: text_of(value) for name, value in line.values.items()},
            line.needs,
            line.operations,
            tuple(ids[number - 1] for number in line.after),
            line.reason,
        )
        for line in lines
    ]
    return _ordered(parts)


def _ordered(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Return the parts with all that each is switched on after: what realises it, what it and its upper one follow."""
    below: dict[ServiceId, list[ServiceId]] = defaultdict(list)
    for one in parts:
        if one.supports is not None:
            below[one.supports].append(one.id)
    inherited: dict[ServiceId | None, tuple[ServiceId, ...]] = {None: ()}
    found = []
    for one in parts:
        own = (*inherited.get(one.supports, ()), *one.after)
        inherited[one.id] = own
        found.append(replace(one, after=tuple(dict.fromkeys((*own, *below[one.id])))))
    return tuple(found)


def same_ids(
    lines: Sequence[Line], before: Sequence[Part], fresh: Sequence[ServiceId]
) -> tuple[ServiceId, ...]:
    """Return the id of each line: of the service that is there in its place already, else a fresh one."""
    there: dict[tuple[ServiceId | None, str], list[ServiceId]] = defaultdict(list)
    for one in before:
        there[one.supports, one.specification].append(one.id)
    ids: list[ServiceId] = []
    for line, new in zip(lines, fresh, strict=True):
        upper = None if line.parent is None else ids[line.parent - 1]
        known = there.get((upper, line.service.code))
        ids.append(known.pop(0) if known else new)
    return tuple(ids)


def to_document(part: Part) -> dict[str, JSON]:
    """Return a part as an order keeps it until it is made."""
    return {
        "id": str(part.id),
        "specification": part.specification,
        "supports": None if part.supports is None else str(part.supports),
        "values": dict(part.values or {}),
        "reason": part.reason,
    }
