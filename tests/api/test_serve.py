"""The real server in its own processes: start, stop under load, a dead worker, a database that goes away."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from farwire.base.authz import Role
from farwire.base.clock import SystemClock
from farwire.base.config import Settings
from farwire.base.storage import open_database
from farwire.base.storage.embedded import EmbeddedServer
from farwire.base.storage.ephemeral import Run, more_room
from farwire.kernel.ids import TenantId
from farwire.tenant import service as tenants

MakeKey = Callable[..., Awaitable[str]]
FARWIRE = "from farwire.app import main; main()"


async def test_a_stop_under_load_finishes_what_runs_and_loses_no_request(
    served: Any, make_key: MakeKey, tenant_id: TenantId
) -> None:
    server = await asyncio.to_thread(served, "--workers", "2", "--drain-s", "2")
    headers = {"authorization": f"Bearer {await make_key(tenant_id, Role.TENANT_ADMIN)}"}
    outcomes: list[int | str] = []
    readiness: list[int] = []
    stopped = asyncio.Event()

    async def load() -> None:
        async with httpx.AsyncClient(base_url=server.base, headers=headers, timeout=60) as client:
            while not stopped.is_set():
                try:
                    outcomes.append((await client.get("/whoami")).status_code)
                except httpx.ConnectError:
                    return  # the port is closed: the server has stopped
                except httpx.HTTPError as error:
                    outcomes.append(type(error).__name__)

    async def watch() -> None:
        async with httpx.AsyncClient(base_url=server.base, timeout=60) as client:
            while not stopped.is_set():
                try:
                    readiness.append((await client.get("/health/ready")).status_code)
                except httpx.HTTPError:
                    return
                await asyncio.sleep(0.05)

    tasks = [asyncio.create_task(load()) for _ in range(4)] + [asyncio.create_task(watch())]
    async with asyncio.timeout(60):
        while outcomes.count(200) <= 50 or not readiness:  # noqa: ASYNC110 - a poll is simple
            await asyncio.sleep(0.05)
    server.process.terminate()
    code = await asyncio.to_thread(server.process.wait, 60)
    stopped.set()
    await asyncio.gather(*tasks)
    assert code == 0
    assert {outcome for outcome in outcomes if isinstance(outcome, int)} == {200}
    # A kept-alive connection may be closed between two requests; a request that was sent is answered.
    assert [outcome for outcome in outcomes if outcome not in {200, "RemoteProtocolError", "ReadError"}] == []
    assert readiness[0] == 200
    assert 503 in readiness


@pytest.mark.crash
async def test_a_killed_worker_is_replaced(served: Any) -> None:
    server = await asyncio.to_thread(served, "--workers", "1")
    await asyncio.sleep(6)  # granian takes two deaths within 5.5 s for a crash loop, and ends
    (worker,) = server.workers()
    worker.kill()
    await asyncio.to_thread(server.until, "/health/ready", 200)
    (replaced,) = server.workers()
    assert replaced.pid != worker.pid


@pytest.mark.crash
async def test_workers_end_when_their_parent_is_killed_and_leave_no_folder(
    served: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    server = await asyncio.to_thread(served, "--workers", "2")
    workers = server.workers()
    server.process.kill()
    server.process.wait(60)
    gone, alive = await asyncio.to_thread(psutil.wait_procs, workers, 60)
    assert (len(gone), alive) == (2, [])
    left = await asyncio.to_thread(lambda: list(tmp_path.glob("farwire-metrics-*")))
    assert left == []


async def test_a_port_in_use_is_said_clearly(database_env: dict[str, str], tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        found = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", FARWIRE, "serve", "--port", str(port)],
            env={**os.environ, **database_env},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    assert found.returncode == 5
    assert f"port {port} of 127.0.0.1 is in use" in found.stderr
    assert "Traceback" not in found.stderr


async def test_the_start_says_where_it_is_and_how_to_make_a_key(served: Any) -> None:
    server = await asyncio.to_thread(served)
    text = server.output.read_text()
    assert f"{server.base}/docs" in text
    assert "farwire key create" in text


async def test_workers_load_neither_numeric_nor_document_libraries(served: Any) -> None:
    server = await asyncio.to_thread(served, "--workers", "1")
    (worker,) = server.workers()
    maps = "\n".join(mapped.path for mapped in worker.memory_maps())
    for library in ("numba", "polars", "pyarrow", "numpy", "llvmlite"):
        assert f"/{library}" not in maps, library


def test_importing_the_api_loads_neither_numeric_nor_document_libraries() -> None:
    code = (
        "import sys; from farwire.app import api_routes; api_routes(); "
        "print([m for m in ('numba', 'polars', 'pyarrow', 'numpy', 'typst') if m in sys.modules])"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    assert found.stdout.strip() == "[]"


async def test_a_database_that_goes_away_is_503_and_the_api_recovers_by_itself(serve_with: Any) -> None:
    place = more_room(Run.parse(os.environ["FARWIRE_TEST_RUN"])) / "api"
    server = await asyncio.to_thread(serve_with, {"FARWIRE_DATA_DIR": str(place)}, "--workers", "1")
    key = await _first_key(place)
    database = EmbeddedServer(place)
    async with httpx.AsyncClient(base_url=server.base, headers={"authorization": f"Bearer {key}"}) as client:
        assert (await client.get("/whoami")).status_code == 200
        assert await asyncio.to_thread(database.stop, immediate=True)
        for _ in range(5):
            refused = await client.get("/whoami")
            assert (refused.status_code, refused.json()["code"]) == (503, "storage.unavailable"), refused.text
            assert int(refused.headers["retry-after"]) >= 1
            await asyncio.sleep(0.2)
        unready = await client.get("/health/ready")
        assert (unready.status_code, list(unready.json()["missing"])) == (503, ["database"])
        assert (await client.get("/health/live")).status_code == 200
        await asyncio.to_thread(database.start)
        await asyncio.to_thread(server.until, "/health/ready", 200)
        assert (await client.get("/whoami")).status_code == 200


async def _first_key(place: Path) -> str:
    """Make a tenant and a key in the embedded database that the server has started."""
    db = await open_database(Settings(data_dir=place))
    clock = SystemClock()
    try:
        tenant = await tenants.create_tenant(db=db, clock=clock, name="acme")
        text, _ = await tenants.create_key(
            db=db, clock=clock, tenant_id=tenant.id, role=Role.TENANT_ADMIN, label="t"
        )
    finally:
        await db.close()
    return text


def test_a_worker_starts_soon_and_stays_small(record_property: Callable[[str, object], None]) -> None:
    """All routes, their document and pages: less than 2 s of CPU and 100 MiB, whatever else the machine does."""
    code = (
        "import time, psutil; from farwire.app import create_api; create_api();"
        "print(time.process_time(), psutil.Process().memory_info().rss / 2**20)"
    )
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True
    )
    seconds, mebibytes = (float(part) for part in found.stdout.split())
    record_property("seconds of CPU", seconds)
    record_property("MiB", mebibytes)
    assert (seconds < 2, mebibytes < 100) == (True, True), f"{seconds:.2f} s of CPU, {mebibytes:.0f} MiB"
