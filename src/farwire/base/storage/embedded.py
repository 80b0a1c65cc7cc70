"""The embedded PostgreSQL server: a small wrapper of ``initdb`` and ``pg_ctl``.

It listens on a Unix socket only, in a folder that only its own user may enter, and knows its clients by the
kernel's word (peer authentication): no password exists that could leak. Three system users are known to it: its
own, the one that set it up, and root.
"""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import quote

from farwire.base.config import SYSTEM_DATA_DIR
from farwire.base.storage import errors
from farwire.base.storage.binaries import MAJOR, Binaries, find_binaries, reachable_binaries
from farwire.base.storage.lock import file_lock
from farwire.base.storage.os_user import OsUser
from farwire.base.storage.server_folder import PORT, ServerFolder
from farwire.kernel.errors import FarwireError

DATABASE: Final = "farwire"
_START_S: Final = 120
_STOP_S: Final = 60
_ORPHANS_S: Final = 10
_INIT_S: Final = 120
_ENV: Final = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
_INIT: Final = (
    "--auth=peer",
    "-E",
    "UTF8",
    "--locale=C",
    "--locale-provider=builtin",
    "--builtin-locale=C.UTF-8",
)


class DatabaseRole(StrEnum):
    """The roles of the database. Work is done as APP; ADMIN only makes roles and databases."""

    ADMIN = "farwire_admin"
    OWNER = "farwire_owner"
    APP = "farwire_app"
    RELAY = "farwire_relay"


@dataclass(frozen=True, slots=True)
class ServerStatus:
    """What is known about an embedded server."""

    running: bool
    data: Path
    socket_dir: Path
    logs: Path
    version: str | None
    pid: int | None
    user: str | None


class EmbeddedServer:
    """One server in ``data_dir/postgresql``. ``durable=False`` gives up crash safety and is for tests only."""

    def __init__(self, data_dir: Path, *, durable: bool = True) -> None:
        self.folder = ServerFolder(data_dir)
        self._durable = durable

    @property
    def ready_mark(self) -> Path:
        """Return the file that says that roles, database and tables were made."""
        return self.folder.home / "ready"

    def url(self, role: DatabaseRole = DatabaseRole.APP, database: str = DATABASE) -> str:
        """Return the URL for ``role``. It holds no secret: the kernel says who connects."""
        host = quote(str(self.folder.socket_dir), safe="")
        return f"postgresql://{role.value}@/{database}?host={host}&port={PORT}"

    def running(self) -> bool:
        """Tell whether the server accepts connections of this user now."""
        return self._answers() and self.folder.pid_line(7) in ("ready", None)

    def status(self) -> ServerStatus:
        """Return what is known, without changing anything. Raises ``Invalid`` (``storage.place_refused``)."""
        running = self.running()
        if not running:
            self.folder.check_access()
        pid, owner = self.folder.pid_line(0), self.folder.owner()
        return ServerStatus(
            running=running,
            data=self.folder.data,
            socket_dir=self.folder.socket_dir,
            logs=self.folder.logs,
            version=self.folder.version(),
            pid=int(pid) if running and pid else None,
            user=owner.name if owner else None,
        )

    def start(self) -> bool:
        """Start the server, making its data folder on first use; return whether this call started it.

        Safe to call from several processes at once. Raises ``Unavailable`` (``storage.embedded_failed``,
        ``storage.busy``), ``Exhausted`` (``storage.disk_full``), ``Conflict`` (``storage.version_mismatch``),
        ``Invalid`` (``storage.place_refused``), ``NotFound`` (``storage.embedded_missing``).
        """
        if self.running():
            return False
        self.folder.check_access()
        self.folder.make_data_dir()
        with file_lock(self.folder.data_dir / "postgresql.lock"):
            if self.running():
                return False
            try:
                user = self.folder.prepare()
                binaries = self._binaries(user)
                self._initialise(user, binaries)
                self._check_version()
                self._clear_stale_locks()
                self.folder.write_settings(user, durable=self._durable)
            except OSError as error:
                raise self._failure("could not be set up", f"{error.filename}: {error.strerror}") from error
            self._launch(user, binaries)
        return True

    def stop(self, *, immediate: bool = False) -> bool:
        """Stop the server and return whether it ran. Connections are cut; ``immediate`` skips the clean shutdown."""
        self.folder.check_access()
        user = self.folder.owner()
        if user is None:
            return False
        with file_lock(self.folder.data_dir / "postgresql.lock"):
            if not (self._answers() or self.folder.processes()):
                return False
            command = [self._binaries(user).program("pg_ctl"), "stop", "-D", str(self.folder.data), "-w"]
            command += ["-t", str(_STOP_S), "-m", "immediate" if immediate else "fast"]
            result = user.run(command, env=_ENV, timeout_s=_STOP_S + 10)
        if result.returncode != 0 and self._answers():
            raise self._failure("did not stop", _text(result))
        return True

    def _binaries(self, user: OsUser) -> Binaries:
        keep_in = (SYSTEM_DATA_DIR if os.geteuid() == 0 else self.folder.data_dir) / "binaries"
        return reachable_binaries(find_binaries(), uid=user.uid, gid=user.gid, keep_in=keep_in)

    def _initialise(self, user: OsUser, binaries: Binaries) -> None:
        if self.folder.version() is not None:
            return
        partial = self.folder.fresh_data(user)
        command = [binaries.program("initdb"), "-D", str(partial), "-U", DatabaseRole.ADMIN.value, *_INIT]
        result = user.run(command if self._durable else [*command, "--no-sync"], env=_ENV, timeout_s=_INIT_S)
        if result.returncode != 0:
            shutil.rmtree(partial, ignore_errors=True)
            raise self._failure("could not make its data folder", _text(result))
        partial.rename(self.folder.data)

    def _check_version(self) -> None:
        found = self.folder.version()
        if found != str(MAJOR):
            raise errors.EmbeddedVersionMismatch(
                f"the data folder was written by PostgreSQL {found}, these programs are {MAJOR}",
                field="data_dir",
                value=str(self.folder.data),
                fix="with the Farwire that wrote it: farwire db backup FILE; with this one and a fresh data_dir: "
                "farwire db restore FILE",
            )

    def _clear_stale_locks(self) -> None:
        """Remove the lock files that a crash or a power cut left.

        PostgreSQL takes any living process of its user (and a dead one that nobody has reaped) with the number in
        them for a running server. They are removed only when no process works in the data folder: a backend that
        outlives its server for a moment must not meet a second server.
        """
        deadline = time.monotonic() + _ORPHANS_S
        while (busy := self.folder.processes()) and time.monotonic() < deadline:
            time.sleep(0.05)
        if busy is None or busy:
            return  # PostgreSQL decides.
        for lock in self.folder.locks:
            lock.unlink(missing_ok=True)

    def _launch(self, user: OsUser, binaries: Binaries) -> None:
        command = [
            binaries.program("pg_ctl"),
            "start",
            "-D",
            str(self.folder.data),
            "-w",
            "-t",
            str(_START_S),
        ]
        command += ["-l", str(self.folder.start_log)]
        command += [
            "-o",
            f"-c config_file={shlex.quote(str(self.folder.config))}",
        ]  # pg_ctl hands it to a shell
        result = user.run(command, env=_ENV, timeout_s=_START_S + 10)
        if result.returncode != 0:
            raise self._failure("could not start", f"{_text(result)}\n{self.folder.log_tail()}")

    def _failure(self, what: str, detail: str) -> FarwireError:
        place = str(self.folder.data_dir)
        if "No space left on device" in detail or "Disk quota exceeded" in detail:
            return errors.DiskFull(
                f"the embedded database {what}: the disk is full",
                field="data_dir",
                value=place,
                fix="free space on that disk, then try again",
            )
        return errors.EmbeddedServerFailed(
            f"the embedded database {what}: {detail.strip()[-1500:]}",
            field="data_dir",
            value=place,
            fix=f"see {self.folder.logs}",
        )

    def _answers(self) -> bool:
        """Tell whether somebody listens on our socket. Only our server can: the folder is its own."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            probe.settimeout(2)
            try:
                probe.connect(str(self.folder.socket))
            except OSError:
                return False
        return True


def kill_server(server: EmbeddedServer) -> None:
    """Kill the server as a power cut would, for tests of recovery."""
    pid = server.status().pid
    if pid is not None:
        os.kill(pid, signal.SIGKILL)


def _text(result: subprocess.CompletedProcess[bytes]) -> str:
    return (result.stderr + result.stdout).decode(errors="replace")
