"""RADIUS packets from and to octets, by the table of ``dictionary.py``.

A packet has its attributes as pairs of key and octets, in their order: of Proxy-State and EAP-Message it matters. What
cannot be read ends as ``Malformed`` and is silently discarded, as the RFC says. Source: RFC 2865 §3, §5; RFC 5080.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from struct import Struct
from typing import Final, TypeAlias

import msgspec

from farwire.gateway.radius.dictionary import ATTRIBUTES, SIZES, VENDOR_SPECIFIC, Attribute, key_of
from farwire.kernel.errors import Defect, Invalid

Pair: TypeAlias = "tuple[int, bytes]"

HEADER: Final = 20
LONGEST: Final = 4_096
VALUE_MOST: Final = 253
_HEAD: Final = Struct(">BBH16s")
_VENDOR: Final = Struct(">I")
_AUTHENTICATOR: Final = key_of("Message-Authenticator")
_FIXED: Final = {key: SIZES[row.kind] for key, row in ATTRIBUTES.items() if row.kind in SIZES}
ZERO: Final = bytes(16)


class Malformed(Invalid):
    """Octets that are no packet: they are dropped and counted."""

    def __init__(self, message: str) -> None:
        super().__init__(message, code="radius.malformed")


class Packet(msgspec.Struct, frozen=True):
    """A packet. ``octets`` are those that it was read from."""

    code: int
    identifier: int
    authenticator: bytes
    attributes: tuple[Pair, ...]
    octets: bytes = b""

    def first(self, key: int) -> bytes | None:
        """Return the octets of the first attribute of that key, or None."""
        return next((value for own, value in self.attributes if own == key), None)

    def all(self, key: int) -> tuple[bytes, ...]:
        """Return the octets of every attribute of that key, in their order."""
        return tuple(value for own, value in self.attributes if own == key)

    def number(self, key: int) -> int | None:
        """Return the first attribute of that key as a number, or None."""
        value = self.first(key)
        return None if value is None else int.from_bytes(value, "big")

    def text(self, key: int) -> str:
        """Return the first attribute of that key as a text, "" where there is none."""
        return (self.first(key) or b"").decode(errors="replace")


def decode(data: bytes) -> Packet:
    """Return the packet at the start of ``data``; what follows it is padding. Raises ``Malformed``."""
    if len(data) < HEADER:
        raise Malformed("shorter than a header")
    code, identifier, length, authenticator = _HEAD.unpack_from(data)
    if not HEADER <= length <= min(LONGEST, len(data)):
        raise Malformed("its length is not that of what came")
    found: list[Pair] = []
    at = HEADER
    while at < length:
        if length - at < 2 or not 2 <= data[at + 1] <= length - at:
            raise Malformed("an attribute has a wrong length")
        key, stop = data[at], at + data[at + 1]
        if key == VENDOR_SPECIFIC:
            found += _of_vendor(data[at + 2 : stop])
        else:
            found.append(_checked(key, data[at + 2 : stop]))
        at = stop
    if sum(key == _AUTHENTICATOR for key, _ in found) > 1:
        raise Malformed("two Message-Authenticators")
    return Packet(code, identifier, authenticator, tuple(found), data[:length])


def _checked(key: int, value: bytes) -> Pair:
    size = _FIXED.get(key)
    if (size is not None and len(value) != size) or (key == _AUTHENTICATOR and len(value) != len(ZERO)):
        raise Malformed(f"{ATTRIBUTES[key].name} has a wrong length")
    return key, value


def _of_vendor(value: bytes) -> list[Pair]:
    """Return the attributes in a Vendor-Specific one; as it is where its vendor has another form (RFC 2865 §5.26)."""
    if len(value) < _VENDOR.size:
        raise Malformed("Vendor-Specific has a wrong length")
    vendor = _VENDOR.unpack_from(value)[0]
    if not vendor:  # nobody's: its attributes would be taken for those of the RFC
        return [(VENDOR_SPECIFIC, value)]
    found: list[Pair] = []
    at = _VENDOR.size
    while at < len(value):
        if len(value) - at < 2 or not 2 <= value[at + 1] <= len(value) - at:
            return [(VENDOR_SPECIFIC, value)]
        stop = at + value[at + 1]
        key, content = vendor << 32 | value[at], value[at + 2 : stop]
        if len(content) == _FIXED.get(key, len(content)):
            found.append((key, content))
        at = stop
    return found


# ---- the other way


def encode(code: int, identifier: int, authenticator: bytes, attributes: Iterable[Pair]) -> bytes:
    """Return the octets of a packet. Raises ``Defect`` (``radius.encode``) for what has no room."""
    body = b"".join([_attribute(key, value) for key, value in attributes])
    if HEADER + len(body) > LONGEST:
        raise Defect(f"a packet of {HEADER + len(body)} octets", code="radius.encode")
    return _HEAD.pack(code, identifier, HEADER + len(body), authenticator) + body


def _attribute(key: int, value: bytes) -> bytes:
    vendor, number = key >> 32, key & 0xFF
    if len(value) > (VALUE_MOST - 6 if vendor else VALUE_MOST):
        raise Defect(f"attribute {key} of {len(value)} octets", code="radius.encode")
    plain = bytes((number, len(value) + 2)) + value
    if not vendor:
        return plain
    return bytes((VENDOR_SPECIFIC, len(plain) + 6)) + _VENDOR.pack(vendor) + plain


def octets_of(attribute: Attribute, value: int | str | bytes) -> bytes:
    """Return a value as the octets of its type. Raises ``ValueError`` for what the type cannot hold."""
    size = SIZES.get(attribute.kind)
    if isinstance(value, int):
        if size is None:
            value = str(value)
        elif not 0 <= value < 1 << 8 * size:
            raise ValueError(f"{attribute.name} has no room for {value}")
        else:
            return value.to_bytes(size, "big")
    found = value.encode() if isinstance(value, str) else value
    if not found or len(found) > VALUE_MOST - 6 or len(found) != (size or len(found)):
        raise ValueError(f"{attribute.name} cannot be {value!r}")
    return found


def number_pair(key: int, value: int) -> Pair:
    """Return a pair whose value is a 32-bit number, at most as large as such a number can be."""
    return key, min(max(value, 0), 0xFFFFFFFF).to_bytes(4, "big")


def text_pairs(key: int, value: str) -> Sequence[Pair]:
    """Return as many pairs as a text needs."""
    octets = value.encode()
    return [(key, octets[at : at + VALUE_MOST]) for at in range(0, len(octets), VALUE_MOST)]
