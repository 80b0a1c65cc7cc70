"""Routes of the installation itself: liveness, readiness, metrics, documentation. No key, and no tenant's data."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Final, TypeAlias

import falcon.asgi
import msgspec

from farwire.base.storage import Database
from farwire.base.storage.migrate import discover, migration_state
from farwire.base.telemetry.metrics import CONTENT_TYPE, exposition
from farwire.base.web.exchange import KEY, Exchange
from farwire.base.web.openapi import openapi_info
from farwire.base.web.page import POLICY, documentation_page, json_document, landing_page
from farwire.base.web.source import DatabaseSource
from farwire.kernel.errors import FarwireError

Check: TypeAlias = Callable[[Database], Awaitable[str | None]]
"""Return None if this part is ready, else what is missing in a few words."""

CHECK_LIMIT_S: Final = 3.0
"""Seconds after which a readiness check counts as failed."""


class Draining:
    """Whether this worker was told to stop: readiness says so first, so that a balancer sends no more."""

    def __init__(self) -> None:
        self.begun = False

    def begin(self) -> None:
        """Turn readiness to 503; requests are still answered."""
        self.begun = True


class _Static:
    """Bytes made once."""

    def __init__(self, route: str, body: bytes, media_type: str, policy: str | None = None) -> None:
        self._route, self._body, self._media_type, self._policy = route, body, media_type, policy

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        _named(req, self._route)
        resp.data = self._body
        resp.content_type = self._media_type
        if self._policy is not None:
            exchange: Exchange = req.scope[KEY]
            exchange.is_page = True
            resp.set_header("content-security-policy", self._policy)

    on_head = on_get


class _Described(_Static):
    """Bytes made from the OpenAPI document when somebody first asks for them: it is large, and most never ask."""

    def __init__(
        self, route: str, make: Callable[[], bytes], media_type: str, policy: str | None = None
    ) -> None:
        super().__init__(route, b"", media_type, policy)
        self._make, self._making = make, asyncio.Lock()

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        async with self._making:
            self._body = self._body or await asyncio.to_thread(self._make)
        await super().on_get(req, resp)

    on_head = on_get


class _Ready:
    def __init__(self, source: DatabaseSource, draining: Draining, checks: dict[str, Check]) -> None:
        self._source = source
        self._draining = draining
        self._checks = checks

    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        _named(req, "/health/ready")
        found = (
            {"stopping": "this worker is about to stop"} if self._draining.begun else await self._missing()
        )
        resp.content_type = "application/json"
        resp.set_header("cache-control", "no-store")
        resp.data = msgspec.json.encode({"status": "unready" if found else "ready", "missing": found})
        if found:
            resp.status = 503
            resp.set_header("retry-after", "2")

    on_head = on_get

    async def _missing(self) -> dict[str, str]:
        try:
            async with asyncio.timeout(CHECK_LIMIT_S):
                database = await self._source.get()
                results = {name: await check(database) for name, check in self._checks.items()}
        except FarwireError as error:
            return {"database": error.message}
        except TimeoutError:
            return {"database": f"no answer within {CHECK_LIMIT_S:g} s"}
        return {name: result for name, result in results.items() if result is not None}


class _Metrics:
    async def on_get(self, req: falcon.asgi.Request, resp: falcon.asgi.Response) -> None:
        _named(req, "/metrics")
        resp.data = exposition()
        resp.content_type = CONTENT_TYPE
        resp.set_header("cache-control", "no-store")

    on_head = on_get


async def database_answers(database: Database) -> str | None:
    """Return None if the database runs a statement."""
    async with database.untenanted() as tx:
        await tx.fetchval("SELECT 1")
    return None


def migrations_current() -> Check:
    """Return the check that the database has run every migration of this version. A newer schema is fine."""
    known = discover()

    async def current(database: Database) -> str | None:
        async with database.untenanted() as tx:
            state = await migration_state(tx.conn, known)
        return f"{len(state.pending)} migrations are pending: farwire db migrate" if state.pending else None

    return current


def default_checks() -> dict[str, Check]:
    """Return what makes a worker ready: a database that answers, with the schema of this version."""
    return {"database": database_answers, "migrations": migrations_current()}


def add_system_routes(
    app: falcon.asgi.App[Any, Any],
    *,
    document: Callable[[], dict[str, Any]],
    documents: Mapping[str, Callable[[], dict[str, Any]]],
    source: DatabaseSource,
    draining: Draining,
    checks: dict[str, Check],
) -> None:
    """Add the routes that belong to no context. ``documents`` are those of single APIs, by their base path."""
    html = "text/html; charset=utf-8"
    app.add_route("/", _Static("/", landing_page(openapi_info()), html, POLICY))
    app.add_route("/docs", _Described("/docs", lambda: documentation_page(document()), html, POLICY))
    app.add_route(
        "/openapi.json", _Described("/openapi.json", lambda: json_document(document()), "application/json")
    )
    for base, make in documents.items():
        path = f"{base}/openapi.json"
        app.add_route(path, _Described(path, partial(_json_of, make), "application/json"))
    app.add_route("/health/live", _Static("/health/live", b'{"status":"live"}', "application/json"))
    app.add_route("/health/ready", _Ready(source, draining, checks))
    app.add_route("/metrics", _Metrics())


def _json_of(make: Callable[[], dict[str, Any]]) -> bytes:
    return json_document(make())


def _named(req: falcon.asgi.Request, route: str) -> None:
    exchange: Exchange = req.scope[KEY]
    exchange.route = route
