"""Builds the ASGI application from a list of routes. It knows no context: the composition root passes the routes in."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, cast

import falcon
import falcon.asgi
import msgspec

from farwire.base.clock import Clock
from farwire.base.config import Settings
from farwire.base.storage import Database
from farwire.base.telemetry.metrics import MULTIPROCESS_DIR
from farwire.base.web.access import AccessLog
from farwire.base.web.api_documents import api_documents
from farwire.base.web.authentication import Authenticate, KeyCache
from farwire.base.web.endpoint import Endpoint, Responder, Services
from farwire.base.web.errors import error_body, error_headers
from farwire.base.web.exchange import KEY, Exchange
from farwire.base.web.guard import AsgiApp, Guard, Receive, Scope, Send
from farwire.base.web.monitor import Monitor
from farwire.base.web.openapi import openapi_document
from farwire.base.web.route import AnyRoute, Method
from farwire.base.web.source import DatabaseSource, OpenDatabase
from farwire.base.web.system import Check, Draining, add_system_routes, default_checks
from farwire.kernel.errors import Defect, FarwireError, Invalid, NotFound

DRAIN_SIGNAL: Final = signal.SIGUSR1
"""The server's parent process sends it to its workers before it stops them."""


METRICS_FOLDER: Final = "farwire-metrics-"
"""How the folder begins in which several workers share their metrics. The parent makes it."""
PARENT_CHECK_S: Final = 1.0
"""Seconds between two looks whether the parent process lives."""


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """The written bounds of one worker."""

    max_running: int = 256
    """Requests at once; one more gets 503."""
    time_limit_s: float = 30.0
    """Seconds that one request may take."""
    max_body_octets: int = 1_048_576
    """Size of a request body."""


class Api:
    """The ASGI application of one worker: the guarded API, and the start and stop of what it needs."""

    def __init__(
        self, guard: Guard, source: DatabaseSource, draining: Draining, routes: Sequence[AnyRoute]
    ) -> None:
        self._guard = guard
        self._source = source
        self._watch: asyncio.Task[None] | None = None
        self._routes = routes
        self.draining = draining

    @cached_property
    def document(self) -> dict[str, Any]:
        """Return the OpenAPI document of its routes."""
        return openapi_document(self._routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or run the worker's life span."""
        if scope["type"] == "http":
            await self._guard(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)
        else:
            raise Defect(f"no such protocol here: {scope['type']}", code="web.protocol")

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                await self._start()
                await send({"type": "lifespan.startup.complete"})
            elif message["type"] == "lifespan.shutdown":
                if self._watch is not None:
                    self._watch.cancel()
                await self._source.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _start(self) -> None:
        """Open the database. If it does not answer, the worker starts all the same and answers 503 until it does."""
        asyncio.get_running_loop().add_signal_handler(DRAIN_SIGNAL, self.draining.begin)
        self._watch = asyncio.create_task(_stop_with_parent())
        try:
            await self._source.get()
        except FarwireError as error:
            Monitor.unready(error)


async def _stop_with_parent() -> None:
    """Stop this worker when the server's parent process is gone: killed, it could not tell us."""
    parent = multiprocessing.parent_process()
    while parent is not None and parent.is_alive():  # noqa: ASYNC110 - nobody could set an event for us
        await asyncio.sleep(PARENT_CHECK_S)
    if parent is not None:
        folder = Path(os.environ.get(MULTIPROCESS_DIR, ""))
        if folder.name.startswith(METRICS_FOLDER):
            shutil.rmtree(folder, ignore_errors=True)  # Nor can it remove what it made for us.
        os.kill(os.getpid(), signal.SIGTERM)


def build_api(
    routes: Sequence[AnyRoute],
    *,
    database: Database | OpenDatabase,
    clock: Clock,
    settings: Settings,
    authenticate: Authenticate,
    checks: Mapping[str, Check] | None = None,
    limits: Limits = Limits(),  # noqa: B008 - frozen
    access_log: AccessLog | None = None,
) -> Api:
    """Return the ASGI application that serves ``routes``.

    ``database`` is an open one, or what opens it when the worker starts. ``checks`` decide readiness (default: the
    database answers and has run all migrations). Without ``access_log`` no request is logged.
    Raises ``Defect`` (``web.route_duplicate``) when two routes have the same method and path.
    """
    source = DatabaseSource(database)
    services = Services(
        source=source,
        clock=clock,
        settings=settings,
        keys=KeyCache(authenticate),
        max_body_octets=limits.max_body_octets,
    )
    monitor = Monitor(access_log)
    draining = Draining()
    app: falcon.asgi.App[Any, Any] = falcon.asgi.App()
    app.req_options.auto_parse_qs_csv = False
    app.add_error_handler(FarwireError, _answer_error)
    app.add_error_handler(falcon.HTTPError, _answer_http_error)
    app.add_error_handler(Exception, _raise_on)
    _add_routes(app, routes, services)
    add_system_routes(
        app,
        document=partial(openapi_document, routes),
        documents=api_documents(routes),
        source=source,
        draining=draining,
        checks=dict(checks or default_checks()),
    )
    guard = Guard(
        cast("AsgiApp", app), monitor, max_running=limits.max_running, time_limit_s=limits.time_limit_s
    )
    return Api(guard, source, draining, routes)


class _Resource:
    """The operations of one path; Falcon finds them by the names on_get and on_post."""

    def __init__(self) -> None:
        self.methods: set[Method] = set()


def _add_routes(app: falcon.asgi.App[Any, Any], routes: Sequence[AnyRoute], services: Services) -> None:
    by_path: dict[str, _Resource] = {}
    for route in routes:
        resource = by_path.setdefault(route.path, _Resource())
        if route.method in resource.methods:
            raise Defect(f"{route.method} {route.path} is declared twice", code="web.route_duplicate")
        resource.methods.add(route.method)
        responder: Responder = Endpoint(route, services).respond
        setattr(resource, f"on_{route.method.value.lower()}", responder)
        if route.method is Method.GET:
            resource.on_head = responder  # type: ignore[attr-defined]
    for path, resource in by_path.items():
        app.add_route(path, resource)


async def _answer_error(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, error: FarwireError, _params: dict[str, Any]
) -> None:
    exchange: Exchange = req.scope[KEY]
    exchange.code = error.code
    status, body = error_body(error, exchange.request_id)
    if status == 500:
        Monitor.failed(exchange, error)
    resp.status = status
    resp.content_type = "application/json"
    resp.data = body
    resp.set_header("cache-control", "no-store")
    for name, value in error_headers(error).items():
        resp.set_header(name, value)


async def _answer_http_error(
    req: falcon.asgi.Request, resp: falcon.asgi.Response, error: falcon.HTTPError, params: dict[str, Any]
) -> None:
    """Give what Falcon itself refuses (no such path, no such method) the body of every other error."""
    await _answer_error(req, resp, _translated(error, req), params)
    for name, value in dict(error.headers or {}).items():
        resp.set_header(name, value)


def _translated(error: falcon.HTTPError, req: falcon.asgi.Request) -> FarwireError:
    if isinstance(error, falcon.HTTPNotFound):
        return NotFound("there is no such path", code="web.path_unknown", field="path", fix="see /docs")
    if isinstance(error, falcon.HTTPMethodNotAllowed):
        return Invalid(
            "the path does not have this method",
            code="web.method_unknown",
            field="method",
            value=req.method,
            fix="see the Allow header",
        )
    return Invalid(error.title or "the request cannot be read", code="web.request_malformed")


async def _raise_on(
    _req: falcon.asgi.Request, _resp: falcon.asgi.Response, error: Exception, _params: dict[str, Any]
) -> None:
    """Leave what nobody expected to the guard, which logs it and answers 500."""
    raise error
