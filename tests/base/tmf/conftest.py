"""A catalogue that is kept as documents: the tables of TMF620 on the engine, over HTTP, without a context."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import msgspec
import pytest

from farwire.base.authz import Permission, Principal, Role
from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.eventbus.pending import deliver_pending
from farwire.base.storage import Database, open_relay
from farwire.base.tmf import Api, Descriptor, Resource, tmf_routes
from farwire.base.tmf import resource as bindings
from farwire.base.tmf_events import listeners, notify
from farwire.base.web import AnyRoute, build_api
from farwire.catalog.api import tmf620_tables as tables
from farwire.kernel.ids import KeyId, TenantId, uuid7

CATALOG = "/tmf-api/productCatalogManagement"
KEY = KeyId(uuid7())


def document(descriptor: Descriptor) -> Resource:
    return Resource(descriptor, "catalog", Permission.CATALOG_READ, Permission.CATALOG_PUBLISH)


@pytest.fixture
def catalog_api(monkeypatch: pytest.MonkeyPatch) -> Api:
    """TMF620 with every resource as a document, alone in a process."""
    monkeypatch.setattr(bindings.SERVED, "_by_target", {})
    kinds = (tables.CATEGORY, tables.CATALOG, tables.OFFERING, tables.PRICE, tables.SPECIFICATION)
    return Api("620", "Product catalogue", "productCatalogManagement", tuple(document(one) for one in kinds))


@pytest.fixture
def web(
    db: Database, settings: Settings, clock: MovableClock, tenant_id: TenantId, other_tenant_id: TenantId
) -> Any:
    """Return a function that builds the API of some routes; the keys are "own" and "other"."""
    who = {"fw_own": tenant_id, "fw_other": other_tenant_id}

    async def authenticate(_: Database, key: str) -> Principal | None:
        return Principal(who[key], Role.TENANT_ADMIN, KEY) if key in who else None

    def build(*apis: Api, more: tuple[AnyRoute, ...] = ()) -> Any:
        return build_api(
            [*(route for api in apis for route in tmf_routes(api)), *listeners.ROUTES, *more],
            database=db,
            clock=clock,
            settings=settings,
            authenticate=authenticate,
        )

    return build


def client_of(app: Any, key: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(
        transport=httpx.ASGITransport(app=app),
        base_url="http://farwire",
        headers={"authorization": f"Bearer {key}"},
    )


@pytest.fixture
async def client(web: Any, catalog_api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(web(catalog_api), "fw_own") as found:
        yield found


@pytest.fixture
async def other_client(web: Any, catalog_api: Api) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(web(catalog_api), "fw_other") as found:
        yield found


Make = Callable[..., Awaitable[dict[str, Any]]]


@pytest.fixture
def make(client: httpx.AsyncClient) -> Make:
    """Create a category of v5."""

    async def create(name: str = "Mobile", **more: Any) -> dict[str, Any]:
        answer = await client.post(f"{CATALOG}/v5/category", json={"@type": "Category", "name": name, **more})
        assert answer.status_code == 201, answer.text
        return dict(answer.json())

    return create


class Listener:
    """An HTTP server that keeps what is posted to it, and may be told to refuse."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict[str, str], bytes]] = []
        self.status = 204
        self.poison = ""
        """A text: what has it is refused."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                bad = bool(outer.poison) and outer.poison.encode() in body
                status = 422 if bad else outer.status
                if status < 300:
                    outer.heard.append((self.path, {k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(status)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/my/own/path?token=1"

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    @property
    def events(self) -> list[dict[str, Any]]:
        return [json.loads(body) for _, _, body in self.heard]


@pytest.fixture
def listen() -> Iterator[Callable[[], Listener]]:
    """Return a function that starts a listener."""
    running: list[Listener] = []

    def start() -> Listener:
        running.append(Listener())
        return running[-1]

    yield start
    for one in running:
        one.close()


@pytest.fixture
def listener(listen: Callable[[], Listener]) -> Listener:
    return listen()


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """An installation whose tenants may listen at home."""
    return msgspec.structs.replace(settings, hub_private_callbacks=True)


@pytest.fixture
async def relay(settings: Settings) -> AsyncIterator[Database]:
    found = await open_relay(settings)
    yield found
    await found.close()


@pytest.fixture
def deliver(db: Database, relay: Database, clock: MovableClock) -> Any:
    """Return a function that does what a worker does."""

    async def run(public_url: str = "") -> int:
        followers = notify.subscribers(db=db, clock=clock, private=True, public_url=public_url)
        return await deliver_pending(relay_db=relay, clock=clock, subscribers=followers)

    return run


@pytest.fixture
def register(client: httpx.AsyncClient, deliver: Any) -> Any:
    """Return a function that registers a listener under a base path."""
    own = client

    async def post(base: str, *, client: httpx.AsyncClient | None = None, **body: str) -> httpx.Response:
        await deliver()  # the subscribers begin here
        answer = await (client or own).post(f"{base}/hub", json=body)
        assert answer.status_code == 201, answer.text
        return answer

    return post
