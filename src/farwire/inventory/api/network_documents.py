"""How the network looks on the wire, and how it is read from it."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Final

import msgspec

from farwire.base.web import PageQuery, asked_moment, timestamp
from farwire.inventory.api.documents import BASE, Time
from farwire.inventory.model import Element, ElementId, ElementStanding, ElementState, Layer, Link, LinkKind
from farwire.inventory.service import element_unknown

if TYPE_CHECKING:
    from farwire.inventory.service.topology import Hit, Trace

TAG: Final = "Network"
_DIGITS: Final = 18


class ByElement(msgspec.Struct, frozen=True):
    """The path of one element."""

    id: Annotated[str, msgspec.Meta(max_length=40)]

    @property
    def element_id(self) -> ElementId:
        """Return the id. Raises ``NotFound`` for what is none."""
        if not (self.id.isascii() and self.id.isdigit() and len(self.id) <= _DIGITS):
            raise element_unknown("element", self.id)
        return ElementId(int(self.id))


def past(at: datetime | None) -> datetime | None:
    """Return the time that is asked about; None where it is now."""
    return None if at is None else asked_moment(at)


ElementName = Annotated[str, msgspec.Meta(pattern=r"^[!-~]([ -~]{0,126}[!-~])?$", max_length=128)]
Prefix = Annotated[str, msgspec.Meta(pattern=r"^[ -~]{0,128}$", max_length=128)]
KindWord = Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$", max_length=40)]
Place = Annotated[str, msgspec.Meta(pattern=r"^[^\x00-\x1f\x7f]{0,200}$", max_length=200)]
Group = Annotated[str, msgspec.Meta(pattern=r"^([a-z0-9][a-z0-9_-]{0,39})?$", max_length=40)]


class Way(StrEnum):
    """Which way of a trace."""

    FIRST = "first"
    SECOND = "second"


class ElementQuery(PageQuery, frozen=True, kw_only=True):
    """Filters of the list; ``prefix``: how the names begin."""

    layer: Layer | None = None
    kind: KindWord | None = None
    prefix: Prefix = ""
    at: Time | None = None


class LinkQuery(PageQuery, frozen=True, kw_only=True):
    """Which links, and when."""

    kind: LinkKind | None = None
    at: Time | None = None


class ImpactQuery(PageQuery, frozen=True, kw_only=True):
    """``unprotected``: instead of what is hit, what still works and has lost some protection."""

    layer: Layer | None = None
    unprotected: bool = False
    at: Time | None = None


class NeedsQuery(PageQuery, frozen=True, kw_only=True):
    """Which, and when."""

    layer: Layer | None = None
    at: Time | None = None


class PathQuery(PageQuery, frozen=True, kw_only=True):
    """To which element. ``over``: a kind of link to go over; default ``connects``."""

    end: ElementName
    over: LinkKind = LinkKind.CONNECTS
    without: ElementName | None = None
    at: Time | None = None


class TraceQuery(PageQuery, frozen=True, kw_only=True):
    """To which element, or to the nearest of which kind; past which one."""

    end: ElementName | None = None
    kind: KindWord | None = None
    without: ElementName | None = None
    at: Time | None = None


class ElementDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="Element"
):
    """An element of the network, as it stands or stood at the time that was asked for."""

    id: str
    href: str
    name: str
    layer: Layer
    kind: str
    state: ElementState
    place: str
    since: str
    started_at: str
    ended_at: str | None = None
    resource_id: str | None = None
    service_id: str | None = None


class StandingDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """How an element stood in a time."""

    valid_from: str
    state: ElementState
    place: str
    valid_to: str | None = None


class ElementDetailDocument(
    msgspec.Struct, frozen=True, rename="camel", omit_defaults=True, tag_field="@type", tag="ElementDetail"
):
    """An element, and how it stood, oldest first."""

    element: ElementDocument
    history: list[StandingDocument]


class LinkDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A link between two elements. Of all kinds but ``connects``, the second end needs the first."""

    href: str
    start: ElementName
    kind: LinkKind
    end: ElementName
    valid_from: str
    protection: str = ""
    valid_to: str | None = None


class HitDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """An element of an answer, with the product whose service it is."""

    element: ElementDocument
    product_id: str | None = None


class StepDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """A step of a trace: on its first or second way, and whether both have it."""

    way: Way
    step: int
    shared: bool
    element: ElementDocument


class ElementCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A new element."""

    name: ElementName
    layer: Layer
    kind: KindWord
    state: ElementState = ElementState.IN_SERVICE
    place: Place = ""
    at: Time | None = None


class ElementAmend(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """How an element stands from a time on."""

    state: ElementState | None = None
    place: Place | None = None
    at: Time | None = None


class ElementEnd(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """When an element ends."""

    at: Time | None = None


class LinkCreate(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A new link."""

    start: ElementName
    kind: LinkKind
    end: ElementName
    protection: Group = ""
    at: Time | None = None


class LinkEnd(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """The link that ends, and when."""

    start: ElementName
    kind: LinkKind
    end: ElementName
    at: Time | None = None


def element_document(one: Element) -> ElementDocument:
    """Return an element as the API shows it."""
    return ElementDocument(
        str(one.id),
        f"{BASE}/elements/{one.id}",
        one.name,
        one.layer,
        one.kind,
        one.state,
        one.place,
        timestamp(one.since),
        timestamp(one.started_at),
        None if one.ended_at is None else timestamp(one.ended_at),
        None if one.resource_id is None else str(one.resource_id),
        None if one.service_id is None else str(one.service_id),
    )


def standing_document(one: ElementStanding) -> StandingDocument:
    """Return how an element stood."""
    ended = None if one.valid_to is None else timestamp(one.valid_to)
    return StandingDocument(timestamp(one.valid_from), one.state, one.place, ended)


def link_document(one: Link) -> LinkDocument:
    """Return a link as the API shows it."""
    ended = None if one.valid_to is None else timestamp(one.valid_to)
    return LinkDocument(
        f"{BASE}/elements/{one.start}/links",
        one.start_name,
        one.kind,
        one.end_name,
        timestamp(one.valid_from),
        one.protection,
        ended,
    )


def hit_document(one: Hit) -> HitDocument:
    """Return an element of an answer."""
    return HitDocument(element_document(one.element), None if one.product_id is None else str(one.product_id))


def step_documents(found: Trace) -> list[StepDocument]:
    """Return the steps of both ways, one after the other."""
    return [
        StepDocument(way, step, one.id in found.shared, element_document(one))
        for way, elements in ((Way.FIRST, found.first), (Way.SECOND, found.second))
        for step, one in enumerate(elements)
    ]
