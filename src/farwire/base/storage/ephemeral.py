"""A throw-away server for one run of the tests: not durable, never left behind.

Its folder carries the process that wants it. When that process ends, in whatever way, a watchdog stops the server
and removes the folder; should the watchdog be killed too, the next run does it.
"""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from farwire.base.config import default_data_dir
from farwire.base.storage.embedded import DatabaseRole, EmbeddedServer
from farwire.base.storage.endpoints import connect
from farwire.base.storage.lock import file_lock
from farwire.base.storage.migrate import discover, migrate
from farwire.base.storage.roles import ensure_database, ensure_roles

TEMPLATE: Final = "farwire_template"
MORE: Final = "more"
_POLL_S: Final = 0.5
_KEY: Final = re.compile(r"\d+-\w+")


@dataclass(frozen=True, slots=True)
class Run:
    """The process that a throw-away server belongs to. The start time tells it from a later one of that number."""

    pid: int
    started: str

    @property
    def key(self) -> str:
        """Return the name of the run's folder."""
        return f"{self.pid}-{self.started}"

    @classmethod
    def of(cls, pid: int) -> Run:
        """Return the run of the living process ``pid``."""
        return cls(pid, _start_time(pid) or "0")

    @classmethod
    def parse(cls, key: str) -> Run:
        """Return the run whose ``key`` this is."""
        pid, _, started = key.partition("-")
        return cls(int(pid), started)

    @property
    def alive(self) -> bool:
        """Tell whether the process still runs."""
        return _start_time(self.pid) == self.started


def scratch_root() -> Path:
    """Return the folder of the throw-away servers: FARWIRE_TEST_SCRATCH, or one in this user's data folder."""
    if named := os.environ.get("FARWIRE_TEST_SCRATCH"):
        return Path(named)
    return default_data_dir(os.environ) / "scratch"


def ephemeral_server(run: Run) -> EmbeddedServer:
    """Return the run's server, started, with the migrated template database. Any process of the run may call it."""
    root = scratch_root()
    root.mkdir(mode=0o755, parents=True, exist_ok=True)
    with file_lock(root / "lock"):
        _sweep(root)
        folder = root / run.key
        server = EmbeddedServer(folder, durable=False)
        if not server.running():
            server.start()
            _watch(run)
        make_template(server)
    return server


class Server(Protocol):
    """A server on which an administrator can make databases."""

    def url(self, role: DatabaseRole = ..., database: str = ...) -> str:
        """Return the URL for a role and a database."""
        ...


def make_template(server: Server) -> None:
    """Make the roles and the migrated template database where they are missing."""
    with asyncio.Runner() as runner:
        runner.run(_make_template(server))


def clone_template(server: Server, name: str) -> None:
    """Make the database ``name`` afresh as a copy of the migrated template."""
    with asyncio.Runner() as runner:
        runner.run(_clone(server, name, TEMPLATE))


def more_room(run: Run) -> Path:
    """Return a folder of the run for further servers: they end with the run, too."""
    folder = scratch_root() / run.key / MORE
    folder.mkdir(mode=0o755, parents=True, exist_ok=True)
    return folder


def remove(run: Run) -> None:
    """Stop the run's servers and remove its folder. Doing it twice is fine."""
    folder = scratch_root() / run.key
    if not folder.exists():
        return
    for place in (*folder.glob(f"{MORE}/*/postgresql"), folder / "postgresql"):
        EmbeddedServer(place.parent, durable=False).stop(immediate=True)
    shutil.rmtree(folder, ignore_errors=True)


async def _make_template(server: Server) -> None:
    async with connect(server.url(DatabaseRole.ADMIN, "postgres")) as admin:
        if await admin.fetchval("SELECT true FROM pg_database WHERE datname = $1", TEMPLATE):
            return
        await ensure_roles(admin)
        building = f"{TEMPLATE}_building"
        await admin.execute(f"DROP DATABASE IF EXISTS {building}")
        await ensure_database(admin, building)
        async with connect(server.url(DatabaseRole.OWNER, building)) as owner:
            await migrate(owner, discover())
        await admin.execute(f"ALTER DATABASE {building} RENAME TO {TEMPLATE}")


async def _clone(server: Server, name: str, template: str) -> None:
    async with connect(server.url(DatabaseRole.ADMIN, "postgres")) as admin:
        await admin.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        await ensure_database(admin, name, template=template, strategy="FILE_COPY")


def _sweep(root: Path) -> None:
    """Remove the servers of runs that are gone."""
    for folder in root.iterdir():
        if _KEY.fullmatch(folder.name) and folder.is_dir() and not Run.parse(folder.name).alive:
            remove(Run.parse(folder.name))


def _watch(run: Run) -> None:
    """Start the watchdog through a shell that ends at once, so that it is nobody's child."""
    background = '"$@" </dev/null >/dev/null 2>&1 &'
    command = ["/bin/sh", "-c", background, "sh", sys.executable, "-m", __name__, run.key]
    subprocess.run(command, check=True, start_new_session=True, cwd="/")  # noqa: S603 - constant words


def _start_time(pid: int) -> str | None:
    """Return what tells process ``pid`` from another of that number, or ``None`` if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        if Path("/proc/self").exists():
            return None
    else:
        return None if fields[0] == "Z" else fields[19]
    command = ["/bin/ps", "-o", "lstart=", "-p", str(pid)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - constant words
    return "".join(character for character in found.stdout if character.isalnum()) or None


def main() -> None:
    """Wait for the end of the run named on the command line, then remove its server."""
    run = Run.parse(sys.argv[1])
    while run.alive and (scratch_root() / run.key).exists():
        time.sleep(_POLL_S)
    remove(run)


if __name__ == "__main__":
    main()
