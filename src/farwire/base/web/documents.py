"""What leaves: JSON encoding, the ``fields`` parameter, paging headers, entity tags."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final, TypeAlias
from urllib.parse import urlencode

import msgspec

from farwire.kernel.errors import Invalid
from farwire.kernel.money import Currency, Money
from farwire.kernel.page import Page
from farwire.kernel.tenancy import Actor
from farwire.kernel.time import as_utc

FIRST_YEAR: Final = 1990
LAST_YEAR: Final = 2200

ALWAYS: Final = frozenset({"id", "href", "@type"})
"""Attributes that ``fields`` never removes (TMF630 part 1, attribute selection)."""

Amount: TypeAlias = Decimal
"""An exact decimal, written as a JSON number with all its digits (TMF types are numbers)."""


class MoneyDocument(msgspec.Struct, frozen=True):
    """The Money of the TMF APIs: currency code and exact amount in the major unit."""

    unit: str
    value: Amount

    @classmethod
    def of(cls, minor: int, unit: Currency) -> MoneyDocument:
        """Return minor units as the API shows them, with as many decimals as the currency has."""
        return cls(unit.code, Money(minor, unit).to_decimal())

    def to_money(self) -> Money:
        """Return the amount of a request, exactly. Raises ``Invalid`` as ``Money.of``."""
        return Money.of(self.value, self.unit)


def shown_actor(actor: Actor) -> str:
    """Return who acted as the API and the audit log show it: ``key:…``, ``operator:…``, ``system:…``."""
    return f"{actor.kind.value}:{actor.id}"


def timestamp(at: datetime) -> str:
    """Return ``at`` as RFC 3339 with Z."""
    return at.isoformat().replace("+00:00", "Z")


def moment(at: datetime, *, field: str) -> datetime:
    """Return a time of a request's body in UTC. Raises ``Invalid`` (``web.time_out_of_range``) for a far year."""
    if not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise Invalid(
            f"the year is outside {FIRST_YEAR} to {LAST_YEAR}",
            code="web.time_out_of_range",
            field=field,
            value=at.isoformat(),
        )
    return as_utc(at, field=field)


def asked_moment(at: datetime) -> datetime:
    """Return the time that a question is about in UTC; of a far year the nearest in which anything can be."""
    first, last = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC), datetime(LAST_YEAR, 12, 31, tzinfo=UTC)
    return min(max(at, first), last).astimezone(UTC)


encode: Final = msgspec.json.Encoder(decimal_format="number").encode


def attribute_names(document: Any) -> tuple[str, ...]:
    """Return the wire names of the attributes of a document's type; none where it is no struct."""
    if isinstance(document, type) and issubclass(document, msgspec.Struct):
        tag = document.__struct_config__.tag_field
        names = tuple(field.encode_name for field in msgspec.structs.fields(document))
        return (tag, *names) if tag else names
    return ()


def wanted(text: str, known: frozenset[str]) -> frozenset[str]:
    """Return the attributes that ``fields=a,b`` names. Raises ``Invalid`` (``web.field_unknown``)."""
    names = frozenset(text.split(","))
    unknown = names - known
    if unknown:
        raise Invalid(
            "fields names an attribute that the document does not have",
            code="web.field_unknown",
            field="fields",
            value=min(unknown),
            fix="known attributes: " + ", ".join(sorted(known)),
        )
    return names | ALWAYS


def select(document: object, names: frozenset[str]) -> object:
    """Return ``document`` with the attributes in ``names`` only; a list item by item."""
    plain = msgspec.to_builtins(document, builtin_types=(Decimal,))
    if isinstance(plain, list):
        return [_selected(item, names) for item in plain]
    return _selected(plain, names)


def _selected(plain: Any, names: frozenset[str]) -> object:
    return {name: value for name, value in plain.items() if name in names}


def entity_tag(body: bytes) -> str:
    """Return the strong entity tag of ``body``: a hash, so equal bodies have equal tags on every worker."""
    return f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'


def matches(header: str, tag: str) -> bool:
    """Return whether If-None-Match (RFC 9110 §13.1.2, weak comparison) names ``tag``."""
    return header.strip() == "*" or any(part.strip().removeprefix("W/") == tag for part in header.split(","))


def page_headers(page: Page[Any], path: str, pairs: list[tuple[str, str]]) -> dict[str, str]:
    """Return X-Total-Count, X-Result-Count and Link. Links are relative, so that no Host header is believed."""
    kept = [(name, value) for name, value in pairs if name not in {"offset", "limit"}]

    def link(relation: str, offset: int) -> str:
        query = urlencode([*kept, ("offset", str(offset)), ("limit", str(page.limit))])
        return f'<{path}?{query}>; rel="{relation}"'

    last = max(0, (page.total - 1) // page.limit * page.limit)
    links = [link("first", 0)]
    if page.offset > 0:
        links.append(link("prev", max(0, page.offset - page.limit)))
    if page.has_more:
        links.append(link("next", page.offset + page.limit))
    links.append(link("last", last))
    return {
        "x-total-count": str(page.total),
        "x-result-count": str(len(page.items)),
        "link": ", ".join(links),
    }
