"""The header fields of a request: what HTTP/2 asks of them. Source: RFC 9113 §8.2, §8.3."""

from __future__ import annotations

import re
from typing import Final

from farwire.gateway.nchf.http2.hpack import Field

_NAME: Final = re.compile(r":?[\x21-\x39\x3b-\x40\x5b-\x7e]+")
_BAD: Final = re.compile(r"[\0\r\n]|\A[ \t]|[ \t]\Z")
_LENGTH: Final = re.compile(r"[0-9]{1,18}")
_PSEUDO: Final = frozenset({":method", ":scheme", ":authority", ":path"})
_NEEDED: Final = (":method", ":scheme", ":path")
_OF_CONNECTIONS: Final = frozenset(
    {"connection", "proxy-connection", "keep-alive", "transfer-encoding", "upgrade"}
)
_GOOD: Final[set[Field]] = set()
"""Fields that were found good, but for paths: consumers send the same ones again and again."""
_GOOD_MOST: Final = 2_048


def read_fields(found: list[Field], *, trailers: bool = False) -> dict[str, str] | None:
    """Return the fields by name, of a name that stands twice the first; None: they are malformed."""
    fields: dict[str, str] = {}
    regular = trailers
    for field in found:
        name, value = field
        if field not in _GOOD and not _is_good(field):
            return None
        if name[0] == ":":
            if regular or name in fields:
                return None
        else:
            regular = True
        if name not in fields:
            fields[name] = value
        elif name == "content-length" and fields[name] != value:
            return None
    if trailers or _is_request(fields):
        return fields
    return None


def _is_good(field: Field) -> bool:
    name, value = field
    if not _NAME.fullmatch(name) or _BAD.search(value) or name in _OF_CONNECTIONS:
        return False
    if (name[0] == ":" and name not in _PSEUDO) or (name == "te" and value.lower() != "trailers"):
        return False
    if name not in (":path", "authorization"):
        if len(_GOOD) >= _GOOD_MOST:
            _GOOD.clear()
        _GOOD.add(field)
    return True


def _is_request(fields: dict[str, str]) -> bool:
    """Tell whether all is there that a request has; CONNECT, which needs less, is nothing that we could serve."""
    host, authority = fields.get("host"), fields.get(":authority")
    length = fields.get("content-length", "0")
    return (
        all(fields.get(name) for name in _NEEDED)
        and bool(host or authority)
        and (not host or not authority or host == authority)
        and _LENGTH.fullmatch(length) is not None
    )
