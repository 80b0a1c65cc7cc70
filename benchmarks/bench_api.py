"""GET of one usage by id through the whole API, beside bare handlers with the same SQL, in the same run.

Each server is one granian worker process on loopback; the load comes from this process over kept-alive connections, a
bounded number of requests at a bounded concurrency. CPU per request is that of the worker process alone, neither of the
load nor of PostgreSQL. `python -m benchmarks.bench_api --requests 20000`
"""

from __future__ import annotations

import argparse
import asyncio
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any
from uuid import UUID

import falcon.asgi
import httpx
import msgspec
import psutil
import uvloop

from farwire.base.authz import Role
from farwire.base.clock import SystemClock
from farwire.base.config import Settings, load_settings
from farwire.base.storage import Database, open_database
from farwire.base.storage.embedded import DatabaseRole
from farwire.base.storage.ephemeral import Run, clone_template, ephemeral_server, remove
from farwire.kernel.ids import TenantId, uuid7
from farwire.rating.model import UsageKind
from farwire.tenant import service as tenants
from farwire.usage.service.recording import ReportedUsage, record_usage

DATABASE = "farwire_bench_api"
USAGES = 500
REQUESTS = 10_000
CONCURRENCY = 16
LIMIT_S = 60
GOAL = 2.0
PATH = "/tmf-api/usageManagement/v4/usage"
TENANT_VARIABLE = "BENCH_TENANT"
SQL = """SELECT usage_id, import_id, subscriber_key, kind, state, reason, started_at, quantity, destination, direction,
 visited_network, rating_group, external_charge_nano, external_currency, product_id, plan_version_id, charge_nano,
 currency, price_id, label, billed_quantity, tariff_version, explanation, rated_at, bill_id
 FROM usage.record WHERE tenant_id = $1 AND usage_id = $2"""
SERVE = """
import sys
from farwire.base.web.server import Serving, serve
if __name__ == "__main__":
    serve(Serving(target=sys.argv[1], host="127.0.0.1", port=int(sys.argv[2]), workers=1))
"""


class Bare:
    """What one would write without Farwire: the tenant's transaction, one statement, the row as JSON."""

    database: Database | None = None
    tenant_id = TenantId(UUID(int=0))

    async def row(self, usage_id: str) -> bytes:
        """Return the usage as JSON: BEGIN with the tenant, SELECT, COMMIT, as the API does."""
        if self.database is None:
            self.tenant_id = TenantId(UUID(os.environ[TENANT_VARIABLE]))
            self.database = await open_database(load_settings())
        async with self.database.transaction(self.tenant_id) as tx:
            found = await tx.fetchrow(SQL, tx.tenant_id, UUID(usage_id))
        return msgspec.json.encode(dict(found))

    async def on_get(self, _req: Any, resp: Any, id: str) -> None:  # noqa: A002 - Falcon passes the template's name
        resp.data = await self.row(id)
        resp.content_type = "application/json"


def bare_falcon() -> Any:
    """Return a Falcon application with one route."""
    app = falcon.asgi.App()
    app.add_route(PATH + "/{id}", Bare())
    return app


def bare_asgi() -> Any:
    """Return an ASGI application without any framework."""
    bare = Bare()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "lifespan":
            while True:
                message = await receive()
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return
        body = await bare.row(scope["path"].rpartition("/")[2])
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


TARGETS = (
    ("bare ASGI, same SQL", "benchmarks.bench_api:bare_asgi"),
    ("bare Falcon, same SQL", "benchmarks.bench_api:bare_falcon"),
    ("Farwire API", "farwire.app:create_api"),
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What one server did: requests/s, CPU µs per request of its worker, latency in ms."""

    per_s: float
    cpu_us: float
    p50_ms: float
    p99_ms: float


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--rounds", type=int, default=3, help="alternating rounds; the median counts")
    options = parser.parse_args()
    run = Run.of(os.getpid())
    try:
        with tempfile.TemporaryDirectory() as name:
            bench(options.requests, options.rounds, run, Path(name))
    finally:
        remove(run)


def bench(requests: int, rounds: int, run: Run, folder: Path) -> None:
    """Print the figures of each server and their ratios."""
    server = ephemeral_server(run)
    clone_template(server, DATABASE)
    settings = Settings(data_dir=folder, database_url=server.url(DatabaseRole.APP, DATABASE))
    tenant_id, key, ids = uvloop.run(filled(settings))
    env = {
        **os.environ,
        "FARWIRE_DATABASE_URL": str(settings.database_url),
        "FARWIRE_DATA_DIR": str(folder),
        TENANT_VARIABLE: str(tenant_id),
    }
    found: dict[str, list[Figures]] = {name: [] for name, _ in TARGETS}
    for _ in range(rounds):
        for name, target in TARGETS:
            with served(target, env, folder) as (port, pid):
                asked = cycle([message("GET", f"{PATH}/{one}", key) for one in ids])
                uvloop.run(load(port, asked, requests // 10, pid))
                found[name].append(uvloop.run(load(port, asked, requests, pid)))
    report(found)


def report(found: dict[str, list[Figures]]) -> None:
    """Print the median of each server's rounds, and ratios to the bare Falcon handler."""

    def median(name: str, of: str) -> float:
        return statistics.median(getattr(figures, of) for figures in found[name])

    base = TARGETS[1][0]
    for name, _ in TARGETS:
        print(
            f"{name:24} {median(name, 'per_s'):>8,.0f} requests/s  {median(name, 'cpu_us'):>6,.0f} µs CPU  "
            f"p50 {median(name, 'p50_ms'):>5.1f} ms  p99 {median(name, 'p99_ms'):>5.1f} ms  "
            f"{median(name, 'cpu_us') / median(base, 'cpu_us'):.2f} × the CPU of {base}"
        )
    ratio = median("Farwire API", "cpu_us") / median(base, "cpu_us")
    print(f"goal: at most {GOAL} × the bare handler: {'met' if ratio <= GOAL else 'MISSED'}")


async def filled(settings: Settings) -> tuple[TenantId, str, list[str]]:
    """Make a tenant, a key and usages; return them."""
    db = await open_database(settings)
    clock = SystemClock()
    tenant = await tenants.create_tenant(
        db=db, clock=clock, name="bench", display_name="Bench", country="DE", zone_name="Europe/Berlin"
    )
    key, _ = await tenants.create_key(
        db=db, clock=clock, tenant_id=tenant.id, role=Role.INTEGRATOR, label="bench"
    )
    ids = []
    async with db.transaction(tenant.id) as tx:
        for number in range(USAGES):
            reported = ReportedUsage(
                kind=UsageKind.VOICE,
                started_at=clock.now(),
                subscriber=f"49151{number:07}",
                quantity=60,
                destination="442071234567",
                external_id=str(uuid7()),
            )
            record, _ = await record_usage(tx=tx, reported=reported, now=clock.now())
            ids.append(str(record.usage_id))
    await db.close()
    return tenant.id, key, ids


@contextmanager
def served(target: str, env: dict[str, str], folder: Path) -> Any:
    """Serve ``target`` with one worker, by uvicorn if it is an application and no factory; yield port and worker."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    script = folder / "serve.py"
    script.write_text(SERVE)
    root = Path(__file__).parent.parent
    alone = target.endswith(":app")
    command = (
        ["-m", "uvicorn", target, "--log-level", "warning", "--port"] if alone else [str(script), target]
    )
    with (folder / "serve.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, *command, str(port)],
            env={**env, "PYTHONPATH": str(root)},
            stdout=log,
            stderr=log,
            cwd=root,
        )
    try:
        until_ready(port, process, folder / "serve.log")
        yield port, process.pid if alone else worker_of(process.pid)
    finally:
        process.terminate()
        process.wait(30)


def worker_of(pid: int) -> int:
    """Return the process id of a server's only worker."""
    children = psutil.Process(pid).children()
    return next(child.pid for child in children if "spawn_main" in " ".join(child.cmdline()))


def until_ready(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until the port answers."""
    end = time.monotonic() + LIMIT_S
    while time.monotonic() < end and process.poll() is None:
        try:
            httpx.get(f"http://127.0.0.1:{port}/health/live", timeout=5)
        except httpx.HTTPError:
            time.sleep(0.1)
        else:
            return
    raise RuntimeError(f"the server did not start: {log.read_text()}")


def message(method: str, path: str, key: str, body: bytes = b"", **headers: str) -> bytes:
    """Return one request as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: bench", f"Authorization: Bearer {key}"]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


async def load(
    port: int, messages: Iterator[bytes], requests: int, pid: int, concurrency: int = CONCURRENCY
) -> Figures:
    """Send ``requests`` of ``messages`` over ``concurrency`` connections, one at a time on each."""
    worker = psutil.Process(pid)
    left = [requests]
    latencies: list[float] = []
    before, start = sum(worker.cpu_times()[:2]), time.perf_counter()
    async with asyncio.timeout(LIMIT_S):
        await asyncio.gather(*(connection(port, messages, left, latencies) for _ in range(concurrency)))
    seconds, cpu = time.perf_counter() - start, sum(worker.cpu_times()[:2]) - before
    latencies.sort()
    return Figures(
        per_s=requests / seconds,
        cpu_us=cpu / requests * 1e6,
        p50_ms=latencies[len(latencies) // 2] * 1000,
        p99_ms=latencies[len(latencies) * 99 // 100] * 1000,
    )


async def connection(port: int, messages: Iterator[bytes], left: list[int], latencies: list[float]) -> None:
    """Ask on one kept-alive connection until no request is left."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while left[0] > 0:
        left[0] -= 1
        asked = next(messages)
        sent = time.perf_counter()
        writer.write(asked)
        headers = await reader.readuntil(b"\r\n\r\n")
        length = int(headers.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        if not headers.startswith(b"HTTP/1.1 20"):
            raise RuntimeError(headers.decode() + body.decode())
        latencies.append(time.perf_counter() - sent)
    writer.close()


if __name__ == "__main__":
    main()
