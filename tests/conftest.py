"""Fixtures of the whole suite: a real PostgreSQL, two tenants, a movable clock, the shared third-party data.

One throw-away server per run of pytest, one database per xdist worker, emptied before a test that follows one that
used it. Nothing is mocked.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from farwire.base.clock import MovableClock
from farwire.base.config import Settings
from farwire.base.storage import Database
from farwire.base.storage.database import open_pool
from farwire.base.storage.embedded import DatabaseRole
from farwire.base.storage.endpoints import connect
from farwire.base.storage.ephemeral import (
    Run,
    Server,
    clone_template,
    ephemeral_server,
    make_template,
    remove,
)
from farwire.kernel.ids import TenantId, uuid7

REPOSITORY = Path(__file__).resolve().parent.parent
RUN_VARIABLE = "FARWIRE_TEST_RUN"
START = datetime(2026, 6, 1, tzinfo=UTC)

# A slow machine is no defect; a failing example prints the blob that repeats it.
hypothesis_settings.register_profile(
    "dev", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
hypothesis_settings.register_profile("ci", hypothesis_settings.get_profile("dev"), derandomize=True)
hypothesis_settings.load_profile("ci" if os.environ.get("CI") else "dev")


def pytest_configure(config: pytest.Config) -> None:
    """Name the run once, in the process that started it; xdist's workers inherit the name."""
    if not hasattr(config, "workerinput"):
        os.environ[RUN_VARIABLE] = Run.of(os.getpid()).key


def pytest_unconfigure(config: pytest.Config) -> None:
    """Remove the run's server, after the workers have ended."""
    if not hasattr(config, "workerinput"):
        remove(Run.parse(os.environ[RUN_VARIABLE]))


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Refuse to run tests of one group beside each other: they share ports or a program."""
    if getattr(config.option, "loadgroup", False):
        for item in items:
            if item.get_closest_marker("xdist_group") and "@" not in item.nodeid:
                raise pytest.UsageError("this pytest-xdist does not know the groups of this pytest's tests")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give simulations and crash tests their seeds: 1, 2, … or the one that FARWIRE_TEST_SEED repeats."""
    for marker, variable, usual in (("sim", "FARWIRE_SEEDS", 6), ("crash", "FARWIRE_KILLS", 1)):
        if metafunc.definition.get_closest_marker(marker) and "seed" in metafunc.fixturenames:
            count = int(os.environ.get(variable, usual))
            one = os.environ.get("FARWIRE_TEST_SEED")
            metafunc.parametrize("seed", [int(one)] if one else range(1, count + 1))


class ScratchDatabase:
    """A database on the server of this run."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name

    def url(self, role: DatabaseRole = DatabaseRole.APP) -> str:
        """Return its URL for a role."""
        return self.server.url(role, self.name)


class WorkerDatabase(ScratchDatabase):
    """The database of this worker, emptied between its tests."""

    def __init__(self, server: Server, name: str, admin: asyncpg.Connection) -> None:
        super().__init__(server, name)
        self.used = False
        self._admin = admin

    async def empty(self) -> None:
        """Remove the rows that the last test left. Rows that migrations wrote stay."""
        await self._admin.execute(EMPTY_SQL)


# Truncating a table costs new files for it and for all that refer to it. Most tests leave a few rows, which are
# deleted without a look at the references; only a table that has grown is truncated.
EMPTY_SQL = """
DO $$
DECLARE
    candidate regclass;
    tables    regclass[];
    grown     text;
BEGIN
    SELECT array_agg(c.oid), string_agg(c.oid::regclass::text, ', ') FILTER (WHERE pg_relation_size(c.oid) > 1000000)
      INTO tables, grown
      FROM pg_class c
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relowner = 'farwire_owner'::regrole
       AND c.oid::regclass::text NOT IN ('base.migration', 'base.untenanted', 'base.control_total');
    IF grown IS NOT NULL THEN EXECUTE 'TRUNCATE ' || grown || ' CASCADE'; END IF;
    SET LOCAL session_replication_role = replica;
    FOREACH candidate IN ARRAY tables LOOP
        EXECUTE format('DELETE FROM %s', candidate);
    END LOOP;
    PERFORM setval(seqrelid, seqstart, false) FROM pg_sequence WHERE pg_sequence_last_value(seqrelid) IS NOT NULL;
END $$
"""


class ForeignServer:
    """A server that somebody else runs, e.g. of another version, made by `initdb -U farwire_admin --auth=trust`."""

    def __init__(self, socket_dir: str) -> None:
        self.socket_dir = socket_dir

    def url(self, role: DatabaseRole = DatabaseRole.APP, database: str = "postgres") -> str:
        """Return the URL for a role and a database."""
        return f"postgresql://{role.value}@/{database}?host={self.socket_dir}"


@pytest.fixture(scope="session")
def server() -> Server:
    """The throw-away PostgreSQL of this run, or the one whose socket folder FARWIRE_TEST_SERVER names."""
    if socket_dir := os.environ.get("FARWIRE_TEST_SERVER"):
        foreign = ForeignServer(socket_dir)
        make_template(foreign)
        return foreign
    return ephemeral_server(Run.parse(os.environ[RUN_VARIABLE]))


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def worker_database(server: Server, worker_id: str) -> AsyncIterator[WorkerDatabase]:
    """This worker's migrated database."""
    name = f"farwire_{worker_id}"
    await asyncio.to_thread(clone_template, server, name)
    async with connect(server.url(DatabaseRole.ADMIN, name)) as admin:
        yield WorkerDatabase(server, name, admin)


@pytest_asyncio.fixture(loop_scope="session")
async def clean_database(worker_database: WorkerDatabase) -> WorkerDatabase:
    """This worker's database without rows of an earlier test. A new connection would read the catalogue again."""
    if worker_database.used:
        await worker_database.empty()
    worker_database.used = True
    return worker_database


@pytest.fixture
def settings(clean_database: WorkerDatabase, tmp_path: Path) -> Settings:
    """Settings that point at this worker's database, for code that opens it itself."""
    return Settings(
        data_dir=tmp_path,
        database_url=clean_database.url(),
        database_owner_url=clean_database.url(DatabaseRole.OWNER),
        database_relay_url=clean_database.url(DatabaseRole.RELAY),
    )


@pytest.fixture
def database_env(settings: Settings) -> dict[str, str]:
    """The environment that makes a farwire command use this worker's database."""
    urls = ("database_url", "database_owner_url", "database_relay_url", "data_dir")
    return {f"FARWIRE_{name.upper()}": str(getattr(settings, name)) for name in urls}


@pytest.fixture(scope="session")
def farwire_command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, ...]]:
    """What, followed by its words, runs a farwire command in a process that has the application loaded already."""
    socket, folder = tmp_path_factory.mktemp("command") / "s", REPOSITORY / "tests" / "command"
    command = [sys.executable, str(folder / "loaded.py"), str(socket)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield sys.executable, "-IS", str(folder / "call.py"), str(socket)
        process.communicate()


@pytest.fixture
async def db(settings: Settings) -> AsyncIterator[Database]:
    """A pool as farwire_app on an empty, migrated database."""
    database = await open_pool(str(settings.database_url))
    yield database
    await database.close()


@pytest.fixture
def clock() -> MovableClock:
    """A clock that stands at 2026-06-01T00:00Z until the test moves it."""
    return MovableClock(START)


async def _tenant(db: Database, name: str, country: str, zone: str) -> TenantId:
    tenant_id = TenantId(uuid7())
    async with db.untenanted() as tx:
        await tx.execute(
            "INSERT INTO tenant.tenant (tenant_id, name, display_name, country, zone, state, created_at) "
            "VALUES ($1, $2, $2, $3, $4, 'active', $5)",
            *(tenant_id, name, country, zone, START),
        )
    return tenant_id


@pytest.fixture
async def tenant_id(db: Database) -> TenantId:
    """A German tenant that is present in the database."""
    return await _tenant(db, "nordlicht", "DE", "Europe/Berlin")


@pytest.fixture
async def other_tenant_id(db: Database) -> TenantId:
    """A Nigerian tenant that is present in the same database."""
    return await _tenant(db, "sunrise", "NG", "Africa/Lagos")


def required(name: str) -> bool:
    """Tell whether FARWIRE_REQUIRE turns the absence of ``name`` from a skip into a failure."""
    return name in os.environ.get("FARWIRE_REQUIRE", "").replace(" ", "").split(",")


def absent(name: str, reason: str) -> None:
    """Skip the test loudly, or fail it where FARWIRE_REQUIRE names ``name``."""
    if required(name):
        pytest.fail(f"{reason} (FARWIRE_REQUIRE={name})", pytrace=False)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The third-party sample data beside the repository."""
    folder = Path(os.environ.get("FARWIRE_SHARED") or REPOSITORY.parent / "shared" / "data")
    if not folder.is_dir():
        absent("shared", f"the shared test data is not in {folder}; set FARWIRE_SHARED to its folder")
    return folder


@pytest.fixture(scope="session")
def require_rig() -> Callable[[str], Path]:
    """Return a function that gives the path of a third-party program, or skips with the package that has it."""
    import shutil

    def path_of(program: str) -> Path:
        found = shutil.which(program)
        if found is None:
            absent("rigs", f"the program {program} is not installed")
        return Path(str(found))

    return path_of


@pytest.fixture
def scratch_database(server: Server, worker_id: str) -> ScratchDatabase:
    """A migrated database of its own for one test that changes the schema or needs the server to itself."""
    name = f"scratch_{worker_id}"
    clone_template(server, name)
    return ScratchDatabase(server, name)
