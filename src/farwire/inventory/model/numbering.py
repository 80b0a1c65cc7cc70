"""Values that can be counted: numbers, addresses, VLANs and prefixes as integers, and ranges of them."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from farwire.inventory.model.resource import NewResource, ResourceKind, check_resource
from farwire.kernel.errors import Invalid

_BITS: Final[Mapping[ResourceKind, int]] = {
    ResourceKind.IPV4: 32,
    ResourceKind.IPV4_PREFIX: 32,
    ResourceKind.IPV6: 128,
    ResourceKind.IPV6_PREFIX: 128,
}
_BLOCKS: Final[Mapping[ResourceKind, ResourceKind]] = {
    ResourceKind.IPV4_PREFIX: ResourceKind.IPV4,
    ResourceKind.IPV6_PREFIX: ResourceKind.IPV6,
}
COUNTED: Final = frozenset({*_BITS, ResourceKind.MSISDN, ResourceKind.VLAN})
"""Kinds whose values are numbers: their pools may have ranges."""
PREFIXES: Final = frozenset(_BLOCKS)
"""Kinds of which a resource is a block of addresses."""


@dataclass(frozen=True, slots=True)
class Span:
    """The numbers from ``first`` to ``last``, both included."""

    first: int
    last: int

    @property
    def size(self) -> int:
        """Return how many numbers it has."""
        return self.last - self.first + 1


@dataclass(frozen=True, slots=True)
class Withheld:
    """A part of a pool's ranges that is given to nobody, and why."""

    span: Span
    reason: str


def number_of(kind: ResourceKind, value: str) -> int:
    """Return a well-formed value as a number, a prefix's first address; 0 where the kind does not count."""
    if kind in _BITS:
        return int(ipaddress.ip_address(value.partition("/")[0]))
    return int(value) if kind in COUNTED else 0


def value_of(kind: ResourceKind, span: Span) -> str:
    """Return the value that a number stands for; of a kind of prefixes, the block's."""
    if kind in PREFIXES:
        length = _BITS[kind] - (span.size.bit_length() - 1)
        return f"{value_of(_BLOCKS[kind], Span(span.first, span.first))}/{length}"
    if kind is ResourceKind.IPV4:
        return str(ipaddress.IPv4Address(span.first))
    if kind is ResourceKind.IPV6:
        return str(ipaddress.IPv6Address(span.first))
    return str(span.first)


def block_size(kind: ResourceKind, length: int) -> int:
    """Return how many addresses a prefix of ``length`` bits has. Raises ``Invalid`` (``inventory.prefix_length``)."""
    bits = _BITS.get(kind, 0) if kind in PREFIXES else 0
    if not 1 <= length <= bits:
        raise Invalid(
            "only prefixes have a length, of 1 to 32 bits for IPv4 and to 128 for IPv6",
            code="inventory.prefix_length",
            field="length",
            value=length,
            fix="e.g. 29" if kind in PREFIXES else "leave it out",
        )
    return 1 << (bits - length)


def span_of(kind: ResourceKind, text: str) -> Span:
    """Return the range that a text names: "10.0.0.0/8", "10.0.0.5-10.0.0.9", "100-199", or one value.

    Raises ``Invalid`` (``inventory.range``): malformed, backwards, or of a kind that does not count.
    """
    if kind not in COUNTED:
        raise _no_range(kind, text)
    single = _BLOCKS.get(kind, kind)
    if "/" in text and kind in _BITS:
        try:
            network = ipaddress.ip_network(text)
        except ValueError:
            raise _no_range(kind, text) from None
        if network.max_prefixlen != _BITS[kind]:
            raise _no_range(kind, text)
        return Span(int(network.network_address), int(network.broadcast_address))
    first, _, last = text.partition("-")
    try:
        for one in (first, last or first):
            check_resource(single, NewResource(one))
    except Invalid:
        raise _no_range(kind, text) from None
    span = Span(number_of(single, first), number_of(single, last or first))
    if span.size < 1:
        raise _no_range(kind, text)
    return span


def _no_range(kind: ResourceKind, text: str) -> Invalid:
    example = {
        ResourceKind.MSISDN: "4915100000000-4915100999999",
        ResourceKind.VLAN: "100-199",
        ResourceKind.IPV6: "2001:db8::/64",
        ResourceKind.IPV6_PREFIX: "2001:db8::/32",
    }.get(kind, "10.0.0.0/8 or 10.0.0.5-10.0.0.9")
    return Invalid(
        f"this is no range of {kind}",
        code="inventory.range",
        field="range",
        value=text,
        fix=example if kind in COUNTED else f"{kind} is not counted: fill the pool with a list",
    )


def shown(kind: ResourceKind, span: Span) -> str:
    """Return the range as a text that ``span_of`` reads."""
    single = _BLOCKS.get(kind, kind)
    first, last = (value_of(single, Span(one, one)) for one in (span.first, span.last))
    if kind in _BITS and span.size.bit_count() == 1 and span.first % span.size == 0:
        return f"{first}/{_BITS[kind] - span.size.bit_length() + 1}" if span.size > 1 else first
    return first if span.size == 1 else f"{first}-{last}"


def withheld_of(kind: ResourceKind, text: str) -> tuple[Withheld, ...]:
    """Return what of a range, given as a prefix, is no address of anybody: its network and broadcast addresses.

    IPv6 has no broadcast; its first address is that of the subnet's routers (RFC 4291, 2.6.1). A prefix of two
    addresses or one gives all (RFC 3021, RFC 6164); so does a range that is no prefix.
    """
    span = span_of(kind, text)
    if "/" not in text or kind in PREFIXES or span.size <= 2:
        return ()
    first = Span(span.first, span.first)
    if kind is ResourceKind.IPV6:
        return (Withheld(first, "routers"),)
    return (Withheld(first, "network"), Withheld(Span(span.last, span.last), "broadcast"))


def aligned_in(span: Span, size: int) -> Span | None:
    """Return the first block of ``size`` (a power of two) in ``span`` that begins at a multiple of it."""
    first = span.first + -span.first % size
    return Span(first, first + size - 1) if first + size - 1 <= span.last else None


def without(span: Span, part: Span) -> tuple[Span, ...]:
    """Return what is left of ``span`` when ``part``, which lies in it, is taken out."""
    left = (Span(span.first, part.first - 1), Span(part.last + 1, span.last))
    return tuple(one for one in left if one.size > 0)
