"""Routes as data. A context declares them; from one list come the Falcon resources and the OpenAPI document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, Generic, TypeAlias, TypeVar

import msgspec

from farwire.base.authz import Permission, Principal
from farwire.base.clock import Clock
from farwire.base.config import Settings
from farwire.base.storage import Database, Tx
from farwire.base.web.parameters import Nothing
from farwire.kernel.page import Page

P = TypeVar("P", bound=msgspec.Struct)
Q = TypeVar("Q", bound=msgspec.Struct)
B = TypeVar("B")
T = TypeVar("T")

JSON: Final = "application/json"
PDF: Final = "application/pdf"


class Method(StrEnum):
    """The HTTP methods that a route may have. HEAD comes with GET."""

    GET = "GET"
    POST = "POST"
    PUT = "PUT"
    PATCH = "PATCH"
    DELETE = "DELETE"


class Access(StrEnum):
    """Who may call a route that needs no permission."""

    ANY_KEY = "any_key"
    """Every valid API key, whatever its role."""


class Call(Generic[P, Q, B]):
    """One request, parsed: who asks, what for, and the means to answer."""

    __slots__ = (
        "_tx",
        "body",
        "clock",
        "database",
        "key",
        "media_type",
        "path",
        "principal",
        "query",
        "request_id",
        "settings",
    )

    def __init__(
        self,
        *,
        principal: Principal,
        database: Database,
        clock: Clock,
        settings: Settings,
        path: P,
        query: Q,
        body: B,
        request_id: str,
        media_type: str = JSON,
        tx: Tx | None = None,
        key: str = "",
    ) -> None:
        self.principal = principal
        self.database = database
        self.clock = clock
        self.settings = settings
        self.path = path
        self.query = query
        self.body = body
        self.request_id = request_id
        self.media_type = media_type
        self.key = key
        """The idempotency key, in a request that has one: what is done elsewhere for it can be done under it."""
        self._tx = tx

    def now(self) -> datetime:
        """Return the installation's time, aware UTC."""
        return self.clock.now()

    def transaction(self) -> AbstractAsyncContextManager[Tx]:
        """Open a transaction of the caller's tenant; in an idempotent request, join the one that stores its answer."""
        if self._tx is not None:
            return nullcontext(self._tx)
        return self.database.transaction(self.principal.tenant_id)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a handler answers. ``body`` is encoded as JSON unless it is bytes, or an iterator of them; ``page`` adds the
    paging headers.
    """

    body: object = None
    status: int = 0
    """0 means the route's own status."""
    headers: Mapping[str, str] = field(default_factory=dict)
    media_type: str = JSON
    page: Page[Any] | None = None


def page_reply(page: Page[T], to_document: Callable[[T], object]) -> Reply:
    """Return the reply that shows ``page``, each item turned by ``to_document``."""
    return Reply(body=[to_document(item) for item in page.items], page=page)


@dataclass(frozen=True, slots=True)
class Contract:
    """What the OpenAPI document says of a route whose bodies have no declared types: JSON schemas as data."""

    operation_id: str
    parameters: Sequence[Mapping[str, Any]] = ()
    request: Mapping[str, Any] = field(default_factory=dict)
    """Media type → schema and examples of the body."""
    response: Mapping[str, Any] | None = None
    headers: Mapping[str, Any] = field(default_factory=dict)
    components: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Route(Generic[P, Q, B]):
    """One operation of the API.

    ``response`` is the type of the body (``list[X]`` for a page); ``query`` and ``path`` are structs of parameters;
    ``body_type`` is the type of a JSON request body. ``errors`` are statuses ("409") beyond those of every such route.
    """

    method: Method
    path: str
    handler: Callable[[Call[P, Q, B]], Awaitable[Reply]]
    summary: str
    tag: str
    permission: Permission | Access
    response: Any
    path_type: type[P] = Nothing  # type: ignore[assignment]
    query_type: type[Q] = Nothing  # type: ignore[assignment]
    body_type: type[B] | None = None
    description: str = ""
    errors: Sequence[str] = ()
    status: int = 200
    other_statuses: Sequence[int] = ()
    """Further successes with the same kind of body."""
    idempotent: bool = False
    media_type: str = JSON
    accepts: Sequence[str] = (JSON,)
    """Media types of the request's body; the call says which one it has."""
    streams: bool = False
    """Whether the body is given to the handler as it comes in, an iterator of octets, of any size and type."""
    contract: Contract | Callable[[], Contract] | None = None
    """Its part of the OpenAPI document, or what makes it: many are large, and no request needs them."""
    listed: bool = True
    """Whether the OpenAPI document shows it: a second path of the same thing is not shown."""

    @property
    def described(self) -> Contract | None:
        """Return its contract, made now where it is not yet."""
        return self.contract() if callable(self.contract) else self.contract

    @property
    def paged(self) -> bool:
        """Return whether the answer is a part of a list."""
        return getattr(self.response, "__origin__", None) is list

    @property
    def item(self) -> Any:
        """Return the type of one document of the answer."""
        return self.response.__args__[0] if self.paged else self.response


AnyRoute: TypeAlias = "Route[Any, Any, Any]"
"""A route in a list of different ones."""
