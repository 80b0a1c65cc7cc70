"""What a request and an answer are to those who serve them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

import msgspec

Headers: TypeAlias = tuple[tuple[str, str], ...]


class Request(msgspec.Struct, frozen=True):
    """A whole request."""

    method: str
    path: str
    """Without its query."""
    headers: dict[str, str]
    """By their names in lower case; of a name that stands twice the first."""
    body: bytes = b""
    scheme: str = "http"
    authority: str = ""
    address: str = ""
    """Who asks."""
    tls: bool = False


class Response(msgspec.Struct, frozen=True):
    """A whole answer."""

    status: int
    headers: Headers = ()
    body: bytes = b""


Handler: TypeAlias = Callable[[Request], Awaitable[Response]]
