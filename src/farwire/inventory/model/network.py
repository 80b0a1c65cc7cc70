"""The network: its elements (resources and the services on them) and the links between them, as values."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NewType

from farwire.kernel.errors import Conflict, Invalid
from farwire.kernel.ids import ResourceId, ServiceId

ElementId = NewType("ElementId", int)
MAX_PLACE: Final = 200
NAME: Final = re.compile(r"[!-~]([ -~]{0,126}[!-~])?")
"""1 to 128 printable ASCII characters that neither begin nor end with a space."""
KIND: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")
PROTECTION: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,39}")
PLACE: Final = re.compile(r"[^\x00-\x1f\x7f]{0,200}")


class Layer(StrEnum):
    """What an element is: a thing one can touch, a thing that is configured, or a service that runs on them."""

    PHYSICAL = "physical"
    LOGICAL = "logical"
    SERVICE = "service"


class ElementState(StrEnum):
    """How an element stands. That it has ended is told by its end."""

    PLANNED = "planned"
    IN_SERVICE = "in_service"
    OUT_OF_SERVICE = "out_of_service"


class LinkKind(StrEnum):
    """What a link says of its two ends. Of all but ``CONNECTS``, the second end needs the first."""

    CONTAINS = "contains"
    """The second is a part of the first: a card in a shelf. Each has one container; no one contains itself."""
    CARRIES = "carries"
    """The second runs over the first: a circuit over a fibre."""
    SERVES = "serves"
    """The second is a service or line that the first gives: a port and its access."""
    PROTECTS = "protects"
    """The first stands by for the second, in the protection group that the link names."""
    CONNECTS = "connects"
    """Both are joined; neither needs the other. Undirected: A connects B is B connects A."""

    @property
    def directed(self) -> bool:
        """Return whether the ends differ."""
        return self is not LinkKind.CONNECTS


_GROUPED: Final = frozenset({LinkKind.CARRIES, LinkKind.SERVES, LinkKind.PROTECTS})


@dataclass(frozen=True, slots=True)
class NewElement:
    """An element to be added. ``kind`` is the operator's word: router, cable, port."""

    name: str
    layer: Layer
    kind: str
    state: ElementState = ElementState.IN_SERVICE
    place: str = ""
    resource_id: ResourceId | None = None
    """The resource of a pool that it is, if it is one."""
    service_id: ServiceId | None = None
    """The service of a product that it is, if it is one."""


@dataclass(frozen=True, slots=True)
class Element:
    """An element as it stands, or stood at the time that was asked for: so since ``since``."""

    id: ElementId
    name: str
    layer: Layer
    kind: str
    state: ElementState
    place: str
    since: datetime
    started_at: datetime
    ended_at: datetime | None = None
    resource_id: ResourceId | None = None
    service_id: ServiceId | None = None

    def exists_at(self, at: datetime) -> bool:
        """Return whether it was there at ``at``."""
        return self.started_at <= at and (self.ended_at is None or at < self.ended_at)


@dataclass(frozen=True, slots=True)
class ElementStanding:
    """In ``[valid_from, valid_to)`` an element stood so; without ``valid_to`` it does still."""

    valid_from: datetime
    valid_to: datetime | None
    state: ElementState
    place: str


@dataclass(frozen=True, slots=True)
class NewLink:
    """A link to be added, between elements by their names. ``protection``: the group that it is a member of."""

    start: str
    end: str
    kind: LinkKind
    protection: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """In ``[valid_from, valid_to)`` the link held between the two elements."""

    start: ElementId
    start_name: str
    end: ElementId
    end_name: str
    kind: LinkKind
    protection: str
    valid_from: datetime
    valid_to: datetime | None = None


def check_element(new: NewElement) -> None:
    """Raise ``Invalid`` (``inventory.element``) for a name, kind or place that is malformed."""
    for field, form, words in (
        ("name", NAME, "1 to 128 printable ASCII characters, no space at either end"),
        ("kind", KIND, "a lower-case word of up to 40 letters, digits and underscores"),
        ("place", PLACE, f"at most {MAX_PLACE} printable characters"),
    ):
        value = getattr(new, field)
        if form.fullmatch(value) is None:
            raise Invalid(
                f"this is no {field} of an element",
                code="inventory.element",
                field=field,
                value=value[:200],
                fix=words,
            )
    if (new.service_id is not None) != (new.layer is Layer.SERVICE) and (
        new.service_id is not None or new.resource_id is not None
    ):
        raise Invalid(
            "a service is of the layer service, a resource of a pool is physical or logical",
            code="inventory.element",
            field="layer",
            value=new.layer.value,
        )


def check_link(new: NewLink) -> None:
    """Raise ``Conflict`` (``inventory.link_to_itself``) or ``Invalid`` (``inventory.link``) for what cannot be."""
    if new.start == new.end:
        raise Conflict(
            "an element is not linked with itself",
            code="inventory.link_to_itself",
            field="to",
            value=new.end,
            fix="name two elements",
        )
    if new.protection and PROTECTION.fullmatch(new.protection) is None:
        raise Invalid(
            "this is no name of a protection group",
            code="inventory.link",
            field="protection",
            value=new.protection[:200],
            fix="up to 40 lower-case letters, digits, dashes and underscores",
        )
    if new.kind is LinkKind.PROTECTS and not new.protection:
        raise Invalid(
            "what protects does so in a group",
            code="inventory.link",
            field="protection",
            value="",
            fix="name the group, and name it in the links that it stands by for",
        )
    if new.protection and new.kind not in _GROUPED:
        raise Invalid(
            f"{new.kind} knows no protection",
            code="inventory.link",
            field="protection",
            value=new.protection,
            fix="only carries, serves and protects do",
        )
