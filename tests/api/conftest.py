"""The whole API in this process, on a real database, with real keys."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from datetime import datetime
from functools import partial
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, cast

import httpx
import psutil
import pytest
from granian.constants import Interfaces
from granian.server.embed import Server

from farwire.app import _JOBS, api_routes, deliver_events
from farwire.base.authz import Principal, Role
from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.jobs import Worker
from farwire.base.storage import Database, open_relay
from farwire.base.web import Api, build_api
from farwire.charging.service import shard_address
from farwire.charging.service.reach import REACH
from farwire.charging.shard.front import listen
from farwire.kernel.ids import TenantId
from farwire.tenant import service as tenants
from farwire.tenant.service import KeyRefused
from tests.charging.desk import a_desk

START_S = 120
FARWIRE = "from farwire.app import main; main()"
MakeKey = Callable[[TenantId, Role], Awaitable[str]]
Client = Callable[[str], httpx.AsyncClient]
Charge = Callable[[], Awaitable[Any]]


def _builders_of_billing() -> ModuleType:
    """The builders that the tests of billing use: importlib mode gives test folders no common package."""
    spec = spec_from_file_location("billing_world", Path(__file__).parent.parent / "billing" / "world.py")
    assert spec is not None
    assert spec.loader is not None
    module = module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def world(db: Database, clock: MovableClock, tenant_id: TenantId) -> Any:
    """A German operator without anything yet."""
    return _builders_of_billing().World(db, clock, tenant_id)


class OneApi:
    """The API of this process, built once, since that takes longer than most tests. Each test brings its own seams."""

    def __init__(self) -> None:
        self._built: Api | None = None

    def on(self, db: Database, settings: Settings, clock: MovableClock) -> Api:
        """Return the API on the database, the settings and the clock of the test that runs."""
        self._settings, self._clock = settings, clock
        if self._built is None:
            self._built = build_api(
                api_routes(),
                database=db,
                clock=self,
                settings=cast("Settings", self),
                authenticate=self._principal,
            )
        self._built._source.opened = db
        return self._built

    def now(self) -> datetime:
        return self._clock.now()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._settings, name)

    async def _principal(self, database: Database, text: str) -> Principal | None:
        try:
            return await tenants.authenticate(db=database, clock=self, text=text)
        except KeyRefused:
            return None


@pytest.fixture(scope="session")
def one_api() -> OneApi:
    return OneApi()


@pytest.fixture
def api(one_api: OneApi, db: Database, settings: Settings, clock: MovableClock) -> Api:
    return one_api.on(db, settings, clock)


@pytest.fixture
def make_key(db: Database, clock: MovableClock) -> MakeKey:
    async def make(tenant_id: TenantId, role: Role = Role.TENANT_ADMIN) -> str:
        text, _ = await tenants.create_key(db=db, clock=clock, tenant_id=tenant_id, role=role, label="test")
        return text

    return make


@pytest.fixture
def client_of(api: Api) -> Client:
    def client(key: str) -> httpx.AsyncClient:
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app=api),
            base_url="http://farwire",
            headers={"authorization": f"Bearer {key}"},
        )

    return client


@pytest.fixture
async def client(
    client_of: Client, make_key: MakeKey, tenant_id: TenantId
) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(await make_key(tenant_id, Role.TENANT_ADMIN)) as found:
        yield found


@pytest.fixture
async def other_client(
    client_of: Client, make_key: MakeKey, other_tenant_id: TenantId
) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(await make_key(other_tenant_id, Role.TENANT_ADMIN)) as found:
        yield found


@pytest.fixture
async def work(db: Database, settings: Settings, clock: MovableClock) -> AsyncIterator[Callable[[], Any]]:
    """Do what a worker does until nothing is left: deliver what was published, run the jobs that are due."""
    relay = await open_relay(settings)
    modules = [import_module(name) for name in _JOBS]
    handlers = {kind: act for one in modules for kind, act in one.handlers(db=db, clock=clock).items()}
    worker = Worker(db=db, clock=clock, handlers=handlers)

    async def until_done() -> None:
        busy = True
        while busy:
            busy = bool(await deliver_events(db=db, relay_db=relay, clock=clock)) or await worker.run_once()

    yield until_done
    await relay.close()


@pytest.fixture
async def listening(api: Api) -> AsyncIterator[str]:
    """Serve the API of this process on a port, with the movable clock; return where."""
    port = free_port()
    server = Server(api, address="127.0.0.1", port=port, interface=Interfaces.ASGI, log_enabled=False)
    serving = asyncio.create_task(server.serve())
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        for _ in range(600):
            with suppress(httpx.ConnectError):
                assert (await client.get("/health/live")).status_code == 200
                break
            await asyncio.sleep(0.1)
    yield f"http://127.0.0.1:{port}"
    server.stop()
    await serving


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Served:
    """One ``farwire serve``."""

    def __init__(self, env: dict[str, str], folder: Path, *options: str) -> None:
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.output = folder / "serve.log"
        command = [sys.executable, "-c", FARWIRE, "serve", "--port", str(self.port)]
        with self.output.open("wb") as log:
            self.process = subprocess.Popen(
                [*command, *options],
                env={**os.environ, **env},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def until(self, path: str, status: int, seconds: float = START_S) -> httpx.Response:
        """Ask until ``path`` answers ``status``."""
        end = time.monotonic() + seconds
        last: object = None
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                answer = httpx.get(self.base + path, timeout=10)
                if answer.status_code == status:
                    return answer
                last = answer.status_code
            except httpx.HTTPError as error:
                last = error
            time.sleep(0.05)
        raise AssertionError(f"{path} did not answer {status}: {last}\n{self.output.read_text()}")

    def workers(self) -> list[psutil.Process]:
        children = psutil.Process(self.process.pid).children()
        return [child for child in children if "resource_tracker" not in " ".join(child.cmdline())]

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(60)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)


@pytest.fixture
def serve_with(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """Start servers with an environment of the test's own; they are stopped at its end."""
    running: list[Served] = []

    def start(env: dict[str, str], *options: str) -> Served:
        server = Served(env, tmp_path, *options)
        running.append(server)
        server.until("/health/ready", 200)
        return server

    yield start
    for server in running:
        server.stop()


@pytest.fixture
def served(serve_with: Callable[..., Served], database_env: dict[str, str]) -> Callable[..., Served]:
    """Start servers on the database of this test."""
    return partial(serve_with, database_env)


@pytest.fixture
async def charge(
    db: Database, clock: MovableClock, settings: Settings, tmp_path: Path
) -> AsyncIterator[Charge]:
    """Return a function that starts a shard in this process, with the tariffs that are published by then.

    An API in a process of its own finds it at its usual socket.
    """
    async with AsyncExitStack() as stack:

        async def start() -> Any:
            desk = await stack.enter_async_context(a_desk(db, tmp_path / "shard", clock))
            path = Path(str(shard_address(settings.data_dir, 0)))
            path.parent.mkdir()
            front = await listen(desk.runner, path=str(path))
            stack.callback(front.close)
            REACH.use(desk.client)
            return desk

        yield start
        await REACH.close()
