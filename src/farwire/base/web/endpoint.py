"""One route as a Falcon responder: authenticate, allow, parse, handle, answer. In that order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import falcon.asgi
import msgspec

from farwire.base.authz import Permission, Principal, require
from farwire.base.clock import Clock
from farwire.base.config import Settings
from farwire.base.storage import Database, Tx
from farwire.base.web.authentication import KeyCache, bearer_token
from farwire.base.web.body import BodyReader, bare_type
from farwire.base.web.documents import (
    attribute_names,
    encode,
    entity_tag,
    matches,
    page_headers,
    select,
    wanted,
)
from farwire.base.web.exchange import KEY, Exchange
from farwire.base.web.idempotency import (
    StoredAnswer,
    checked_key,
    earlier_answer,
    request_digest,
    store_answer,
)
from farwire.base.web.parameters import compile_parameters, query_pairs
from farwire.base.web.route import JSON, AnyRoute, Call, Method, Reply
from farwire.base.web.source import DatabaseSource
from farwire.kernel.errors import Invalid, NotFound

Responder: TypeAlias = Callable[..., Awaitable[None]]

CREATED: Final = 201
NO_STORE: Final = "no-store"
REVALIDATE: Final = "private, no-cache"
"""A client may keep the answer and must ask with If-None-Match before it uses it again."""


@dataclass(frozen=True, slots=True)
class Services:
    """What every endpoint needs."""

    source: DatabaseSource
    clock: Clock
    settings: Settings
    keys: KeyCache
    max_body_octets: int


class Endpoint:
    """The compiled form of one route."""

    def __init__(self, route: AnyRoute, services: Services) -> None:
        self._route = route
        self._services = services
        self._template = route.path
        self._handler = route.handler
        self._permission = route.permission if isinstance(route.permission, Permission) else None
        self._path = compile_parameters(route.path_type)
        self._query = compile_parameters(route.query_type)
        self._known = frozenset(attribute_names(route.item)) if route.method is Method.GET else frozenset()
        self._body: BodyReader[Any] | None = (
            BodyReader(
                route.body_type,
                services.max_body_octets,
                accepts=route.accepts,
                exact=route.contract is not None,
            )
            if route.body_type is not None
            else None
        )
        self._tagged = route.method is Method.GET and not route.paged

    async def respond(self, req: falcon.asgi.Request, resp: falcon.asgi.Response, **params: str) -> None:
        """Answer one request. Every error leaves as an exception; the application turns it into its answer."""
        exchange: Exchange = req.scope[KEY]
        exchange.route = self._template
        database, principal = await self._admit(req, exchange)
        path = self._path_values(params)
        pairs = query_pairs(req.query_string) if req.query_string else []
        names: frozenset[str] | None = None
        query = self._query.empty
        if pairs or query is None:
            names, given = self._selection(pairs)
            query = self._query.parse(given)
        raw = b""
        body: object = None
        if self._body is not None:
            raw = await self._body.read(req)
            body = self._body.decode(raw)
        elif self._route.streams:
            body = req.stream
        call: Call[Any, Any, Any] = Call(
            principal=principal,
            database=database,
            clock=self._services.clock,
            settings=self._services.settings,
            path=path,
            query=query,
            body=body,
            request_id=exchange.request_id,
            media_type=bare_type(req.content_type or JSON),
        )
        key = checked_key(req.get_header("idempotency-key")) if self._route.idempotent else None
        if key is not None:
            digest = request_digest(req.method, req.path, req.query_string, raw)
            _fill(resp, await self._once(call, key, digest, req.path))
            return
        self._answer(req, resp, await self._handler(call), names, pairs)

    async def _admit(self, req: falcon.asgi.Request, exchange: Exchange) -> tuple[Database, Principal]:
        token = bearer_token(req.get_header("authorization"))
        database = self._services.source.opened or await self._services.source.get()
        principal = self._services.keys.cached(token) or await self._services.keys.principal(database, token)
        exchange.tenant_id = str(principal.tenant_id)
        exchange.key_id = str(principal.key_id)
        if self._permission is not None:
            require(principal, self._permission)
        return database, principal

    def _path_values(self, params: dict[str, str]) -> msgspec.Struct:
        try:
            found: msgspec.Struct = self._path.parse(params.items())
        except Invalid as error:  # a malformed id names nothing: the same answer as an unknown one
            raise NotFound(
                "there is nothing with this id", code="web.id_unknown", field=error.field, value=error.value
            ) from None
        return found

    def _selection(self, pairs: list[tuple[str, str]]) -> tuple[frozenset[str] | None, list[tuple[str, str]]]:
        """Return the attributes that ``fields`` names, and the parameters without it."""
        chosen = [text for name, text in pairs if name == "fields"]
        if not chosen or not self._known:
            return None, pairs
        return wanted(",".join(chosen), self._known), [pair for pair in pairs if pair[0] != "fields"]

    def _answer(
        self,
        req: falcon.asgi.Request,
        resp: falcon.asgi.Response,
        reply: Reply,
        names: frozenset[str] | None,
        pairs: list[tuple[str, str]],
    ) -> None:
        resp.status = reply.status or self._route.status
        resp.content_type = reply.media_type
        if isinstance(reply.body, AsyncIterator):
            resp.set_header("cache-control", NO_STORE)
            resp.stream = reply.body
            return
        data = self._encoded(reply, names)
        for name, value in self._headers(reply, req.path).items():
            resp.set_header(name, value)
        if reply.page is not None:
            resp.set_headers(page_headers(reply.page, req.path, pairs))
        if not self._tagged:
            resp.set_header("cache-control", NO_STORE)
            resp.data = data
            return
        tag = entity_tag(data)
        resp.set_header("etag", tag)
        resp.set_header("cache-control", REVALIDATE)
        known = req.get_header("if-none-match")
        if known is not None and matches(known, tag):
            resp.status = 304
            return
        resp.data = data

    def _encoded(self, reply: Reply, names: frozenset[str] | None) -> bytes:
        if isinstance(reply.body, bytes):
            return reply.body
        if reply.body is None:
            return b""
        return encode(reply.body if names is None else select(reply.body, names))

    def _headers(self, reply: Reply, path: str) -> Mapping[str, str]:
        """Return the reply's headers; what was created says where it is: its own address, or the list it stands in."""
        if (reply.status or self._route.status) != CREATED or "location" in reply.headers:
            return reply.headers
        return {**reply.headers, "location": getattr(reply.body, "href", path)}

    async def _once(self, call: Call[Any, Any, Any], key: str, digest: bytes, path: str) -> StoredAnswer:
        """Run the handler once per key: its work and its answer are committed together."""
        now = call.now()
        async with call.transaction() as tx:
            stored = await earlier_answer(tx, key=key, digest=digest, now=now)
            if stored is not None:
                return StoredAnswer(
                    stored.status, {**stored.headers, "idempotency-replayed": "true"}, stored.body
                )
            reply = await self._handler(_joined(call, tx, key))
            answer = StoredAnswer(
                status=reply.status or self._route.status,
                headers={**self._headers(reply, path), "content-type": reply.media_type},
                body=self._encoded(reply, None),
            )
            await store_answer(tx, key=key, digest=digest, now=now, answer=answer)
            return answer


def _joined(call: Call[Any, Any, Any], tx: Tx, key: str) -> Call[Any, Any, Any]:
    return Call(
        principal=call.principal,
        database=call.database,
        clock=call.clock,
        settings=call.settings,
        path=call.path,
        query=call.query,
        body=call.body,
        request_id=call.request_id,
        media_type=call.media_type,
        tx=tx,
        key=key,
    )


def _fill(resp: falcon.asgi.Response, answer: StoredAnswer) -> None:
    resp.status = answer.status
    resp.content_type = answer.headers.get("content-type", JSON)
    for name, value in answer.headers.items():
        if name != "content-type":
            resp.set_header(name, value)
    resp.set_header("cache-control", NO_STORE)
    resp.data = answer.body
