"""POST, GET, filtered list and PATCH of TMF documents of 5 kB through the API, beside bare peers in the same run.

The peers: a bare Falcon handler with the same SELECT under row-level security, a bare transaction that writes the same
rows (resource, outbox, audit, idempotency), and PyPI `tmf-mock`, which keeps everything in memory. Each server is one
worker process on loopback. Then many stored documents, and filters on them.
`python -m benchmarks.bench_tmf --requests 3000 --stored 1000000`
"""

from __future__ import annotations

import argparse
import hashlib
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import count, cycle
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import falcon.asgi
import msgspec
import psutil
import uvloop

from benchmarks.bench_api import TENANT_VARIABLE, Figures, load, message, served
from farwire.app import api_routes
from farwire.base.authz import Role
from farwire.base.clock import SystemClock
from farwire.base.config import Settings, load_settings
from farwire.base.storage import Database, open_database
from farwire.base.storage.embedded import DatabaseRole
from farwire.base.storage.ephemeral import Run, clone_template, ephemeral_server, remove
from farwire.kernel.ids import TenantId, uuid7
from farwire.tenant import service as tenants

DATABASE = "farwire_bench_tmf"
REQUESTS = 3000
STORED = 50_000
MIXED = 500
"""Documents that GET, PATCH and the filtered list of the comparison find."""
LIMIT_MS = 50
MEMORY_MIB = 150
START_S = 2.0
PATH = "/tmf-api/productCatalogManagement/v5/productSpecification"
MOCK_PATH = "/tmf-api/resourceInventoryManagement/v4/resource"
KEYS = ("620", "ProductSpecification")
SELECT = (
    "SELECT document::text FROM base.tmf_resource WHERE tenant_id = $1 AND api = $2 AND type = $3 AND id = $4"
)
RESOURCE = """INSERT INTO base.tmf_resource (tenant_id, api, type, id, document, created_at, changed_at)
 VALUES ($1, $2, $3, $4, $5::text::jsonb, $6, $6)"""
OUTBOX = """INSERT INTO base.outbox (tenant_id, event_id, type, subject, occurred_at, recorded_at, data)
 VALUES ($1, $2, 'farwire.catalog.product_specification_created.v1', $3, $4, $4, $5::text::jsonb)"""
HEAD = "SELECT sequence, hash FROM base.audit_entry WHERE tenant_id = $1 ORDER BY sequence DESC LIMIT 1"
AUDIT = """INSERT INTO base.audit_entry
 (tenant_id, sequence, at, actor_kind, actor_id, action, subject, detail, previous_hash, hash)
 VALUES ($1, $2, $3, 'key', 'bench', 'catalog.create_product_specification', $4, '{"api": "620"}', $5, $6)"""
KEPT = """INSERT INTO base.idempotency (tenant_id, idempotency_key, request_digest, status, headers, body, created_at)
 VALUES ($1, $2, $3, 201, '{}', $4, $5)"""


def document(number: int, *, characteristics: int = 12) -> dict[str, Any]:
    """Return a specification; twelve characteristics make it 5 kB."""
    return {
        "@type": "ProductSpecification",
        "name": f"Line {number}",
        "brand": f"Brand {number % 1000}",
        "description": "A line with a router, a number and a fixed address. " * 4,
        "productNumber": f"PN-{number:08}",
        "lifecycleStatus": "Active",
        "productSpecCharacteristic": [
            {
                "@type": "CharacteristicSpecification",
                "id": str(one),
                "name": f"characteristic {one}",
                "valueType": "string",
                "description": "What the customer may choose, and what it means for the line. " * 2,
                "characteristicValueSpecification": [
                    {"@type": "StringCharacteristicValueSpecification", "value": f"value {number}-{one}"},
                    {"@type": "StringCharacteristicValueSpecification", "value": f"common {one}"},
                ],
            }
            for one in range(characteristics)
        ],
    }


class Bare:
    """What one would write without Farwire: the tenant's transaction, the statements, JSON in and out."""

    database: Database | None = None
    tenant_id = TenantId(UUID(int=0))

    async def opened(self) -> Database:
        """Return the pool of this process."""
        if self.database is None:
            self.tenant_id = TenantId(UUID(os.environ[TENANT_VARIABLE]))
            self.database = await open_database(load_settings())
        return self.database

    async def on_get(self, _req: Any, resp: Any, id: str) -> None:  # noqa: A002 - Falcon passes the template's name
        async with (await self.opened()).transaction(self.tenant_id) as tx:
            resp.text = await tx.fetchval(SELECT, tx.tenant_id, *KEYS, id)
        resp.content_type = "application/json"


class BareWrites(Bare):
    """The same for a collection: decode, write four rows, encode."""

    async def on_post(self, req: Any, resp: Any) -> None:
        """Write the rows that a POST of the API writes."""
        raw = await req.stream.read()
        made = msgspec.json.decode(raw) | {"id": str(uuid7())}
        answer, now, key = msgspec.json.encode(made), datetime.now(UTC), made["id"]
        digest = hashlib.sha256(raw).digest()
        told = msgspec.json.encode({"api": KEYS[0], "type": KEYS[1], "id": key}).decode()
        async with (await self.opened()).transaction(self.tenant_id) as tx:
            own = tx.tenant_id
            await tx.execute(RESOURCE, own, *KEYS, key, answer.decode(), now)
            await tx.execute(OUTBOX, own, uuid7(), key, now, told)
            await tx.execute(KEPT, own, req.get_header("idempotency-key"), digest, answer, now)
            await tx.execute("SELECT pg_advisory_xact_lock(1, hashtext($1::text))", str(own))
            head = await tx.fetchrow(HEAD, own)
            place, last = (head["sequence"], head["hash"]) if head else (0, bytes(32))
            await tx.execute(AUDIT, own, place + 1, now, key, last, hashlib.sha256(last + digest).digest())
        resp.data, resp.status, resp.content_type = answer, 201, "application/json"


def bare() -> Any:
    """Return a Falcon application with both handlers."""
    app = falcon.asgi.App()
    app.add_route(PATH, BareWrites())
    app.add_route(PATH + "/{id}", Bare())
    return app


SERVERS = (
    ("Farwire API", "farwire.app:create_api"),
    ("bare, same SQL", "benchmarks.bench_tmf:bare"),
    ("tmf-mock, in memory", "tmf_mock._app:app"),
)
WORDS = ("POST", "GET", "list", "PATCH")
GOALS = {"GET": 0.6, "POST": 0.5}


def posts(path: str, key: str) -> Iterator[bytes]:
    """Yield creations, each with a key of its own."""
    for number in count():
        body = msgspec.json.encode(document(number))
        yield message("POST", path, key, body, Idempotency_Key=str(uuid4()))


def mock_posts() -> Iterator[bytes]:
    """Yield creations of resources as large as ours: the mock knows no specifications."""
    for number in count():
        given = document(number)
        values = [
            {"name": one["name"], "value": msgspec.json.encode(one).decode()}
            for one in given["productSpecCharacteristic"]
        ]
        made = {
            "name": given["name"],
            "category": given["brand"],
            "description": given["description"],
            "resourceCharacteristic": values,
        }
        yield message("POST", MOCK_PATH, "", msgspec.json.encode(made))


def requests_of(server: str, key: str, ids: list[str]) -> dict[str, Iterator[bytes]]:
    """Return what each server is asked, by word."""
    if server == SERVERS[1][0]:
        return {"POST": posts(PATH, key), "GET": cycle([message("GET", f"{PATH}/{one}", key) for one in ids])}
    ours = server == SERVERS[0][0]
    path = PATH if ours else MOCK_PATH
    name, changed = ("brand", "productNumber") if ours else ("category", "resourceVersion")
    return {
        "POST": posts(path, key) if ours else mock_posts(),
        "GET": cycle([message("GET", f"{path}/{one}", key) for one in ids]),
        "list": cycle([message("GET", f"{path}?{name}=Brand%20{one}&limit=10", key) for one in range(500)]),
        "PATCH": (
            message("PATCH", f"{path}/{one}", key, msgspec.json.encode({changed: f"PN-{number}"}))
            for number, one in enumerate(cycle(ids))
        ),
    }


def compare(settings: Settings, folder: Path, requests: int, rounds: int) -> None:
    """Print what each server does of each kind of request, and the ratios to the bare one."""
    tenant_id, key, ids = uvloop.run(filled(settings, MIXED))
    env = environment(settings, folder, tenant_id)
    found: dict[tuple[str, str], list[Figures]] = {}
    for _ in range(rounds):
        for server, target in SERVERS:
            with served(target, env, folder) as (port, pid):
                known = ids if target != SERVERS[2][1] else uvloop.run(mock_ids(port))
                for word, messages in requests_of(server, key, known).items():
                    uvloop.run(load(port, messages, requests // 10, pid))
                    figures = uvloop.run(load(port, messages, requests, pid))
                    found.setdefault((word, server), []).append(figures)
    for word in WORDS:
        for server, _ in SERVERS:
            if (word, server) in found:
                print_figures(word, server, found)


def print_figures(word: str, server: str, found: dict[tuple[str, str], list[Figures]]) -> None:
    """Print the medians of one server's rounds, and ours beside the bare one's."""

    def median(of: str, whose: str) -> float:
        return statistics.median(getattr(one, of) for one in found[(word, whose)])

    line = (
        f"{word:6} {server:20} {median('per_s', server):>6,.0f} requests/s  {median('cpu_us', server):>6,.0f} µs CPU  "
        f"p50 {median('p50_ms', server):>5.1f} ms  p99 {median('p99_ms', server):>6.1f} ms"
    )
    peer = SERVERS[1][0]
    if server == SERVERS[0][0] and (word, peer) in found:
        ratio = median("per_s", server) / median("per_s", peer)
        met = "met" if ratio >= GOALS[word] else "MISSED"
        cpu = median("cpu_us", peer) / median("cpu_us", server)
        line += f"  {ratio:.2f} × the bare peer, {cpu:.2f} × by CPU of the worker (goal {GOALS[word]}: {met})"
    print(line, flush=True)


async def mock_ids(port: int) -> list[str]:
    """Fill the mock with as many documents as we have, and return their ids."""
    import httpx

    messages, found = mock_posts(), []
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
        for _ in range(MIXED):
            body = next(messages).partition(b"\r\n\r\n")[2]
            headers = {"content-type": "application/json"}
            found.append((await client.post(MOCK_PATH, content=body, headers=headers)).json()["id"])
    return found


async def filled(settings: Settings, documents: int, **shape: int) -> tuple[TenantId, str, list[str]]:
    """Make a tenant, a key and documents by COPY; return them."""
    db, clock = await open_database(settings), SystemClock()
    tenant = await tenants.create_tenant(
        db=db,
        clock=clock,
        name=f"bench{documents}",
        display_name="Bench",
        country="DE",
        zone_name="Europe/Berlin",
    )
    key, _ = await tenants.create_key(
        db=db, clock=clock, tenant_id=tenant.id, role=Role.TENANT_ADMIN, label="bench"
    )
    ids: list[str] = []
    for start in range(0, documents, 20_000):
        rows = [_row(tenant.id, number, **shape) for number in range(start, min(start + 20_000, documents))]
        ids += [row[3] for row in rows][: MIXED - len(ids)]
        async with db.transaction(tenant.id, statement_timeout_s=600) as tx:
            await tx.copy_records(
                "base.tmf_resource",
                columns=("tenant_id", "api", "type", "id", "document", "created_at", "changed_at"),
                records=rows,
            )
    await db.close()
    return tenant.id, key, ids


def _row(tenant_id: TenantId, number: int, **shape: int) -> tuple[Any, ...]:
    now = datetime.now(UTC)
    made = document(number, **shape) | {"id": str(uuid7()), "lastUpdate": "2026-11-23T12:00:00.000Z"}
    return (tenant_id, *KEYS, made["id"], msgspec.json.encode(made).decode(), now, now)


def environment(settings: Settings, folder: Path, tenant_id: TenantId) -> dict[str, str]:
    """Return the environment of a server."""
    return {
        **os.environ,
        "FARWIRE_DATABASE_URL": str(settings.database_url),
        "FARWIRE_DATA_DIR": str(folder),
        "FARWIRE_LOG_LEVEL": "warning",
        "TMF_MOCK_SEED": "0",
        TENANT_VARIABLE: str(tenant_id),
    }


def among_many(settings: Settings, folder: Path, documents: int, requests: int) -> None:
    """Print latencies of filters among many stored documents, then start time and memory of the server."""
    start = time.perf_counter()
    tenant_id, key, _ = uvloop.run(filled(settings, documents, characteristics=2))
    uvloop.run(analysed(settings))
    print(f"{documents:,} documents stored in {time.perf_counter() - start:,.0f} s")
    value = "productSpecCharacteristic.characteristicValueSpecification.value"
    step = max(1, documents // 997)
    asked = {
        "by an attribute (1 of all)": lambda n: f"productNumber=PN-{n * step % documents:08}",
        "by an attribute (1 of 1000), 10 rows": lambda n: f"brand=Brand%20{n % 1000}&limit=10",
        "by a value of a characteristic": lambda n: f"{value}=value%20{n * step % documents}-1",
        "the next page, by a cursor": lambda n: f"limit=10&cursor={n * step % documents}",
    }
    with served(SERVERS[0][1], environment(settings, folder, tenant_id), folder) as (port, pid):
        for name, query in asked.items():
            messages = (message("GET", f"{PATH}?{query(n)}", key) for n in count())
            uvloop.run(load(port, messages, 20, pid, 1))
            figures = uvloop.run(load(port, messages, requests, pid, 1))
            met = "met" if figures.p99_ms <= LIMIT_MS else "MISSED"
            print(
                f"list {name:38} p50 {figures.p50_ms:>6.1f} ms  p99 {figures.p99_ms:>6.1f} ms  ({LIMIT_MS}: {met})"
            )
        memory = psutil.Process(pid).memory_info().rss / 1024**2
    print(
        f"a worker's memory {memory:.0f} MiB (goal {MEMORY_MIB}: {'met' if memory <= MEMORY_MIB else 'MISSED'})"
    )


def started(settings: Settings, folder: Path) -> None:
    """Print how long a server takes until it answers, and how much of it is CPU of its worker."""
    routes = len(api_routes())
    env = environment(settings, folder, TenantId(UUID(int=0)))
    begun = time.perf_counter()
    with served(SERVERS[0][1], env, folder) as (_, pid):
        ready = time.perf_counter() - begun
        cpu = sum(psutil.Process(pid).cpu_times()[:2])
    met = "met" if ready <= START_S else "MISSED"
    print(
        f"start with {routes:,} routes: {ready:.1f} s, of it {cpu:.1f} s CPU of the worker (goal {START_S} s: {met})"
    )


async def analysed(settings: Settings) -> None:
    """Let PostgreSQL know what is stored, as its own maintenance does after such a load."""
    import asyncpg

    conn = await asyncpg.connect(str(settings.database_owner_url))
    await conn.execute("VACUUM ANALYZE base.tmf_resource", timeout=600)
    await conn.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=REQUESTS, help="of each kind, to each server")
    parser.add_argument("--rounds", type=int, default=3, help="alternating rounds; the median counts")
    parser.add_argument("--stored", type=int, default=STORED, help="documents among which filters look")
    options = parser.parse_args()
    run = Run.of(os.getpid())
    try:
        with tempfile.TemporaryDirectory() as name:
            server = ephemeral_server(run)
            clone_template(server, DATABASE)
            settings = Settings(
                data_dir=Path(name),
                database_url=server.url(DatabaseRole.APP, DATABASE),
                database_owner_url=server.url(DatabaseRole.OWNER, DATABASE),
            )
            started(settings, Path(name))
            if options.requests:
                compare(settings, Path(name), options.requests, options.rounds)
            among_many(settings, Path(name), options.stored, 300)
    finally:
        remove(run)


if __name__ == "__main__":
    main()
